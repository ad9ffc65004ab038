"""Which messages a ticket calls for at this moment. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from bson import ObjectId

from bot.views.cards import ticket_cards
from bot.views.cards.triage_card import triage_card
from bot.views.messages import ticket_updates
from bot.views.text import Message, Person
from services.models.events import Event, EventType
from services.models.ticket import OPEN_STATUSES, Ticket
from services.outbox.deliveries import delivery_key
from services.tickets.lifecycle import completed_by
from tasks.recipients import (
    ASKED_AGAIN,
    ASSIGNEE,
    CANCELLED,
    QUESTION,
    REOPENED,
    REQUESTER,
    RESOLVED,
    SOLVED,
    THREAD,
    TRIAGE,
    UNANSWERED,
    Recipient,
    Thread,
    last_of,
    recipients,
)

CARDS = (REQUESTER, ASSIGNEE, TRIAGE)
People = Callable[[ObjectId | str | None], Person]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to be sent once. A card is kept up to date from then on."""

    key: str
    kind: str
    recipient: Recipient
    message: Message
    version: str = ""  # of what it tells of, where it is kept in step with that

    @property
    def is_card(self) -> bool:
        return self.kind in CARDS


def notices(ticket: Ticket, *, people: People) -> list[Notice]:
    """Every message the ticket's history calls for, sent already or not."""
    return [
        Notice(
            key=delivery_key(seq=event.seq, kind=kind, recipient=_named(recipient)),
            kind=kind,
            recipient=recipient,
            message=message(kind, ticket, people, recipient=recipient, event=event),
        )
        for event in ticket.events
        for kind, recipient in recipients(event, ticket)
    ]


def triage_notice(ticket: Ticket, *, channel: str, people: People) -> list[Notice]:
    """The card of an open ticket in the triage channel, sent already or not; "" is no channel."""
    filed = next((event for event in ticket.events if event.type == EventType.FILED), None)
    if not channel or filed is None or ticket.status not in OPEN_STATUSES:
        return []
    key = delivery_key(seq=filed.seq, kind=TRIAGE, recipient=channel)
    return [Notice(key, TRIAGE, channel, message(TRIAGE, ticket, people))]


def message(
    kind: str,
    ticket: Ticket,
    people: People,
    *,
    recipient: Recipient | None = None,
    event: Event | None = None,
) -> Message:
    """What a message of that kind says now; `event` is what a notice tells of."""
    if kind == REQUESTER:
        return _requester_card(ticket, people)
    if kind == ASSIGNEE:
        return _assignee_card(ticket, people, recipient)
    if kind == THREAD:
        return ticket_updates.thread_line(ticket)
    if kind == TRIAGE:
        return triage_card(
            ticket,
            requester=people(ticket.created_by),
            assignee=_assignee(ticket, people),
            done_by=_done_by(ticket, people),
        )
    if kind == ASKED_AGAIN:
        return ticket_updates.asked_again(ticket, asked=_question(ticket))
    if kind == UNANSWERED:
        return ticket_updates.unanswered(ticket)
    by = people(event.by if event else None)
    if kind == QUESTION:
        return ticket_updates.question(ticket, by=by, asked=(event.note if event else None) or "")
    tell = {
        RESOLVED: ticket_updates.resolved,
        REOPENED: ticket_updates.reopened,
        CANCELLED: ticket_updates.cancelled,
        SOLVED: ticket_updates.solved,
    }[kind]
    return tell(ticket, by=by)


def _question(ticket: Ticket) -> str:
    asked = last_of(ticket, EventType.WAITING)
    return (asked.note if asked else None) or ""


def _requester_card(ticket: Ticket, people: People) -> Message:
    return ticket_cards.requester_card(
        ticket, assignee=_assignee(ticket, people), done_by=_done_by(ticket, people)
    )


def _assignee_card(ticket: Ticket, people: People, recipient: Recipient | None) -> Message:
    """For whoever has it; another's card says who that is."""
    assignee, done_by = _assignee(ticket, people), _done_by(ticket, people)
    if assignee is None or recipient != ticket.assigned_to:
        return ticket_cards.former_card(ticket, assignee=assignee, done_by=done_by)
    given = last_of(ticket, EventType.ASSIGNED)
    by_somebody = given and isinstance(given.by, ObjectId) and given.by != recipient
    return ticket_cards.assignee_card(
        ticket,
        requester=people(ticket.created_by),
        assignee=assignee,
        given_by=people(given.by) if given and by_somebody else None,
        done_by=done_by,
    )


def _assignee(ticket: Ticket, people: People) -> Person | None:
    return people(ticket.assigned_to) if ticket.assigned_to else None


def _done_by(ticket: Ticket, people: People) -> Person | None:
    by = completed_by(ticket)
    return people(by) if by else None


def _named(recipient: Recipient) -> ObjectId | str:
    return recipient.channel if isinstance(recipient, Thread) else recipient
