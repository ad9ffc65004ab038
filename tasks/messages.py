"""Which messages a ticket calls for at this moment. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from bot.views import cards
from bot.views.text import Message, Person
from services.changes import EventType
from services.models import Event, Ticket
from services.notices import notice_key

REQUESTER, ASSIGNEE = "requester", "assignee"
RESOLVED, UNASSIGNED = "resolved", "unassigned"
THREAD = "thread"
CARDS = (REQUESTER, ASSIGNEE)
People = Callable[[ObjectId | str | None], Person]


@dataclass(frozen=True, slots=True)
class Thread:
    """A place in Slack, where a person is a recipient elsewhere."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to be sent once. A card is kept up to date from then on."""

    key: str
    kind: str
    recipient: ObjectId | Thread
    message: Message

    @property
    def is_card(self) -> bool:
        return self.kind in CARDS


def notices(ticket: Ticket, *, admins: Sequence[ObjectId], people: People) -> list[Notice]:
    """Every message the ticket's history calls for, sent already or not."""
    return [
        Notice(
            key=notice_key(seq=event.seq, kind=kind, recipient=_named(recipient)),
            kind=kind,
            recipient=recipient,
            message=message(kind, ticket, people, by=event.by),
        )
        for event in ticket.events
        for kind, recipient in _recipients(event, ticket, admins)
    ]


def message(
    kind: str, ticket: Ticket, people: People, *, by: ObjectId | str | None = None
) -> Message:
    """What a message of that kind says now; `by` is who did what it tells of."""
    requester, assignee = people(ticket.created_by), people(ticket.assigned_to)
    if kind == REQUESTER:
        return cards.requester_card(ticket, assignee=assignee if ticket.assigned_to else None)
    if kind == ASSIGNEE:
        return cards.assignee_card(ticket, requester=requester, assignee=assignee)
    if kind == RESOLVED:
        return cards.resolved_notice(ticket, by=people(by))
    if kind == THREAD:
        return cards.thread_line(ticket)
    return cards.unassigned_notice(ticket, requester=requester)


def _recipients(
    event: Event, ticket: Ticket, admins: Sequence[ObjectId]
) -> Iterator[tuple[str, ObjectId | Thread]]:
    """Who is told what of an event. Nobody is told of what they did themselves."""
    requester = ticket.created_by
    if event.type == EventType.FILED:
        if requester:
            yield REQUESTER, requester
        if ticket.source:
            yield THREAD, Thread(ticket.source.channel, ticket.source.thread)
    elif event.type == EventType.ASSIGNED and ticket.assigned_to == event.to:
        yield ASSIGNEE, event.to
    elif event.type == EventType.RESOLVED and requester and requester != event.by:
        yield RESOLVED, requester
    elif event.type == EventType.NOBODY_AVAILABLE and ticket.assigned_to is None:
        yield from ((UNASSIGNED, admin) for admin in admins if admin != requester)


def _named(recipient: ObjectId | Thread) -> ObjectId | str:
    return recipient.channel if isinstance(recipient, Thread) else recipient
