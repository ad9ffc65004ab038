from datetime import timedelta

import pytest

from services.accounts.users import UserService
from services.assignment.assignment_service import AssignmentService, needs_assignment
from services.core.database import Mongo
from services.linking.links import LinkService
from services.models.permissions import OPERATOR
from services.models.ticket import Ticket
from services.models.user import Role
from services.outbox import pending
from services.outbox.pending import (
    UNASSIGNED_RETRY_INTERVAL,
    due_ticket_ids,
    mark_delivered,
    retry_due_unassigned,
    retry_unassigned,
)
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket, reload


@pytest.fixture
def unassigned(
    db: Mongo, clock: FixedClock, links: LinkService, tickets: TicketService, people: People
) -> Ticket:
    """A ticket nobody could take, of which everybody has been told."""
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
    assert due_ticket_ids(db, now=clock(), limit=9) == [unassigned.id]


def test_it_is_tried_again_when_somebody_may_take_it(
    db: Mongo, clock: FixedClock, unassigned: Ticket
) -> None:
    retry_unassigned(db, now=clock())
    assert needs_assignment(reload(db, unassigned))
    assert due_ticket_ids(db, now=clock(), limit=9) == [unassigned.id]


def test_a_worker_that_saw_it_unassigned_does_not_mark_it_delivered(
    db: Mongo, clock: FixedClock, unassigned: Ticket
) -> None:
    """Else it would be neither parked nor in the outbox, and so be forgotten."""
    retry_unassigned(db, now=clock())
    assert not mark_delivered(db, unassigned.id, expected_seq=unassigned.seq)
    assert due_ticket_ids(db, now=clock(), limit=9) == [unassigned.id]


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
    """A handler waits for it, and nobody takes a hundred thousand."""
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
