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
from typing import TYPE_CHECKING, Any

from dotenv import load_dotenv
from flask import Blueprint, Flask
from pymongo.errors import ConfigurationError
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

import bot.app
from bot import manifest, serving, starting
from bot.client import MeasuredClient
from bot.health import SlackChecks
from bot.metrics import Metrics
from bot.request import Desk
from bot.socket_mode import Connection
from bot.views.why_lines import why_lines
from bot.web import create_web
from bot.web.api import Counter, api
from bot.web.metrics import metrics
from bot.web.pages import Site, pages
from bot.web.pages.errors import error_page
from bot.web.server import WebServer
from bot.web.slack import slack_events
from services import account_services, database, findings, health, logs, operator, settings, team
from services.answering import Answering
from services.assigning import AssignmentStore
from services.availability import AvailabilityService
from services.clock import utcnow
from services.codes import Codes
from services.comments import CommentService
from services.digests import DigestSwitch
from services.dry_run import ExplainService
from services.edits import TicketEdits
from services.findings import Check
from services.following import Following
from services.handing_on import HandingOn
from services.handover import HandOvers
from services.home import HomeService
from services.inbox import Inbox
from services.leaving import Leaving
from services.linking import Linking
from services.links import LinkService
from services.lists import ListService
from services.metrics import UNMETERED, Meter, Tally
from services.model_store import ModelStore
from services.models import Role
from services.moves import TicketMoves
from services.people import PeopleService
from services.permissions import OPERATOR
from services.presence_rules import RulesStore
from services.presences import Presences
from services.takeout import Takeout
from services.team_settings import TeamSettings
from services.threads import Threads
from services.ticket_counts import CachedCounts
from services.tickets import TicketService
from services.unlinking import Unlinking
from services.users import UserService
from services.visits import VisitService
from tasks import health as task_health
from tasks import jobs, worker
from tasks.app import configure
from tasks.mail import OFF
from tasks.mails.office import mail_office
from tasks.metrics import MeasuredAnalyst, RedisMeter, SharedCounts
from tasks.publisher import CeleryPublisher
from tasks.runtime import Runtime

if TYPE_CHECKING:
    from tasks.gemini import GeminiAnalyst

logger = logging.getLogger("app")

# In a handler Slack waits three seconds for us, and so we wait less for Slack.
HANDLER_TIMEOUT, CHECK_TIMEOUT, TASK_TIMEOUT = 2, 4, 10
EXIT_FAILED, EXIT_USAGE = 1, 2


def _unchanged(client: WebClient) -> WebClient:
    return client


def _unheeded(_: App) -> None: ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where the demo puts its adapter: around every WebClient, and in front of Bolt's routes.

    `built` is given the bot's app once it is made.
    """

    wrap_client: Callable[[WebClient], WebClient] = _unchanged
    middleware: Sequence[Callable[..., Any]] = ()
    built: Callable[[App], None] = _unheeded


def main(argv: Sequence[str] | None = None, *, hooks: Hooks | None = None) -> int:
    args = _parser().parse_args(argv)
    command = args.command or "bot"
    if command == "demo":
        return _demo(smoke=args.smoke)
    load_dotenv(".env")  # the one here; by itself it would look beside this file
    if command == "manifest":
        return _manifest(http=args.http)
    if command == "doctor":
        return _doctor(hooks or Hooks())
    try:
        config = settings.load(_needing(args, command))
    except settings.SettingsError as error:
        print(f"app.py {command} cannot start:", file=sys.stderr)
        for problem in error.problems:
            print(f"  - {problem}", file=sys.stderr)
        return EXIT_USAGE
    logs.configure(config.log_level)
    try:
        if answers := {"users": _users, "explain": _explain}.get(command):
            return answers(config, args)
        run = {"bot": _bot, "worker": _worker, "jobs": _jobs}[command]
        return run(config, hooks or Hooks())
    except starting.KNOWN as error:
        print(starting.why_not(error), file=sys.stderr)
        return EXIT_USAGE if isinstance(error, ConfigurationError) else EXIT_FAILED


def _needing(args: argparse.Namespace, command: str) -> str:
    """What `settings.NEEDS` calls that command."""
    whole = f"{command} {getattr(args, 'action', '')}".strip()
    return whole if whole in settings.NEEDS else command


def _bot(config: settings.Settings, hooks: Hooks) -> int:
    db = database.connect(config.mongo_uri)
    tally, process = Tally(), f"bot:{os.getpid()}"
    client = _web_client(config, hooks, timeout=HANDLER_TIMEOUT, meter=tally, process=process)
    identity = client.auth_test()
    team.claim_team(db, team_id=identity["team_id"])
    database.ensure_indexes(db)
    users = UserService(db)
    accounts = account_services.build(
        db, users, secret=config.jwt_secret, redis_url=config.redis_url
    )
    desk = _desk(config, db, client, identity, users=users, accounts=accounts)
    executor = ThreadPoolExecutor(bot.app.THREADS, thread_name_prefix="listener")
    slack_app = bot.app.build(
        desk,
        executor=executor,
        signing_secret=config.slack_signing_secret,
        middleware=hooks.middleware,
        meter=tally,
        process=process,
    )
    hooks.built(slack_app)
    blueprints = [_metrics(config, db, tally)]
    if config.slack_signing_secret:
        blueprints.append(slack_events(slack_app, signing_secret=config.slack_signing_secret))
    counter = Counter.of(db, desk, accounts, users, trusted_proxies=config.trusted_proxies)
    web = _web(db, _site(config, desk, users, accounts), [*blueprints, api(counter)])
    serving.serve(
        web=WebServer(web, host=config.host, port=config.port),
        connection=Connection(slack_app, config.slack_app_token)
        if config.slack_app_token
        else None,
        stop=_stop_on_signals(),
        ready=lambda: logger.info("the bot is ready"),
    )
    executor.shutdown(wait=True)
    return 0


def _desk(
    config: settings.Settings,
    db: database.Mongo,
    client: WebClient,
    identity: SlackResponse,
    *,
    users: UserService,
    accounts: account_services.AccountServices,
) -> Desk:
    """Everything behind the handlers. `identity` is Slack's answer to `auth.test`."""
    links, models = _links(config, db, users), ModelStore(db)
    moves, comments = TicketMoves(db, users), CommentService(db)
    return Desk(
        tickets=TicketService(db),
        moves=moves,
        handing_on=HandingOn(db, users, links, moves, models),
        comments=comments,
        threads=Threads(db),
        edits=TicketEdits(db, users, links),
        links=links,
        lists=ListService(db, users, links),
        home=HomeService(db, users, links),
        visits=VisitService(db),
        inbox=Inbox(db),
        publisher=CeleryPublisher(configure(redis_url=config.redis_url)),
        client=client,
        team_id=identity["team_id"],
        team_url=identity["url"],
        reads_with_ai=config.reads_with_ai,
        people=PeopleService(db),
        settings=TeamSettings(db),
        linking=Linking(db, users, links, accounts.codes, accounts.letters),
        unlinking=Unlinking(db, users, links, accounts.letters),
        following=Following(db, users, accounts.codes),
        availability=AvailabilityService(db),
        presences=Presences(db),
        presence_rules=RulesStore(db),
        hand_overs=HandOvers(db),
        digest=DigestSwitch(db),
        answering=Answering(db, moves, comments),
        explaining=ExplainService(db, users, links, models),
        app_url=config.app_url,
        ticket_emoji=config.ticket_emoji,
    )


def _site(
    config: settings.Settings,
    desk: Desk,
    users: UserService,
    accounts: account_services.AccountServices,
) -> Site:
    return Site.of(
        desk,
        accounts,
        users,
        secret=config.jwt_secret,
        trusted_proxies=config.trusted_proxies,
        has_mail=bool(config.smtp_host),
    )


def _web(db: database.Mongo, site: Site, blueprints: Sequence[Blueprint]) -> Flask:
    return create_web(
        ready=lambda: database.answers(db),
        blueprints=[*blueprints, pages(site)],
        error_page=error_page(secure=site.cookies.secure),
    )


def _links(config: settings.Settings, db: database.Mongo, users: UserService) -> LinkService:
    admins = config.admin_emails
    return LinkService(db, users, admin_emails=admins, strict=config.is_strict)


def _metrics(config: settings.Settings, db: database.Mongo, tally: Tally) -> Blueprint:
    page = Metrics(
        own=tally.counts, shared=SharedCounts(config.redis_url), tickets=CachedCounts(db)
    )
    return metrics(page, token=config.metrics_token, trusted_proxies=config.trusted_proxies)


def _worker(config: settings.Settings, hooks: Hooks) -> int:
    if not config.smtp_host:
        logger.info(OFF)
    meter = RedisMeter(config.redis_url)
    worker.run(configure(redis_url=config.redis_url), lambda: _runtime(config, hooks, meter), meter)
    return 0


def _runtime(config: settings.Settings, hooks: Hooks, meter: Meter) -> Runtime:
    db = database.connect(config.mongo_uri)
    users = UserService(db)
    links = _links(config, db, users)
    return Runtime(
        db=db,
        users=users,
        links=links,
        assignments=AssignmentStore(db, links),
        models=ModelStore(db),
        home=HomeService(db, users, links),
        visits=VisitService(db),
        slack=_web_client(config, hooks, timeout=TASK_TIMEOUT, meter=meter, process="worker"),
        publisher=CeleryPublisher(configure(redis_url=config.redis_url)),
        analyst=_analyst(config, meter) if config.reads_with_ai else None,
        clock=utcnow,
        triage_channel=config.triage_channel,
        mail=mail_office(config, db, meter),
    )


def _analyst(config: settings.Settings, meter: Meter) -> MeasuredAnalyst:
    return MeasuredAnalyst(_gemini(config, timeout=config.gemini_timeout), meter)


def _gemini(config: settings.Settings, *, timeout: int) -> "GeminiAnalyst":
    from tasks.gemini import GeminiAnalyst  # noqa: PLC0415  60 MB, for those who set a key only

    return GeminiAnalyst(
        api_key=config.gemini_api_key,
        model=config.gemini_model,
        api_url=config.gemini_api_url,
        timeout=timeout,
    )


def _jobs(config: settings.Settings, _: Hooks) -> int:
    db = database.connect(config.mongo_uri)
    database.ensure_indexes(db)
    publisher = CeleryPublisher(configure(redis_url=config.redis_url))
    meter = RedisMeter(config.redis_url)
    jobs.run(
        jobs.Jobs(db, publisher, meter=meter, has_triage=bool(config.triage_channel)),
        _stop_on_signals(),
        ready=lambda: logger.info("the jobs are ready"),
    )
    meter.flush()
    return 0


def _users(config: settings.Settings, args: argparse.Namespace) -> int:
    db = database.connect(config.mongo_uri)
    database.ensure_indexes(db)
    if args.action == "reset":
        codes, app_url = Codes(db, config.jwt_secret), config.app_url or ""
        print(operator.reset_link(UserService(db), codes, app_url=app_url, email=args.email))
        return 0
    if args.action == "erase":
        print("\n".join(operator.erase(Leaving(db, UserService(db)), email=args.email)))
        return 0
    if args.action == "export":
        print(operator.export(Takeout(db, UserService(db)), email=args.email))
        return 0
    asked = {name: value for name, value in vars(args).items() if name != "command"}
    for line in operator.manage(UserService(db), **asked):
        print(line)
    return 0


def _explain(config: settings.Settings, args: argparse.Namespace) -> int:
    logging.disable(logging.INFO)  # what it finds out is what it prints
    db = database.connect(config.mongo_uri)
    users = UserService(db)
    service = ExplainService(db, users, LinkService(db, users), ModelStore(db))
    print("\n".join(why_lines(service.find(actor=OPERATOR, called=args.ticket))))
    return 0


def _manifest(*, http: bool) -> int:
    app_url = settings.read("manifest")[0].app_url
    if http and (advice := manifest.address_advice(app_url)):
        print(advice, file=sys.stderr)
    print(manifest.as_yaml(http_url=(app_url or manifest.ANY_HOST) if http else None), end="")
    return 0


def _doctor(hooks: Hooks) -> int:
    """Every check in order. It starts on anything: what is missing is a finding."""
    logging.disable()  # its lines say it all
    config, _ = settings.read("bot")
    # Where linking is strict, no address makes an admin.
    named = frozenset[str]() if config.is_strict else config.admin_emails
    stored = health.DatabaseChecks(config.mongo_uri, admin_emails=named)
    client = _web_client(config, hooks, timeout=CHECK_TIMEOUT)
    slack = SlackChecks(
        client,
        app_token=config.slack_app_token,
        scopes=manifest.SCOPES,
        triage_channel=config.triage_channel,
    )
    gemini = _gemini(config, timeout=CHECK_TIMEOUT).check if config.reads_with_ai else None
    checks = [
        Check("settings", lambda: health.look_at_settings(os.environ)),
        *stored.checks(),
        Check(
            "linking",
            lambda: health.look_at_linking(app_url=config.app_url, strict=config.is_strict),
        ),
        *slack.checks(database_team=stored.team_id),
        *task_health.checks(config, configure(redis_url=config.redis_url), gemini=gemini),
        *stored.checks_of_work(),
    ]
    states = []
    for about, finding in findings.run(checks):
        print(finding.line(about), flush=True)
        states.append(finding.state)
    print(findings.summary(states))
    return EXIT_FAILED if findings.State.FAIL in states else 0


def _demo(*, smoke: bool) -> int:
    from demo import stack  # noqa: PLC0415  its servers are installed for tests and demo only

    return stack.main(smoke=smoke)


def _web_client(
    config: settings.Settings,
    hooks: Hooks,
    *,
    timeout: int,
    meter: Meter = UNMETERED,
    process: str = "",
) -> WebClient:
    """The one factory. No retries of its own: every caller knows better whether one may help."""
    client = WebClient(
        token=config.slack_bot_token,
        base_url=config.slack_api_url,
        timeout=timeout,
        retry_handlers=[],
    )
    return MeasuredClient(hooks.wrap_client(client), meter=meter, process=process)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="app.py", description="AI Ticket Assistant for Slack")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("bot", help="answer Slack (the default)")
    commands.add_parser("worker", help="assign tickets and send messages")
    commands.add_parser("jobs", help="what runs by the clock")
    explain = commands.add_parser("explain", help="why a ticket is whose it is; changes nothing")
    explain.add_argument("ticket", help="its number, for example 12")
    commands.add_parser("doctor", help="what works, what does not, and what to do about it")
    printed = commands.add_parser("manifest", help="the Slack app, to paste at api.slack.com/apps")
    printed.add_argument("--http", action="store_true", help="for requests to APP_URL")
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
    reset = users.add_parser("reset", help="print a link to set an account's password by, once")
    reset.add_argument("email")
    erase = users.add_parser("erase", help="make an account anonymous; its tickets stay")
    erase.add_argument("email")
    export = users.add_parser("export", help="print all that is kept about somebody, as JSON")
    export.add_argument("email")
    return parser


if __name__ == "__main__":
    sys.exit(main())
