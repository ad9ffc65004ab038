"""The `app.py users` command: its arguments, its actions, and the lines it prints.

It runs as the operator: anyone with a shell on the server.
"""

import argparse
import json
from collections.abc import Callable, Sequence

from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.core.errors import NotFound
from services.models.permissions import OPERATOR
from services.models.user import Role, User
from services.privacy.erasure import ERASED_NAME, Erasure, ErasureResult
from services.privacy.export import DataExport

SKILLS_HELP = 'for example "VPN, DNS"'
NOTHING_TO_ERASE = "There is no account with that address, so there is nothing to erase."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and the arguments of each."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    roles = [role.value for role in Role]
    create = actions.add_parser("create", help="invite someone by email address")
    create.add_argument("email")
    create.add_argument("--role", choices=roles, default=Role.USER.value)
    create.add_argument("--skills", default="", help=SKILLS_HELP)
    create.add_argument("--name")
    role = actions.add_parser("role", help="give an account another role")
    role.add_argument("email")
    role.add_argument("role", choices=roles)
    skills = actions.add_parser("skills", help="replace an account's skills")
    skills.add_argument("email")
    skills.add_argument("skills", help=f'{SKILLS_HELP}; "" for none')
    actions.add_parser("list", help="list all accounts")
    reset = actions.add_parser("reset", help="print a link to set a new password; it works once")
    reset.add_argument("email")
    reset.set_defaults(needs="users reset")  # see `settings.REQUIRED_VARIABLES`
    confirm = actions.add_parser(
        "confirm", help="confirm that an address belongs to the account's owner"
    )
    confirm.add_argument("email")
    unlink = actions.add_parser("unlink", help="end an account's link with its Slack member")
    unlink.add_argument("email")
    erase = actions.add_parser("erase", help="make an account anonymous; its tickets stay")
    erase.add_argument("email")
    export = actions.add_parser("export", help="print all personal data of an account, as JSON")
    export.add_argument("email")


def run_users_command(
    args: argparse.Namespace,
    *,
    users: UserService,
    codes: OneTimeCodes,
    unlink_account: Callable[..., Sequence[str]],
    erasure: Erasure,
    data_export: DataExport,
    app_url: str,
) -> list[str]:
    """Run the action and return the lines to print. Raises the services' errors.

    `unlink_account` is that of the linking, which is on the floor of this package.
    """
    actor = OPERATOR
    match args.action:
        case "reset":
            from services.auth import password_reset  # noqa: PLC0415  loads redis and jwt

            code = password_reset.issue_reset_code(users, codes, actor=actor, email=args.email)
            return [app_url + password_reset.reset_path(code)]
        case "unlink":
            members = unlink_account(actor=actor, email=args.email)
            return [f"{args.email} is no longer linked to {member}." for member in members]
        case "erase":
            erased = erasure.erase(actor=actor, email=args.email)
            return [line for result in erased for line in _erased(result)] or [NOTHING_TO_ERASE]
        case "export":
            found = data_export.export(actor=actor, email=args.email)
            if not found["accounts"]:
                raise NotFound("There is no account with that address.")
            return [json.dumps(found, indent=2, ensure_ascii=False)]
        case "list":
            return [_line(user) for user in users.list_all(actor=actor)]
        case _:
            return [_line(_edit_account(args, users))]


def _edit_account(args: argparse.Namespace, users: UserService) -> User:
    actor = OPERATOR
    match args.action:
        case "create":
            role, skills = Role(args.role), args.skills.split(",")
            return users.create(
                actor=actor, email=args.email, role=role, skills=skills, name=args.name
            )
        case "role":
            return users.update(actor=actor, email=args.email, role=args.role)
        case "confirm":
            return users.confirm_email(actor=actor, email=args.email)
        case _:
            skills = args.skills.split(",")
            return users.update(actor=actor, email=args.email, skills=skills)


def _erased(erased: ErasureResult) -> list[str]:
    return [
        f"Account {erased.user_id} is deactivated, signed out everywhere and now called "
        f"“{ERASED_NAME}”.",
        f"Address, name, password, skills and profile are removed; Slack links: {erased.links}, "
        f"emails: {erased.removed_emails}.",
        f"Open tickets returned to the queue: {erased.released_tickets}. Tickets without their "
        f"links to Slack now: {erased.redacted_tickets}.",
        "The tickets stay, and what people wrote in them was not changed.",
    ]


def _line(user: User) -> str:
    state = "" if user.active else "  (deactivated)"
    return f"{user.email}  {user.role}  {', '.join(user.skills) or '-'}{state}"
