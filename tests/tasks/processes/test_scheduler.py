"""The jobs, and the lease of the process that runs them."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from demo.servers import MongoServer
from services.core import schema_version
from services.core.database import Mongo, connect
from services.core.leases import Lease
from services.core.metrics import InMemoryMeter, SampleKey
from services.models.ticket import Ticket
from services.models.user import User
from services.ops.job_health import job_problems, load_job_runs
from services.outbox.emails import EmailKind, Emails
from services.outbox.pending import back_off, mark_delivered
from services.registry.indexes import missing_indexes
from services.registry.migrations import PROGRAM_VERSION
from services.registry.services import Services
from services.tickets.filing import TicketService
from tasks.processes.scheduler import Scheduler, run
from tasks.queue.celery_app import EMAIL_TASK, NOTIFY_TASK
from tasks.queue.job_registry import Job, JobContext, JobFunction
from tasks.queue.publisher import CeleryPublisher, PublishFailed
from tasks.queue.waiting_tasks import WaitingTasks
from tests.conftest import FixedClock, People, RecordingPublisher, at_once, file_ticket, reload
from tests.support.processes import eventually

EVERY = {
    "sweep": 10,
    "waiting": 10,
    "closing": 10,
    "handing_back": 10,
    "upkeep": 10,
    "alarms": 10,
    "availability": 30,
    "digest": 30,
    "indexes": 3600,
    "migrations": 30,
    "counts": 60,
    "search": 60,
    "channels": 60,
    "learn": 60,
}


@pytest.fixture
def ticket(tickets: TicketService, people: People) -> Ticket:
    employee: User = people.add()
    return file_ticket(tickets, employee)


def make_job(name: str, run: JobFunction, *, seconds: int = 10) -> Job:
    return Job(name, timedelta(seconds=seconds), run)


def leading(services: Services, publisher: CeleryPublisher) -> Scheduler:
    jobs = Scheduler(services, publisher)
    jobs.renew_leadership()
    return jobs


@pytest.mark.usefixtures("slack")
def test_the_leader_builds_missing_indexes(
    services: Services, publisher: RecordingPublisher, indexes_restored: None, clock: FixedClock
) -> None:
    services.db.tickets.drop_index("outbox_due")
    services.db.tickets.create_index("status")
    leading(services, publisher).run("indexes")
    assert missing_indexes(services.db) == []
    assert "status_1" not in services.db.tickets.index_information()


class Away(RecordingPublisher):
    """A broker that is unreachable."""

    def send(self, task: str, ticket_id: str | None = None, **kwargs: Any) -> None:
        raise PublishFailed("ConnectionError")


def test_the_migrations_bring_the_data_to_this_releases_version(
    services: Services, publisher: RecordingPublisher, db: Mongo
) -> None:
    leading(services, publisher).run("migrations")
    assert schema_version.stored_schema(db).version == PROGRAM_VERSION


def test_a_ticket_is_published_again_with_a_growing_delay(
    services: Services, db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    jobs = leading(services, publisher)
    jobs.run("sweep")
    assert publisher.asked == []  # its own task may still be in the queue
    waits = []
    for _ in range(8):
        before = clock()
        while not publisher.asked:
            clock.advance(seconds=1)
            jobs.renew_leadership()
            jobs.run("sweep")
        assert publisher.asked == [(NOTIFY_TASK, str(ticket.id))]
        publisher.asked.clear()
        back_off(db, reload(db, ticket), now=clock())  # as the worker does
        waits.append((clock() - before).total_seconds())
    assert waits == [10, 10, 20, 40, 80, 160, 320, 640]


def test_a_delivered_ticket_is_not_published(
    services: Services, db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    mark_delivered(db, ticket.id, expected_seq=ticket.seq)
    clock.advance(hours=1)
    leading(services, publisher).run("sweep")
    assert publisher.asked == []


def test_a_ticket_nobody_could_take_comes_back(
    services: Services, db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    mark_delivered(db, ticket.id, expected_seq=ticket.seq)
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignment.next": clock()}})
    jobs = leading(services, publisher)
    jobs.run("waiting")
    jobs.run("sweep")
    assert publisher.asked == [(NOTIFY_TASK, str(ticket.id))]


def test_one_task_is_published_for_all_waiting_emails(
    services: Services, db: Mongo, publisher: RecordingPublisher, clock: FixedClock
) -> None:
    emails, jobs = Emails(db, clock=clock), leading(services, publisher)
    jobs.run("sweep")
    assert publisher.asked == []
    first, _ = (emails.queue(EmailKind.WELCOME, user_id=ObjectId(), key=key) for key in ("a", "b"))
    jobs.run("sweep")
    assert publisher.asked == [(EMAIL_TASK, first)]  # its task sends the other, too
    publisher.asked.clear()
    while queued_email := emails.claim():
        emails.mark_sent(queued_email)
    jobs.run("sweep")
    assert publisher.asked == []


def test_only_the_leader_sweeps_and_another_takes_over(
    services: Services, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    first, second = leading(services, publisher), leading(services, publisher)
    clock.advance(seconds=16)
    second.run("sweep")
    assert publisher.asked == []
    first.run("sweep")
    assert len(publisher.asked) == 1
    clock.advance(seconds=21)  # the first process has died
    second.renew_leadership()
    second.run("sweep")
    assert len(publisher.asked) == 2


def test_a_leader_that_stops_hands_over_at_once(
    services: Services, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    first, second = leading(services, publisher), leading(services, publisher)
    first.stop()
    second.renew_leadership()
    clock.advance(seconds=16)
    second.run("sweep")
    assert len(publisher.asked) == 1


def test_without_a_broker_nothing_counts_as_published(
    services: Services, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    jobs = leading(services, Away())
    clock.advance(seconds=16)
    for _ in range(5):
        jobs.renew_leadership()
        jobs.run("sweep")
    jobs.stop()
    jobs = leading(services, publisher)
    jobs.run("waiting")
    jobs.run("sweep")
    assert publisher.asked == [(NOTIFY_TASK, str(ticket.id))]


def test_runs_are_counted(
    services: Services, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    meter = InMemoryMeter()
    jobs = Scheduler(services, Away(), meter=meter)
    jobs.run("sweep")
    assert meter.samples() == {}  # a follower runs no job
    jobs.renew_leadership()
    jobs.run("sweep")
    clock.advance(seconds=16)
    jobs.run("sweep")
    counts = meter.samples()
    assert counts[SampleKey("ticket_bot_job_runs_total", ("sweep", "ok"))] == 1
    assert counts[SampleKey("ticket_bot_job_runs_total", ("sweep", "failed"))] == 1
    last = SampleKey("ticket_bot_job_last_run_timestamp_seconds", ("sweep",))
    assert counts[last] == clock().timestamp()
    assert SampleKey("ticket_bot_job_last_duration_seconds", ("sweep",)) in counts


class Slow(RecordingPublisher):
    """A broker that takes a second for each task."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__()
        self._clock = clock

    def send(self, task: str, ticket_id: str | None = None, **kwargs: Any) -> None:
        super().send(task, ticket_id, **kwargs)
        self._clock.advance(seconds=1)


def many_due(db: Mongo, clock: FixedClock, count: int) -> None:
    outbox_fields = {"outbox": True, "nextTryAt": clock(), "attempts": 0}
    db.tickets.insert_many(
        [{"seq": 1, "number": number, **outbox_fields} for number in range(1, count)]
    )


def test_who_loses_the_lease_stops_in_the_middle(
    services: Services, db: Mongo, clock: FixedClock
) -> None:
    many_due(db, clock, 30)
    slow, meter = Slow(clock), InMemoryMeter()
    jobs = Scheduler(services, slow, meter=meter)
    jobs.renew_leadership()
    jobs.run("sweep")
    assert len(slow.asked) == 20  # until the lease expires, which is not renewed
    assert meter.samples()[SampleKey("ticket_bot_job_runs_total", ("sweep", "stopped"))] == 1
    rest = RecordingPublisher()
    rest.waiting = WaitingTasks(frozenset(slow.asked))
    other = leading(services, rest)
    jobs.renew_leadership()
    jobs.run("sweep")
    assert len(slow.asked) == 20
    other.run("sweep")
    assert len(rest.asked) == 9


def test_who_is_to_end_stops_in_the_middle(
    services: Services, db: Mongo, publisher: RecordingPublisher, clock: FixedClock
) -> None:
    many_due(db, clock, 5)
    done: list[bool] = []

    def work(context: JobContext) -> None:
        done.append(context.should_continue())
        jobs.request_stop()
        done.append(context.should_continue())

    jobs = Scheduler(services, publisher, jobs=[make_job("long", work)])
    jobs.renew_leadership()
    jobs.run("long")
    jobs.run("long")
    assert done == [True, False]


def test_a_lease_that_cannot_be_renewed_lasts_until_its_end(
    publisher: RecordingPublisher, clock: FixedClock, mongo: MongoServer
) -> None:
    away = connect(mongo.uri_for("away"))
    ran: list[int] = []
    jobs = Scheduler(
        Services(away, clock),
        publisher,
        jobs=[make_job("it", lambda _: ran.append(1))],
    )
    jobs.renew_leadership()
    away.client.close()
    jobs.renew_leadership()
    jobs.run("it")
    clock.advance(seconds=20)
    jobs.run("it")
    assert ran == [1]


def test_the_result_of_each_run_is_stored_for_the_doctor(
    services: Services, db: Mongo, publisher: RecordingPublisher, clock: FixedClock
) -> None:
    faults: list[Exception] = []

    def work(_: JobContext) -> None:
        if faults:
            raise faults.pop()

    def said() -> list[str]:
        jobs.renew_leadership()
        found = job_problems(load_job_runs(db), now=clock())
        return [f"{finding.status} {finding.message}" for finding in found]

    db.meta.insert_many([{"_id": "job:gone", "dueBy": clock()}, {"_id": "installation"}])
    jobs = Scheduler(services, publisher, jobs=[make_job("mine", work)])
    assert said() == []
    clock.advance(seconds=70)
    assert said() == []
    clock.advance(seconds=1)
    assert said() == ["warn mine is late: it never ended"]
    jobs.run("mine")
    assert said() == []
    for number in range(1, 4):
        clock.advance(seconds=5)
        faults.append(PublishFailed("ConnectionError"))
        jobs.run("mine")
        state = "FAIL" if number > 2 else "warn"
        times = "" if number == 1 else f" {number} times"
        why = "(the broker is away: ConnectionError)"
        assert said() == [f"{state} mine failed{times} and last ended 0 s ago {why}"]
    faults.append(AutoReconnect("gone"))
    jobs.run("mine")
    assert said() == [
        "FAIL mine failed 4 times and last ended 0 s ago (the database: AutoReconnect)"
    ]
    faults.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        jobs.run("mine")
    assert said() == ["FAIL mine failed 5 times and last ended 0 s ago (an unexpected error)"]
    jobs.run("mine")
    assert said() == []
    clock.advance(minutes=17)
    assert said() == ["FAIL mine is late: it last ended 17 min ago"]
    ids = {doc["_id"] for doc in db.meta.find()}
    assert ids == {"job:mine", "installation"}


def test_an_outage_is_a_line_when_it_begins_and_one_when_it_ends(
    services: Services,
    publisher: RecordingPublisher,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = [PublishFailed("ConnectionError")] * 3 + [AutoReconnect("gone")] * 3

    def work(_: JobContext) -> None:
        if faults:
            raise faults.pop(0)

    def away(self: Lease) -> bool:
        raise AutoReconnect("gone")

    jobs = Scheduler(services, publisher, jobs=[make_job("mine", work)])
    caplog.set_level(logging.INFO, logger="tasks.processes.scheduler")
    jobs.renew_leadership()
    for _ in range(8):
        jobs.run("mine")
    with monkeypatch.context() as broken:
        broken.setattr(Lease, "acquire", away)
        for _ in range(3):
            jobs.renew_leadership()
    jobs.renew_leadership()
    assert caplog.messages == [
        "this process leads",
        "the job mine fails and is retried (the broker is away: ConnectionError)",
        "the job mine fails and is retried (the database: AutoReconnect)",
        "the job mine works again",
        "the lease fails and is retried (the database: AutoReconnect)",
        "the lease works again",
    ]


def test_a_long_job_keeps_neither_the_lease_nor_another_job(
    db: Mongo, publisher: RecordingPublisher
) -> None:
    """When the process stops, the job ends before its next batch."""
    begun, stop, ready = threading.Event(), threading.Event(), threading.Event()
    others: list[datetime | None] = []

    def until() -> datetime | None:
        doc = db.leases.find_one({"_id": "jobs"})
        return doc["until"] if doc else None

    def long(context: JobContext) -> None:
        begun.set()
        while context.should_continue():
            time.sleep(0.01)

    jobs = Scheduler(
        Services(db),
        publisher,
        jobs=[
            Job("long", timedelta(seconds=1), long),
            Job("short", timedelta(seconds=1), lambda _: others.append(until())),
        ],
    )
    every = timedelta(seconds=0.2)
    thread = threading.Thread(
        target=run, args=(jobs, stop), kwargs={"ready": ready.set, "renew_every": every}
    )
    thread.start()
    try:
        assert ready.wait(30)
        assert begun.wait(30)
        eventually(lambda: len(set(others)) > 1, what="the lease is renewed, the other job runs")
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert until() is None


class SetClock(datetime):
    """The system clock of a host that is set by `offset`."""

    offset = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.offset


def _ran_twice(runs: list[timedelta]) -> bool:
    return runs.count(SetClock.offset) > 1


def test_a_clock_that_is_put_back_and_right_again_stops_no_job(
    db: Mongo,
    publisher: RecordingPublisher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module in ("schedulers.base", "triggers.interval", "executors.base"):
        monkeypatch.setattr(f"apscheduler.{module}.datetime", SetClock)
    monkeypatch.setattr("services.core.clock.datetime", SetClock)
    monkeypatch.setattr("services.core.clock._shared", [0, 0])
    monkeypatch.setattr(SetClock, "offset", timedelta())
    monkeypatch.setattr("tasks.processes.scheduler.CLOCK_CHECK_SECONDS", 0.05)
    caplog.set_level(logging.WARNING)
    runs: list[timedelta] = []
    stop, ready = threading.Event(), threading.Event()
    jobs = Scheduler(
        Services(db),
        publisher,
        jobs=[make_job("short", lambda _: runs.append(SetClock.offset), seconds=1)],
    )
    kwargs = {"ready": ready.set, "renew_every": timedelta(seconds=0.2)}
    thread = threading.Thread(target=run, args=(jobs, stop), kwargs=kwargs)
    thread.start()
    try:
        assert ready.wait(30)
        for offset in (timedelta(), timedelta(hours=-1), timedelta()):
            SetClock.offset = offset
            runs.clear()
            eventually(partial(_ran_twice, runs), what=f"a job runs with the clock at {offset}")
            lease = db.leases.find_one({"_id": "jobs"})
            assert lease
            assert abs(lease["until"] - datetime.now(UTC)) < timedelta(minutes=1)
    finally:
        stop.set()
        thread.join(30)
    assert caplog.messages == [
        "the clock was put back by 1:00:00",
        "the system clock is 1:00:00 behind MongoDB's; times are corrected",
        "the clock was put forward by 1:00:00",
    ]


def test_the_table_says_what_runs(services: Services, publisher: RecordingPublisher) -> None:
    table = Scheduler(services, publisher).jobs
    assert {name: job.every.total_seconds() for name, job in table.items()} == EVERY


@pytest.mark.parametrize("name", sorted(EVERY))
def test_each_may_run_beside_itself_and_again(
    services: Services,
    db: Mongo,
    publisher: RecordingPublisher,
    clock: FixedClock,
    ticket: Ticket,
    name: str,
) -> None:
    """As if two processes led for a moment: concurrent runs do not break each other."""
    first = leading(services, publisher)
    context = JobContext(services, publisher, lambda: True)
    clock.advance(minutes=10)
    faults = at_once(*[lambda: first.jobs[name].run(context)] * 3)
    assert not [fault for fault in faults if isinstance(fault, Exception)]
    first.renew_leadership()
    first.run(name)
    (kept,) = [run for run in load_job_runs(db) if run.name == name]
    assert (kept.error, kept.failures, kept.ended_at) == (None, 0, clock())
