"""Conflicts between an edit and changes by other users since its author read the ticket. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from services.core.errors import Conflict
from services.editing.editable_fields import current_value
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from services.models.user import User


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that another user has changed; `value` is its current value."""

    field: str
    by: ObjectId | str
    value: Any


class EditConflict(Conflict):
    """Other users changed the same fields. `ticket` is the current one, `people` are by id."""

    def __init__(
        self, conflicts: Sequence[FieldConflict], ticket: Ticket, people: Mapping[ObjectId, User]
    ) -> None:
        super().__init__("Somebody else has changed the same fields. Look at them, then decide.")
        self.conflicts = tuple(conflicts)
        self.ticket = ticket
        self.people = people


def find_conflicts(
    ticket: Ticket, edit: Mapping[str, Any], *, expected_seq: int, acknowledged: Mapping[str, int]
) -> list[FieldConflict]:
    """Return the fields of the edit that other users changed after its author read them."""
    last: dict[str, Event] = {}
    for event in ticket.events:
        for field in _changed_fields(event, ticket):
            if event.seq > max(expected_seq, acknowledged.get(field, 0)):
                last[field] = event
    return [
        FieldConflict(field, by=last[field].by, value=current_value(ticket, field))
        for field in edit
        if field in last
    ]


def _changed_fields(event: Event, ticket: Ticket) -> tuple[str, ...]:
    """Return the form fields that an event changed."""
    if event.type in (EventType.UNASSIGNED, EventType.REOPENED):
        return "status", "assignedTo"
    if event.type == EventType.ANALYSED:
        return _analysed_fields(ticket)
    return (event.field,) if event.field else ()


def _analysed_fields(ticket: Ticket) -> tuple[str, ...]:
    """Return what an analysis changed: not a priority that a user chose, nor edited fields."""
    edited = {event.field for event in ticket.events if event.type == EventType.EDITED}
    has_priority = (ticket.assignment.get("analysis") or {}).get("priority") is not None
    found = ("priority",) if has_priority else ()
    return (*found, *(field for field in ("relatedSkills", "helpfulNotes") if field not in edited))
