"""Who is to read a comment, and in which thread. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from services.changes import EventType
from services.comment import Comment
from services.models import Card, Event, Ticket
from services.notices import notice_key
from tasks.recipients import ASSIGNEE, REQUESTER, TRIAGE, last_of

COMMENT = "comment"
# Of what was said before somebody got the ticket, so much stands in the thread of their card.
EARLIER = 10

IsStaff = Callable[[ObjectId], bool]


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
        return notice_key(seq=self.seq, kind=COMMENT, recipient=self.recipient)


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
    if card and not (comment.slack and comment.slack.channel == card.channel):
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
