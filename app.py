"""The command line and the composition root.

Each function imports what it needs: `--help` needs nothing, and the bot needs no scheduler.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slack_bolt import App
    from slack_sdk import WebClient

    from services.accounts.confirmation import MemberLookup
    from services.core.database import Mongo
    from services.core.metrics import Meter
    from services.core.schema_version import SchemaWatch
    from services.core.settings import Settings
    from services.core.slack_gate import SlackGate
    from services.models.slack_member import SlackMember
    from services.ops.check_runner import Check, Finding
    from services.ops.init_command import Probes

logger = logging.getLogger("app")

# In seconds. A handler's is less than the three seconds that Slack waits.
HANDLER_TIMEOUT_SECONDS, CHECK_TIMEOUT_SECONDS, TASK_TIMEOUT_SECONDS = 2, 4, 10
# With 3 ends a process that must not work on the stored data: a newer release has changed it, or
# documents are equal that must not be. A restart does not help.
EXIT_FAILED, EXIT_USAGE, EXIT_UNUSABLE_DATA = 1, 2, 3
# Usually the unique indexes are there, and a bot serves no request before it knows.
INDEX_CHECK_SECONDS = 2.0
NAME_TIMEOUT_SECONDS = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PROCESSES = ("bot", "worker", "jobs")
UNREADABLE_FILE = (
    "You may not read the file .env in this directory. Run this as its owner, "
    "for example with sudo --user helpdesk."
)


@dataclass(frozen=True, slots=True)
class Hooks:
    """How the demo adds its adapter. `on_app_built` receives the bot's app."""

    wrap_client: Callable[[WebClient], WebClient] = lambda client: client
    middleware: Sequence[Callable[..., Any]] = ()
    on_app_built: Callable[[App], None] = lambda _: None


def main(argv: Sequence[str] | None = None, *, hooks: Hooks | None = None) -> int:
    args = _parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
    if args.version:
        return _version()
    command = args.command or "bot"
    if command == "demo":
        return _demo(smoke=args.smoke)
    if not _load_env_file():
        return EXIT_USAGE
    if command in PROCESSES:
        return _run(command, args, hooks or Hooks())
    try:
        status = _run(command, args, hooks or Hooks())
        sys.stdout.flush()
    except BrokenPipeError:  # its reader has ended, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return status


def _version() -> int:
    from services.core.version import program_version

    print(program_version())
    return 0


def _load_env_file() -> bool:
    """Return False if there is one that cannot be read."""
    from dotenv import load_dotenv

    try:
        load_dotenv(".env")  # in the working directory; dotenv's default is beside this file
    except PermissionError:
        print(UNREADABLE_FILE, file=sys.stderr)
        return False
    return True


def _run(command: str, args: argparse.Namespace, hooks: Hooks) -> int:
    if command in ("bot", "jobs"):
        _leave_out_cryptography()
    from pymongo.errors import ConfigurationError, PyMongoError
    from slack_sdk.errors import SlackApiError, SlackClientError

    from services.core import logs, settings
    from services.core.errors import DomainError
    from services.core.schema_version import ProgramTooOld
    from services.core.slack_errors import RequestNotSent
    from services.registry.indexes import DuplicateDocuments

    if command == "manifest":
        return _manifest(http=args.http, name=args.name)
    try:
        if starts := {"doctor": _doctor, "init": _init}.get(command):
            return starts(hooks)
        config = settings.load_settings(getattr(args, "needs", command))
        logs.configure_logging(config.log_level)
        if answers := {"users": _users, "audit": _audit, "explain": _explain}.get(command):
            return answers(config, args)
        runs = {"bot": _bot, "worker": _worker, "jobs": _jobs}
        return runs[command](config, hooks)
    except settings.SettingsError as error:
        print(*error.lines(command), sep="\n", file=sys.stderr)
        return EXIT_USAGE
    except (
        DomainError,
        PyMongoError,
        SlackApiError,
        SlackClientError,
        RequestNotSent,
        TimeoutError,
        ConnectionResetError,
    ) as error:
        print(_startup_error_message(error), file=sys.stderr)
        if isinstance(error, (ProgramTooOld, DuplicateDocuments)):
            return EXIT_UNUSABLE_DATA
        return EXIT_USAGE if isinstance(error, ConfigurationError) else EXIT_FAILED


def _leave_out_cryptography() -> None:
    """Make the package unknown to this process. PyMongo and PyJWT import it if it is installed, as
    Google's library demands, which takes 9 MB: for OCSP, which needs PyOpenSSL, too, and for
    algorithms that no token here has."""
    if find_spec("OpenSSL") is None:
        sys.modules.setdefault("cryptography", None)  # type: ignore[arg-type]  # as the import system documents it


def _startup_error_message(error: Exception) -> str:
    """Return the message for the operator. It names the error's type and quotes no setting."""
    from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
    from slack_sdk.errors import SlackApiError

    from services.core import database
    from services.core.errors import DomainError
    from services.core.slack_errors import error_name

    kind = error_name(error)
    if isinstance(error, DomainError):
        return str(error)
    if isinstance(error, ConfigurationError):
        return f"MONGO_URI cannot be used ({kind})."
    if isinstance(error, OperationFailure) and not database.is_unavailable(error):
        return (
            f"MongoDB answers, but cannot do its work ({kind}, error {error.code}). Look at its "
            "log, the free space of its disk and the rights of the user in MONGO_URI."
        )
    if isinstance(error, PyMongoError):
        return f"MongoDB cannot be reached at MONGO_URI ({kind})."
    if isinstance(error, SlackApiError):
        return f"The bot cannot start: Slack answered {error.response.get('error')}."
    return f"The bot cannot start: Slack cannot be reached ({kind})."


def _bot(config: Settings, hooks: Hooks) -> int:
    from pymongo.errors import PyMongoError

    from bot import bootstrap as bot_bootstrap
    from bot.slack.app_watch import AppWatch
    from bot.slack.bot_process import BotProcess
    from services.core import clock, garbage, installation, sequences
    from services.core.errors import DomainError
    from services.core.metrics import InMemoryMeter
    from services.core.slack_scopes import GrantedScopes
    from services.registry import index_builds
    from services.registry.services import Services
    from tasks.queue.celery_app import configure_celery
    from tasks.queue.publisher import BackgroundPublisher, CeleryPublisher
    from tasks.queue.shared_metrics import SharedCounts

    stop = _stop_on_signals()
    db = _database(config)
    meter, process = InMemoryMeter(), f"bot:{os.getpid()}"
    client = _web_client(
        config, hooks, timeout=HANDLER_TIMEOUT_SECONDS, meter=meter, process=process
    )
    identity = client.auth_test()
    installation.claim_installation(db, team_id=identity["team_id"])
    sequences.raise_counter(db, team_id=identity["team_id"])
    build = index_builds.build_unique_indexes(db)
    build.start()
    build.wait(lambda: not stop.is_set(), seconds=INDEX_CHECK_SECONDS)
    publisher = BackgroundPublisher(CeleryPublisher(configure_celery(redis_url=config.redis_url)))
    bot = BotProcess(
        services=Services.build(db, config, look_up_member=_member_lookup(client)),
        config=config,
        client=client,
        publisher=publisher,
        team_id=identity["team_id"],
        team_url=identity["url"],
        name=process,
        meter=meter,
        pending_indexes=build.pending,
    )
    server = bot_bootstrap.build_bot_server(
        bot, shared_counts=SharedCounts(config.redis_url), middleware=hooks.middleware
    )
    hooks.on_app_built(server.slack_app)
    watch = _schema_watch(config, on_too_old=stop.set)

    def announce() -> None:
        try:
            if build.wait(lambda: not stop.is_set()):
                logger.info("the bot is ready")
        except (DomainError, PyMongoError):
            stop.set()

    app_watch = AppWatch(bot, GrantedScopes.from_headers(identity.headers))
    garbage.settle()
    with watch, clock.ClockSync(config.mongo_uri), app_watch:
        bot_bootstrap.serve(
            server, stop, on_ready=lambda: threading.Thread(target=announce, daemon=True).start()
        )
    publisher.stop()
    build.check()
    return EXIT_UNUSABLE_DATA if watch.is_too_old else 0


def _worker(config: Settings, hooks: Hooks) -> int:
    from pymongo.errors import PyMongoError

    from services.core import clock, database
    from services.core.redis_client import connect_redis
    from services.core.slack_gate import SlackGate
    from tasks import runtime as task_runtime
    from tasks.notifications.email_sender import EMAIL_OFF_REASON
    from tasks.processes import worker
    from tasks.queue.celery_app import configure_celery
    from tasks.queue.shared_metrics import RedisMeter

    if not config.mailtrap_smtp_host:
        logger.info(EMAIL_OFF_REASON)
    meter = RedisMeter(config.redis_url)
    # It keeps no connection, so the children share it.
    gate = SlackGate(connect_redis(config.redis_url))
    slack = _web_client(
        config, hooks, timeout=TASK_TIMEOUT_SECONDS, meter=meter, process="worker", gate=gate
    )
    task_runtime.preload(config)

    def build() -> task_runtime.Runtime:
        look_up = _member_lookup(slack)
        return task_runtime.build_runtime(config, slack=slack, meter=meter, look_up_member=look_up)

    with suppress(PyMongoError):  # a worker starts without MongoDB, and waits for it
        _database(config).client.close()
    stop = _stop_on_signals()
    watch = _schema_watch(config, on_too_old=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with watch, clock.ClockSync(config.mongo_uri):
        db = database.connect(config.mongo_uri)
        with db.client:  # none is open when the worker forks
            may_begin = _wait_for_unique_indexes(db, stop)
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        is_stopped = not may_begin or worker.run(
            configure_celery(redis_url=config.redis_url), build, meter
        )
    if watch.is_too_old:
        return EXIT_UNUSABLE_DATA
    return 0 if is_stopped else EXIT_FAILED


def _jobs(config: Settings, _: Hooks) -> int:
    from services.registry.services import Services
    from tasks.processes import scheduler
    from tasks.queue.celery_app import configure_celery
    from tasks.queue.publisher import CeleryPublisher
    from tasks.queue.shared_metrics import RedisMeter

    stop = _stop_on_signals()
    db = _database(config)
    publisher = CeleryPublisher(configure_celery(redis_url=config.redis_url))
    meter = RedisMeter(config.redis_url)
    job_scheduler = scheduler.Scheduler(Services.build(db, config), publisher, meter=meter)
    watch = _schema_watch(config, on_too_old=stop.set)
    with watch:
        if _wait_for_unique_indexes(db, stop):
            scheduler.run(job_scheduler, stop, ready=lambda: logger.info("the jobs are ready"))
    meter.flush()
    return EXIT_UNUSABLE_DATA if watch.is_too_old else 0


def _wait_for_unique_indexes(db: Mongo, stop: threading.Event) -> bool:
    """Return False if the process is to stop."""
    from services.registry import index_builds

    build = index_builds.build_unique_indexes(db)
    build.start()
    return build.wait(lambda: not stop.is_set())


def _users(config: Settings, args: argparse.Namespace) -> int:
    from services.account_admin import users_command
    from services.registry.services import Services

    services = Services.build(
        _database(config), config, look_up_member=_lazy_member_lookup(config, Hooks())
    )
    for line in users_command.run_users_command(
        args,
        users=services.users,
        codes=services.codes,
        unlink_account=services.account_linking.unlink_account,
        erasure=services.erasure,
        data_export=services.data_export,
        app_url=config.app_url or "",
    ):
        print(line)
    return 0


def _audit(config: Settings, args: argparse.Namespace) -> int:
    from services.account_admin import audit_command
    from services.registry.services import Services

    services = Services.build(_database(config), config)
    for line in audit_command.run_audit_command(
        args, audit_trail=services.audit_trail, users=services.users
    ):
        print(line)
    return 0


def _explain(config: Settings, args: argparse.Namespace) -> int:
    from bot.views.explain.terminal import explanation_lines
    from services.models.permissions import OPERATOR
    from services.registry.services import Services

    logging.disable(logging.INFO)  # print the explanation only
    services = Services.build(_database(config), config)
    result = services.explanations.explain_reference(actor=OPERATOR, reference=args.ticket)
    print("\n".join(explanation_lines(result)))
    return 0


def _manifest(*, http: bool, name: str | None) -> int:
    from bot import manifest
    from services.core import settings
    from services.core.errors import DomainError
    from services.team_settings.app_name import checked_app_name

    config, _ = settings.parse_settings("manifest")
    app_url = config.app_url
    try:
        name = _stored_app_name(config.mongo_uri) if name is None else checked_app_name(name)
    except DomainError as error:
        print(f"--name: {error}", file=sys.stderr)
        return EXIT_USAGE
    if http and (advice := manifest.app_url_advice(app_url)):
        print(advice, file=sys.stderr)
    print(
        manifest.manifest_yaml(
            http_url=(app_url or manifest.PLACEHOLDER_HOST) if http else None, name=name
        ),
        end="",
    )
    return 0


def _stored_app_name(mongo_uri: str) -> str:
    """Return the name set in Slack, or the default without a MongoDB that answers at once."""
    import pymongo
    from pymongo.errors import PyMongoError

    from services.core import database
    from services.team_settings.app_name import DEFAULT_APP_NAME, load_app_name

    if not mongo_uri:
        return DEFAULT_APP_NAME
    with pymongo.timeout(NAME_TIMEOUT_SECONDS):
        try:
            db = database.connect(mongo_uri)
        except (PyMongoError, ValueError):
            return DEFAULT_APP_NAME
        with db.client:
            return load_app_name(db)


def _init(hooks: Hooks) -> int:
    """Ask for the settings, write them, prepare the database, and end in the doctor."""
    from services.core import settings
    from services.ops import init_command

    logging.disable()  # print the dialogue only
    values = init_command.settings_in(os.environ)
    is_written = False
    try:
        if not _ask_settings(values, hooks):
            return EXIT_FAILED
        init_command.add_secrets(values)
        os.environ.update({name: values.get(name, "") for name in settings.VARIABLES})
        config = settings.load_settings("bot")
        db = _database(config)
        with db.client:
            path = init_command.write_settings(values)
            is_written = True
            print(init_command.describe_file(path))
            _prepare_database(db, config)
        print("\nThis is what python app.py doctor finds:")
        status = _doctor(hooks, without=init_command.CHECKS_OF_RUNNING_PROCESSES)
        print(*init_command.next_steps(path, values), sep="\n")
    except (KeyboardInterrupt, EOFError):
        print(init_command.CUT_SHORT if is_written else init_command.STOPPED, file=sys.stderr)
        return EXIT_FAILED
    return status


def _prepare_database(db: Mongo, config: Settings) -> None:
    from services.ops import init_command
    from services.registry import index_builds
    from services.registry.services import Services

    build = index_builds.build_unique_indexes(db)
    build.start()
    build.wait(lambda: True)
    index_builds.build_other_indexes(db, lambda: True)
    print("The database has its indexes.")
    users = Services.build(db, config).users
    print(*init_command.invite_admins(users, config), sep="\n")


def _ask_settings(values: dict[str, str], hooks: Hooks) -> bool:
    """Complete `values` by what is typed at a terminal, or check those of the environment."""
    from getpass import getpass

    from services.ops import init_command

    probes = _probes(hooks)
    if sys.stdin.isatty():
        if reason := init_command.why_not_writable():
            print(reason, file=sys.stderr)
            return False
        terminal = init_command.Terminal(
            say=print, ask=input, ask_secret=getpass, without_echo=_without_echo
        )
        init_command.Dialogue(terminal, values, probes).run()
        print()
        return True
    try:
        init_command.read_settings(values, probes)
    except init_command.ChecksFailed as error:
        print("app.py init has changed nothing:", *error.lines, sep="\n", file=sys.stderr)
        return False
    return True


@contextmanager
def _without_echo() -> Iterator[None]:
    """Show nothing that is typed during the block, and drop it at the end, as getpass does."""
    import termios

    shown = termios.tcgetattr(sys.stdin)
    hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
    termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, shown)


def _probes(hooks: Hooks) -> Probes:
    from pymongo.errors import PyMongoError

    from bot import manifest
    from services.accounts.users import UserService
    from services.core import database
    from services.models.user import Role
    from services.ops import check_runner, init_command

    def run_check(name: str, config: Settings) -> list[Finding]:
        with ExitStack() as stack:
            checks = _checks(config, hooks, stack, is_probe=True)
            (check,) = (one for one in checks if one.name == name)
            found = check_runner.run_checks([replace(check, depends_on=())])
            return [finding for _, finding in found]

    def has_admin(mongo_uri: str) -> bool:
        try:
            db = database.connect(mongo_uri)
            with db.client:
                return bool(UserService(db).active_ids_with_role(Role.ADMIN))
        except (PyMongoError, ValueError):
            return False

    return init_command.Probes(
        run_check=run_check,
        manifest=lambda url: manifest.manifest_yaml(http_url=url),
        has_admin=has_admin,
    )


def _doctor(hooks: Hooks, *, without: Collection[str] = ()) -> int:
    """Run with any settings: a missing one is a finding. `without` names checks to leave out."""
    from services.core import settings
    from services.ops import check_runner

    logging.disable()  # print the findings only
    states = []
    config, problems = settings.parse_settings("bot")
    with ExitStack() as stack:
        checks = [one for one in _checks(config, hooks, stack) if one.name not in without]
        for about, finding in check_runner.run_checks(checks):
            print(finding.format_line(about), flush=True)
            states.append(finding.status)
    print(check_runner.summary(states))
    if advice := settings.SettingsError(problems).advice:
        print(advice)
    return EXIT_FAILED if check_runner.CheckStatus.FAIL in states else 0


def _checks(
    config: Settings, hooks: Hooks, stack: ExitStack, *, is_probe: bool = False
) -> list[Check]:
    """Return the checks in the order of their output. `stack` closes what they open. A probe is of
    the variables, not of what is stored in their place."""
    from bot import manifest
    from bot.doctor import SlackChecks
    from services.channels.request_channels import load_request_channels
    from services.ops import database_checks
    from services.ops.check_runner import Check
    from services.registry import indexes, migrations
    from services.team_settings.slack_settings import SlackSettings
    from tasks import doctor as task_doctor
    from tasks import runtime as task_runtime
    from tasks.queue.celery_app import configure_celery

    strict, app_url = config.is_linking_strict, config.app_url
    # With strict linking, no email address makes an admin.
    named = frozenset[str]() if strict else config.admin_emails
    stored = database_checks.DatabaseChecks(
        config.mongo_uri,
        missing_indexes=indexes.missing_indexes,
        program_version=migrations.PROGRAM_VERSION,
        admin_emails=named,
        look_up_member=_lazy_member_lookup(config, hooks),
    )
    stack.callback(stored.close)
    slack = SlackChecks(
        _web_client(config, hooks, timeout=CHECK_TIMEOUT_SECONDS),
        app_token=config.slack_app_token,
        scopes=manifest.SCOPES,
        optional_scopes=manifest.OPTIONAL_SCOPES,
        events=manifest.subscriptions(),
        triage_channel=config.triage_channel,
        get_slack_settings=SlackSettings if is_probe else stored.slack_settings,
    )
    gemini = task_runtime.gemini_analyst(config)
    return [
        Check("program", database_checks.check_program),
        Check("settings", lambda: database_checks.check_settings(os.environ)),
        *stored.checks(),
        Check("linking", lambda: database_checks.check_linking(app_url=app_url, is_strict=strict)),
        *slack.checks(
            get_database_team_id=stored.team_id,
            get_event_arrivals=stored.event_arrivals,
            get_request_channels=lambda: stored.read(load_request_channels).values(),
        ),
        Check("emoji", lambda: stored.check_emoji(config.ticket_emoji)),
        *task_doctor.checks(
            config,
            configure_celery(redis_url=config.redis_url),
            gemini=gemini,
            count_failed_analyses=stored.count_failed_analyses,
        ),
        *stored.work_checks(),
    ]


def _demo(*, smoke: bool) -> int:
    from demo import main as stack

    return stack.main(smoke=smoke)


def _web_client(
    config: Settings,
    hooks: Hooks,
    *,
    timeout: int,
    meter: Meter | None = None,
    process: str = "",
    gate: SlackGate | None = None,
) -> WebClient:
    """Return a client without retries: each caller knows whether one may help."""
    from bot.slack.client import MeasuredClient
    from bot.slack.transport import SlackClient
    from services.core.metrics import NOOP_METER

    client = SlackClient(
        token=config.slack_bot_token,
        base_url=config.slack_api_url,
        timeout=timeout,
        retry_handlers=[],
    )
    wrapped = hooks.wrap_client(client)
    return MeasuredClient(wrapped, meter=meter or NOOP_METER, process=process, gate=gate)


def _member_lookup(client: WebClient) -> MemberLookup:
    from bot.slack.client import member_lookup

    return member_lookup(client)


def _lazy_member_lookup(config: Settings, hooks: Hooks) -> MemberLookup | None:
    """Return None without a token. A command that never asks Slack loads nothing of it."""

    def look_up(team_id: str, slack_user_id: str) -> SlackMember | None:
        client = _web_client(config, hooks, timeout=CHECK_TIMEOUT_SECONDS)
        return _member_lookup(client)(team_id, slack_user_id)

    return look_up if config.slack_bot_token else None


def _database(config: Settings) -> Mongo:
    """Raises `ProgramTooOld` if this program would misread what is stored."""
    from services.core import clock, database, schema_version
    from services.registry import migrations

    db = database.connect(config.mongo_uri)
    clock.synchronize(db)
    schema_version.check_program_version(db, migrations.PROGRAM_VERSION)
    return db


def _schema_watch(config: Settings, *, on_too_old: Callable[[], None]) -> SchemaWatch:
    from services.core.schema_version import SchemaWatch
    from services.registry import migrations

    return SchemaWatch(config.mongo_uri, migrations.PROGRAM_VERSION, on_too_old=on_too_old)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    return stop


def _parser(argv: Sequence[str] = ("users", "audit")) -> argparse.ArgumentParser:
    """Return the parser, with the arguments of those commands that `argv` names."""
    parser = argparse.ArgumentParser(prog="app.py", description="A help desk in Slack.")
    parser.add_argument("--version", action="store_true", help="print the program's version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("bot", help="run the bot, which answers Slack (the default)")
    commands.add_parser("worker", help="run a worker, which assigns tickets and sends messages")
    commands.add_parser("jobs", help="run the scheduled jobs, such as reminders")
    explain = commands.add_parser("explain", help="explain why a ticket has its assignee")
    explain.add_argument("ticket", help="the ticket's number, for example 12")
    commands.add_parser(
        "init", help="set up the help desk: ask for the settings, check them and write .env"
    )
    commands.add_parser("doctor", help="check the installation, and say what to correct")
    printed = commands.add_parser(
        "manifest", help="print the Slack app manifest, to paste at api.slack.com/apps"
    )
    printed.add_argument(
        "--http",
        action="store_true",
        help="let Slack send requests to APP_URL instead of Socket Mode",
    )
    printed.add_argument(
        "--name",
        help="the app's name in Slack, up to 35 characters; by default the one in Settings",
    )
    demo = commands.add_parser("demo", help="try the product on this machine, without Slack")
    demo.add_argument(
        "--smoke",
        action="store_true",
        help="run a check without a person; exits with 0 if it works",
    )
    users = commands.add_parser("users", help="list and change accounts")
    if "users" in argv:
        from services.account_admin import users_command

        users_command.add_arguments(users)
    audit = commands.add_parser("audit", help="list who changed which account or setting, and when")
    if "audit" in argv:
        from services.account_admin import audit_command

        audit_command.add_arguments(audit)
    return parser


if __name__ == "__main__":
    sys.exit(main())
