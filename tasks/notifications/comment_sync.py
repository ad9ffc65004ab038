"""Brings a ticket's comments to the threads of its cards, and keeps them in step.

Who is to read a comment, and in which thread. Pure.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from bot.views.messages import comment as views
from bot.views.text import Message, person
from services.linking.directory import Directory
from services.models.comment import Comment
from services.models.events import Event, EventType
from services.models.ticket import Card, Ticket
from services.models.user import Role
from services.outbox import deliveries
from services.outbox.deliveries import DeliveryState, delivery_key
from tasks.notifications.slack import redraw
from tasks.notifications.ticket_messages import Notice
from tasks.recipients import ASSIGNEE, REQUESTER, TRIAGE, Recipient, Thread, last_of
from tasks.runtime import Runtime

Send = Callable[[Notice], bool]


@dataclass(frozen=True, slots=True)
class Reply:
    """A comment for somebody, or for a channel. `card` is the one whose thread it belongs in; None
    where they have none."""

    seq: int
    comment: Comment
    recipient: ObjectId | str
    card: Card | None

    @property
    def key(self) -> str:
        return delivery_key(seq=self.seq, kind=COMMENT, recipient=self.recipient)


class CommentSync:
    """`send` sends a notice once and says whether that is settled."""

    def __init__(self, runtime: Runtime, ticket: Ticket, people: Directory, *, send: Send) -> None:
        self._runtime = runtime
        self._ticket = ticket
        self._people = people
        self._post = send
        self._sent = {str(notice["key"]): notice for notice in ticket.deliveries}
        self._comments = {str(event.seq): comment for event, comment in comment_events(ticket)}

    def tell_people(self, cards: Sequence[Card], *, is_all: bool) -> bool:
        """Send and update what is due. False where something has to be tried again later.

        `is_all` says that no card is still to come: who has none then gets a message by itself.
        """
        due = [reply for reply in self._due(cards) if isinstance(reply.recipient, ObjectId)]
        ready = [reply for reply in due if reply.card or is_all]
        outcomes = [self._send(reply) for reply in ready]
        outcomes += [self._follow(notice) for notice in self._outdated(is_channel=False)]
        return all(outcomes) and len(ready) == len(due)

    def tell_channel(self, cards: Sequence[Card]) -> bool:
        """The same for the triage channel."""
        due = [reply for reply in self._due(cards) if isinstance(reply.recipient, str)]
        outcomes = [self._send(reply) for reply in due]
        outcomes += [self._follow(notice) for notice in self._outdated(is_channel=True)]
        return all(outcomes)

    def _due(self, cards: Sequence[Card]) -> Iterable[Reply]:
        done = (DeliveryState.SENT, DeliveryState.FAILED)
        for reply in replies(self._ticket, cards, is_staff=self._is_staff):
            known = self._sent.get(reply.key)
            if not reply.comment.deleted and not (known and known["state"] in done):
                yield reply

    def _send(self, reply: Reply) -> bool:
        comment, card = reply.comment, reply.card
        to: Recipient = Thread(card.channel, card.ts) if card else reply.recipient
        is_channel = not isinstance(reply.recipient, ObjectId)
        return self._post(
            Notice(
                key=reply.key,
                kind=COMMENT,
                recipient=to,
                message=self._message(comment, is_alone=card is None, is_channel=is_channel),
                version=_version(comment, is_channel=is_channel),
            )
        )

    def _outdated(self, *, is_channel: bool) -> Iterable[Mapping[str, Any]]:
        """Notices that show a comment as it no longer is, and whose reader may see what it is."""
        for key, notice in self._sent.items():
            seq, kind, recipient = deliveries.parse_delivery_key(key)
            comment = self._comments.get(seq) if kind == COMMENT else None
            if comment is None or notice["state"] != DeliveryState.SENT:
                continue
            is_here = _is_channel(recipient) == is_channel and self._may_see(comment, recipient)
            if is_here and notice.get("version") != _version(comment, is_channel=is_channel):
                yield notice

    def _may_see(self, comment: Comment, recipient: str) -> bool:
        """What was shown to somebody who is no longer staff stays as it was, unless it goes."""
        if comment.deleted or not comment.internal or _is_channel(recipient):
            return True
        return self._is_staff(ObjectId(recipient))

    def _follow(self, notice: Mapping[str, Any]) -> bool:
        """Change the message where the comment was changed."""
        seq, _, recipient = deliveries.parse_delivery_key(str(notice["key"]))
        comment, is_channel = self._comments[seq], _is_channel(recipient)
        channel, ts = str(notice["channel"]), str(notice["ts"])
        shown = self._message(comment, is_alone=bool(notice.get("alone")), is_channel=is_channel)
        about = f"ticket {self._ticket.id}: comment"
        if not redraw(self._runtime.slack, shown, channel=channel, ts=ts, about=about):
            return False
        return deliveries.record_message_update(
            self._runtime.db,
            self._ticket.id,
            str(notice["key"]),
            seq=self._ticket.seq,
            version=_version(comment, is_channel=is_channel),
            now=self._runtime.clock(),
        )

    def _message(self, comment: Comment, *, is_alone: bool, is_channel: bool) -> Message:
        author = person(self._people, comment.by)
        if is_channel:
            return views.pointer(self._ticket, comment, author=author)
        return views.reply(self._ticket, comment, author=author, is_alone=is_alone)

    def _is_staff(self, user_id: ObjectId) -> bool:
        user = self._people.users.get(user_id)
        return user is not None and user.active and user.role is not Role.USER


def _is_channel(recipient: str) -> bool:
    """Of a notice's key: people are named by their accounts."""
    return not ObjectId.is_valid(recipient)


def _version(comment: Comment, *, is_channel: bool) -> str:
    """What tells two states of a message apart."""
    if comment.deleted:
        return "deleted"
    content = "" if is_channel else repr((comment.text, comment.files))
    return hashlib.sha256(content.encode()).hexdigest()


COMMENT = "comment"
# Of what was said before somebody got the ticket, so much stands in the thread of their card.
EARLIER = 10

IsStaff = Callable[[ObjectId], bool]


def replies(ticket: Ticket, cards: Sequence[Card], *, is_staff: IsStaff) -> Iterator[Reply]:
    """Every comment with everybody who is to read it, whether they were told already or not.

    Never its author. An internal note goes to staff only, whoever the ticket is assigned to.
    """
    for_assignee, questions = _for_assignee(ticket), _questions(ticket)
    for event, comment in comment_events(ticket):
        to = {}
        if event.seq in for_assignee and ticket.assigned_to and is_staff(ticket.assigned_to):
            to[ticket.assigned_to] = ASSIGNEE
        if ticket.created_by and not comment.internal and event.seq not in questions:
            to[ticket.created_by] = REQUESTER
        for user_id, kind in to.items():
            if user_id != comment.by:
                yield Reply(event.seq, comment, user_id, _card(cards, kind, user_id))
        if comment.internal:
            yield from _for_triage(event, comment, cards)


def comment_events(ticket: Ticket) -> list[tuple[Event, Comment]]:
    """What was written, in order."""
    by_id = {comment.id: comment for comment in ticket.comments}
    written = (EventType.COMMENTED, EventType.NOTED)
    return [(e, by_id[e.to]) for e in ticket.events if e.type in written and e.to in by_id]


def _for_triage(event: Event, comment: Comment, cards: Sequence[Card]) -> Iterator[Reply]:
    """Unless it was written there."""
    card = next((card for card in reversed(cards) if card.kind == TRIAGE), None)
    if card and not (comment.slack_message and comment.slack_message.channel == card.channel):
        yield Reply(event.seq, comment, card.recipient, card)


def _for_assignee(ticket: Ticket) -> set[int]:
    """By the events' numbers: what was said since they got the ticket, and the last before."""
    given = last_of(ticket, EventType.ASSIGNED)
    got_it = given.seq if given else 0
    said = [event.seq for event, _ in comment_events(ticket)]
    before = [seq for seq in said if seq < got_it]
    return {*before[-EARLIER:], *(seq for seq in said if seq > got_it)}


def _questions(ticket: Ticket) -> set[int]:
    """Its requester gets a message of its own for each of these, with a button to answer."""
    waiting = {
        event.seq + 1: event.by for event in ticket.events if event.type == EventType.WAITING
    }
    return {event.seq for event in ticket.events if waiting.get(event.seq) == event.by}


def _card(cards: Sequence[Card], kind: str, user_id: ObjectId) -> Card | None:
    """The newest."""
    mine = (card for card in reversed(cards) if (card.kind, card.recipient) == (kind, user_id))
    return next(mine, None)
