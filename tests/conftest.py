"""The real servers of the tests, started once, and fixtures of the services and the bot."""

import gc
import itertools
import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pymongo import DeleteMany, IndexModel, InsertOne, MongoClient, message, monitoring
from pymongo.collection import Collection
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from slack_bolt import App, BoltRequest, BoltResponse

from bot.app import create_app
from bot.slack.bot_process import BotProcess
from bot.slack.transport import SlackClient
from bot.views import blocks
from bot.views.cards.action_buttons import action_button
from bot.web.api.blueprint import api_blueprint
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from demo.servers import MongoServer, RedisServer
from services.accounts.users import new_account_doc
from services.accounts.validation import checked_skills
from services.audit.audit_log import PENDING_FIELD
from services.auth.passwords import PasswordHasher
from services.core import ttl_cache
from services.core.clock import Clock, utcnow
from services.core.database import Mongo, connect
from services.core.redis_client import connect_redis
from services.core.settings import Settings, parse_settings
from services.lists.list_service import HORIZONS
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import link_id
from services.models.ticket import Status, Ticket
from services.models.user import Role, User, can_work_on_tickets
from services.outbox.pending import retry_unassigned
from services.registry.indexes import INDEXES, ensure_indexes
from services.registry.services import Services
from services.search.word_sample import SAMPLES
from services.tickets.filing import TicketService
from services.tickets.queries import load_ticket
from tasks import channel_checks, slack_status_sync
from tasks.notifications import digest as notification_digest
from tasks.notifications import email_sender, home_refresh, notify, reminders, reply_sender
from tasks.queue.celery_app import (
    CHANNELS_TASK,
    DIGEST_TASK,
    EMAIL_TASK,
    FRESH_QUEUE,
    HOME_TASK,
    NOTIFY_TASK,
    REMINDER_TASK,
    REPLY_TASK,
    STATUS_SYNC_TASK,
    celery,
)
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.waiting_tasks import WaitingTasks
from tasks.runtime import Runtime
from tests.support import payloads, servers
from tests.support.api_client import Api
from tests.support.blockkit import check_answer
from tests.support.canary import look_into_answer, private_tickets_of_strangers
from tests.support.query_rule import QueryRecorder, query_faults, unused_exceptions
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.slack_workspace import TEAM_ID, TEAM_URL

JWT_SECRET = "the tests' own secret, 32 bytes or more"
CHEAP = 4  # the lowest of bcrypt's costs
EASY_PASSWORD = (
    "Choose a password that is harder to guess, such as four words that have nothing to do with "
    "each other or with you."
)
APP_URL = "https://help.example.com"
# The same examples each time, and no deadline on a slow machine.
hypothesis_settings.register_profile(
    "tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("tests")

NOBODY_LISTENS = "mongodb://127.0.0.1:9/away"


@pytest.fixture(scope="session")
def mongo() -> Iterator[MongoServer]:
    with servers.mongo_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis of this test process. Tests use `redis`."""
    with servers.redis_server() as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """An empty Redis. It is emptied again after the test."""
    yield redis_server
    with connect_redis(redis_server.url) as client:
        client.flushdb()


@pytest.fixture(scope="session")
def database(mongo: MongoServer) -> Iterator[Mongo]:
    """The database of this test process, with every index. Tests use `db`."""
    made = connect(mongo.uri_for(f"test-{uuid.uuid4().hex}"))
    ensure_indexes(made)
    yield made
    made.client.close()


@pytest.fixture
def db(database: Mongo) -> Iterator[Mongo]:
    """The database with every index and no document. It is emptied again after the test."""
    yield database
    _empty(database)
    ttl_cache.invalidate_caches()
    HORIZONS.clear()
    SAMPLES.clear()


@pytest.fixture
def indexes_restored(db: Mongo) -> Iterator[None]:
    """Restore the indexes after a test that creates or drops some."""
    yield
    for name in db.list_collection_names():
        db[name].delete_many({})
        db[name].drop_indexes()
    ensure_indexes(db)


def _empty(db: Mongo) -> None:
    """Delete every document, in one round trip."""
    names = db.list_collection_names()
    if not names:
        return
    deletions = [DeleteMany({}, namespace=f"{db.name}.{name}") for name in names]
    result = db.client.bulk_write(deletions, verbose_results=True)
    for place, name in enumerate(names):
        if result.delete_results[place].deleted_count:
            _rebuild_partial_unique_indexes(db, name)


def _rebuild_partial_unique_indexes(db: Mongo, name: str) -> None:
    """Remove stale entries: SecantusDB keeps one if an update changes the key or takes the document
    out of the index, and then reports the next test's document as a duplicate."""
    indexes = [index for index in INDEXES.get(name, ()) if _is_partial_unique(index)]
    for index in indexes:
        db[name].drop_index(index.document["name"])
    if indexes:
        db[name].create_indexes(indexes)


def _is_partial_unique(index: IndexModel) -> bool:
    return index.document.get("unique", False) and "partialFilterExpression" in index.document


class Commands(CommandListener):
    """Records the commands sent to MongoDB, as (name, command)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...

    def scans(self, collection: Collection[dict[str, Any]]) -> list[Any]:
        """Return the conditions of the reads for which SecantusDB scans the whole collection. Its
        planner needs more than the rule of tests/support/query_rule.py."""
        read = [
            (one["filter"], one.get("sort", {}))
            for name, one in self.sent
            if name == "find" and one["find"] == collection.name
        ]
        read += [
            (one["pipeline"][0]["$match"], {})
            for name, one in self.sent
            if name == "aggregate" and one["aggregate"] == collection.name
        ]
        assert read
        plans = (
            (wanted, collection.find(wanted, sort=dict(sort)).explain()) for wanted, sort in read
        )
        return [wanted for wanted, plan in plans if "COLLSCAN" in str(plan["queryPlanner"])]


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def watched_db(mongo: MongoServer, db: Mongo, commands: Commands) -> Iterator[Mongo]:
    """The test's database, over a connection whose commands are recorded."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo.uri, tz_aware=True, event_listeners=[commands]
    )
    yield client[db.name]
    client.close()


@pytest.fixture(scope="session")
def slack_server() -> Iterator[RecordingSlack]:
    """The recording Slack of this test process. Tests use `slack`."""
    with RecordingSlack() as server:
        yield server


@pytest.fixture
def slack(slack_server: RecordingSlack) -> Iterator[RecordingSlack]:
    """An empty Slack. The test fails if it refused a call."""
    slack_server.reset()
    yield slack_server
    assert slack_server.refused == []


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, without a .env file."""
    monkeypatch.chdir(tmp_path)


class FixedClock:
    """A clock that only a test advances."""

    def __init__(self) -> None:
        self.now = utcnow()

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **passed: float) -> None:
        self.now += timedelta(**passed)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def process_time(clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's clock for the rate limits that are counted in this process."""
    fixed = SimpleNamespace(time=lambda: clock().timestamp())
    monkeypatch.setattr("limits.storage.memory.time", fixed)
    monkeypatch.setattr("services.core.rate_limiter.time", fixed)


class RecordingPublisher(CeleryPublisher):
    """Records what is published. `work` then runs it as the workers do."""

    def __init__(self) -> None:
        super().__init__(celery)
        self.asked: list[tuple[str, str]] = []
        self.queues: list[str] = []  # of those in `asked`
        self.countdowns: list[float | None] = []
        self.waiting = WaitingTasks()

    def send(self, task: str, ticket_id: str | None = None, **kwargs: Any) -> None:
        self.countdowns.append(kwargs.pop("countdown", None))
        self.queues.append(kwargs.pop("queue", FRESH_QUEUE))
        self.asked.append((task, ticket_id or next(iter(kwargs.values()), "")))

    def send_tickets(self, tickets: Mapping[str, str | None]) -> None:
        self.asked += [(NOTIFY_TASK, ticket_id) for ticket_id in tickets]

    def waiting_tasks(self) -> WaitingTasks:
        return self.waiting


class Inline(Executor):
    """Runs a listener before Bolt looks for its answer, so that dispatch is deterministic."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class People:
    """Creates accounts that are linked to members of the recording Slack."""

    def __init__(self, db: Mongo, slack: RecordingSlack, clock: Clock = utcnow) -> None:
        self._db = db
        self._slack = slack
        self._clock = clock
        self._numbers = itertools.count(1)

    def add(self, role: Role = Role.USER, *skills: str, linked: bool = True, **fields: Any) -> User:
        """Store in a round trip or two what the service does in ten: most tests begin with this."""
        number = next(self._numbers)
        doc = new_account_doc(
            email=f"{role.value}{number}@example.com",
            role=role,
            now=self._clock(),
            actor=OPERATOR,
            skills=checked_skills(skills),
            name=f"{role.value.title()} {number}",
        )
        entries = doc.pop(PENDING_FIELD)
        user = User.from_doc(doc | fields)
        stored = {"users": [doc | fields], "audit": entries}
        if linked:
            slack_id = self.slack_id(user)
            self._slack.add_member(slack_id, email=user.email, name=doc["name"])
            link = {"teamId": TEAM_ID, "slackUserId": slack_id, "userId": user.id}
            stored["links"] = [{"_id": link_id(TEAM_ID, slack_id), **link}]
        self._db.client.bulk_write(
            [
                InsertOne(one, namespace=f"{self._db.name}.{name}")
                for name, docs in stored.items()
                for one in docs
            ]
        )
        if can_work_on_tickets(user):
            retry_unassigned(self._db, now=self._clock())
        return user

    @staticmethod
    def slack_id(user: User) -> str:
        """Return the id of the account's Slack member."""
        return f"U{str(user.id)[-8:].upper()}"


def make_config(**env: str) -> Settings:
    """The bot's settings in that environment; "" unsets a variable."""
    default = {"JWT_SECRET": JWT_SECRET, "ADMIN_EMAILS": "boss@example.com", "APP_URL": APP_URL}
    return parse_settings("bot", {**default, **env})[0]


def build_services(db: Mongo, clock: Clock = utcnow, **env: str) -> Services:
    """All services, with passwords that are hashed in a millisecond."""
    services = Services.build(db, make_config(**env), clock)
    services.password_hasher = PasswordHasher(cost=CHEAP)
    return services


@pytest.fixture
def services(db: Mongo, redis_server: RedisServer, clock: FixedClock) -> Iterator[Services]:
    made = build_services(db, clock, REDIS_URL=redis_server.url)
    yield made
    if "rate_limiter" in vars(made):
        with connect_redis(redis_server.url) as client:
            client.flushdb()


def _service_fixture(name: str) -> Any:
    def service(services: Services) -> Any:
        return getattr(services, name)

    return pytest.fixture(service, name=name)


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR)


@pytest.fixture
def admin(people: People) -> User:
    return people.add(Role.ADMIN)


@pytest.fixture
def nils(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


# A fixture for each service, of the service's name.
for _name, _attribute in vars(Services).items():
    if isinstance(_attribute, cached_property) and not _name.startswith("_"):
        globals()[f"{_name}_fixture"] = _service_fixture(_name)


@pytest.fixture
def people(db: Mongo, slack: RecordingSlack, clock: FixedClock) -> People:
    return People(db, slack, clock)


@pytest.fixture
def requester(people: People) -> User:
    return people.add()


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def strangers(
    db: Mongo, slack: RecordingSlack, clock: FixedClock, pytestconfig: pytest.Config
) -> Iterator[None]:
    """Private tickets of strangers, which only admins may see, beside those that the test files;
    none in what is recorded."""
    if pytestconfig.pluginmanager.has_plugin("tests.contract.record"):
        yield
        return
    with private_tickets_of_strangers(db, slack, clock):
        yield


@pytest.fixture
def runtime(
    services: Services, slack: RecordingSlack, publisher: RecordingPublisher, strangers: None
) -> Runtime:
    """The runtime of a worker, without a model."""
    return Runtime(services, slack=web_client(slack), publisher=publisher)


class Bot:
    """The Bolt app with the recording Slack."""

    def __init__(self, app: App) -> None:
        self._app = app

    def send(self, body: dict[str, Any]) -> BoltResponse:
        return self._app.dispatch(BoltRequest(body=body, mode="socket_mode"))

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body of the acknowledgement, {} if it is empty."""
        response = self.send(body)
        assert response.status == 200
        answer: dict[str, Any] = json.loads(response.body) if response.body else {}
        assert check_answer(body, answer) == []
        look_into_answer(body, answer)
        return answer


@pytest.fixture
def bot_process(
    services: Services, slack: RecordingSlack, publisher: RecordingPublisher, strangers: None
) -> BotProcess:
    return BotProcess(
        services,
        config=make_config(TRUSTED_PROXIES="127.0.0.1/32"),
        client=web_client(slack),
        publisher=publisher,
        team_id=TEAM_ID,
        team_url=TEAM_URL,
    )


class WorkingBot(Bot):
    """A bot whose workers run after each payload: `work` runs what was published."""

    def __init__(self, bot: Bot, work: Callable[[], None]) -> None:
        self._bot, self._work = bot, work

    def send(self, body: dict[str, Any]) -> BoltResponse:
        response = self._bot.send(body)
        self._work()
        return response


@pytest.fixture
def desk(ticket_bot: Bot, runtime: Runtime, publisher: RecordingPublisher) -> Bot:
    """The bot with its workers."""
    return WorkingBot(ticket_bot, lambda: work(runtime, publisher))


def with_services(bot_process: BotProcess, **services: Any) -> BotProcess:
    """The bot with those services in place of its own."""
    changed = copy(bot_process.services)
    vars(changed).update(services)
    return replace(bot_process, services=changed)


@pytest.fixture
def api(bot_process: BotProcess) -> Iterator[Api]:
    """The HTTP API on a real server. `publisher` records what it publishes."""
    web = create_flask_app(is_ready=lambda: True, blueprints=[api_blueprint(bot_process)])
    with WebServer(web, host="127.0.0.1", port=0) as server:
        yield Api(f"http://127.0.0.1:{server.port}", bot_process.services.sign_in)


def inline_bot(bot_process: BotProcess) -> Bot:
    """Return a bot whose listeners run inline, see `Inline`."""
    return Bot(create_app(bot_process, executor=Inline()))


@pytest.fixture
def ticket_bot(bot_process: BotProcess) -> Bot:
    return inline_bot(bot_process)


@pytest.fixture
def bot_without_database(bot_process: BotProcess) -> Iterator[Bot]:
    """A bot whose MongoDB refuses connections."""
    away = connect(NOBODY_LISTENS)
    yield inline_bot(replace(bot_process, services=build_services(away)))
    away.client.close()


def filled_in(bot: Bot, slack: RecordingSlack, user: str, **values: str | None) -> dict[str, Any]:
    """Return the payload of a form that the user opens, fills in and submits."""
    bot.answer(payloads.slash_command(user=user))
    fine = {"title": "VPN drops", "description": "Every hour since Monday."}
    return payloads.view_submission(slack.last_view(), {**fine, **values}, user=user)


def pressed(step: str, ticket: Ticket, user: User, **overrides: Any) -> dict[str, Any]:
    """Return the payload of a press on the ticket's button, in the user's DM with the bot."""
    slack_id = People.slack_id(user)
    shown = [blocks.actions(action_button(ticket, step))]
    message = {"channel": f"D{slack_id[1:]}", "ts": "1700000000.000001", "blocks": shown}
    return payloads.block_actions(message, step, user=slack_id, **overrides)


def pressed_resolve(ticket: Ticket, user: User, **overrides: Any) -> dict[str, Any]:
    return pressed("resolve", ticket, user, **overrides)


def sample_ticket(**fields: Any) -> Ticket:
    """A new ticket in memory; `fields` replace its defaults."""
    return Ticket(
        **{
            "id": ObjectId("65f0c0ffee65f0c0ffee0012"),
            "number": 12,
            "title": "VPN drops",
            "description": "Every hour since Monday.",
            "status": Status.TODO,
            "created_by": ObjectId("65f0c0ffee65f0c0ffee0001"),
            "assigned_to": None,
            "created_at": None,
            **fields,
        }
    )


def web_client(slack: RecordingSlack) -> SlackClient:
    return SlackClient(token=TOKEN, base_url=slack.url, timeout=2, retry_handlers=[])


def file_ticket(
    tickets: TicketService,
    requester: User,
    title: str = "The printer is on fire",
    description: str = "Smoke comes out of it.",
    priority: str | None = None,
) -> Ticket:
    return tickets.create(
        actor=Actor.from_user(requester),
        team_id=TEAM_ID,
        request_id=f"V{uuid.uuid4().hex}",
        title=title,
        description=description,
        priority=priority,
    ).ticket


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Call all concurrently, and return their results; an exception is returned as one."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001  returned to the test
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def reload(db: Mongo, ticket: Ticket) -> Ticket:
    found = load_ticket(db, str(ticket.id))
    assert found is not None
    return found


def work(runtime: Runtime, publisher: RecordingPublisher, ticket: Ticket | None = None) -> None:
    """Run what was published, and what that publishes, until nothing is left. Publish `ticket`
    first, if given."""
    if ticket:
        publisher.publish_ticket(str(ticket.id))
    tasks: dict[str, Callable[[Runtime, str], None]] = {
        NOTIFY_TASK: notify.run,
        HOME_TASK: home_refresh.run,
        EMAIL_TASK: email_sender.run,
        REMINDER_TASK: reminders.run,
        REPLY_TASK: reply_sender.run,
    }
    while publisher.asked:
        task, ticket_id = publisher.asked.pop(0)
        if task == STATUS_SYNC_TASK:
            slack_status_sync.run(runtime)
        elif task == CHANNELS_TASK:
            channel_checks.run(runtime)
        elif task == DIGEST_TASK:
            notification_digest.run(runtime)
        else:
            tasks[task](runtime, ticket_id)


def send_due_reminders(runtime: Runtime, clock: FixedClock) -> None:
    """Advance the clock past the time in which reminders are batched, and send what is due."""
    clock.advance(seconds=20)
    for to in runtime.services.reminders.due_recipients():
        reminders.run(runtime, to)


recorder = QueryRecorder()
monitoring.register(recorder)
# With a listener, PyMongo draws the ids of operations from the module `random`, whose state
# Hypothesis watches, in background threads, too.
setattr(message, "random", random.Random())  # noqa: B010, S311  not exported; ids are no secret


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without the garbage collector, and keep it away from what is collected: it costs a
    fifth of the time, and the items stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist has recorded."""
    recorder.found.update(getattr(node, "workeroutput", {}).get("queries", ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a query of the product breaks the rule, or an exception is not needed."""
    if output := getattr(session.config, "workeroutput", None):
        output["queries"] = sorted(recorder.found)
    elif session.exitstatus == pytest.ExitCode.OK and _broken_rules(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _broken_rules(config: pytest.Config) -> list[str]:
    is_whole = config.args == config.getini("testpaths") and not config.option.keyword
    unused = unused_exceptions(recorder.found) if is_whole and recorder.found else []
    return [*query_faults(recorder.found), *(f"not needed: {line}" for line in unused)]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures that tests measure but do not assert."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
    if faults := _broken_rules(config):
        terminalreporter.section("queries that break the rule of tests/support/query_rule.py")
        for line in faults:
            terminalreporter.write_line(line, red=True)
