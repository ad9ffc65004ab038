"""The worker and jobs processes as in production: started, used, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from demo.binaries import ROOT
from demo.process import Process
from demo.servers import MongoServer, RedisServer
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.redis_client import connect_redis
from services.models.ticket import Status
from services.models.user import Role
from services.tickets.filing import TicketService
from tasks.processes.consumer import ResilientQoS
from tasks.queue.celery_app import FRESH_QUEUE, NOTIFY_TASK
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import JWT_SECRET, People, file_ticket, reload
from tests.support.aimock import AIMock
from tests.support.canary import FILED
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]


QUEUE_KEY = f"helpdesk:{FRESH_QUEUE}"
BINDING_KEY = f"helpdesk:_kombu.binding.{FRESH_QUEUE}"
UNACKED_KEY, UNACKED_INDEX_KEY = "helpdesk:unacked", "helpdesk:unacked_index"


@pytest.fixture
def redis_with_faults(redis: RedisServer) -> Iterator[RedisServer]:
    """A Redis that is as before after the test."""
    yield redis
    with connect_redis(redis.url) as client:
        for _, end in REDIS_FAULTS.values():
            client.execute_command(*end)


@pytest.fixture
def publisher(redis: RedisServer) -> CeleryPublisher:
    return CeleryPublisher(celery_for(redis.url))


def test_a_worker_asks_gemini_and_waits_as_long_as_slack_asks(
    product: Product,
    publisher: CeleryPublisher,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    employee, expert = people.add(), people.add(Role.MODERATOR, "VPN")
    slack.fail("chat.postMessage", status=429, retry_after=3)
    with AIMock() as gemini:
        gemini.answer(skills=["VPN"], summary="No tunnel.", priority="high", notes="Look.")
        worker = product.start("worker", GEMINI_API_KEY="key", GEMINI_API_URL=gemini.url)
        ticket = file_ticket(tickets, employee, "Cannot reach the office")
        publisher.publish_ticket(str(ticket.id))
        eventually(lambda: is_outbox_empty(db), what="everybody was told")
    found = reload(db, ticket)
    assert (found.status, found.assigned_to) == (Status.IN_PROGRESS, expert.id)
    assert found.assignment["source"] == "gemini"
    assert found.summary == "No tunnel."
    assert len(slack.messages(people.slack_id(expert))) == 1
    refused, *taken = slack.calls_to("chat.postMessage")
    again = next(call for call in taken if call.args["channel"] == refused.args["channel"])
    assert again.at - refused.at >= 3
    assert worker.stop(grace=10)


def test_a_worker_told_to_stop_leaves_a_slow_ticket_to_the_next(
    product: Product,
    publisher: CeleryPublisher,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    employee = people.add()
    people.add(Role.MODERATOR, "VPN")
    with AIMock() as gemini:
        gemini.delay(30, skills=["VPN"])
        worker = product.start("worker", GEMINI_API_KEY="key", GEMINI_API_URL=gemini.url)
        ticket = file_ticket(tickets, employee)
        publisher.publish_ticket(str(ticket.id))
        eventually(
            lambda: "until" in reload(db, ticket).assignment, what="the worker is asking Gemini"
        )
        assert worker.stop(grace=10), "the worker had to be killed"
    assert reload(db, ticket).is_in_outbox
    product.start("worker")
    publisher.publish_ticket(str(ticket.id))
    eventually(lambda: reload(db, ticket).assigned_to is not None, what="it was assigned")


def test_jobs_stop_in_time_and_give_up_the_lease(product: Product, db: Mongo) -> None:
    jobs = product.start("jobs")
    eventually(lambda: db.leases.find_one({"_id": "jobs"}) is not None, what="it leads")
    assert jobs.stop(grace=10), "the jobs had to be killed"
    assert db.leases.find_one({"_id": "jobs"}) is None


def test_jobs_stop_in_time_when_the_database_is_away(
    redis: RedisServer, slack: RecordingSlack, tmp_path: Path
) -> None:
    with MongoServer() as own:
        made = Product(mongo_uri=own.uri_for("jobs"), redis=redis, slack=slack, directory=tmp_path)
        jobs = made.start("jobs")
        own.kill()
        jobs.terminate()
        eventually(lambda: not jobs.running, what="the jobs have ended", seconds=10)
        assert jobs.exit_code == 0
        assert "the lease is left to expire" in jobs.output()


# Per fault: the command that begins it, and the one that ends it.
REDIS_FAULTS: dict[str, tuple[list[Any], list[Any]]] = {
    "it becomes a replica": (["REPLICAOF", "127.0.0.1", 1], ["REPLICAOF", "NO", "ONE"]),
    "it refuses writes": (
        ["CONFIG", "SET", "min-replicas-to-write", 1],
        ["CONFIG", "SET", "min-replicas-to-write", 0],
    ),
    "it is out of memory": (
        ["CONFIG", "SET", "maxmemory", 1],
        ["CONFIG", "SET", "maxmemory", 0],
    ),
    "it asks for a password": (
        ["CONFIG", "SET", "requirepass", "secret"],
        ["CONFIG", "SET", "requirepass", ""],
    ),
    "it has too many clients": (
        ["CONFIG", "SET", "maxclients", 1],
        ["CONFIG", "SET", "maxclients", 1_000],
    ),
    "the queue is no list": (["SET", QUEUE_KEY, "x"], ["DEL", QUEUE_KEY]),
    "the queue's binding is no set": (["SET", BINDING_KEY, "x"], ["DEL", BINDING_KEY]),
}


def has_ended_or_reconnected(worker: Process, *, more_than: int) -> bool:
    return not worker.running or worker.output().count("consumer: ") > more_than


def test_a_worker_survives_what_redis_answers(
    product: Product,
    publisher: CeleryPublisher,
    redis_with_faults: RedisServer,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    employee, expert = people.add(), people.add(Role.MODERATOR, "VPN")
    worker = product.start("worker")
    with connect_redis(redis_with_faults.url) as client:
        for fault, (begin, end) in REDIS_FAULTS.items():
            seen = worker.output().count("consumer: ")
            if "binding" in fault:
                client.delete(BINDING_KEY)
            client.execute_command(*begin)
            client.client_kill_filter(_type="normal", skipme=True)
            eventually(
                partial(has_ended_or_reconnected, worker, more_than=seen + 1),
                what=f"the worker notices that {fault}",
                seconds=120,
            )
            assert worker.running, f"{fault}: {worker.describe_end()}"
            client.execute_command(*end)
    ticket = file_ticket(tickets, employee)
    publisher.publish_ticket(str(ticket.id))
    eventually(lambda: reload(db, ticket).assigned_to == expert.id, what="it was assigned")
    assert worker.stop(grace=10)


def test_a_worker_survives_what_redis_holds(
    product: Product,
    publisher: CeleryPublisher,
    redis: RedisServer,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    """Messages that the worker cannot read are dropped, and it takes the next one."""
    employee, expert = people.add(), people.add(Role.MODERATOR, "VPN")
    worker = product.start("worker")
    with connect_redis(redis.url) as client:
        for message in unreadable_messages():
            client.lpush(QUEUE_KEY, message)
        client.hset(UNACKED_KEY, "tag", "{")
        client.zadd(UNACKED_INDEX_KEY, {"tag": 1})
        ticket = file_ticket(tickets, employee)
        eventually(lambda: client.llen(QUEUE_KEY) == 0, what="the queue is empty")
        publisher.publish_ticket(str(ticket.id))
        eventually(
            lambda: not worker.running or reload(db, ticket).assigned_to == expert.id,
            what="it was assigned",
        )
        assert worker.running, worker.describe_end()
        eventually(lambda: client.llen(QUEUE_KEY) == 0, what="the queue is empty again")
        eventually(lambda: set(client.hkeys(UNACKED_KEY)) <= {"tag"}, what="no message is kept")
    assert worker.stop(grace=10)


def unreadable_messages() -> list[str]:
    """Return messages that no publisher of the product sends."""
    message: dict[str, Any] = {
        "body": b64encode(b'[["id"], {}, {}]').decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": NOTIFY_TASK, "id": "1", "root_id": "1", "argsrepr": ""},
        "properties": {
            "correlation_id": "1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": FRESH_QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "1",
        },
    }
    made: list[Any] = ["x", [], {}, 1, None, {"properties": {}}]
    for path, value in (
        ("body", "?"),
        ("body", b64encode(b"{").decode()),
        ("body", b64encode(b"1").decode()),
        ("body", b64encode(b"[1, 2]").decode()),
        ("body", b64encode(b"[1, 2, 3]").decode()),
        ("body", b64encode(b'[[1, 2, 3], {"a": 1}, {}]').decode()),
        ("body", None),
        ("content-type", "application/x-python-serialize"),
        ("content-type", 7),
        ("content-encoding", "no such"),
        ("headers", None),
        ("headers", []),
        ("headers.task", ["x"]),
        ("headers.task", "no.such.task"),
        ("headers.id", None),
        ("headers.id", ["x"]),
        ("headers.eta", "x"),
        ("headers.eta", 7),
        ("headers.expires", "x"),
        ("headers.timelimit", "x"),
        ("headers.timelimit", [1]),
        ("headers.retries", "x"),
        ("headers.compression", "x"),
        ("properties", None),
        ("properties.delivery_info", None),
        ("properties.body_encoding", "x"),
        ("properties.delivery_tag", None),
        ("properties.priority", "x"),
        ("properties.correlation_id", ["x"]),
    ):
        first, _, second = path.partition(".")
        changed = {**message, first: {**message[first], second: value} if second else value}
        if path != "properties.delivery_tag" and isinstance(changed["properties"], dict):
            changed["properties"] = {**changed["properties"], "delivery_tag": f"{len(made)}"}
        made.append(changed)
    no_id = {name: value for name, value in message["headers"].items() if name != "id"}
    made.append({**message, "headers": no_id})
    return ["{", "\x00", *map(json.dumps, made)]


def test_a_worker_leaves_another_celery_app_alone(
    product: Product,
    publisher: CeleryPublisher,
    redis: RedisServer,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    """On the same Redis database, with Celery's default names."""
    worker = product.start("worker")
    other = Celery("other", broker=redis.url)
    other.send_task("other.task")
    other.control.shutdown()
    expert = people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, people.add())
    publisher.publish_ticket(str(ticket.id))
    eventually(lambda: reload(db, ticket).assigned_to == expert.id, what="it was assigned")
    assert worker.running
    with connect_redis(redis.url) as client:
        (message,) = client.lrange("celery", 0, -1)
        assert json.loads(message)["headers"]["task"] == "other.task"
        assert client.hlen("unacked") == 0


def test_what_waits_in_the_queue_of_earlier_releases_is_sent_again(
    product: Product, redis: RedisServer, people: People, tickets: TicketService, db: Mongo
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, people.add())
    Celery("earlier", broker=redis.url).send_task(NOTIFY_TASK, [str(ticket.id)])
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"nextTryAt": utcnow()}})
    product.start("worker")
    product.start("jobs")
    eventually(lambda: reload(db, ticket).assigned_to == expert.id, what="it was assigned")
    with connect_redis(redis.url) as client:
        assert client.llen("celery") == 1


def test_a_fresh_ticket_overtakes_those_that_wait(
    product: Product,
    publisher: CeleryPublisher,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    """Also if all of them are in the queue for fresh tickets, because the worker was down."""
    one, other = people.add(), people.add()
    people.add(Role.MODERATOR, "VPN", capacity=100)
    late = [file_ticket(tickets, one) for _ in range(20)]
    db.tickets.update_many(FILED, {"$set": {"nextTryAt": utcnow() - timedelta(minutes=1)}})
    db.tickets.update_one({"_id": late[-1].id}, {"$set": {"priority": "urgent"}})
    fresh = file_ticket(tickets, other)
    in_time = {"nextTryAt": utcnow() + timedelta(minutes=1)}
    db.tickets.update_one({"_id": fresh.id}, {"$set": in_time})
    for ticket in (*late, fresh):
        publisher.publish_ticket(str(ticket.id))
    product.start("worker")
    eventually(
        lambda: all(reload(db, ticket).assigned_to for ticket in late), what="all are assigned"
    )
    order = [doc["_id"] for doc in db.tickets.find(FILED).sort("assignment.at")]
    assert {order.index(fresh.id), order.index(late[-1].id)} <= set(range(6))


def test_a_worker_that_ends_by_itself_fails(product: Product, redis: RedisServer) -> None:
    worker = product.start("worker")
    control = celery_for(redis.url).control

    def has_ended() -> bool:
        control.shutdown()  # lost if the worker does not listen for broadcasts yet
        return not worker.running

    eventually(has_ended, what="the worker has ended")
    assert worker.exit_code not in (0, None)


def children(process: Process) -> set[int]:
    """Return the pids of the child processes."""
    return set(
        map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    )


IMPORTS_AFTER_THE_FORK = """
import sys
import app
from tasks.processes import worker

def run(celery, build, meter):
    before = set(sys.modules)
    build()
    print(sorted(set(sys.modules) - before))

worker.run = run
app.main(["worker"])
"""


# What is shared with the children when they are made.
FROZEN_AT_THE_FORK = """
import gc
import app
from celery import Celery
from celery.signals import worker_before_create_process

class Worker:
    def __init__(self, **options): ...

    def start(self):
        worker_before_create_process.send(sender=None)
        print(gc.get_freeze_count() > 0)

Celery.Worker = Worker
app.main(["worker"])
"""


@pytest.mark.parametrize(
    ("program", "printed"), [(IMPORTS_AFTER_THE_FORK, "[]\n"), (FROZEN_AT_THE_FORK, "True\n")]
)
def test_a_child_neither_imports_nor_copies_anything_to_start(
    mongo: MongoServer, program: str, printed: str
) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "GEMINI_API_KEY": "key",
        "JWT_SECRET": JWT_SECRET,
        "MAILTRAP_SMTP_HOST": "127.0.0.1",
        "MONGO_URI": mongo.uri_for("imports"),
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "SLACK_BOT_TOKEN": "xoxb-test",
    }
    done = subprocess.run(  # noqa: S603  the command is this test's
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == printed


@pytest.mark.long
def test_a_child_that_starts_slowly_is_not_killed(product: Product) -> None:
    worker = product.start("worker")
    first = children(worker)
    os.kill(min(first), signal.SIGKILL)
    eventually(lambda: bool(children(worker) - first), what="there is a new child")
    (new,) = children(worker) - first
    os.kill(new, signal.SIGSTOP)
    time.sleep(6)  # more than Celery's own limit
    os.kill(new, signal.SIGCONT)
    time.sleep(1)
    assert new in children(worker)
    assert "Timed out waiting for UP message" not in worker.output()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test can suspend."""
    with RedisServer() as server:
        yield server
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("command", ["worker", "jobs"])
def test_a_process_stops_in_time_when_redis_hangs(
    command: str,
    mongo: MongoServer,
    own_redis: RedisServer,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
    tmp_path: Path,
) -> None:
    made = Product(
        mongo_uri=mongo.uri_for(db.name), redis=own_redis, slack=slack, directory=tmp_path
    )
    process = made.start(command)
    pool = children(process)
    for _ in range(10):  # the jobs are publishing them when they are stopped
        file_ticket(tickets, people.add())
    db.tickets.update_many(FILED, {"$set": {"nextTryAt": utcnow()}})
    assert own_redis.process is not None
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    time.sleep(3)  # so long that the worker's next call has begun
    process.terminate()
    eventually(lambda: not process.running, what="the process has ended", seconds=10)
    assert process.exit_code == 0
    assert [pid for pid in pool if Path(f"/proc/{pid}").exists()] == []


def test_a_connection_that_kombu_has_let_go_of_is_closed_without_an_error(
    redis: RedisServer,
) -> None:
    with Connection(redis.url) as connection:
        channel: Any = connection.channel()
        client, channel.connection.client = channel.connection.client, None
        ResilientQoS(channel).restore_unacked()
        channel.connection.client = client
