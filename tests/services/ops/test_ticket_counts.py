import pytest

from services.core.database import Mongo, connect
from services.core.leases import Lease
from services.models.ticket import Status
from services.ops.ticket_counts import (
    CACHE_SECONDS,
    TicketCounts,
    cached_ticket_counts,
    count_tickets,
    record_status_counts,
)
from services.outbox import pending
from services.registry.services import Services
from services.tickets.filing import TicketService
from tasks.processes.scheduler import Scheduler
from tests.conftest import (
    NOBODY_LISTENS,
    Commands,
    FixedClock,
    People,
    RecordingPublisher,
    file_ticket,
    reload,
)
from tests.support.query_rule import fault, queries

NONE = dict.fromkeys([status.value for status in Status], 0)


def test_a_new_installation(db: Mongo, clock: FixedClock) -> None:
    assert count_tickets(db, clock=clock) == TicketCounts(
        by_status={},
        outbox=0,
        oldest_due_seconds=0,
        most_attempts=0,
        leader=None,
        failing={"step": 0, "digest": 0, "ticket": 0},
    )


def test_tickets_outbox_and_leader(
    db: Mongo, clock: FixedClock, tickets: TicketService, people: People
) -> None:
    employee = people.add()
    first, second, third = (file_ticket(tickets, employee, f"Number {n}") for n in range(3))
    db.tickets.update_one({"_id": third.id}, {"$set": {"status": "COMPLETED"}})
    no_request = {"status": "COMPLETED", "resolution": "not_a_request"}
    db.tickets.insert_one({"title": "Good morning", **no_request})
    pending.mark_delivered(db, third.id, expected_seq=third.seq)
    for _ in range(2):
        waiting = reload(db, second)
        pending.back_off(db, waiting, now=waiting.next_try_at or clock())
    lease = Lease(db, "jobs", clock=clock)
    lease.acquire()
    record_status_counts(db, now=clock())
    counts = count_tickets(db, clock=clock)
    assert counts.by_status == {**NONE, "TODO": 2, "COMPLETED": 1}
    assert (counts.outbox, counts.most_attempts) == (2, 2)
    assert counts.oldest_due_seconds == 0  # both are not due yet
    clock.advance(seconds=15)
    assert count_tickets(db, clock=clock).oldest_due_seconds == 5
    assert counts.leader == (db.leases.find_one({"_id": "jobs"}) or {})["holder"]
    clock.advance(seconds=30)
    assert count_tickets(db, clock=clock).leader is None
    pending.mark_delivered(db, first.id, expected_seq=first.seq)
    assert count_tickets(db, clock=clock).outbox == 1


def test_counts_by_status_are_those_of_the_last_minutes(
    db: Mongo, clock: FixedClock, tickets: TicketService, people: People
) -> None:
    record_status_counts(db, now=clock())
    file_ticket(tickets, people.add())
    assert count_tickets(db, clock=clock).by_status == NONE
    record_status_counts(db, now=clock())
    assert count_tickets(db, clock=clock).by_status == {**NONE, "TODO": 1}
    clock.advance(minutes=10)
    assert count_tickets(db, clock=clock).by_status == {}


def test_the_jobs_count_them(
    services: Services, publisher: RecordingPublisher, clock: FixedClock, people: People
) -> None:
    file_ticket(services.tickets, people.add())
    jobs = Scheduler(services, publisher)
    jobs.renew_leadership()
    jobs.run("counts")
    assert count_tickets(services.db, clock=clock).by_status == {**NONE, "TODO": 1}


def test_a_scrape_counts_only_what_is_due_or_failing(
    watched_db: Mongo, commands: Commands, clock: FixedClock
) -> None:
    count_tickets(watched_db, clock=clock)
    asked = [query for sent in commands.sent for query in queries(*sent)]
    assert [fault(query) for query in asked] == [""] * len(asked)
    of_tickets = [set(query.filter["$and"][0]) for query in asked if query.collection == "tickets"]
    assert of_tickets == [{"outbox", "nextTryAt"}, {"alarm.aside.since"}, {"aside.until"}]


def test_it_asks_once_in_fifteen_seconds(
    db: Mongo, clock: FixedClock, tickets: TicketService, people: People
) -> None:
    now = [100.0]
    counts = cached_ticket_counts(db, clock=clock, monotonic=lambda: now[0])
    employee = people.add()
    for passed, seen in ((0.0, 0), (CACHE_SECONDS - 0.1, 0), (0.1, 2), (1.0, 2)):
        now[0] += passed
        shown = counts()
        assert shown is not None
        assert shown.outbox == seen
        file_ticket(tickets, employee, "One more")


def test_without_mongodb_there_is_none_and_it_does_not_ask_each_time(
    clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = connect(f"{NOBODY_LISTENS}?serverSelectionTimeoutMS=100")
    now = [0.0]
    counts = cached_ticket_counts(away, clock=clock, monotonic=lambda: now[0])
    assert counts() is None
    monkeypatch.setattr("services.ops.ticket_counts.count_tickets", lambda *_, **__: NONE)
    assert counts() is None
    now[0] += CACHE_SECONDS
    assert counts() is NONE  # type: ignore[comparison-overlap]  # what stands in for the counts
    away.client.close()
