"""The sweep and who leads it."""

import pytest

from services.database import Mongo
from services.metrics import Key, Tally
from services.models import Ticket, User
from services.outbox import settle
from services.tickets import TicketService
from tasks.app import NOTIFY
from tasks.jobs import Jobs
from tasks.publisher import CeleryPublisher, PublishFailed
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket


@pytest.fixture
def ticket(tickets: TicketService, people: People) -> Ticket:
    employee: User = people.add()
    return file_ticket(tickets, employee)


def leading(db: Mongo, publisher: CeleryPublisher, clock: FixedClock) -> Jobs:
    jobs = Jobs(db, publisher, clock=clock)
    jobs.lead()
    return jobs


def test_a_lost_hint_is_published_again_later_and_later(
    db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    jobs = leading(db, publisher, clock)
    jobs.sweep()
    assert publisher.asked == []  # its own hint may still be on its way
    waits = []
    for _ in range(8):
        before = clock()
        while not publisher.asked:
            clock.advance(seconds=1)
            jobs.lead()
            jobs.sweep()
        assert publisher.asked == [(NOTIFY, str(ticket.id))]
        publisher.asked.clear()
        waits.append((clock() - before).total_seconds())
    assert waits == [10, 10, 20, 40, 80, 160, 320, 640]


def test_a_settled_ticket_is_not_published(
    db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    settle(db, ticket.id, seen=ticket.seq)
    clock.advance(hours=1)
    leading(db, publisher, clock).sweep()
    assert publisher.asked == []


def test_a_ticket_nobody_could_take_comes_back(
    db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    settle(db, ticket.id, seen=ticket.seq)
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignment.next": clock()}})
    leading(db, publisher, clock).sweep()
    assert publisher.asked == [(NOTIFY, str(ticket.id))]


def test_only_the_leader_sweeps_and_another_takes_over(
    db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    first, second = leading(db, publisher, clock), leading(db, publisher, clock)
    clock.advance(seconds=16)
    second.sweep()
    assert publisher.asked == []
    first.sweep()
    assert len(publisher.asked) == 1
    clock.advance(seconds=21)  # the first one has died
    second.lead()
    second.sweep()
    assert len(publisher.asked) == 2


def test_a_leader_that_stops_hands_over_at_once(
    db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    first, second = leading(db, publisher, clock), leading(db, publisher, clock)
    first.stop()
    second.lead()
    clock.advance(seconds=16)
    second.sweep()
    assert len(publisher.asked) == 1


def test_without_a_broker_nothing_counts_as_published(
    db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    class Away(RecordingPublisher):
        def send(self, task: str, ticket_id: str) -> None:
            raise PublishFailed("ConnectionError")

    jobs = leading(db, Away(), clock)
    clock.advance(seconds=16)
    for _ in range(5):
        jobs.lead()
        jobs.sweep()
    jobs.stop()
    leading(db, publisher, clock).sweep()
    assert publisher.asked == [(NOTIFY, str(ticket.id))]


def test_runs_are_counted(
    db: Mongo, publisher: RecordingPublisher, clock: FixedClock, ticket: Ticket
) -> None:
    class Away(RecordingPublisher):
        def send(self, task: str, ticket_id: str) -> None:
            raise PublishFailed("ConnectionError")

    tally = Tally()
    jobs = Jobs(db, Away(), clock=clock, meter=tally)
    jobs.sweep()
    assert tally.counts() == {}  # who follows does not run
    jobs.lead()
    jobs.sweep()
    clock.advance(seconds=16)
    jobs.sweep()
    counts = tally.counts()
    assert counts[Key("ticket_bot_job_runs_total", ("sweep", "ok"))] == 1
    assert counts[Key("ticket_bot_job_runs_total", ("sweep", "failed"))] == 1
    last = Key("ticket_bot_job_last_run_timestamp_seconds", ("sweep",))
    assert counts[last] == clock().timestamp()
    assert Key("ticket_bot_job_last_duration_seconds", ("sweep",)) in counts
