"""Deliver a ticket's comments to the threads of its cards, and keep them up to date.

The requester reads what the assignee writes below the card, so the assignee gets internal notes in
another thread: below one message for each ticket, which the first note begins.

`comment_deliveries` says who reads a comment and in which thread; it is pure.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from bson import ObjectId

from bot.views.messages import conversation_notes
from bot.views.messages import ticket_updates as views
from bot.views.text import Message, display_person
from services.linking.links import Directory
from services.models.comment import Comment
from services.models.conversation import (
    conversation_of,
    is_requester_changed,
)
from services.models.events import Event, EventType
from services.models.message_source import MessageSource
from services.models.permissions import Actor
from services.models.ticket import Card, Ticket
from services.models.user import can_work_on_tickets
from services.outbox import deliveries
from services.outbox.deliveries import (
    COMMENT_KIND,
    COPY_KIND,
    NOTES_KIND,
    DeliveryState,
    delivery_key,
)
from services.tickets.access import addition_of, is_former_requester, visible_to
from tasks.notifications.message_author import message_author
from tasks.notifications.message_updates import DeliveryResult, update_delivery
from tasks.notifications.ticket_messages import Notice, takes_part
from tasks.recipients import (
    ASSIGNEE,
    PARTICIPANT,
    QUESTION,
    REOPENED,
    REQUESTER,
    TRIAGE,
    Recipient,
    SlackThread,
    last_event,
    recipients,
)
from tasks.runtime import Runtime

# How many comments from before an assignment the thread of the assignee's card gets, and how many
# from before a change of the requester that of the new requester's card.
MAX_EARLIER_COMMENTS = 10
# How long a comment that Slack does not accept holds back the later ones.
MAX_WAIT_FOR_EARLIER = timedelta(minutes=15)

SendNotice = Callable[[Notice], bool]
IsStaff = Callable[[ObjectId], bool]
TakesPart = Callable[[ObjectId], bool]


@dataclass(frozen=True, slots=True)
class CommentDelivery:
    """A comment for a user or a channel. `thread` is None if the recipient has none for it. In the
    conversation in a request channel it is a copy (`COPY_KIND`)."""

    seq: int
    comment: Comment
    recipient: ObjectId | str
    thread: SlackThread | None
    kind: str = COMMENT_KIND

    @property
    def key(self) -> str:
        return delivery_key(seq=self.seq, kind=self.kind, recipient=self.recipient)


class CommentSync:
    """`send` sends a notice once and returns whether that is done. `is_contended` says that another
    process is updating a message, or that the ticket has to be read again."""

    def __init__(
        self, runtime: Runtime, ticket: Ticket, people: Directory, *, send: SendNotice
    ) -> None:
        self._runtime = runtime
        self._ticket = ticket
        self._people = people
        self._send_notice = send
        self.is_contended = False
        self._notices = {str(notice["key"]): notice for notice in ticket.deliveries}
        self._comments = {str(event.seq): comment for event, comment in comment_events(ticket)}

    def send_to_people(self, cards: Sequence[Card], *, has_all_cards: bool) -> bool:
        """Send and update what is due. False if something has to be tried again later.

        `has_all_cards`: every card is sent, so a recipient without one gets a message outside a
        thread.
        """
        due = [reply for reply in self._due(cards) if isinstance(reply.recipient, ObjectId)]
        ready = [reply for reply in due if self._has_thread(reply, has_all_cards=has_all_cards)]
        outcomes = [self._send_in_order(ready)]
        outcomes += [self._update_message(notice) for notice in self._outdated(is_channel=False)]
        return all(outcomes) and len(ready) == len(due)

    def send_to_channel(self, cards: Sequence[Card]) -> bool:
        """The same for the triage channel, and for the conversation in a request channel."""
        due = [reply for reply in self._due(cards) if isinstance(reply.recipient, str)]
        outcomes = [self._send_in_order(due)]
        outcomes += [self._update_message(notice) for notice in self._outdated(is_channel=True)]
        return all(outcomes)

    def _due(self, cards: Sequence[Card]) -> Iterable[CommentDelivery]:
        done = (DeliveryState.SENT, DeliveryState.FAILED)
        for reply in comment_deliveries(
            self._ticket, cards, is_staff=self._is_staff, takes_part=self._takes_part
        ):
            notice = self._notices.get(reply.key)
            if not reply.comment.deleted and not (notice and notice["state"] in done):
                yield reply

    def _has_thread(self, reply: CommentDelivery, *, has_all_cards: bool) -> bool:
        """Return whether the comment can be sent; begin the thread of the notes if it cannot."""
        if reply.thread:
            return True
        if not reply.comment.internal:
            return has_all_cards
        user_id, key = reply.recipient, notes_key(self._ticket, reply.recipient)
        if user_id not in self._people.slack_ids or deliveries.is_done(self._ticket, key):
            return True  # there will be no thread
        message = views.notes_message(
            self._ticket, are_replies_read=self._runtime.are_replies_read()
        )
        first = Notice(key, NOTES_KIND, user_id, message)
        if self._send_notice(first):
            self.is_contended = True  # the next round reads its `ts`
        return False

    def _send_in_order(self, due: Sequence[CommentDelivery]) -> bool:
        """Send what is due. The later comments for a recipient wait for a recent one that cannot be
        sent now. False if something has to be tried again later."""
        waiting, is_all_sent = set(), True
        recent = self._runtime.clock() - MAX_WAIT_FOR_EARLIER
        for reply in due:
            if reply.recipient in waiting:
                continue
            if not self._send(reply):
                is_all_sent = False
                if reply.comment.at > recent:
                    waiting.add(reply.recipient)
        return is_all_sent

    def _send(self, reply: CommentDelivery) -> bool:
        comment, thread = reply.comment, reply.thread
        to: Recipient = thread or reply.recipient
        if reply.kind == COPY_KIND:
            return self._send_copy(reply, to)
        is_channel = not isinstance(reply.recipient, ObjectId)
        message = self._message(comment, is_outside_thread=thread is None, is_channel=is_channel)
        return self._send_notice(
            Notice(
                key=reply.key,
                kind=COMMENT_KIND,
                recipient=to,
                message=message,
                version=_version(comment, is_channel=is_channel),
            )
        )

    def _send_copy(self, reply: CommentDelivery, to: Recipient) -> bool:
        """Under the author's name and picture, if Slack permits it."""
        comment, person = reply.comment, display_person(self._people, reply.comment.by)
        done = deliveries.is_done(self._ticket, reply.key)
        author = None if done else message_author(self._runtime, person)
        return self._send_notice(
            Notice(
                key=reply.key,
                kind=COPY_KIND,
                recipient=to,
                message=conversation_notes.comment_copy(comment, author=person),
                version=_version(comment, is_channel=False),
                author=author,
                message_of_author=conversation_notes.comment_copy(comment, author=None),
            )
        )

    def _outdated(self, *, is_channel: bool) -> Iterable[Mapping[str, Any]]:
        """Return the notices that show an old version of a comment that the reader may see."""
        for key, notice in self._notices.items():
            seq, kind, recipient = deliveries.parse_delivery_key(key)
            is_of_comment = kind in (COMMENT_KIND, COPY_KIND)
            comment = self._comments.get(seq) if is_of_comment else None
            if comment is None or notice["state"] != DeliveryState.SENT:
                continue
            if _is_channel(recipient) != is_channel:
                continue
            may_see = (
                self._is_in_conversation(comment, recipient)
                if kind == COPY_KIND
                else self._may_see(comment, recipient)
            )
            is_notice = is_channel and kind == COMMENT_KIND
            if may_see and notice.get("version") != _version(comment, is_channel=is_notice):
                yield notice

    def _is_in_conversation(self, comment: Comment, channel: str) -> bool:
        conversation = conversation_of(self._ticket)
        return conversation is not None and conversation.channel == channel and not comment.internal

    def _may_see(self, comment: Comment, recipient: str) -> bool:
        """Former staff see no changes of internal notes, except that they are deleted; who may not
        see the ticket, or is a participant who is no longer reached, sees none of any comment."""
        reader = _reader(recipient)
        if not self._runtime.may_show(self._ticket, reader):
            return False
        if _is_channel(recipient):
            return True
        user_id = ObjectId(recipient)
        is_participant = user_id in self._ticket.participants
        if is_participant and not self._takes_part(user_id):
            return False
        is_former = is_former_requester(self._ticket, user_id) and not is_participant
        if is_former and not comment.deleted:
            return self._is_staff(user_id)
        return comment.deleted or not comment.internal or self._is_staff(user_id)

    def _update_message(self, notice: Mapping[str, Any]) -> bool:
        seq, kind, recipient = deliveries.parse_delivery_key(str(notice["key"]))
        comment, is_channel = self._comments[seq], _is_channel(recipient)
        if kind == COPY_KIND:
            is_channel, is_named = False, bool(notice.get("authored"))
            person = None if is_named else display_person(self._people, comment.by)
            message = conversation_notes.comment_copy(comment, author=person)
        else:
            message = self._message(
                comment, is_outside_thread=bool(notice.get("alone")), is_channel=is_channel
            )
        result = update_delivery(
            self._runtime,
            self._ticket,
            notice,
            message,
            version=_version(comment, is_channel=is_channel),
            changed_at=comment.at,
        )
        self.is_contended = self.is_contended or result is DeliveryResult.CONTENDED
        return result is DeliveryResult.DONE

    def _message(self, comment: Comment, *, is_outside_thread: bool, is_channel: bool) -> Message:
        author = display_person(self._people, comment.by)
        if is_channel:
            return views.internal_note_notice(self._ticket, comment, author=author)
        return views.comment_message(
            self._ticket, comment, author=author, is_outside_thread=is_outside_thread
        )

    def _is_staff(self, user_id: ObjectId) -> bool:
        """Return whether they read the ticket's notes: no one who only takes part in a private one
        does."""
        user = self._people.users.get(user_id)
        if user is None or not can_work_on_tickets(user):
            return False
        return visible_to(Actor.from_user(user)).covers_as_staff(self._ticket)

    def _takes_part(self, user_id: ObjectId) -> bool:
        return takes_part(self._ticket, user_id, partial(display_person, self._people))


def _reader(recipient: str) -> ObjectId | str:
    return recipient if _is_channel(recipient) else ObjectId(recipient)


def _is_channel(recipient: str) -> bool:
    """Return whether the recipient in a delivery's key is no account."""
    return not ObjectId.is_valid(recipient)


def _version(comment: Comment, *, is_channel: bool) -> str:
    """Return what differs between two versions of a message."""
    if comment.deleted:
        return "deleted"
    content = "" if is_channel else repr((comment.text, comment.files))
    return hashlib.sha256(content.encode()).hexdigest()


def comment_deliveries(
    ticket: Ticket, cards: Sequence[Card], *, is_staff: IsStaff, takes_part: TakesPart
) -> Iterator[CommentDelivery]:
    """Yield every comment for each of its recipients, delivered already or not.

    Not for its author, wherever they wrote it; an internal note only for staff, even if the
    assignee is none. For participants, those since they were added.
    """
    for_assignee = _for_assignee(ticket) - _announced(
        ticket, EventType.REOPENED, REOPENED, ticket.assigned_to
    )
    asked = _announced(ticket, EventType.WAITING, QUESTION, ticket.created_by)
    for_requester = _for_requester(ticket) - asked - _read_there(ticket)
    copied = _to_copy(ticket)
    notes = notes_threads(ticket)
    joined = {
        user_id: added
        for user_id in ticket.participants
        if takes_part(user_id) and (added := addition_of(ticket, user_id))
    }
    for event, comment in comment_events(ticket):
        to = {} if comment.internal else _participants_at(event, joined)
        if event.seq in for_assignee and ticket.assigned_to and is_staff(ticket.assigned_to):
            to[ticket.assigned_to] = ASSIGNEE
        is_for_requester = not comment.internal and event.seq in for_requester
        if ticket.created_by and is_for_requester:
            to[ticket.created_by] = REQUESTER
        for user_id, kind in to.items():
            thread = notes.get(user_id) if comment.internal else _thread(cards, kind, user_id)
            if user_id != comment.by:
                yield CommentDelivery(event.seq, comment, user_id, thread)
        if comment.internal:
            yield from _for_triage(ticket, event, comment, cards)
        if there := copied.get(event.seq):
            yield CommentDelivery(event.seq, comment, there.channel, there, COPY_KIND)


def _participants_at(event: Event, joined: Mapping[ObjectId, Event]) -> dict[ObjectId, str]:
    return {user_id: PARTICIPANT for user_id, added in joined.items() if added.seq < event.seq}


def comment_events(ticket: Ticket) -> list[tuple[Event, Comment]]:
    """Return the comments and notes with their events, in order."""
    by_id = {comment.id: comment for comment in ticket.comments}
    written = (EventType.COMMENTED, EventType.NOTED)
    return [(e, by_id[e.to]) for e in ticket.events if e.type in written and e.to in by_id]


def _for_triage(
    ticket: Ticket, event: Event, comment: Comment, cards: Sequence[Card]
) -> Iterator[CommentDelivery]:
    """Yield the delivery to the triage channel, unless the note was written there."""
    if ticket.private:
        return
    card = next((card for card in reversed(cards) if card.kind == TRIAGE), None)
    if card and not (comment.slack_message and comment.slack_message.channel == card.channel):
        thread = SlackThread(card.channel, card.ts)
        yield CommentDelivery(event.seq, comment, card.recipient, thread)


def _to_copy(ticket: Ticket) -> dict[int, SlackThread]:
    """Return the conversation in a request channel by the `seq` of each comment to copy into it:
    not those written in the channel, or in the note about a question."""
    conversation = conversation_of(ticket)
    if conversation is None:
        return {}
    thread = SlackThread.below(conversation)
    announced = _announced(ticket, EventType.WAITING, QUESTION, thread)
    return {
        event.seq: thread
        for event, comment in comment_events(ticket)
        if not comment.internal
        and event.seq not in announced
        and not _is_in_channel(comment, conversation)
    }


def _read_there(ticket: Ticket) -> set[int]:
    """Return the `seq` of the comments that the requester reads in the conversation, or has read
    there before it came to an end."""
    source = ticket.source
    if source is None or not source.is_conversation or is_requester_changed(ticket):
        return set()
    comments = comment_events(ticket)
    if conversation_of(ticket):
        return {event.seq for event, _ in comments}
    sent = {str(one["key"]) for one in ticket.deliveries if one["state"] == DeliveryState.SENT}
    copy = partial(delivery_key, kind=COPY_KIND, recipient=source.channel)
    return {
        event.seq
        for event, comment in comments
        if _is_in_channel(comment, source) or copy(seq=event.seq) in sent
    }


def _is_in_channel(comment: Comment, source: MessageSource) -> bool:
    place = comment.slack_message
    return place is not None and place.channel == source.channel


def _for_assignee(ticket: Ticket) -> set[int]:
    """Return the `seq` of the comments since the assignment, and of the last ones before, which
    are not sent to an assignee who took the ticket."""
    assigned = last_event(ticket, EventType.ASSIGNED)
    assigned_seq = assigned.seq if assigned else 0
    seqs = [event.seq for event, _ in comment_events(ticket)]
    is_taken = assigned is not None and assigned.by == assigned.to
    if is_taken:
        return {seq for seq in seqs if seq > assigned_seq}
    return _since(assigned_seq, seqs)


def _for_requester(ticket: Ticket) -> set[int]:
    """Return the `seq` of the public comments since the requester was changed, and of the last ones
    before."""
    changed = (
        event.seq
        for event in reversed(ticket.events)
        if event.type == EventType.EDITED and event.field == "createdBy"
    )
    seqs = [event.seq for event, comment in comment_events(ticket) if not comment.internal]
    return _since(next(changed, 0), seqs)


def _since(start: int, seqs: Sequence[int]) -> set[int]:
    """Return those after `start`, and the last ones before."""
    before = [seq for seq in seqs if seq < start]
    return {*before[-MAX_EARLIER_COMMENTS:], *(seq for seq in seqs if seq > start)}


def _announced(
    ticket: Ticket, cause: EventType, kind: str, recipient: ObjectId | SlackThread | None
) -> set[int]:
    """Return the `seq` of the comments that were written with an action, and that the recipient
    reads in the message of that kind about the action. If the ticket goes on before that is sent,
    such a comment is one like any other."""
    if recipient is None:
        return set()
    to = recipient.channel if isinstance(recipient, SlackThread) else recipient
    written_with = {
        (event.seq + 1, event.by, event.at)
        for event in ticket.events
        if event.type == cause
        and event.note
        and (
            (kind, recipient) in recipients(event, ticket)
            or deliveries.is_finished(ticket, delivery_key(seq=event.seq, kind=kind, recipient=to))
        )
    }
    return {e.seq for e in ticket.events if (e.seq, e.by, e.at) in written_with}


def _thread(cards: Sequence[Card], kind: str, user_id: ObjectId) -> SlackThread | None:
    matching = (card for card in reversed(cards) if (card.kind, card.recipient) == (kind, user_id))
    return next((SlackThread(card.channel, card.ts) for card in matching), None)


def notes_key(ticket: Ticket, user_id: ObjectId | str) -> str:
    """Return the key of the message that begins the user's thread of notes: one for each ticket."""
    first = next(event.seq for event in ticket.events if event.type == EventType.NOTED)
    return delivery_key(seq=first, kind=NOTES_KIND, recipient=user_id)


def notes_threads(ticket: Ticket) -> dict[ObjectId, SlackThread]:
    """Return the threads of the notes that are begun, by their reader."""
    keys = ((deliveries.parse_delivery_key(str(one["key"])), one) for one in ticket.deliveries)
    return {
        ObjectId(recipient): SlackThread(str(one["channel"]), str(one["ts"]))
        for (_, kind, recipient), one in keys
        if kind == NOTES_KIND and one["state"] == DeliveryState.SENT
    }
