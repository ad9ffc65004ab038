"""What a process with a clock that is an hour ahead has claimed, another one takes over."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.core.database import Mongo
from services.models.set_aside import is_set_aside, recheck, set_aside
from services.models.ticket import Ticket
from services.models.user import Role
from services.outbox import deliveries, pending
from services.outbox.emails import EmailKind
from services.outbox.replies import ReplyKind
from services.registry.services import Services
from services.tickets.filing import TicketService
from services.tickets.release import accounts_to_release
from tests.conftest import FixedClock, People, file_ticket, reload

HOUR = timedelta(hours=1)

Take = Callable[[Services, Ticket], bool]


@pytest.fixture
def ticket(tickets: TicketService, people: People) -> Ticket:
    people.add(Role.MODERATOR)
    return file_ticket(tickets, people.add())


def _assignment(services: Services, ticket: Ticket) -> bool:
    return services.assignments.claim(ticket, now=services.clock()) is not None


def _delivery(services: Services, ticket: Ticket) -> bool:
    return bool(deliveries.claim(services.db, ticket.id, "1:filed:U1", now=services.clock()))


def _email(services: Services, ticket: Ticket) -> bool:
    services.emails.queue(EmailKind.ASSIGNED, user_id=ticket.id, key="1")
    return services.emails.claim() is not None


def _reply(services: Services, _: Ticket) -> bool:
    services.replies.queue(
        ReplyKind.OFFER, event="1", recipient="D1", slack_user_id="U1", message={}
    )
    return services.replies.claim() is not None


def _reminder(services: Services, ticket: Ticket) -> bool:
    services.reminders.queue(key="1", recipient="triage", ticket_id=ticket.id, seq=1, kind="due")
    return "triage" in services.reminders.due_recipients() and bool(
        services.reminders.claim("triage")
    )


def _status(services: Services, _: Ticket) -> bool:
    return bool(services.status_sync.claim_due(limit=1))


def _publication(services: Services, ticket: Ticket) -> bool:
    due = pending.due_tickets(services.db, now=services.clock(), limit=1)
    pending.back_off(services.db, reload(services.db, ticket), now=services.clock())
    return bool(due)


def _home(services: Services, _: Ticket) -> bool:
    """A view that Slack does not confirm is published again."""
    return bool(services.home_sessions.request_unconfirmed(limit=1))


def _home_refresh(services: Services, _: Ticket) -> bool:
    link = services.db.links.find_one() or {}
    return services.home_sessions.request_refresh(link["_id"], within=timedelta(seconds=1))


@pytest.mark.parametrize(
    "take",
    [
        _assignment,
        _delivery,
        _email,
        _reply,
        _reminder,
        _status,
        _publication,
        _home,
        _home_refresh,
    ],
)
def test_a_claim_of_a_clock_that_is_ahead(
    services: Services, db: Mongo, clock: FixedClock, ticket: Ticket, take: Take
) -> None:
    db.links.update_one({}, {"$set": {"home": {"turn": 1, "screen": "", "retryAt": clock()}}})
    take(services, ticket)  # queues it
    clock.now += HOUR
    assert take(services, ticket)
    assert not take(services, ticket)
    clock.now -= HOUR
    assert take(services, ticket)
    assert not take(services, ticket)


def test_a_ticket_set_aside(services: Services, db: Mongo, clock: FixedClock) -> None:
    ticket_id = db.tickets.insert_one({"title": "VPN"}).inserted_id
    set_aside(db, ticket_id, reason="a test", now=clock() + HOUR)
    assert not is_set_aside(db.tickets.find_one() or {}, clock())
    assert is_set_aside(db.tickets.find_one() or {}, clock() + HOUR)
    recheck(db, now=clock())
    assert "aside" not in (db.tickets.find_one() or {})  # its data is well-formed


def test_a_retry_of_an_assignment_and_a_release(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    later = clock() + HOUR
    db.tickets.update_one({}, {"$set": {"assignment.next": later + timedelta(minutes=5)}})
    assert pending.retry_due_unassigned(db, now=clock()) == 1
    db.users.update_one({"_id": ticket.created_by}, {"$set": {"handBack": {"at": later}}})
    assert accounts_to_release(db, now=clock()) == [ticket.created_by]
