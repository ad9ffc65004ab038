"""Build the messages that a ticket calls for now. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bson import ObjectId

from bot.views.cards import ticket_cards
from bot.views.cards.ticket_cards import triage_card
from bot.views.messages import ticket_updates
from bot.views.text import DisplayPerson, Message
from services.models.events import Event, EventType
from services.models.ticket import OPEN_STATUSES, Ticket
from services.outbox.deliveries import delivery_key
from services.tickets.lifecycle import completed_by
from services.tickets.transitions import TAKEN_REASON
from tasks.recipients import (
    ASKED_AGAIN,
    ASSIGNEE,
    CANCELLED,
    QUESTION,
    REOPENED,
    REQUESTER,
    RESOLVED,
    RESOLVED_BY_OTHER,
    SOLVED,
    TAKEN_OVER,
    THREAD,
    TRIAGE,
    UNANSWERED,
    Recipient,
    SlackThread,
    last_event,
    recipients,
)

CARD_KINDS = (REQUESTER, ASSIGNEE, TRIAGE)
PersonLookup = Callable[[ObjectId | str | None], DisplayPerson]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to send once. A card is kept up to date after that."""

    key: str
    kind: str
    recipient: Recipient
    message: Message
    version: str = ""  # of the comment that it shows, if any

    @property
    def is_card(self) -> bool:
        return self.kind in CARD_KINDS


def build_notices(ticket: Ticket, *, people: PersonLookup) -> list[Notice]:
    """Build every message that the ticket's events call for, sent already or not."""
    return [
        Notice(
            key=delivery_key(seq=event.seq, kind=kind, recipient=_recipient_id(recipient)),
            kind=kind,
            recipient=recipient,
            message=build_message(kind, ticket, people, recipient=recipient, event=event),
        )
        for event in ticket.events
        for kind, recipient in recipients(event, ticket)
    ]


def triage_notice(ticket: Ticket, *, channel: str, people: PersonLookup) -> list[Notice]:
    """Build an open ticket's card in the triage channel, sent already or not; "" is no channel."""
    filed = next((event for event in ticket.events if event.type == EventType.FILED), None)
    if not channel or filed is None or ticket.status not in OPEN_STATUSES:
        return []
    key = delivery_key(seq=filed.seq, kind=TRIAGE, recipient=channel)
    return [Notice(key, TRIAGE, channel, build_message(TRIAGE, ticket, people))]


def build_message(
    kind: str,
    ticket: Ticket,
    people: PersonLookup,
    *,
    recipient: Recipient | None = None,
    event: Event | None = None,
) -> Message:
    """Build a message of that kind from the current state; `event` is what a notice is about."""
    if kind == REQUESTER:
        return _requester_card(ticket, people)
    if kind == ASSIGNEE:
        return _assignee_card(ticket, people, recipient)
    if kind == THREAD:
        return ticket_updates.filed_message(ticket)
    if kind == TRIAGE:
        return triage_card(
            ticket,
            requester=people(ticket.created_by),
            assignee=_assignee(ticket, people),
            done_by=_done_by(ticket, people),
        )
    if kind == ASKED_AGAIN:
        return ticket_updates.question_reminder_message(ticket, question_text=_question(ticket))
    if kind == UNANSWERED:
        return ticket_updates.closed_unanswered_message(ticket)
    by = people(event.by if event else None)
    if kind == QUESTION:
        return ticket_updates.question_message(
            ticket, by=by, question_text=(event.note if event else None) or ""
        )
    builders: dict[str, Callable[..., Message]] = {
        RESOLVED: ticket_updates.resolved_message,
        REOPENED: ticket_updates.reopened_message,
        CANCELLED: ticket_updates.cancelled_message,
        SOLVED: ticket_updates.solved_message,
        RESOLVED_BY_OTHER: ticket_updates.resolved_by_other_message,
        TAKEN_OVER: partial(_taken_over_message, event=event, people=people),
    }
    return builders[kind](ticket, by=by)


def _question(ticket: Ticket) -> str:
    question = last_event(ticket, EventType.WAITING)
    return (question.note if question else None) or ""


def _requester_card(ticket: Ticket, people: PersonLookup) -> Message:
    return ticket_cards.requester_card(
        ticket, assignee=_assignee(ticket, people), done_by=_done_by(ticket, people)
    )


def _assignee_card(ticket: Ticket, people: PersonLookup, recipient: Recipient | None) -> Message:
    """Build the card of the assignee, or of a former one."""
    assignee, done_by = _assignee(ticket, people), _done_by(ticket, people)
    if assignee is None or recipient != ticket.assigned_to:
        return ticket_cards.former_assignee_card(ticket, assignee=assignee, done_by=done_by)
    assigned = last_event(ticket, EventType.ASSIGNED)
    by_other_user = assigned and isinstance(assigned.by, ObjectId) and assigned.by != recipient
    return ticket_cards.assignee_card(
        ticket,
        requester=people(ticket.created_by),
        assignee=assignee,
        assigned_by=people(assigned.by) if assigned and by_other_user else None,
        done_by=done_by,
    )


def _assignee(ticket: Ticket, people: PersonLookup) -> DisplayPerson | None:
    return people(ticket.assigned_to) if ticket.assigned_to else None


def _done_by(ticket: Ticket, people: PersonLookup) -> DisplayPerson | None:
    by = completed_by(ticket)
    return people(by) if by else None


def _taken_over_message(
    ticket: Ticket, *, by: DisplayPerson, event: Event | None, people: PersonLookup
) -> Message:
    assignee = people(event.to) if event and event.to else None
    note = (event.note if event else None) or ""
    reason = "" if note == TAKEN_REASON else note
    return ticket_updates.taken_over_message(ticket, by=by, assignee=assignee, reason=reason)


def _recipient_id(recipient: Recipient) -> ObjectId | str:
    return recipient.channel if isinstance(recipient, SlackThread) else recipient
