"""What others changed of a ticket while somebody was editing it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from services.core.errors import Conflict
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from services.models.user import User
from services.tickets.fields import current_value


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Somebody else changed that field meanwhile; `value` is what it holds now."""

    field: str
    by: ObjectId | str
    value: Any


class EditConflict(Conflict):
    """Others changed what this edit changes. `ticket` is as it is now, with `people` by id."""

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
    """The fields of the edit that others changed after their author looked."""
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
    """The fields of the form that an event has changed."""
    if event.type in (EventType.UNASSIGNED, EventType.REOPENED):
        return "status", "assignedTo"
    if event.type == EventType.ANALYSED:
        return _analysed_fields(ticket)
    return (event.field,) if event.field else ()


def _analysed_fields(ticket: Ticket) -> tuple[str, ...]:
    """An analysis leaves alone the priority a person chose, and what somebody had edited."""
    edited = {event.field for event in ticket.events if event.type == EventType.EDITED}
    has_priority = (ticket.assignment.get("analysis") or {}).get("priority") is not None
    found = ("priority",) if has_priority else ()
    return (*found, *(field for field in ("relatedSkills", "helpfulNotes") if field not in edited))
