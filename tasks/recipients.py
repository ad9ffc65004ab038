"""The recipients of an event's notifications. Pure.

Users are not notified of their own actions, except that a requester gets the ticket's card, which
says who has it. Who takes a ticket gets no card: its page shows the same. Nor does who files one
for another person.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bson import ObjectId

from services.models.comment import Comment
from services.models.conversation import conversation_of, requester_conversation
from services.models.escalation_track import EscalationStep
from services.models.events import Event, EventType
from services.models.message_source import MessageSource
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.outbox.deliveries import LINE_KIND
from services.sla.escalation_schedule import is_current_step

REQUESTER, ASSIGNEE, PARTICIPANT = "requester", "assignee", "participant"
RESOLVED, QUESTION, REOPENED, CANCELLED = "resolved", "question", "reopened", "cancelled"
THREAD, TRIAGE = "thread", "triage"
LINE = LINE_KIND
ASKED_AGAIN, UNANSWERED, SOLVED = "asked_again", "unanswered", "solved"
# For an assignee whose work another user has taken over or done.
TAKEN_OVER, RESOLVED_BY_OTHER = "taken_over", "resolved_by_other"
WITHDRAWN, WITHDRAWN_BY_OTHER = "withdrawn", "withdrawn_by_other"
# For the requester, in the thread of a request channel if they read there.
IN_CONVERSATION = (QUESTION, RESOLVED, UNANSWERED, WITHDRAWN)
# For the user who made a ticket private, who may have lost sight of it by that.
STAYS_IN_CHANNEL = "stays_in_channel"


@dataclass(frozen=True, slots=True)
class SlackThread:
    """A thread as the recipient, in place of a user."""

    channel: str
    ts: str

    @classmethod
    def below(cls, message: MessageSource) -> "SlackThread":
        return cls(message.channel, message.reply_thread_ts)


# A string is a channel's id.
Recipient = ObjectId | SlackThread | str
RecipientPairs = Iterator[tuple[str, Recipient]]


def recipients(event: Event, ticket: Ticket) -> RecipientPairs:
    """Yield the kinds of message to send for an event, each with its recipient."""
    rule = RECIPIENT_RULES.get(event.type)
    return rule(event, ticket) if rule else iter(())


def last_event(ticket: Ticket, kind: str) -> Event | None:
    """Return the newest event of that type."""
    return next((event for event in reversed(ticket.events) if event.type == kind), None)


def _filed(_: Event, ticket: Ticket) -> RecipientPairs:
    if ticket.created_by and not requester_conversation(ticket):
        yield REQUESTER, ticket.created_by
    if conversation := conversation_of(ticket):
        yield LINE, SlackThread.below(conversation)
    elif source := ticket.source:
        is_elsewhere = not source.is_direct_message and not source.is_conversation
        if is_elsewhere:  # in a direct message, the card says it
            yield THREAD, SlackThread.below(source)


def _assigned(event: Event, ticket: Ticket) -> RecipientPairs:
    yield from _taken_over(event, ticket)
    is_current_assignment = ticket.assigned_to == event.to and ticket.status in OPEN_STATUSES
    if not is_current_assignment or not _is_newest(event, ticket):
        return
    if event.by != event.to:
        yield ASSIGNEE, event.to


def _taken_over(event: Event, ticket: Ticket) -> RecipientPairs:
    """Notify the former assignee, unless they have the ticket again or lost it again since."""
    if not event.ends_assignees_work or event.from_ == ticket.assigned_to:
        return
    losses = (past for past in reversed(ticket.events) if past.ends_assignees_work)
    if next((past for past in losses if past.from_ == event.from_), None) == event:
        yield TAKEN_OVER, event.from_


def _notify_requester(kind: str, event: Event, ticket: Ticket) -> RecipientPairs:
    """In the conversation, if they read there and it is `IN_CONVERSATION`."""
    conversation = requester_conversation(ticket) if kind in IN_CONVERSATION else None
    for _, requester in _notify_of_status(kind, ticket.created_by, event, ticket):
        yield kind, SlackThread.below(conversation) if conversation else requester


def _notify_assignee(kind: str, event: Event, ticket: Ticket) -> RecipientPairs:
    yield from _notify_of_status(kind, ticket.assigned_to, event, ticket)


def _notify_of_status(
    kind: str, user_id: ObjectId | None, event: Event, ticket: Ticket
) -> RecipientPairs:
    """Notify as long as the ticket has the status that this event set."""
    if _is_current(event, ticket) and user_id and user_id != event.by:
        yield kind, user_id


def _resolved(event: Event, ticket: Ticket) -> RecipientPairs:
    yield from _notify_requester(RESOLVED, event, ticket)
    if event.by == ticket.created_by:
        yield from _notify_assignee(SOLVED, event, ticket)
    elif event.ends_assignees_work:
        yield from _notify_assignee(RESOLVED_BY_OTHER, event, ticket)


def _withdrawn(event: Event, ticket: Ticket) -> RecipientPairs:
    yield from _notify_requester(WITHDRAWN, event, ticket)
    if event.ends_assignees_work:
        yield from _notify_assignee(WITHDRAWN_BY_OTHER, event, ticket)


def _edited(event: Event, ticket: Ticket) -> RecipientPairs:
    """Name what people wrote in channels to the user who made the ticket private: it stays."""
    if event.field == "private" and any(written_in_channels(ticket)):
        yield STAYS_IN_CHANNEL, event.by


def written_in_channels(ticket: Ticket) -> Iterator[Comment]:
    """Yield the notes that people wrote in threads of the triage channel, and what they wrote in a
    request channel."""
    for comment in ticket.comments:
        place = comment.slack_message
        if place and not place.channel.startswith("D") and not comment.deleted:
            yield comment


def _reminded(event: Event, ticket: Ticket) -> RecipientPairs:
    """Remind the requester of a question; of that and of a resolution, in a direct message, if they
    have not reacted in the conversation.

    Assignees and admins get the reminders of several tickets in one message.
    """
    step = next((each for each in _FOR_REQUESTER if event.to == each), None)
    if step is None or not ticket.created_by or not _is_newest(event, ticket):
        return
    is_needed = step is EscalationStep.WAITING_REMINDER or requester_conversation(ticket)
    if is_needed and is_current_step(ticket, step):
        is_asked = ticket.status is Status.WAITING
        yield ASKED_AGAIN if is_asked else RESOLVED, ticket.created_by


def _participant_added(event: Event, ticket: Ticket) -> RecipientPairs:
    """Send each person one card, even if they are removed and added again: the card says so. With a
    merged account (`from_`), its card moved. Who takes part by writing in a request channel gets
    none."""
    additions = (
        past
        for past in ticket.events
        if past.type == event.type and past.to == event.to and not past.is_by_its_person
    )
    is_first = next(additions, None) == event
    if is_first and event.from_ is None and event.to in ticket.participants:
        yield PARTICIPANT, event.to


_FOR_REQUESTER = (EscalationStep.WAITING_REMINDER, EscalationStep.ANSWER_DIRECT)
RecipientRule = Callable[[Event, Ticket], RecipientPairs]
RECIPIENT_RULES: dict[str, RecipientRule] = {
    EventType.FILED: _filed,
    EventType.EDITED: _edited,
    EventType.ASSIGNED: _assigned,
    EventType.UNASSIGNED: _taken_over,
    EventType.RESOLVED: _resolved,
    EventType.REMINDED: _reminded,
    EventType.UNANSWERED: partial(_notify_requester, UNANSWERED),
    EventType.WAITING: partial(_notify_requester, QUESTION),
    EventType.REOPENED: partial(_notify_assignee, REOPENED),
    EventType.CANCELLED: partial(_notify_assignee, CANCELLED),
    EventType.WITHDRAWN: _withdrawn,
    EventType.PARTICIPANT_ADDED: _participant_added,
}


def _is_current(event: Event, ticket: Ticket) -> bool:
    """Whether no later event has changed the status."""
    status_events = (past for past in reversed(ticket.events) if past.field == "status")
    return ticket.status == event.to and next(status_events, None) == event


def _is_newest(event: Event, ticket: Ticket) -> bool:
    """Whether it is the newest of its type. An older event's unsent message is out of date."""
    return last_event(ticket, event.type) == event
