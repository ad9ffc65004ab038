from datetime import datetime, timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.models.user import User
from services.outbox.pending import (
    SWEEP_GRACE_PERIOD,
    back_off,
    due_ticket_ids,
    mark_delivered,
    outbox_fields,
)
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket, reload


@pytest.fixture
def requester(people: People) -> User:
    return people.add()


def next_try(db: Mongo, ticket_id: ObjectId) -> datetime:
    doc = db.tickets.find_one({"_id": ticket_id})
    assert doc is not None
    found = doc["nextTryAt"]
    assert isinstance(found, datetime)
    return found


def test_a_fresh_change_is_left_to_its_own_task_first(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    just_before = clock() + SWEEP_GRACE_PERIOD - timedelta(milliseconds=1)
    assert due_ticket_ids(db, now=just_before, limit=9) == []
    assert due_ticket_ids(db, now=clock() + SWEEP_GRACE_PERIOD, limit=9) == [ticket.id]


def test_the_longest_overdue_comes_first(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    filed = [file_ticket(tickets, requester).id for _ in range(4)]
    for minutes, ticket_id in zip((2, 4, 1, 3), filed, strict=True):
        db.tickets.update_one(
            {"_id": ticket_id}, {"$set": {"nextTryAt": clock() - timedelta(minutes=minutes)}}
        )
    in_order = [filed[1], filed[3], filed[0], filed[2]]
    assert due_ticket_ids(db, now=clock(), limit=9) == in_order
    assert due_ticket_ids(db, now=clock(), limit=2) == in_order[:2]


def test_a_delivered_ticket_is_never_due(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    assert mark_delivered(db, ticket.id, expected_seq=ticket.seq)
    assert not reload(db, ticket).is_in_outbox
    assert due_ticket_ids(db, now=clock() + timedelta(days=1), limit=9) == []
    doc = db.tickets.find_one({"_id": ticket.id}) or {}
    assert "nextTryAt" not in doc
    assert "attempts" not in doc


@pytest.mark.parametrize("seen", [0, 2])
def test_only_the_expected_version_is_marked_delivered(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User, seen: int
) -> None:
    ticket = file_ticket(tickets, requester)
    assert not mark_delivered(db, ticket.id, expected_seq=seen)
    assert reload(db, ticket) == ticket
    assert due_ticket_ids(db, now=clock() + SWEEP_GRACE_PERIOD, limit=9) == [ticket.id]


def test_it_backs_off_to_fifteen_minutes(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    waits = []
    for _ in range(10):
        back_off(db, ticket.id, now=clock())
        waits.append(next_try(db, ticket.id) - clock())
    doubled = [SWEEP_GRACE_PERIOD * 2**attempts for attempts in range(7)]
    assert waits == [*doubled, *[MAX_DELIVERY_DELAY] * 3]
    assert timedelta(minutes=15) == MAX_DELIVERY_DELAY > doubled[-1]


def test_a_hundred_attempts_do_not_overflow(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"attempts": 10_000}})
    back_off(db, ticket.id, now=clock())
    assert next_try(db, ticket.id) == clock() + MAX_DELIVERY_DELAY


def test_a_change_restarts_the_waits(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    for _ in range(3):
        back_off(db, ticket.id, now=clock())
    db.tickets.update_one({"_id": ticket.id}, {"$set": outbox_fields(clock())})
    back_off(db, ticket.id, now=clock())
    assert next_try(db, ticket.id) == clock() + SWEEP_GRACE_PERIOD


def test_a_delivered_or_deleted_ticket_does_not_back_off(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    mark_delivered(db, ticket.id, expected_seq=ticket.seq)
    back_off(db, ticket.id, now=clock())
    back_off(db, ObjectId(), now=clock())
    assert "nextTryAt" not in (db.tickets.find_one({"_id": ticket.id}) or {})


def test_the_sweep_needs_no_sort(db: Mongo, clock: FixedClock) -> None:
    due = db.tickets.find({"outbox": True, "nextTryAt": {"$lte": clock()}}).sort("nextTryAt")
    plan = str(due.explain()["queryPlanner"])
    assert "outbox_due" in plan
    assert "SORT" not in plan
