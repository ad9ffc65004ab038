"""What the messages with buttons of a ticket show once they have been acted on. Pure.

Messages about one ticket are replaced (`settled_message`); in a reminder or alert, which may be
about several, the line of the ticket is (`last_action`, `action_sentence`).
"""

from collections.abc import Callable, Sequence

from bot.views import labels
from bot.views.blocks import quoted_section
from bot.views.due_text import format_datetime
from bot.views.messages import settled as views
from bot.views.text import Block, Message, escape
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from services.tickets.access import is_former_requester
from tasks.notifications.comment_sync import comment_events
from tasks.notifications.ticket_messages import PersonLookup, former_requester_message
from tasks.recipients import (
    ASKED_AGAIN,
    QUESTION,
    REOPENED,
    RESOLVED,
    UNANSWERED,
    WITHDRAWN,
    Recipient,
)

# With these, the assignee who was asked to accept has answered, or no longer has the ticket.
_ENDS_REOPENED_NOTICE = frozenset({EventType.ACCEPTED, EventType.ASSIGNED, EventType.UNASSIGNED})

_QUESTIONS = frozenset({QUESTION, ASKED_AGAIN})
_FOR_REQUESTER = _QUESTIONS | {RESOLVED, UNANSWERED, WITHDRAWN}


def settled_message(
    kind: str, ticket: Ticket, people: PersonLookup, *, recipient: Recipient, seq: int
) -> Message | None:
    """Return what the message of that kind about the event `seq` shows; None while its buttons are
    still of use, and for kinds without such buttons."""
    if kind not in _ENDED_BY:
        return None
    if kind in _FOR_REQUESTER and is_former_requester(ticket, recipient):
        return former_requester_message(ticket, people, recipient)
    later = (event for event in ticket.events if event.seq > seq)
    end = next((event for event in later if _ENDED_BY[kind](event)), None)
    if end is None:
        return None
    if end.type == EventType.ANSWERED and end.by == recipient:
        return _answered(ticket, end, asked_before=seq)
    return _described(
        ticket,
        end,
        people,
        recipient,
        is_question=kind in _QUESTIONS,
        quoted=_quoted(kind, ticket, seq),
    )


def last_action(ticket: Ticket, *, since: int) -> Event | None:
    """Return the last event after `since` by which someone has acted on a reminder of the ticket,
    or on the alert that no one is available for it."""
    later = (event for event in reversed(ticket.events) if event.seq > since)
    return next((event for event in later if _is_action(event)), None)


def _is_action(event: Event) -> bool:
    return event.type in _ACTIONS or (
        event.type == EventType.EDITED and event.field in ("deadline", "priority")
    )


def action_sentence(ticket: Ticket, action: Event, people: PersonLookup, *, recipient: str) -> str:
    """Return what happened, as mrkdwn. `recipient` is an account's id, or a channel's name."""
    by_recipient, to_recipient = str(action.by) == recipient, str(action.to) == recipient
    who = "You" if by_recipient else escape(people(action.by).name)
    match action.type:
        case EventType.ASSIGNED if action.to == action.by:
            return f"{who} took it."
        case EventType.ASSIGNED:
            verb = "Reassigned" if action.from_ else "Assigned"
            to = "you" if to_recipient else escape(people(action.to).name)
            return f"{verb} to {to}."
        case EventType.UNASSIGNED:
            is_declined = action.by == action.from_
            return f"{who} declined it." if is_declined else f"{who} returned it to the queue."
        case EventType.WAITING:
            return f"{who} asked the requester."
        case EventType.UNANSWERED:
            return "Closed, because there was no answer."
        case EventType.EDITED:
            return (
                f"It is now due {format_datetime(ticket.due_at)}."
                if ticket.due_at
                else ("It has no due date any more.")
            )
    return f"{who} {_VERBS[action.type]} it."


def _is_status_change(event: Event) -> bool:
    return event.field == "status"


def _ends_reopened_notice(event: Event) -> bool:
    return event.type in _ENDS_REOPENED_NOTICE or event.field == "status"


_ENDED_BY: dict[str, Callable[[Event], bool]] = {
    QUESTION: _is_status_change,
    ASKED_AGAIN: _is_status_change,
    RESOLVED: _is_status_change,
    UNANSWERED: _is_status_change,
    WITHDRAWN: _is_status_change,
    REOPENED: _ends_reopened_notice,
}


def _answered(ticket: Ticket, answered: Event, *, asked_before: int) -> Message:
    """The answer is the comment of the same change, which is stored before it."""
    by_seq = {event.seq: comment for event, comment in comment_events(ticket)}
    answer = by_seq.get(answered.seq - 1)
    text = "" if answer is None or answer.deleted else answer.text
    if answer and not text and not answer.deleted:
        text = ", ".join(file.name for file in answer.files)
    question = _said_with(EventType.WAITING, ticket, until=asked_before)
    return views.answered_message(ticket, question=question, answer=text)


def _quoted(kind: str, ticket: Ticket, seq: int) -> list[Block]:
    """Return what was said with the event, which is in no other message."""
    if kind in _QUESTIONS:
        question = _said_with(EventType.WAITING, ticket, until=seq)
        return quoted_section("Question", question) if question else []
    reason = _said_with(EventType.REOPENED, ticket, until=seq) if kind == REOPENED else ""
    return quoted_section("What is still wrong", reason) if reason else []


def _said_with(cause: EventType, ticket: Ticket, *, until: int) -> str:
    """Return the note of the last such event up to `until`."""
    past = (event for event in reversed(ticket.events) if event.seq <= until)
    event = next((event for event in past if event.type == cause), None)
    return (event.note if event else None) or ""


def _described(
    ticket: Ticket,
    end: Event,
    people: PersonLookup,
    recipient: Recipient,
    *,
    is_question: bool,
    quoted: Sequence[Block],
) -> Message:
    by_recipient = end.by == recipient
    name = f"*{labels.ticket_name(ticket)}*"
    if by_recipient and end.type == EventType.RESOLVED:
        return views.solved_message(ticket, quoted=quoted)
    if by_recipient and end.type == EventType.REOPENED:
        return views.reopened_message(ticket, quoted=quoted)
    if end.type == EventType.UNANSWERED:
        return views.settled_message(
            ticket,
            f"{name} was closed, because there was no answer.",
            short="closed without an answer",
            quoted=quoted,
        )
    if verb := _VERBS.get(end.type):
        who = "You" if by_recipient else escape(people(end.by).name)
        by = "you" if by_recipient else who
        return views.settled_message(
            ticket, f"{who} {verb} {name}.", short=f"{verb} by {by}", quoted=quoted
        )
    if end.type in (EventType.ASSIGNED, EventType.UNASSIGNED):
        return views.settled_message(
            ticket, f"You no longer have {name}.", short="no longer yours", quoted=quoted
        )
    ending = "needs no answer any more" if is_question else "has changed since"
    return views.settled_message(ticket, f"{name} {ending}.", short=ending, quoted=quoted)


_VERBS: dict[str, str] = {
    EventType.RESOLVED: "resolved",
    EventType.CANCELLED: "cancelled",
    EventType.WITHDRAWN: "closed",
    EventType.REOPENED: "reopened",
    EventType.ACCEPTED: "accepted",
}
_ACTIONS = frozenset(
    {
        *_VERBS,
        EventType.ASSIGNED,
        EventType.UNASSIGNED,
        EventType.WAITING,
        EventType.UNANSWERED,
    }
)
