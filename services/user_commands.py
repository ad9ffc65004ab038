"""`app.py users`: what may be written after it, and the lines that it prints."""

import argparse

from services import operator
from services.codes import Codes
from services.database import Mongo
from services.leaving import Leaving
from services.models import Role
from services.settings import Settings
from services.takeout import Takeout
from services.users import UserService

SKILLS = 'for example "VPN, DNS"'


def add_to(parser: argparse.ArgumentParser) -> None:
    """The actions, with what each is given."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    roles = [role.value for role in Role]
    create = actions.add_parser("create", help="invite somebody by email address")
    create.add_argument("email")
    create.add_argument("--role", choices=roles, default=Role.USER.value)
    create.add_argument("--skills", default="", help=SKILLS)
    create.add_argument("--name")
    role = actions.add_parser("role", help="give an account another role")
    role.add_argument("email")
    role.add_argument("role", choices=roles)
    skills = actions.add_parser("skills", help="replace an account's skills")
    skills.add_argument("email")
    skills.add_argument("skills", help=f'{SKILLS}; "" for none')
    actions.add_parser("list", help="every account")
    reset = actions.add_parser("reset", help="print a link to set an account's password by, once")
    reset.add_argument("email")
    reset.set_defaults(needs="users reset")  # more than the others, by `settings.NEEDS`
    erase = actions.add_parser("erase", help="make an account anonymous; its tickets stay")
    erase.add_argument("email")
    export = actions.add_parser("export", help="print all that is kept about somebody, as JSON")
    export.add_argument("email")


def answer(config: Settings, db: Mongo, args: argparse.Namespace) -> list[str]:
    """Do what was asked for. Raises the services' errors."""
    users = UserService(db)
    if args.action == "reset":
        codes, app_url = Codes(db, config.jwt_secret), config.app_url or ""
        return [operator.reset_link(users, codes, app_url=app_url, email=args.email)]
    if args.action == "erase":
        return operator.erase(Leaving(db, users), email=args.email)
    if args.action == "export":
        return [operator.export(Takeout(db, users), email=args.email)]
    asked = {name: value for name, value in vars(args).items() if name != "command"}
    return operator.manage(users, **asked)
