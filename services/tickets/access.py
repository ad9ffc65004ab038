"""Who may see which ticket, and what of it its requester may read.

Each path on which a ticket is read asks here: a query by `Sight.condition`, all else by
`Sight.covers`. Both follow from one list of alternatives, so they cannot differ.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from bson import ObjectId

from services.core.database import Document
from services.core.errors import NotFound
from services.models.events import Event, EventType, is_next_of_change
from services.models.permissions import Actor, Operator, Permission, record_denial
from services.models.ticket import Ticket
from services.tickets.fields import FIELDS, Access

# Not `False`: a ticket of the legacy backend or of an earlier release has no such field.
NOT_PRIVATE: Document = {"private": {"$ne": True}}
_NO_CONDITION: Document = {}
CONCEALED_TITLE = "private"
NOT_VISIBLE = "There is no such ticket, or you may not see it."
_HOLDS: Mapping[str, Callable[[Ticket, Any], bool]] = {
    "private": lambda ticket, _: not ticket.private,
    "createdBy": lambda ticket, who: ticket.created_by == who,
    "assignedTo": lambda ticket, who: ticket.assigned_to == who,
    "participants": lambda ticket, who: who in ticket.participants,
}


@dataclass(frozen=True, slots=True)
class Sight:
    """The tickets that an actor may see: those that match one of the alternatives.

    `as_staff` are those they may also work on, with all that is for the staff. `of_team` is the
    condition for counts of the whole team's tickets, the same for all of one role.
    """

    alternatives: tuple[Document, ...]
    as_staff: tuple[Document, ...]

    @property
    def of_team(self) -> Document:
        return {} if {} in self.alternatives else NOT_PRIVATE

    def covers(self, ticket: Ticket) -> bool:
        return _matches_any(ticket, self.alternatives)

    def covers_as_staff(self, ticket: Ticket) -> bool:
        return _matches_any(ticket, self.as_staff)

    def condition(self, *, within: Document = _NO_CONDITION) -> Document:
        """Return the condition for a query, {} if the actor may see all that it finds anyway.

        `within` are the query's other conditions. For SecantusDB the caller puts the condition into
        a `$match` stage after that of the indexed fields (docs/performance.md).
        """
        if any(alternative.items() <= within.items() for alternative in self.alternatives):
            return {}
        return {"$or": [dict(alternative) for alternative in self.alternatives]}


def visible_to(actor: Actor | Operator) -> Sight:
    """Return which tickets the actor may see.

    A private ticket: its requester, assignee and participants, and admins; while it has no
    assignee, also those whom the settings name for that.
    """
    if isinstance(actor, Operator) or actor.has_permission(Permission.SEE_PRIVATE_TICKET):
        return Sight(({},), ({},))
    involved: tuple[Document, ...] = ({"createdBy": actor.user_id}, {"participants": actor.user_id})
    if not actor.has_permission(Permission.SEE_ANY_TICKET):
        return Sight(involved, ())
    as_staff: tuple[Document, ...] = (NOT_PRIVATE, {"assignedTo": actor.user_id})
    if actor.gets_private_tickets:
        as_staff += ({"assignedTo": None},)
    return Sight((*as_staff, *involved), as_staff)


def require_visible(actor: Actor, ticket: Ticket | None) -> Ticket:
    """Return the ticket if the actor may see it; otherwise raise `NotFound`."""
    if ticket is not None:
        if visible_to(actor).covers(ticket):
            return ticket
        record_denial(Permission.SEE_ANY_TICKET, actor.user_id)
    raise NotFound(NOT_VISIBLE)


def may_change_participants(actor: Actor, ticket: Ticket) -> bool:
    """Return whether the actor may add and remove others: the requester and the staff."""
    return ticket.created_by == actor.user_id or visible_to(actor).covers_as_staff(ticket)


def gets_messages(ticket: Ticket, user_id: ObjectId) -> bool:
    """Return whether the user is a participant who was added by another. One who takes part by
    writing in a request channel reads there."""
    added = addition_of(ticket, user_id)
    return user_id in ticket.participants and not (added and added.is_by_its_person)


def addition_of(ticket: Ticket, user_id: ObjectId) -> Event | None:
    """Return the event that added the participant last. A merge of accounts adds no one."""
    accounts = accounts_of(ticket, user_id)
    return next(
        (
            event
            for event in reversed(ticket.events)
            if event.type == EventType.PARTICIPANT_ADDED
            and event.from_ is None
            and event.to in accounts
        ),
        None,
    )


def was_removed(ticket: Ticket, user_id: ObjectId) -> bool:
    """Return whether the user took part in the ticket and no longer does."""
    accounts = accounts_of(ticket, user_id)
    return user_id not in ticket.participants and any(
        event.type == EventType.PARTICIPANT_REMOVED and event.from_ in accounts
        for event in ticket.events
    )


def is_former_requester(ticket: Ticket, reader: object) -> bool:
    """Return whether the ticket was this account's until its requester was changed."""
    if reader == ticket.created_by or not isinstance(reader, ObjectId):
        return False
    accounts = accounts_of(ticket, reader)
    return any(
        event.type == EventType.EDITED and event.field == "createdBy" and event.from_ in accounts
        for event in ticket.events
    )


def accounts_of(ticket: Ticket, user_id: ObjectId) -> set[ObjectId]:
    """Return the account, and those that were merged into it, by the ticket's history: events from
    before a merge name the account of that time."""
    accounts = {user_id}
    for event in reversed(ticket.events):
        is_merge = event.type in _MERGES and isinstance(event.from_, ObjectId)
        if is_merge and event.to in accounts:
            accounts.add(event.from_)
    return accounts


def is_for_other_tickets(doc: Mapping[str, Any]) -> bool:
    """Return whether the text of that stored ticket may be compared with other tickets, learned
    from and sent to the model with them: no one is the reader then, so not if it is private."""
    return doc.get("private") is not True


def concealed(ticket: Ticket) -> Ticket:
    """Return what a line about the ticket shows to a reader who may not see it: its number, its
    state, and that it is private. For messages that were sent to them while they could."""
    return Ticket(
        id=ticket.id,
        title=CONCEALED_TITLE,
        description="",
        status=ticket.status,
        created_by=None,
        assigned_to=ticket.assigned_to,
        created_at=ticket.created_at,
        number=ticket.number,
        team_id=ticket.team_id,
        queue_key=ticket.queue_key,
        seq=ticket.seq,
        events=tuple(replace(event, note=None) for event in ticket.events),
        private=True,
    )


def _matches_any(ticket: Ticket, alternatives: Iterable[Document]) -> bool:
    return any(
        all(_HOLDS[name](ticket, value) for name, value in alternative.items())
        for alternative in alternatives
    )


# A participant who is added by a merge replaces the merged account (`from_`).
_MERGES = frozenset({EventType.REQUESTER_MERGED, EventType.PARTICIPANT_ADDED})
_NAMES = {name for name, field in FIELDS.items() if field.seen_by is Access.ALL}
_ATTRIBUTES = {FIELDS[name].attribute for name in _NAMES} - {""}
# Escalation, internal notes, and who declined the ticket are for the staff.
_EVENT_TYPES = frozenset(
    {
        EventType.FILED,
        EventType.EDITED,
        EventType.ANALYSED,
        EventType.ASSIGNED,
        EventType.NOBODY_AVAILABLE,
        EventType.STATUS_CHANGED,
        EventType.RESOLVED,
        EventType.ACCEPTED,
        EventType.WAITING,
        EventType.ANSWERED,
        EventType.CANCELLED,
        EventType.WITHDRAWN,
        EventType.REOPENED,
        EventType.COMMENTED,
        EventType.COMMENT_EDITED,
        EventType.COMMENT_DELETED,
        EventType.UNANSWERED,
        EventType.PARTICIPANT_ADDED,
        EventType.PARTICIPANT_REMOVED,
    }
)


_DEFAULTS = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(Ticket)
}


def hidden_from_requester(attributes: Iterable[str]) -> dict[str, Any]:
    """Return those of the attributes that a requester may not read, with their defaults."""
    return {name: _DEFAULTS[name] for name in attributes if name not in _ATTRIBUTES}


def for_requester(ticket: Ticket) -> Ticket:
    """Return the ticket with what its requester may read; every other field has its default."""
    visible: dict[str, Any] = {name: getattr(ticket, name) for name in _ATTRIBUTES}
    visible["assignment"] = {
        key: value for key, value in ticket.assignment.items() if f"assignment.{key}" in _NAMES
    }
    visible["comments"] = tuple(comment for comment in ticket.comments if not comment.internal)
    visible["events"] = tuple(
        replace(event, note=None) for event in ticket.events if _is_visible(ticket, event)
    )
    return Ticket(**visible)


def _is_visible(ticket: Ticket, event: Event) -> bool:
    if event.type not in _EVENT_TYPES or (event.field and event.field not in _NAMES):
        return False
    if event.type == EventType.STATUS_CHANGED:  # shown by its assignment
        before = (past for past in ticket.events if is_next_of_change(past, event))
        assigned = next((past for past in before if past.type == EventType.ASSIGNED), None)
        return assigned is None or _is_visible(ticket, assigned)
    if event.type == EventType.ASSIGNED:  # earlier assignees may have declined
        assignments = [past for past in ticket.events if past.type == EventType.ASSIGNED]
        return event == assignments[-1] and event.to == ticket.assigned_to
    return event.type != EventType.NOBODY_AVAILABLE or ticket.is_queued_unassigned
