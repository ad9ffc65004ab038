"""The command line and the composition root: everything is made here and handed in."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dotenv import load_dotenv
from pymongo.errors import PyMongoError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

import bot.app
from bot.request import Desk
from bot.socket_mode import Connection
from services import database, logs, settings, team
from services.assigning import AssignmentStore
from services.clock import utcnow
from services.errors import DomainError
from services.links import LinkService
from services.models import Role, User
from services.permissions import OPERATOR
from services.tickets import TicketService
from services.users import UserService
from tasks import jobs, worker
from tasks.app import configure
from tasks.gemini import GeminiAnalyst
from tasks.publisher import CeleryPublisher
from tasks.runtime import Runtime

logger = logging.getLogger("app")

# In a handler Slack waits three seconds for us, and so we wait less for Slack.
HANDLER_TIMEOUT, TASK_TIMEOUT = 2, 10
EXIT_FAILED, EXIT_USAGE = 1, 2


def _unchanged(client: WebClient) -> WebClient:
    return client


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where the demo puts its adapter: around every WebClient, and in front of Bolt's routes."""

    wrap_client: Callable[[WebClient], WebClient] = _unchanged
    middleware: Sequence[Callable[..., Any]] = ()


def main(argv: Sequence[str] | None = None, *, hooks: Hooks | None = None) -> int:
    args = _parser().parse_args(argv)
    command = args.command or "bot"
    if command == "demo":
        return _demo(smoke=args.smoke)
    load_dotenv()
    try:
        config = settings.load(command)
    except settings.SettingsError as error:
        print(f"app.py {command} cannot start:", file=sys.stderr)
        for problem in error.problems:
            print(f"  - {problem}", file=sys.stderr)
        return EXIT_USAGE
    logs.configure(config.log_level)
    try:
        if command == "users":
            return _users(config, args)
        run = {"bot": _bot, "worker": _worker, "jobs": _jobs}[command]
        return run(config, hooks or Hooks())
    except DomainError as error:
        print(error, file=sys.stderr)
    except PyMongoError as error:
        print(f"MongoDB cannot be reached at MONGO_URI ({type(error).__name__}).", file=sys.stderr)
    except (SlackApiError, SlackClientError, OSError) as error:
        print(f"Slack refused to start the bot: {_slack_reason(error)}", file=sys.stderr)
    return EXIT_FAILED


def _bot(config: settings.Settings, hooks: Hooks) -> int:
    db = database.connect(config.mongo_uri)
    client = _web_client(config, hooks, timeout=HANDLER_TIMEOUT)
    team_id = client.auth_test()["team_id"]
    team.claim_team(db, team_id=team_id)
    database.ensure_indexes(db)
    executor = ThreadPoolExecutor(bot.app.THREADS, thread_name_prefix="listener")
    desk = Desk(
        tickets=TicketService(db),
        links=LinkService(db, UserService(db), admin_emails=config.admin_emails),
        publisher=CeleryPublisher(configure(redis_url=config.redis_url)),
        client=client,
        team_id=team_id,
        reads_with_ai=config.reads_with_ai,
    )
    # In the environment these two would turn on Bolt's OAuth and drop the token.
    for trap in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        os.environ.pop(trap, None)
    connection = Connection(
        bot.app.build(desk, executor=executor, middleware=hooks.middleware), config.slack_app_token
    )
    stop = _stop_on_signals()
    connection.connect()  # type: ignore[no-untyped-call]  # Bolt leaves it unannotated
    logger.info("the bot is ready")
    stop.wait()
    connection.drain()
    executor.shutdown(wait=True)
    return 0


def _worker(config: settings.Settings, hooks: Hooks) -> int:
    worker.run(configure(redis_url=config.redis_url), lambda: _runtime(config, hooks))
    return 0


def _runtime(config: settings.Settings, hooks: Hooks) -> Runtime:
    db = database.connect(config.mongo_uri)
    users = UserService(db)
    links = LinkService(db, users, admin_emails=config.admin_emails)
    analyst = GeminiAnalyst(
        api_key=config.gemini_api_key, model=config.gemini_model, api_url=config.gemini_api_url
    )
    return Runtime(
        db=db,
        users=users,
        links=links,
        assignments=AssignmentStore(db, links),
        slack=_web_client(config, hooks, timeout=TASK_TIMEOUT),
        publisher=CeleryPublisher(configure(redis_url=config.redis_url)),
        analyst=analyst if config.reads_with_ai else None,
        clock=utcnow,
    )


def _jobs(config: settings.Settings, _: Hooks) -> int:
    db = database.connect(config.mongo_uri)
    database.ensure_indexes(db)
    publisher = CeleryPublisher(configure(redis_url=config.redis_url))
    jobs.run(
        jobs.Jobs(db, publisher),
        _stop_on_signals(),
        ready=lambda: logger.info("the jobs are ready"),
    )
    return 0


def _users(config: settings.Settings, args: argparse.Namespace) -> int:
    db = database.connect(config.mongo_uri)
    database.ensure_indexes(db)
    users = UserService(db)
    if args.action == "create":
        _print_user(
            users.create(
                actor=OPERATOR,
                email=args.email,
                role=Role(args.role),
                skills=args.skills.split(","),
                name=args.name,
            )
        )
    elif args.action == "role":
        _print_user(users.set_role(actor=OPERATOR, email=args.email, role=Role(args.role)))
    elif args.action == "skills":
        skills = args.skills.split(",")
        _print_user(users.set_skills(actor=OPERATOR, email=args.email, skills=skills))
    else:
        for user in users.everyone(actor=OPERATOR):
            _print_user(user)
    return 0


def _demo(*, smoke: bool) -> int:
    from demo import stack  # noqa: PLC0415  its servers are installed for tests and demo only

    return stack.main(smoke=smoke)


def _web_client(config: settings.Settings, hooks: Hooks, *, timeout: int) -> WebClient:
    """The one factory. No retries of its own: every caller knows better whether one may help."""
    return hooks.wrap_client(
        WebClient(
            token=config.slack_bot_token,
            base_url=config.slack_api_url,
            timeout=timeout,
            retry_handlers=[],
        )
    )


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _slack_reason(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        return str(error.response.get("error"))
    return f"it cannot be reached ({type(error).__name__})"


def _print_user(user: User) -> None:
    state = "" if user.active else "  (deactivated)"
    print(f"{user.email}  {user.role}  {', '.join(user.skills) or '-'}{state}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="app.py", description="AI Ticket Assistant for Slack")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("bot", help="answer Slack (the default)")
    commands.add_parser("worker", help="assign tickets and send messages")
    commands.add_parser("jobs", help="what runs by the clock")
    demo = commands.add_parser("demo", help="the whole product on this machine")
    demo.add_argument("--smoke", action="store_true", help="without a person; exits 0 if it works")
    users = commands.add_parser("users", help="accounts").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    roles = [role.value for role in Role]
    create = users.add_parser("create", help="invite somebody by email address")
    create.add_argument("email")
    create.add_argument("--role", choices=roles, default=Role.USER.value)
    create.add_argument("--skills", default="", help='for example "VPN, DNS"')
    create.add_argument("--name")
    role = users.add_parser("role", help="give an account another role")
    role.add_argument("email")
    role.add_argument("role", choices=roles)
    skills = users.add_parser("skills", help="replace an account's skills")
    skills.add_argument("email")
    skills.add_argument("skills", help='for example "VPN, DNS"; "" for none')
    users.add_parser("list", help="every account")
    return parser


if __name__ == "__main__":
    sys.exit(main())
