from datetime import datetime, timedelta

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.assignment.assignment_service import AssignmentService, needs_assignment
from services.core.database import Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.linking.links import LinkService
from services.models.permissions import OPERATOR
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox import pending
from services.outbox.pending import (
    SWEEP_GRACE_PERIOD,
    UNASSIGNED_RETRY_INTERVAL,
    back_off,
    due_tickets,
    mark_delivered,
    outbox_fields,
    retry_due_unassigned,
    retry_unassigned,
)
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket, reload


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
    assert list(due_tickets(db, now=just_before, limit=9)) == []
    assert list(due_tickets(db, now=clock() + SWEEP_GRACE_PERIOD, limit=9)) == [ticket.id]


def test_the_longest_overdue_comes_first(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    filed = [file_ticket(tickets, requester).id for _ in range(4)]
    for minutes, ticket_id in zip((2, 4, 1, 3), filed, strict=True):
        db.tickets.update_one(
            {"_id": ticket_id}, {"$set": {"nextTryAt": clock() - timedelta(minutes=minutes)}}
        )
    in_order = [filed[1], filed[3], filed[0], filed[2]]
    assert list(due_tickets(db, now=clock(), limit=9)) == in_order
    assert list(due_tickets(db, now=clock(), limit=2)) == in_order[:2]


def test_a_delivered_ticket_is_never_due(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    assert mark_delivered(db, ticket.id, expected_seq=ticket.seq)
    assert not reload(db, ticket).is_in_outbox
    assert list(due_tickets(db, now=clock() + timedelta(days=1), limit=9)) == []
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
    assert list(due_tickets(db, now=clock() + SWEEP_GRACE_PERIOD, limit=9)) == [ticket.id]


def test_it_backs_off_to_fifteen_minutes(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    waits = []
    for _ in range(10):
        back_off(db, reload(db, ticket), now=clock())
        waits.append(next_try(db, ticket.id) - clock())
        clock.now = next_try(db, ticket.id)
    doubled = [SWEEP_GRACE_PERIOD * 2**attempts for attempts in range(7)]
    assert waits == [*doubled, *[MAX_DELIVERY_DELAY] * 3]
    assert timedelta(minutes=15) == MAX_DELIVERY_DELAY > doubled[-1]


def test_a_task_before_the_date_does_not_lengthen_the_wait(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    """A ticket that is changed often is published often: the tasks come one after the other."""
    ticket = file_ticket(tickets, requester)
    back_off(db, reload(db, ticket), now=clock())
    date = next_try(db, ticket.id)
    for _ in range(12):
        clock.advance(seconds=0.5)
        back_off(db, reload(db, ticket), now=clock())
    assert next_try(db, ticket.id) == date
    clock.now = date
    back_off(db, reload(db, ticket), now=clock())
    assert next_try(db, ticket.id) == date + SWEEP_GRACE_PERIOD * 2


def test_a_date_of_a_wrong_clock_does_not_stop_the_back_off(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    """The sweep takes such a date for past: without a new one it publishes the ticket each time."""
    ticket = file_ticket(tickets, requester)
    back_off(db, reload(db, ticket), now=clock() + timedelta(hours=1))
    assert list(due_tickets(db, now=clock(), limit=9)) == [ticket.id]
    back_off(db, reload(db, ticket), now=clock())
    assert next_try(db, ticket.id) == clock() + SWEEP_GRACE_PERIOD * 2
    assert list(due_tickets(db, now=clock(), limit=9)) == []


def test_a_hundred_attempts_do_not_overflow(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"attempts": 10_000, "nextTryAt": clock()}})
    back_off(db, reload(db, ticket), now=clock())
    assert next_try(db, ticket.id) == clock() + MAX_DELIVERY_DELAY


def test_a_change_restarts_the_waits(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    for _ in range(3):
        back_off(db, reload(db, ticket), now=clock())
    db.tickets.update_one({"_id": ticket.id}, {"$set": outbox_fields(clock())})
    back_off(db, reload(db, ticket), now=clock())
    assert next_try(db, ticket.id) == clock() + SWEEP_GRACE_PERIOD


def test_a_delivered_or_deleted_ticket_does_not_back_off(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    mark_delivered(db, ticket.id, expected_seq=ticket.seq)
    back_off(db, reload(db, ticket), now=clock())
    back_off(db, ticket, now=clock())  # it was loaded before
    assert "nextTryAt" not in (db.tickets.find_one({"_id": ticket.id}) or {})
    db.tickets.delete_one({"_id": ticket.id})
    back_off(db, ticket, now=clock())
    assert db.tickets.find_one({"_id": ticket.id}) is None


def test_the_sweep_needs_no_sort(db: Mongo, clock: FixedClock) -> None:
    due = db.tickets.find({"outbox": True, "nextTryAt": {"$lte": clock()}}).sort("nextTryAt")
    plan = str(due.explain()["queryPlanner"])
    assert "outbox_due" in plan
    assert "SORT" not in plan


@pytest.fixture
def unassigned(
    db: Mongo, clock: FixedClock, links: LinkService, tickets: TicketService, people: People
) -> Ticket:
    """A delivered ticket that no one was available for."""
    ticket = AssignmentService(db, links).queue_unassigned(
        file_ticket(tickets, people.add()), now=clock()
    )
    assert ticket is not None
    assert mark_delivered(db, ticket.id, expected_seq=ticket.seq)
    return reload(db, ticket)


def test_an_unassigned_ticket_waits(db: Mongo, clock: FixedClock, unassigned: Ticket) -> None:
    assert unassigned.assignment == {"next": clock() + UNASSIGNED_RETRY_INTERVAL}
    assert not needs_assignment(unassigned)
    retry_due_unassigned(db, now=clock() + UNASSIGNED_RETRY_INTERVAL - timedelta(milliseconds=1))
    assert reload(db, unassigned) == unassigned


def test_it_is_tried_again_after_a_while(db: Mongo, clock: FixedClock, unassigned: Ticket) -> None:
    clock.advance(seconds=UNASSIGNED_RETRY_INTERVAL.total_seconds())
    retry_due_unassigned(db, now=clock())
    assert needs_assignment(reload(db, unassigned))
    assert list(due_tickets(db, now=clock(), limit=9)) == [unassigned.id]


def test_it_is_retried_when_a_user_becomes_available(
    db: Mongo, clock: FixedClock, unassigned: Ticket
) -> None:
    retry_unassigned(db, now=clock())
    assert needs_assignment(reload(db, unassigned))
    assert list(due_tickets(db, now=clock(), limit=9)) == [unassigned.id]


def test_a_worker_that_saw_it_unassigned_does_not_mark_it_delivered(
    db: Mongo, clock: FixedClock, unassigned: Ticket
) -> None:
    """It must be either queued or in the outbox."""
    retry_unassigned(db, now=clock())
    assert not mark_delivered(db, unassigned.id, expected_seq=unassigned.seq)
    assert list(due_tickets(db, now=clock(), limit=9)) == [unassigned.id]


def test_a_new_account_a_new_role_and_new_skills_retry_it(
    db: Mongo, clock: FixedClock, unassigned: Ticket, users: UserService
) -> None:
    def was_retried() -> bool:
        seen = reload(db, unassigned)
        db.tickets.update_one({"_id": unassigned.id}, {"$set": {"assignment.next": clock()}})
        return needs_assignment(seen)

    who = users.create(actor=OPERATOR, email="jo@example.com").email
    assert was_retried()
    users.update(actor=OPERATOR, email=who, role=Role.MODERATOR)
    assert was_retried()
    users.update(actor=OPERATOR, email=who, skills=["VPN"])
    assert was_retried()


def test_what_is_not_queued_is_not_retried(
    db: Mongo, clock: FixedClock, tickets: TicketService, people: People
) -> None:
    ticket = file_ticket(tickets, people.add())
    retry_unassigned(db, now=clock())
    retry_due_unassigned(db, now=clock() + timedelta(days=1))
    assert reload(db, ticket) == ticket


def test_whose_turn_is_next_is_tried_first_and_not_all_at_once(
    db: Mongo, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler waits for it."""
    monkeypatch.setattr(pending, "MAX_RETRIED_ON_CHANGE", 2)
    ends = [
        {"_id": n, "seq": 1, "assignment": {"next": clock() + timedelta(minutes=n)}}
        for n in (4, 1, 3, 2)
    ]
    db.tickets.insert_many(ends)
    retry_unassigned(db, now=clock())
    assert sorted(doc["_id"] for doc in db.tickets.find({"outbox": True})) == [1, 2]
    retry_unassigned(db, now=clock())
    assert db.tickets.count_documents({"outbox": True, "seq": 2}) == 4
