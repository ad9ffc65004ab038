"""What the messages with buttons of a ticket show once they have been acted on. Pure."""

from collections.abc import Callable

from bot.views import labels
from bot.views.messages import settled as views
from bot.views.text import Message, escape
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from tasks.notifications.comment_sync import comment_events
from tasks.notifications.ticket_messages import PersonLookup
from tasks.recipients import (
    ASKED_AGAIN,
    QUESTION,
    REOPENED,
    RESOLVED,
    UNANSWERED,
    Recipient,
)

# With these, the assignee who was asked to accept has answered, or no longer has the ticket.
_ENDS_REOPENED_NOTICE = frozenset({EventType.ACCEPTED, EventType.ASSIGNED, EventType.UNASSIGNED})


def settled_message(
    kind: str, ticket: Ticket, people: PersonLookup, *, recipient: Recipient, seq: int
) -> Message | None:
    """Return what the message of that kind about the event `seq` shows; None while its buttons are
    still of use, and for kinds without such buttons."""
    if kind not in _ENDED_BY:
        return None
    later = (event for event in ticket.events if event.seq > seq)
    end = next((event for event in later if _ENDED_BY[kind](event)), None)
    if end is None:
        return None
    if end.type == EventType.ANSWERED and end.by == recipient:
        return _answered(ticket, end, asked_before=seq)
    return _described(kind, ticket, end, people, recipient)


def _is_status_change(event: Event) -> bool:
    return event.field == "status"


def _ends_reopened_notice(event: Event) -> bool:
    return event.type in _ENDS_REOPENED_NOTICE or event.field == "status"


_ENDED_BY: dict[str, Callable[[Event], bool]] = {
    QUESTION: _is_status_change,
    ASKED_AGAIN: _is_status_change,
    RESOLVED: _is_status_change,
    UNANSWERED: _is_status_change,
    REOPENED: _ends_reopened_notice,
}


def _answered(ticket: Ticket, answered: Event, *, asked_before: int) -> Message:
    """The answer is the comment of the same change, which is stored before it."""
    by_seq = {event.seq: comment for event, comment in comment_events(ticket)}
    answer = by_seq.get(answered.seq - 1)
    asked = [
        event
        for event in ticket.events
        if event.type == EventType.WAITING and event.seq <= asked_before
    ]
    text = "" if answer is None or answer.deleted else answer.text
    if answer and not text and not answer.deleted:
        text = ", ".join(file.name for file in answer.files)
    question = (asked[-1].note if asked else None) or ""
    return views.answered_message(ticket, question=question, answer=text)


def _described(
    kind: str, ticket: Ticket, end: Event, people: PersonLookup, recipient: Recipient
) -> Message:
    by_recipient = end.by == recipient
    name = f"*{labels.ticket_name(ticket)}*"
    if by_recipient and end.type == EventType.RESOLVED:
        return views.solved_message(ticket)
    if by_recipient and end.type == EventType.REOPENED:
        return views.reopened_message(ticket)
    if end.type == EventType.UNANSWERED:
        return views.settled_message(
            ticket,
            f"{name} was closed, because there was no answer.",
            short="closed without an answer",
        )
    if verb := _VERBS.get(end.type):
        who = "You" if by_recipient else escape(people(end.by).name)
        by = "you" if by_recipient else who
        return views.settled_message(ticket, f"{who} {verb} {name}.", short=f"{verb} by {by}")
    if end.type in (EventType.ASSIGNED, EventType.UNASSIGNED):
        return views.settled_message(ticket, f"You no longer have {name}.", short="no longer yours")
    ending = "needs no answer any more" if kind in (QUESTION, ASKED_AGAIN) else "has changed since"
    return views.settled_message(ticket, f"{name} {ending}.", short=ending)


_VERBS: dict[str, str] = {
    EventType.RESOLVED: "resolved",
    EventType.CANCELLED: "cancelled",
    EventType.REOPENED: "reopened",
    EventType.ACCEPTED: "accepted",
}
