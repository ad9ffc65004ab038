"""Who is told of what has happened to a ticket. Pure.

Nobody is told of what they did themselves. Who files or takes a ticket gets its card all the same:
to see it by, and to work from.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from services.changes import EventType
from services.models import OPEN_STATUSES, Event, Ticket

REQUESTER, ASSIGNEE = "requester", "assignee"
RESOLVED, QUESTION, REOPENED, CANCELLED = "resolved", "question", "reopened", "cancelled"
UNASSIGNED, THREAD = "unassigned", "thread"
TRIAGE = "triage"


@dataclass(frozen=True, slots=True)
class Thread:
    """A place in Slack, where a person is a recipient elsewhere."""

    channel: str
    ts: str


# A text is a channel's id.
Recipient = ObjectId | Thread | str
Told = Iterator[tuple[str, Recipient]]


def recipients(event: Event, ticket: Ticket, admins: Sequence[ObjectId]) -> Told:
    """The kinds of message an event calls for, with whom each is for, as long as it is so."""
    rule = RULES.get(event.type)
    return rule(event, ticket, admins) if rule else iter(())


def last_of(ticket: Ticket, kind: str) -> Event | None:
    """The newest event of that type."""
    return next((event for event in reversed(ticket.events) if event.type == kind), None)


def _filed(_: Event, ticket: Ticket, __: Sequence[ObjectId]) -> Told:
    if ticket.created_by:
        yield REQUESTER, ticket.created_by
    if ticket.source:
        yield THREAD, Thread(ticket.source.channel, ticket.source.thread)


def _assigned(event: Event, ticket: Ticket, _: Sequence[ObjectId]) -> Told:
    is_theirs = ticket.assigned_to == event.to and ticket.status in OPEN_STATUSES
    if not is_theirs or not _is_newest(event, ticket):
        return
    if event.by != event.to or not _has_card(ticket, event.to):
        yield ASSIGNEE, event.to


def _nobody_available(event: Event, ticket: Ticket, admins: Sequence[ObjectId]) -> Told:
    still_so = ticket.assigned_to is None and ticket.status in OPEN_STATUSES
    if still_so and _is_newest(event, ticket):
        yield from ((UNASSIGNED, admin) for admin in admins if admin != ticket.created_by)


def _requester(kind: str) -> "Rule":
    """As long as the ticket has the status that this event gave it."""

    def rule(event: Event, ticket: Ticket, _: Sequence[ObjectId]) -> Told:
        if _still_so(event, ticket) and ticket.created_by and ticket.created_by != event.by:
            yield kind, ticket.created_by

    return rule


def _assignee(kind: str) -> "Rule":
    """As long as the ticket has the status that this event gave it."""

    def rule(event: Event, ticket: Ticket, _: Sequence[ObjectId]) -> Told:
        if _still_so(event, ticket) and ticket.assigned_to and ticket.assigned_to != event.by:
            yield kind, ticket.assigned_to

    return rule


Rule = Callable[[Event, Ticket, Sequence[ObjectId]], Told]
RULES: dict[str, Rule] = {
    EventType.FILED: _filed,
    EventType.ASSIGNED: _assigned,
    EventType.NOBODY_AVAILABLE: _nobody_available,
    EventType.RESOLVED: _requester(RESOLVED),
    EventType.WAITING: _requester(QUESTION),
    EventType.REOPENED: _assignee(REOPENED),
    EventType.CANCELLED: _assignee(CANCELLED),
}


def _still_so(event: Event, ticket: Ticket) -> bool:
    """No later event has moved the ticket on."""
    moved = (past for past in reversed(ticket.events) if past.field == "status")
    return ticket.status == event.to and next(moved, None) == event


def _is_newest(event: Event, ticket: Ticket) -> bool:
    """Of its type. What an older one called for is out of date, if it was not sent by now."""
    return last_of(ticket, event.type) == event


def _has_card(ticket: Ticket, user_id: ObjectId) -> bool:
    return any((card.kind, card.recipient) == (ASSIGNEE, user_id) for card in ticket.cards)
