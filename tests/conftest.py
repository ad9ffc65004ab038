"""The real servers the tests talk to, started once, and the app put together around them."""

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import settings as hypothesis_settings
from pymongo import DeleteMany, IndexModel, MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from slack_bolt import App, BoltRequest, BoltResponse
from slack_sdk import WebClient

import bot.app
from bot.slack.bot_services import BotServices
from bot.views import blocks
from bot.views.cards.action_buttons import action_button
from bot.web.api.api_request import ApiServices
from bot.web.api.blueprint import api_blueprint as api_of
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from demo.servers import MongoServer, RedisServer
from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.auth.services import AccountServices
from services.auth.services import build_account_services as build_accounts
from services.core import ttl_cache
from services.core.clock import utcnow
from services.core.database import Mongo, connect
from services.core.processed_events import ProcessedEvents
from services.core.redis_client import connect_redis
from services.editing.ticket_edits import TicketEdits
from services.home.sessions import HomeSessions
from services.linking.link_by_code import LinkByCode
from services.linking.links import LinkService
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import link_id
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.outbox.deliveries import TicketThreads
from services.outbox.emails import Emails
from services.outbox.reminders import Reminders
from services.registry.indexes import INDEXES, ensure_indexes
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from services.tickets.queries import load_ticket
from tasks import slack_status_sync
from tasks.assignment import assign_ticket
from tasks.notifications import digest as notification_digest
from tasks.notifications import email_sender, home_refresh, notify, reminders
from tasks.queue.celery_app import (
    ASSIGN_TASK,
    DIGEST_TASK,
    EMAIL_TASK,
    HOME_TASK,
    NOTIFY_TASK,
    REMINDER_TASK,
    STATUS_SYNC_TASK,
    celery,
)
from tasks.queue.publisher import CeleryPublisher
from tasks.runtime import Runtime
from tests.support import payloads
from tests.support.api_client import Api
from tests.support.blockkit import check_answer
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.slack_workspace import TEAM_ID, TEAM_URL

JWT_SECRET = "the tests' own secret, 32 bytes or more"
CHEAP = 4  # the lowest of bcrypt's costs
APP_URL = "https://help.example.com"
# The same examples each time, and none refused for a slow machine.
hypothesis_settings.register_profile("tests", derandomize=True, deadline=None)
hypothesis_settings.load_profile("tests")

NOBODY_LISTENS = "mongodb://127.0.0.1:9/away"


@pytest.fixture(scope="session")
def mongo() -> Iterator[MongoServer]:
    with MongoServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The one Redis of this test process. Tests use `redis`."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """A Redis without a key. Leaves it so for the next test."""
    yield redis_server
    with connect_redis(redis_server.url) as client:
        client.flushall()


@pytest.fixture(scope="session")
def database(mongo: MongoServer) -> Iterator[Mongo]:
    """The one database of this test process, with every index. Tests use `db`."""
    made = connect(mongo.uri_for(f"test-{uuid.uuid4().hex}"))
    ensure_indexes(made)
    yield made
    made.client.close()


@pytest.fixture
def db(database: Mongo) -> Iterator[Mongo]:
    """The database with every index and no document. Leaves it so for the next test."""
    yield database
    _empty(database)
    ttl_cache.invalidate_caches(database)


@pytest.fixture
def indexes_restored(db: Mongo) -> Iterator[None]:
    """For a test that makes or drops indexes: afterwards they are as before."""
    yield
    _empty(db)
    for name in db.list_collection_names():
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
    """SecantusDB keeps an entry of such an index when an update changes the key or takes the
    document out of the index; the next test's document would be called a duplicate of it."""
    indexes = [index for index in INDEXES.get(name, ()) if _is_partial_unique(index)]
    for index in indexes:
        db[name].drop_index(index.document["name"])
    if indexes:
        db[name].create_indexes(indexes)


def _is_partial_unique(index: IndexModel) -> bool:
    return index.document.get("unique", False) and "partialFilterExpression" in index.document


class Commands(CommandListener):
    """Notes the commands that reach MongoDB, as (name, command)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def watched_db(mongo: MongoServer, db: Mongo, commands: Commands) -> Iterator[Mongo]:
    """The test's database over a connection whose commands are noted."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo.uri, tz_aware=True, event_listeners=[commands]
    )
    yield client[db.name]
    client.close()


@pytest.fixture(scope="session")
def slack_server() -> Iterator[RecordingSlack]:
    """The one recording Slack of this test process. Tests use `slack`."""
    with RecordingSlack() as server:
        yield server


@pytest.fixture
def slack(slack_server: RecordingSlack) -> Iterator[RecordingSlack]:
    """A Slack as new, which by the end of the test must not have refused anything."""
    slack_server.reset()
    yield slack_server
    assert slack_server.refused == []


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without anybody's .env."""
    monkeypatch.chdir(tmp_path)


class FixedClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = utcnow()

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **passed: float) -> None:
        self.now += timedelta(**passed)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


class RecordingPublisher(CeleryPublisher):
    """Remembers what it was asked to publish; `work` then does it as the workers would."""

    def __init__(self) -> None:
        super().__init__(celery)
        self.asked: list[tuple[str, str]] = []

    def send(self, task: str, ticket_id: str) -> None:
        self.asked.append((task, ticket_id))

    def publish_home_refresh(self, link_id: str, *, countdown: float) -> None:
        self.asked.append((HOME_TASK, link_id))

    def publish_email(self, email_id: str) -> None:
        self.asked.append((EMAIL_TASK, email_id))

    def publish_availability_check(self) -> None:
        self.asked.append((STATUS_SYNC_TASK, ""))

    def publish_digests(self) -> None:
        self.asked.append((DIGEST_TASK, ""))

    def publish_reminders(self, to: str) -> None:
        self.asked.append((REMINDER_TASK, to))


class Inline(Executor):
    """Runs a listener before Bolt looks for its answer, which makes dispatch deterministic."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class People:
    """Makes accounts that are linked to members of the recording Slack."""

    def __init__(self, db: Mongo, slack: RecordingSlack, users: UserService) -> None:
        self._db = db
        self._slack = slack
        self._users = users
        self._numbers = itertools.count(1)

    def add(self, role: Role = Role.USER, *skills: str, linked: bool = True, **fields: Any) -> User:
        number = next(self._numbers)
        name = f"{role.value.title()} {number}"
        user = self._users.create(
            actor=OPERATOR,
            email=f"{role.value}{number}@example.com",
            role=role,
            skills=skills,
            name=name,
        )
        if fields:
            self._db.users.update_one({"_id": user.id}, {"$set": fields})
        if linked:
            slack_id = self.slack_id(user)
            self._slack.add_member(slack_id, email=user.email, name=name)
            link = {"teamId": TEAM_ID, "slackUserId": slack_id, "userId": user.id}
            self._db.links.insert_one({"_id": link_id(TEAM_ID, slack_id), **link})
        return self._users.get(user.id) or user

    @staticmethod
    def slack_id(user: User) -> str:
        """The Slack member of an account."""
        return f"U{str(user.id)[-8:].upper()}"


@pytest.fixture
def users(db: Mongo, clock: FixedClock) -> UserService:
    return UserService(db, clock=clock)


@pytest.fixture
def account_services(
    db: Mongo, users: UserService, redis: RedisServer, clock: FixedClock
) -> AccountServices:
    """With passwords that are hashed in a millisecond."""
    return build_accounts(
        db, users, secret=JWT_SECRET, redis_url=redis.url, clock=clock, cost=CHEAP
    )


@pytest.fixture
def links(db: Mongo, users: UserService, clock: FixedClock) -> LinkService:
    admins = frozenset({"boss@example.com"})
    return LinkService(db, users, admin_emails=admins, clock=clock)


@pytest.fixture
def codes(db: Mongo, clock: FixedClock) -> OneTimeCodes:
    return OneTimeCodes(db, JWT_SECRET, clock)


@pytest.fixture
def link_by_code(
    db: Mongo, users: UserService, links: LinkService, codes: OneTimeCodes, clock: FixedClock
) -> LinkByCode:
    return LinkByCode(db, users, links, codes, Emails(db, clock=clock), clock=clock)


@pytest.fixture
def tickets(db: Mongo, clock: FixedClock) -> TicketService:
    return TicketService(db, clock=clock)


@pytest.fixture
def ticket_actions(db: Mongo, users: UserService, clock: FixedClock) -> TicketActions:
    return TicketActions(db, users, clock=clock)


@pytest.fixture
def ticket_edits(
    db: Mongo, users: UserService, links: LinkService, clock: FixedClock
) -> TicketEdits:
    return TicketEdits(db, users, links, clock=clock)


@pytest.fixture
def comments(db: Mongo, clock: FixedClock) -> CommentService:
    return CommentService(db, clock=clock)


@pytest.fixture
def people(db: Mongo, slack: RecordingSlack, users: UserService) -> People:
    return People(db, slack, users)


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def runtime(
    db: Mongo,
    slack: RecordingSlack,
    users: UserService,
    links: LinkService,
    publisher: RecordingPublisher,
    clock: FixedClock,
) -> Runtime:
    """What a worker has, without a model."""
    return Runtime.build(
        db, users, links, slack=web_client(slack), publisher=publisher, clock=clock
    )


class Bot:
    """The whole Bolt app in front of the recording Slack."""

    def __init__(self, app: App) -> None:
        self._app = app

    def send(self, body: dict[str, Any]) -> BoltResponse:
        return self._app.dispatch(BoltRequest(body=body, mode="socket_mode"))

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """What Slack is given in the acknowledgement; {} if that carries nothing."""
        response = self.send(body)
        assert response.status == 200
        answer: dict[str, Any] = json.loads(response.body) if response.body else {}
        assert check_answer(body, answer) == []
        return answer


@pytest.fixture
def bot_services(
    db: Mongo,
    slack: RecordingSlack,
    users: UserService,
    links: LinkService,
    codes: OneTimeCodes,
    publisher: RecordingPublisher,
    clock: FixedClock,
) -> BotServices:
    return BotServices.build(
        db,
        users,
        links,
        codes,
        Emails(db, clock=clock),
        client=web_client(slack),
        publisher=publisher,
        team_id=TEAM_ID,
        team_url=TEAM_URL,
        app_url=APP_URL,
        clock=clock,
    )


@pytest.fixture
def api_services(
    db: Mongo, bot_services: BotServices, account_services: AccountServices, users: UserService
) -> ApiServices:
    proxies = [ip_network("127.0.0.1/32")]
    return ApiServices.build(db, bot_services, account_services, users, trusted_proxies=proxies)


@pytest.fixture
def api(api_services: ApiServices) -> Iterator[Api]:
    """The HTTP API on a server of its own; what it publishes, `publisher` is asked."""
    web = create_flask_app(is_ready=lambda: True, blueprints=[api_of(api_services)])
    with WebServer(web, host="127.0.0.1", port=0) as server:
        yield Api(f"http://127.0.0.1:{server.port}", api_services.sign_in)


@pytest.fixture
def ticket_bot(bot_services: BotServices) -> Bot:
    return Bot(bot.app.create_app(bot_services, executor=Inline()))


@pytest.fixture
def bot_without_database(bot_services: BotServices) -> Iterator[Bot]:
    """Its MongoDB is a port where nobody listens."""
    away = connect(NOBODY_LISTENS)
    cut_off = replace(
        bot_services,
        tickets=TicketService(away),
        ticket_actions=TicketActions(away, UserService(away)),
        comments=CommentService(away),
        ticket_threads=TicketThreads(away),
        ticket_edits=TicketEdits(away, UserService(away), LinkService(away, UserService(away))),
        links=LinkService(away, UserService(away)),
        home_sessions=HomeSessions(away),
        processed_events=ProcessedEvents(away),
    )
    yield Bot(bot.app.create_app(cut_off, executor=Inline()))
    away.client.close()


def filled_in(bot: Bot, slack: RecordingSlack, user: str, **values: str | None) -> dict[str, Any]:
    """What Slack sends when somebody opens the form, fills it in and presses File."""
    bot.answer(payloads.slash_command(user=user))
    fine = {"title": "VPN drops", "description": "Every hour since Monday."}
    return payloads.view_submission(slack.last_view(), {**fine, **values}, user=user)


def pressed(step: str, ticket: Ticket, user: User, **overrides: Any) -> dict[str, Any]:
    """What Slack sends when somebody presses that button of the ticket, in a DM of theirs."""
    slack_id = People.slack_id(user)
    shown = [blocks.actions(action_button(ticket, step))]
    message = {"channel": f"D{slack_id[1:]}", "ts": "1700000000.000001", "blocks": shown}
    return payloads.block_actions(message, step, user=slack_id, **overrides)


def pressed_resolve(ticket: Ticket, user: User, **overrides: Any) -> dict[str, Any]:
    return pressed("resolve", ticket, user, **overrides)


def sample_ticket(**fields: Any) -> Ticket:
    """A ticket in memory, as freshly filed; `fields` replace what is asked for."""
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


def web_client(slack: RecordingSlack) -> WebClient:
    return WebClient(token=TOKEN, base_url=slack.url, timeout=2, retry_handlers=[])


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
    """What the calls return when threads make them together; what one raises stands in place."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001  handed to the test, which looks at it
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def reload(db: Mongo, ticket: Ticket) -> Ticket:
    found = load_ticket(db, str(ticket.id))
    assert found is not None
    return found


def work(runtime: Runtime, publisher: RecordingPublisher) -> None:
    """Do what was published, and what that publishes, until nothing is left."""
    tasks = {
        NOTIFY_TASK: notify.run,
        ASSIGN_TASK: assign_ticket.run,
        HOME_TASK: home_refresh.run,
        EMAIL_TASK: email_sender.run,
        REMINDER_TASK: reminders.run,
    }
    while publisher.asked:
        task, ticket_id = publisher.asked.pop(0)
        if task == STATUS_SYNC_TASK:
            slack_status_sync.run(runtime)
        elif task == DIGEST_TASK:
            notification_digest.run(runtime)
        else:
            tasks[task](runtime, ticket_id)


def send_due_reminders(runtime: Runtime, clock: FixedClock) -> None:
    """Let the time pass in which lines for one reader gather, and send what is due by then."""
    clock.advance(seconds=20)
    for to in Reminders(runtime.db, clock=clock).due_recipients():
        reminders.run(runtime, to)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests measured, which no test asserts."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
