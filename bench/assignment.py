"""Assign filed tickets and send their messages: one worker, Slack over https.

    python -m bench.assignment

The worker is a real process with its own Redis and database. What is counted is from the first
message to the last: tickets a second, CPU time of the worker and of MongoDB, trips to the database,
and calls to Slack by method.
"""

import multiprocessing
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import psutil
from bson import ObjectId

from bench.figures import Figure, table
from demo.local_stack import READY, environment
from demo.process import Process
from demo.servers import MongoServer, RedisServer
from services.core.clock import utcnow
from services.core.database import Mongo, connect
from services.home.sessions import Screen
from services.models.permissions import Actor
from services.models.slack_member import link_id
from services.models.user import Role
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from tasks.queue.celery_app import configure_celery
from tasks.queue.publisher import CeleryPublisher
from tests.support.certificates import CertificateAuthority
from tests.support.slack_http import Json, Reply, Server

TEAM = "T0BENCH"
TRIAGE_CHANNEL = "C0TRIAGE"
MODERATORS, REQUESTERS = 20, 40
TICKETS, ROUNDS, WARM_UP = 120, 3, 20
SKILLS = ("vpn", "email", "printer", "laptop")
SECONDS = 120.0
MAX_MS, MAX_CPU_MS, MAX_TRIPS = 25, 35, 15
JWT_SECRET = "a secret of the benchmark, 32 bytes long"  # noqa: S105  of no use elsewhere
# A worker that writes the name of each command it sends to MongoDB into TRIPS.
COUNTED_WORKER = """
import os, sys
from pymongo import monitoring
file = os.open(os.environ["TRIPS"], os.O_WRONLY | os.O_APPEND)
class Trips(monitoring.CommandListener):
    def started(self, event):
        name = event.command_name
        os.write(file, f"{name} {event.command.get(name)}\\n".encode())
    def succeeded(self, event): ...
    def failed(self, event): ...
monitoring.register(Trips())
import app
sys.exit(app.main(sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round took, for each ticket."""

    tickets_per_second: float
    cpu_ms: float
    trips: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)


class SlackStandIn:
    """A Slack in a process of its own, which accepts every call and remembers when it came."""

    def __init__(self, authority: CertificateAuthority) -> None:
        certificate = authority.issue("127.0.0.1")
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_serve, args=(certificate, theirs), daemon=True)

    def __enter__(self) -> "SlackStandIn":
        self._process.start()
        self.url = f"https://127.0.0.1:{self._pipe.recv()}/api/"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def calls(self) -> list[tuple[float, str, str]]:
        """Return when each method was called for which channel, since the last call of this."""
        self._pipe.send("calls")
        found: list[tuple[float, str, str]] = self._pipe.recv()
        return found


def _serve(certificate: Path, pipe: Connection) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    calls: list[tuple[float, str, str]] = []

    def answer(path: str, args: Json, _: str | None) -> Reply:
        method, channel = path.rpartition("/")[2], str(args.get("channel") or "")
        calls.append((time.monotonic(), method, channel))
        ts = f"{time.time():.6f}"
        body = {"ok": True, "channel": f"D{channel[1:]}", "ts": ts, "message": {"ts": ts}}
        body |= {"team_id": TEAM, "user_id": "U0BOT", "url": "https://example.com/"}
        return 200, {**body, "view": {"id": "V1", "hash": ts}}, {}

    server = Server(0, answer, context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    while pipe.recv():
        pipe.send(calls[:])
        calls.clear()


class Stack:
    """The servers and the people; one worker at a time."""

    def __init__(self) -> None:
        self._exit = ExitStack()

    def __enter__(self) -> "Stack":
        self._mongo = self._exit.enter_context(MongoServer())
        redis = self._exit.enter_context(RedisServer())
        directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory()))
        authority = CertificateAuthority(directory)
        self.slack = self._exit.enter_context(SlackStandIn(authority))
        uri = self._mongo.uri_for("bench")
        self.db = connect(uri)
        self._exit.callback(self.db.client.close)
        ensure_indexes(self.db)
        self.services = Services(self.db, redis_url=redis.url)
        self.requesters = fill(self.db, self.services)
        self._publisher = CeleryPublisher(configure_celery(redis_url=redis.url))
        self._trips = directory / "trips"
        self._trips.touch()
        self._directory = directory
        self._settings = {
            "MONGO_URI": uri,
            "REDIS_URL": redis.url,
            "JWT_SECRET": JWT_SECRET,
            "SLACK_API_URL": self.slack.url,
            "SLACK_BOT_TOKEN": "xoxb-bench",
            "TRIAGE_CHANNEL": TRIAGE_CHANNEL,
            "SSL_CERT_FILE": str(authority.file),
            "TRIPS": str(self._trips),
            "LOG_LEVEL": "INFO",
        }
        return self

    @contextmanager
    def worker(self, *, counts_trips: bool = False) -> Iterator[None]:
        program = ["-c", COUNTED_WORKER] if counts_trips else ["app.py"]
        self._worker = Process(
            "worker",
            [sys.executable, *program, "worker"],
            log=self._directory / "worker.log",
            env=environment(self._settings),
        )
        self._worker.start()
        try:
            self._worker.wait_until(lambda: READY["worker"] in self._worker.output(), timeout=60)
            self.run(WARM_UP)
            yield
        finally:
            self._worker.stop()

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def run(self, count: int) -> Round:
        """File so many tickets, then let the worker assign them."""
        self.slack.calls()
        ids = [self._file(number) for number in range(count)]
        for number in range(MODERATORS, MODERATORS + REQUESTERS // 4):  # they look while they wait
            self.services.home_sessions.navigate(_link(number), screen=Screen())
        self._trips.write_text("")
        cpu_before = self._cpu_seconds()
        for ticket_id in ids:
            self._publisher.publish_ticket(ticket_id)
        self._wait()
        cpu_seconds = self._cpu_seconds() - cpu_before
        calls = self.slack.calls()
        posted = [at for at, method, _ in calls if method == "chat.postMessage"]
        trips = Counter(self._trips.read_text().splitlines())
        return Round(
            count / (max(posted) - min(posted)),
            cpu_seconds * 1_000 / count,
            trips,
            Counter(method for _, method, _ in calls),
        )

    def _file(self, number: int) -> str:
        user_id = self.requesters[number % len(self.requesters)]
        skill = SKILLS[number % len(SKILLS)]
        filed = self.services.tickets.create(
            actor=Actor(user_id, Role.USER),
            team_id=TEAM,
            request_id=None,
            title=f"The {skill} does not work",
            description=f"Since this morning my {skill} does not start. " * 5,
        )
        return str(filed.ticket.id)

    def _wait(self) -> None:
        deadline = time.monotonic() + SECONDS
        while self._is_working():
            if time.monotonic() > deadline:
                raise TimeoutError(self._worker.tail())
            time.sleep(0.1)

    def _is_working(self) -> bool:
        """Whether messages, or views of Home, are still to be sent."""
        unsent = self.db.tickets.count_documents({"outbox": True}, limit=1)
        return bool(unsent or self.db.links.count_documents({"home.due": {"$ne": None}}, limit=1))

    def _cpu_seconds(self) -> float:
        """Of the worker with its children, and of MongoDB."""
        running = [one for one in (self._worker, self._mongo.process) if one]
        parents = [psutil.Process(one.pid) for one in running]
        every = [one for parent in parents for one in (parent, *parent.children(recursive=True))]
        times = [one.cpu_times() for one in every]
        return sum(used.user + used.system for used in times)


def fill(db: Mongo, services: Services) -> list[ObjectId]:
    """Add the people, half of the moderators with Home open; return the requesters."""
    now = utcnow()
    people = []
    for number in range(MODERATORS + REQUESTERS):
        is_moderator = number < MODERATORS
        user_id = ObjectId()
        people.append(user_id)
        db.users.insert_one(
            {
                "_id": user_id,
                "email": f"p{number}@example.com",
                "name": f"Person {number}",
                "role": (Role.MODERATOR if is_moderator else Role.USER).value,
                "active": True,
                "skills": [SKILLS[number % len(SKILLS)]] if is_moderator else [],
                "capacity": 50,
                "createdAt": now,
            }
        )
        link = {"teamId": TEAM, "slackUserId": _slack_id(number), "userId": user_id}
        db.links.insert_one({"_id": _link(number), **link})
        if is_moderator and number % 2:
            services.home_sessions.navigate(_link(number), screen=Screen())
    return people[MODERATORS:]


def _slack_id(number: int) -> str:
    return f"U{number:08d}"


def _link(number: int) -> str:
    return link_id(TEAM, _slack_id(number))


def measure(*, tickets: int = TICKETS, rounds: int = ROUNDS) -> tuple[list[Round], Round]:
    """Return the rounds, and one in which trips are counted."""
    with Stack() as stack:
        with stack.worker():
            measured = [stack.run(tickets) for _ in range(rounds)]
        with stack.worker(counts_trips=True):
            return measured, stack.run(tickets)


def figures(*, tickets: int = TICKETS, rounds: int = ROUNDS) -> Iterator[Figure]:
    """Yield the time for each ticket, and the CPU time of worker and MongoDB."""
    measured, counted = measure(tickets=tickets, rounds=rounds)
    rate = median(one.tickets_per_second for one in measured)
    trips = counted.trips.total() / tickets
    calls = sorted((method, times / tickets) for method, times in counted.calls.items())
    listed = ", ".join(f"{times:.2f} {method}" for method, times in calls)
    yield Figure(
        "assign a ticket and send its messages, https",
        ms=1_000 / rate,
        bound=MAX_MS,
        note=f"{rate:.0f}/s; {trips:.1f} trips (at most {MAX_TRIPS}); {listed}",
    )
    yield Figure(
        "CPU time of worker and MongoDB for it",
        ms=median(one.cpu_ms for one in measured),
        bound=MAX_CPU_MS,
    )


if __name__ == "__main__":
    print(table(figures()))
