"""Filing and the HTTP API of a bot process beside the baselines of `bench/bare_servers.py`.

Both sides are measured in turn, in rounds of the same number of requests. CPU time is that of the
server process, without MongoDB's and Redis's.
"""

import itertools
import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from slack_sdk import WebClient
from slack_sdk.signature import SignatureVerifier
from werkzeug.test import Client, TestResponse

from bench.bare_servers import LISTENING, PAGE, SIGNING_SECRET
from bench.figures import Figure
from bench.serving import Load, http_request, median_load, run_load
from bot.app import create_app
from bot.slack.bot_process import BotProcess
from bot.views.modals.file_ticket import file_ticket_modal
from bot.web.api.blueprint import api_blueprint
from bot.web.flask_app import create_flask_app
from bot.web.slack_events import slack_events_blueprint
from demo.binaries import ROOT
from demo.local_stack import READY, START_SECONDS, environment
from demo.process import Process
from demo.servers import MongoServer, RedisServer, free_port
from services.auth.session_tokens import SessionTokens
from services.core.database import Document
from services.core.rate_limit import RULES, Limit
from services.core.sequences import allocate_numbers
from services.core.settings import Settings, parse_settings
from services.lists.api_pages import MAX_PAGE_SIZE
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import link_id
from services.models.user import User
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from tasks.queue.celery_app import configure_celery
from tasks.queue.publisher import BackgroundPublisher, CeleryPublisher

TEAM, DATABASE = "T0BENCH", "bench"
EVENTS_PATH, API_PATH = "/slack/events", "/api/tickets"
JWT_SECRET = "the benchmark's secret, 32 bytes or more"  # noqa: S105  of data that is deleted
ROUNDS, REQUESTS, CONNECTIONS = 5, 300, 10
# Fewer, because they are sent one after another.
SINGLE_REQUESTS, PAGE_REQUESTS = 60, 40
LONG_LIST = 10_000
TITLE, DESCRIPTION = "The VPN is down", "It does not work since Monday morning. " * 5
# Of the baseline's throughput, at least.
MIN_SHARE = 0.6
T = TypeVar("T")


def figures(
    *, rounds: int = ROUNDS, requests: int = REQUESTS, long_list: int = LONG_LIST
) -> Iterator[Figure]:
    """Start a bot process and the baselines, and measure."""
    with _Stand() as stand:
        for measured in (_filed_by_many, _filed_by_one, _created, _read_short_list):
            yield measured(stand, rounds, requests)
        yield _read_long_list(stand, rounds, requests, long_list)


def _filed_by_many(stand: "_Stand", rounds: int, requests: int) -> Figure:
    bot, bare = _file(stand, rounds, requests, CONNECTIONS, "/polling")
    return _beside(f"file a ticket, {CONNECTIONS} at a time", bot, bare, _filing_trips(stand))


def _filed_by_one(stand: "_Stand", rounds: int, requests: int) -> Figure:
    bot, bare = _file(stand, rounds, min(requests, SINGLE_REQUESTS), 1, "/direct")
    note = f"median latency; CPU {bot.cpu_ms:.1f} ms, plain {bare.cpu_ms:.1f}"
    return Figure("file a ticket, one at a time", bot.p50_ms, 8, bare.p50_ms, note=note)


def _file(
    stand: "_Stand", rounds: int, requests: int, connections: int, bare_path: str
) -> tuple[Load, Load]:
    def prepare() -> list[bytes]:
        people = _spread(stand.person, Limit.TICKETS, requests)
        return [http_request("POST", EVENTS_PATH, *submission(person)) for person in people]

    def prepare_bare() -> list[bytes]:
        return [http_request("POST", bare_path, *submission("U0BARE")) for _ in range(requests)]

    return stand.compare(prepare, prepare_bare, rounds=rounds, connections=connections)


def _filing_trips(stand: "_Stand") -> int:
    person = stand.person()

    def file(client: Client) -> TestResponse:
        body, headers = submission(person)
        return client.post(EVENTS_PATH, data=body, headers=headers)

    return stand.trips(file)


def _created(stand: "_Stand", rounds: int, requests: int) -> Figure:
    body = json.dumps({"title": TITLE, "description": DESCRIPTION}).encode()

    def prepare() -> list[bytes]:
        accounts = _spread(stand.account, Limit.TICKETS, requests)
        return [http_request("POST", API_PATH, body, stand.headers(each)) for each in accounts]

    def prepare_bare() -> list[bytes]:
        headers = {"Content-Type": "application/json"}
        return [http_request("POST", "/tickets", body, headers)] * requests

    bot, bare = stand.compare(prepare, prepare_bare, rounds=rounds, connections=CONNECTIONS)
    headers = stand.headers(stand.account())
    trips = stand.trips(lambda client: client.post(API_PATH, data=body, headers=headers))
    return _beside(f"POST {API_PATH}, {CONNECTIONS} at a time", bot, bare, trips)


def _read_short_list(stand: "_Stand", rounds: int, requests: int) -> Figure:
    owners = list(_spread(stand.account, Limit.API_CALLS, (rounds + 2) * requests))
    for owner in {owner.id: owner for owner in owners}.values():
        stand.add_tickets(owner, PAGE)
    own = (http_request("GET", API_PATH, headers=stand.headers(owner)) for owner in owners)

    def prepare() -> list[bytes]:
        return list(itertools.islice(own, requests))

    def prepare_bare() -> list[bytes]:
        return [http_request("GET", "/tickets")] * requests

    bot, bare = stand.compare(prepare, prepare_bare, rounds=rounds, connections=CONNECTIONS)
    headers = stand.headers(owners[-1])
    trips = stand.trips(lambda client: client.get(API_PATH, headers=headers))
    return _beside(f"GET {PAGE} own tickets, {CONNECTIONS} at a time", bot, bare, trips)


def _read_long_list(stand: "_Stand", rounds: int, requests: int, size: int) -> Figure:
    owner = stand.account()
    stand.add_tickets(owner, size)
    headers = stand.headers(owner)
    pages = [http_request("GET", API_PATH, headers=headers)] * min(requests, PAGE_REQUESTS)
    load = median_load([stand.load_bot(pages, connections=1) for _ in range(rounds)])
    trips = stand.trips(lambda client: client.get(API_PATH, headers=headers))
    note = f"CPU time; median latency {load.p50_ms:.1f} ms; {trips} trips"
    name = f"GET the newest {MAX_PAGE_SIZE} of {size:,} own tickets"
    return Figure(name, load.cpu_ms, 7.5, note=note)


def _beside(name: str, bot: Load, bare: Load, trips: int) -> Figure:
    note = (
        f"{1_000 / bot.ms:.0f} a second, plain {1_000 / bare.ms:.0f}; CPU {bot.cpu_ms:.1f} ms, "
        f"{bot.cpu_ms / bare.cpu_ms:.1f} times; {trips} trips"
    )
    return Figure(name, bot.ms, bare.ms / MIN_SHARE, bare.ms, note=note)


def submission(slack_user_id: str) -> tuple[bytes, dict[str, str]]:
    """A new form, filled in and submitted: the body and the headers."""
    state: Document = {
        name: {name: {"type": "plain_text_input", "value": text}}
        for name, text in (("title", TITLE), ("description", DESCRIPTION))
    }
    state["priority"] = {"priority": {"type": "static_select", "selected_option": None}}
    state["deadline"] = {"deadline": {"type": "datetimepicker", "selected_date_time": None}}
    view = file_ticket_modal(is_ai_enabled=False)
    payload = {
        "type": "view_submission",
        "team": {"id": TEAM, "domain": "bench"},
        "user": {"id": slack_user_id, "name": "bench", "team_id": TEAM},
        "api_app_id": "A0BENCH",
        "trigger_id": "1.2.3",
        "view": {**view, "id": f"V{secrets.token_hex(8)}", "state": {"values": state}},
        "response_urls": [],
        "is_enterprise_install": False,
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    headers = SignatureVerifier(SIGNING_SECRET)
    at = str(int(time.time()))
    return body, {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": headers.generate_signature(timestamp=at, body=body) or "",
    }


class Trips(CommandListener):
    """Counts the commands sent to MongoDB."""

    def __init__(self) -> None:
        self.number = 0

    def started(self, event: CommandStartedEvent) -> None:  # noqa: ARG002  pymongo's signature
        self.number += 1

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


class _Stand:
    """A bot process, the baselines' process and their servers; and a bot in this process, whose
    trips to MongoDB are counted."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(TemporaryDirectory()))
            mongo = stack.enter_context(MongoServer())
            redis = stack.enter_context(RedisServer())
            slack = stack.enter_context(_Slack())
            self._trips = Trips()
            client: MongoClient[Document] = MongoClient(
                mongo.uri, tz_aware=True, event_listeners=[self._trips]
            )
            stack.callback(client.close)
            self._db = client[DATABASE]
            ensure_indexes(self._db)
            self._bot_port = free_port()
            self._settings = {
                "MONGO_URI": mongo.uri_for(DATABASE),
                "REDIS_URL": redis.url,
                "JWT_SECRET": JWT_SECRET,
                "SLACK_API_URL": slack.url,
                "SLACK_BOT_TOKEN": "xoxb-bench",
                "SLACK_SIGNING_SECRET": SIGNING_SECRET,
                "PORT": str(self._bot_port),
            }
            program = [sys.executable, "app.py"]
            self._bot = _started(stack, directory, program, READY["bot"], self._settings)
            program = [sys.executable, "-m", "bench.bare_servers", mongo.uri_for("bare")]
            self._bare = _started(stack, directory, program, LISTENING)
            self._bare_port = int(self._bare.output().split(LISTENING)[1].split()[0])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def compare(
        self,
        prepare: Callable[[], Sequence[bytes]],
        prepare_bare: Callable[[], Sequence[bytes]],
        *,
        rounds: int,
        connections: int,
    ) -> tuple[Load, Load]:
        """Measure the bot and the baseline in turn, after a round that does not count."""
        bot_loads, bare_loads = [], []
        for _ in range(rounds + 1):
            bot_loads.append(self.load_bot(prepare(), connections=connections))
            pids = [self._bare.pid]
            bare_loads.append(
                run_load(self._bare_port, prepare_bare(), connections=connections, pids=pids)
            )
        return median_load(bot_loads[1:]), median_load(bare_loads[1:])

    def load_bot(self, requests: Sequence[bytes], *, connections: int) -> Load:
        return run_load(self._bot_port, requests, connections=connections, pids=[self._bot.pid])

    def account(self) -> User:
        return self._services.users.create(
            actor=OPERATOR, email=f"{secrets.token_hex(8)}@example.com"
        )

    def person(self) -> str:
        """Create a linked account; return the Slack id."""
        user, slack_user_id = self.account(), f"U{secrets.token_hex(6).upper()}"
        link = {"teamId": TEAM, "slackUserId": slack_user_id, "userId": user.id}
        self._db.links.insert_one({"_id": link_id(TEAM, slack_user_id), **link})
        return slack_user_id

    def headers(self, user: User) -> dict[str, str]:
        token = SessionTokens(JWT_SECRET).issue(user)
        return {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}

    def add_tickets(self, owner: User, count: int) -> None:
        """File one ticket, and copy it into the past."""
        filed = self._services.tickets.create(
            actor=Actor.from_user(owner),
            team_id=TEAM,
            request_id=None,
            title=TITLE,
            description=DESCRIPTION,
        ).ticket
        doc = self._db.tickets.find_one({"_id": filed.id}) or {}
        numbers = allocate_numbers(self._db, team_id=TEAM, count=count)
        copies = [
            {
                **doc,
                "_id": ObjectId(),
                "number": number,
                "createdAt": doc["createdAt"] - timedelta(minutes=age),
            }
            for age, number in enumerate(numbers[1:], start=1)
        ]
        self._db.tickets.insert_many(copies)

    def trips(self, request: Callable[[Client], TestResponse]) -> int:
        """Count the commands that a request to the bot in this process sends to MongoDB."""
        request(self._client)  # fills the caches
        before = self._trips.number
        response = request(self._client)
        if not response.status.startswith("2"):
            raise RuntimeError(response.text)
        return self._trips.number - before

    @cached_property
    def _services(self) -> Services:
        return Services.build(self._db, self._config)

    @cached_property
    def _config(self) -> Settings:
        return parse_settings("bot", self._settings)[0]

    @cached_property
    def _client(self) -> Client:
        publisher = BackgroundPublisher(
            CeleryPublisher(configure_celery(redis_url=self._config.redis_url))
        )
        self._stack.callback(publisher.stop)
        bot = BotProcess(
            self._services,
            config=self._config,
            client=WebClient("xoxb-bench", base_url=self._config.slack_api_url),
            publisher=publisher,
            team_id=TEAM,
            team_url="https://bench.example.com/",
        )
        executor = self._stack.enter_context(ThreadPoolExecutor(1))
        events = slack_events_blueprint(
            create_app(bot, executor=executor), signing_secret=SIGNING_SECRET
        )
        flask_app = create_flask_app(is_ready=bool, blueprints=[events, api_blueprint(bot)])
        return flask_app.test_client()


def _started(
    stack: ExitStack,
    directory: Path,
    program: Sequence[str],
    until: str,
    settings: Mapping[str, str] | None = None,
) -> Process:
    """Start a process, and stop it with the stack."""
    name = program[-1].rpartition("/")[2]
    log, env = directory / f"{name}.log", environment(settings or {})
    process = Process(name, program, log=log, env=env, cwd=ROOT)
    stack.callback(process.stop)
    process.start()
    process.wait_until(lambda: until in process.output(), timeout=START_SECONDS)
    return process


def _spread(make: Callable[[], T], limit: Limit, uses: int) -> Iterator[T]:
    """Yield each new account as often as its rate limit allows."""
    amount = RULES[limit].amount
    for start in range(0, uses, amount):
        yield from itertools.repeat(make(), min(amount, uses - start))


class _Slack(ThreadingHTTPServer):
    """Answers `auth.test`, which a bot calls at its start."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SlackHandler)
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _SlackHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = {"ok": True, "team_id": TEAM, "url": "https://bench.example.com/"}
        answer |= {"user_id": "U0BOT", "bot_id": "B0BOT"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server's signature
        """Write nothing."""
