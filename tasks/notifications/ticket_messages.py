"""Build the messages that a ticket calls for now. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bson import ObjectId

from bot.views.cards import ticket_cards
from bot.views.messages import conversation_notes, ticket_updates
from bot.views.text import DisplayPerson, Message
from services.models.conversation import is_made_private
from services.models.events import Event, EventType
from services.models.ticket import OPEN_STATUSES, Ticket
from services.outbox.deliveries import delivery_key
from services.tickets.access import addition_of, gets_messages, is_former_requester
from services.tickets.lifecycle import completed_by
from services.tickets.transitions import TAKEN_REASON
from tasks.notifications.message_author import MessageAuthor
from tasks.recipients import (
    ASKED_AGAIN,
    ASSIGNEE,
    CANCELLED,
    LINE,
    PARTICIPANT,
    QUESTION,
    REOPENED,
    REQUESTER,
    RESOLVED,
    RESOLVED_BY_OTHER,
    SOLVED,
    STAYS_IN_CHANNEL,
    TAKEN_OVER,
    THREAD,
    TRIAGE,
    UNANSWERED,
    WITHDRAWN,
    WITHDRAWN_BY_OTHER,
    Recipient,
    SlackThread,
    last_event,
    recipients,
    written_in_channels,
)

CARD_KINDS = (REQUESTER, ASSIGNEE, PARTICIPANT, TRIAGE, LINE)
PersonLookup = Callable[[ObjectId | str | None], DisplayPerson]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to send once. A card is kept up to date after that."""

    key: str
    kind: str
    recipient: Recipient
    message: Message
    version: str = ""  # of the comment that it shows, if any
    # Posted under that name with the other message, if Slack permits it.
    author: MessageAuthor | None = None
    message_of_author: Message | None = None

    @property
    def is_card(self) -> bool:
        return self.kind in CARD_KINDS


def build_notices(
    ticket: Ticket, *, people: PersonLookup, are_replies_read: Callable[[], bool] = lambda: True
) -> list[Notice]:
    """Build every message that the ticket's events call for, sent already or not."""
    return [
        Notice(
            key=delivery_key(seq=event.seq, kind=kind, recipient=_recipient_id(recipient)),
            kind=kind,
            recipient=recipient,
            message=build_message(
                kind,
                ticket,
                people,
                recipient=recipient,
                event=event,
                are_replies_read=are_replies_read,
            ),
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
    are_replies_read: Callable[[], bool] = lambda: True,
) -> Message:
    """Build a message of that kind from the current state; `event` is what a notice is about.

    `are_replies_read` is asked for messages whose thread is for answers.
    """
    in_conversation = isinstance(recipient, SlackThread) and kind in _CONVERSATION_BUILDERS
    builders = _CONVERSATION_BUILDERS if in_conversation else _BUILDERS
    return builders[kind](_Source(ticket, people, recipient, event, are_replies_read))


class _Source(NamedTuple):
    ticket: Ticket
    people: PersonLookup
    recipient: Recipient | None
    event: Event | None
    are_replies_read: Callable[[], bool]

    @property
    def by(self) -> DisplayPerson:
        return self.people(self.event.by if self.event else None)

    @property
    def requester(self) -> DisplayPerson:
        return self.people(self.ticket.created_by)

    @property
    def assignee(self) -> DisplayPerson | None:
        return self.people(self.ticket.assigned_to) if self.ticket.assigned_to else None

    @property
    def filed_by(self) -> DisplayPerson | None:
        return self.people(self.ticket.filed_by) if self.ticket.filed_by else None

    @property
    def done_by(self) -> DisplayPerson | None:
        by = completed_by(self.ticket)
        return self.people(by) if by else None


def _requester_card(source: _Source) -> Message:
    """Build the card of the requester, or of a former one."""
    ticket, people, recipient, *_ = source
    if is_former_requester(ticket, recipient):
        return former_requester_message(ticket, people, recipient)
    return ticket_cards.requester_card(
        ticket,
        assignee=source.assignee,
        filed_by=source.filed_by,
        done_by=source.done_by,
        is_end_announced=_is_end_announced(ticket),
    )


def former_requester_message(
    ticket: Ticket, people: PersonLookup, recipient: Recipient | None
) -> Message:
    """Build what replaces each message that a former requester got as the requester."""
    sees_it = isinstance(recipient, ObjectId) and people(recipient).sees_all_tickets
    return ticket_cards.former_requester_card(
        ticket, is_shown_ticket=sees_it and not ticket.private
    )


def _assignee_card(source: _Source) -> Message:
    """Build the card of the assignee, or of a former one."""
    ticket, people, recipient, *_ = source
    if isinstance(recipient, ObjectId) and recipient != ticket.assigned_to:
        return ticket_cards.former_assignee_card(ticket, former=recipient, lookup=people)
    assigned = last_event(ticket, EventType.ASSIGNED)
    by_other_user = assigned and isinstance(assigned.by, ObjectId) and assigned.by != recipient
    return ticket_cards.assignee_card(
        ticket,
        requester=people(ticket.created_by),
        filed_by=DisplayPerson("you") if ticket.filed_by == recipient else source.filed_by,
        assigned_by=people(assigned.by) if assigned and by_other_user else None,
        done_by=source.done_by,
    )


def _participant_card(source: _Source) -> Message:
    """Build the card of a participant, or of one who is no longer reached."""
    ticket, people, recipient, *_ = source
    if not takes_part(ticket, recipient, people):
        return ticket_cards.former_participant_card(ticket)
    added = addition_of(ticket, recipient) if isinstance(recipient, ObjectId) else None
    return ticket_cards.participant_card(
        ticket,
        requester=people(ticket.created_by),
        assignee=source.assignee,
        added_by=people(added.by if added else None),
        done_by=source.done_by,
    )


def takes_part(ticket: Ticket, recipient: Recipient | None, people: PersonLookup) -> bool:
    """Return whether that person is a participant whose account is active, and linked to a member
    of Slack. Who takes part by writing in a request channel reads there, and gets no messages."""
    if not isinstance(recipient, ObjectId) or not gets_messages(ticket, recipient):
        return False
    person = people(recipient)
    return person.is_active and person.slack_user_id is not None


def _triage_card(source: _Source) -> Message:
    if source.ticket.private:
        return ticket_cards.private_card(source.ticket)
    return ticket_cards.triage_card(
        source.ticket,
        requester=source.people(source.ticket.created_by),
        assignee=source.assignee,
        filed_by=source.filed_by,
        done_by=source.done_by,
    )


def _line(source: _Source) -> Message:
    """Build the line in the request channel. What readers of the channel wrote there, they know."""
    if is_made_private(source.ticket):
        return ticket_cards.private_card(source.ticket)
    return ticket_cards.conversation_line(
        source.ticket, assignee=source.assignee, done_by=source.done_by
    )


def _stays_in_channel_message(source: _Source) -> Message:
    written = list(written_in_channels(source.ticket))
    places = (comment.slack_message for comment in written)
    return ticket_updates.stays_in_channel_message(
        source.ticket,
        count=len(written),
        authors=[source.people(by) for by in dict.fromkeys(comment.by for comment in written)],
        channels=list(dict.fromkeys(place.channel for place in places if place)),
    )


def _taken_over_message(source: _Source) -> Message:
    event, note = source.event, _note(source.event)
    if source.ticket.private and source.recipient in source.ticket.participants:
        note = ""  # for those who work on it
    return ticket_updates.taken_over_message(
        source.ticket,
        by=source.by,
        assignee=source.people(event.to) if event and event.to else None,
        reason="" if note == TAKEN_REASON else note,
    )


_BUILDERS: Mapping[str, Callable[[_Source], Message]] = {
    REQUESTER: _requester_card,
    ASSIGNEE: _assignee_card,
    PARTICIPANT: _participant_card,
    TRIAGE: _triage_card,
    LINE: _line,
    THREAD: lambda source: ticket_updates.filed_message(source.ticket),
    QUESTION: lambda source: ticket_updates.question_message(
        source.ticket,
        by=source.by,
        question_text=_note(source.event),
        are_replies_read=source.are_replies_read(),
    ),
    ASKED_AGAIN: lambda source: ticket_updates.question_reminder_message(
        source.ticket,
        question_text=_note(last_event(source.ticket, EventType.WAITING)),
        are_replies_read=source.are_replies_read(),
    ),
    UNANSWERED: lambda source: ticket_updates.closed_unanswered_message(source.ticket),
    RESOLVED: lambda source: ticket_updates.resolved_message(
        source.ticket, by=source.done_by or source.by
    ),
    REOPENED: lambda source: ticket_updates.reopened_message(
        source.ticket, by=source.by, reason=_note(source.event)
    ),
    CANCELLED: lambda source: ticket_updates.cancelled_message(source.ticket, by=source.by),
    SOLVED: lambda source: ticket_updates.solved_message(source.ticket, by=source.by),
    RESOLVED_BY_OTHER: lambda source: ticket_updates.resolved_by_other_message(
        source.ticket, by=source.by
    ),
    WITHDRAWN: lambda source: ticket_updates.withdrawn_message(source.ticket, by=source.by),
    WITHDRAWN_BY_OTHER: lambda source: ticket_updates.withdrawn_by_other_message(
        source.ticket, by=source.by
    ),
    TAKEN_OVER: _taken_over_message,
    STAYS_IN_CHANNEL: _stays_in_channel_message,
}


# In the thread of a request channel, for the requester.
_CONVERSATION_BUILDERS: Mapping[str, Callable[[_Source], Message]] = {
    QUESTION: lambda source: conversation_notes.question_note(
        source.requester, by=source.by, question_text=_note(source.event)
    ),
    RESOLVED: lambda source: conversation_notes.resolved_note(
        source.ticket, source.requester, by=source.by
    ),
    UNANSWERED: lambda source: conversation_notes.closed_unanswered_note(
        source.ticket, source.requester
    ),
    WITHDRAWN: lambda source: conversation_notes.withdrawn_note(
        source.ticket, source.requester, by=source.by
    ),
}


def _is_end_announced(ticket: Ticket) -> bool:
    """Return whether a message of its own tells the requester that the ticket is completed."""
    ends = (event for event in reversed(ticket.events) if event.field == "status")
    end = next(ends, None)
    announced = recipients(end, ticket) if end else ()
    return any((kind in (RESOLVED, UNANSWERED, WITHDRAWN)) for kind, _ in announced)


def _note(event: Event | None) -> str:
    return (event.note if event else None) or ""


def _recipient_id(recipient: Recipient) -> ObjectId | str:
    return recipient.channel if isinstance(recipient, SlackThread) else recipient
