"""The table of ticket fields: who sees and edits each, and which outputs contain it.

It is the only place that says so: what a requester reads (services/tickets/visibility.py), the edit
form, the lists, the API and the data export take their fields from it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, Flag, StrEnum, auto
from typing import Any

from services.models.ticket import Ticket
from services.tickets.validation import (
    TicketFields,
    checked_assignee_id,
    checked_deadline,
    checked_description,
    checked_notes,
    checked_priority,
    checked_skills,
    checked_status,
    checked_title,
)


class Access(StrEnum):
    """`ALL`: the requester and the staff; `NOBODY`: only the program itself."""

    ALL = "all"
    STAFF = "staff"
    NOBODY = "nobody"


class Output(Flag):
    """Which outputs contain a field: responses of the API, rows of lists, data exports.

    Comments, events, messages and the reasons for a choice are exported entry by entry
    (services/privacy/export.py).
    """

    NONE = 0
    API = auto()
    LISTS = auto()
    EXPORT = auto()  # of the requester
    ASSIGNEE_EXPORT = auto()


@dataclass(frozen=True, slots=True)
class Edit:
    """What a new value is checked against."""

    ticket: Ticket
    team_skills: Sequence[str]
    now: datetime


@dataclass(frozen=True, slots=True)
class TicketField:
    """A field of a ticket.

    `name` is the field in MongoDB, in the API, in the history and the block_id in forms. The
    requester fills in fields with `edited_by` ALL when filing; the staff edit fields in the form
    and by PATCH. `check` returns the value to store, or raises `InvalidValue`.
    """

    name: str
    seen_by: Access
    outputs: Output = Output.NONE
    edited_by: Access = Access.NOBODY
    check: Callable[[Any, Edit], Any] | None = None
    label: str = ""  # as in "changed the notes", if it is not the name
    other_attribute: str | None = None  # "": `Ticket` does not have it

    @property
    def attribute(self) -> str:
        """The attribute of `Ticket`: the name in snake case, if no other is given."""
        if self.other_attribute is not None:
            return self.other_attribute
        return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", self.name)


ALL, STAFF, NOBODY = Access
API, LISTS, EXPORT, ASSIGNEE_EXPORT = Output
_ROWS = (
    TicketField("_id", ALL, API | LISTS, other_attribute="id"),
    TicketField("number", ALL, API | LISTS | EXPORT),
    TicketField("title", ALL, API | LISTS | EXPORT, ALL, lambda value, _: checked_title(value)),
    TicketField("description", ALL, API | EXPORT, ALL, lambda value, _: checked_description(value)),
    TicketField(
        "status", ALL, API | LISTS | EXPORT | ASSIGNEE_EXPORT, STAFF, lambda v, _: checked_status(v)
    ),
    TicketField(
        "priority", ALL, API | LISTS | EXPORT, ALL, lambda value, _: checked_priority(value or None)
    ),
    TicketField(
        "deadline",
        ALL,
        API | LISTS | EXPORT,
        ALL,
        lambda value, e: checked_deadline(value, now=e.now),
    ),
    TicketField("createdAt", ALL, API | LISTS | EXPORT),
    TicketField("acceptedAt", ALL, ASSIGNEE_EXPORT),
    TicketField("completedAt", ALL, EXPORT | ASSIGNEE_EXPORT, other_attribute=""),
    TicketField("resolution", ALL, API | LISTS | EXPORT),  # in lists it says what was cancelled
    TicketField("source", ALL, EXPORT),
    TicketField("createdBy", ALL, API | LISTS),
    TicketField("assignedTo", ALL, API | LISTS, STAFF, lambda value, _: checked_assignee_id(value)),
    TicketField("dueAt", ALL, API | LISTS),
    TicketField("target", ALL, LISTS, other_attribute="sla_clock"),  # says if the clock is paused
    # Without internal notes and events for the staff, see services/tickets/visibility.py.
    TicketField("comments", ALL),
    TicketField("events", ALL),
    TicketField("summary", STAFF, API),
    TicketField(
        "relatedSkills",
        STAFF,
        API,
        STAFF,
        lambda v, e: checked_skills(v, e.ticket, e.team_skills),
        "skills",
    ),
    TicketField("helpfulNotes", STAFF, API, STAFF, lambda value, _: checked_notes(value), "notes"),
    TicketField("assignment", STAFF),
    TicketField("assignment.next", ALL, LISTS, other_attribute=""),  # set while no assignee is free
    TicketField("alarm", STAFF, other_attribute="next_step"),
    TicketField("ladders", NOBODY, other_attribute="escalation_tracks"),
    TicketField("queueKey", NOBODY, LISTS),
    TicketField("teamId", NOBODY),
    TicketField("seq", NOBODY),
    TicketField("outbox", NOBODY, other_attribute="is_in_outbox"),
    TicketField("nextTryAt", NOBODY, other_attribute=""),
    TicketField("attempts", NOBODY, other_attribute=""),
    TicketField("cards", NOBODY),
    TicketField("notices", NOBODY, other_attribute="deliveries"),
    TicketField("requestId", NOBODY, other_attribute=""),
    TicketField("requestDigest", NOBODY, other_attribute=""),
)
FIELDS: Mapping[str, TicketField] = {field.name: field for field in _ROWS}
FILED_FIELDS = [field.name for field in _ROWS if field.edited_by is ALL]
EDITABLE_FIELDS = [field.name for field in _ROWS if field.check]


def fields_of(output: Output) -> list[str]:
    """Return the names of the fields in that output."""
    return [field.name for field in _ROWS if output in field.outputs]


def current_value(ticket: Ticket | TicketFields, name: str) -> Any:
    """Return the value of that field as it is stored."""
    return _as_stored(getattr(ticket, FIELDS[name].attribute))


def is_equal(one: Any, other: Any) -> bool:
    """Compare two values of a field. Lists of skills ignore order and case."""
    if isinstance(one, list) and isinstance(other, list):
        return {skill.casefold() for skill in one} == {skill.casefold() for skill in other}
    return bool(one == other)


def validate_field(
    name: str, value: Any, *, ticket: Ticket, team_skills: Sequence[str], now: datetime
) -> Any:
    """Return the value as it is stored. Raises `InvalidValue` if the field does not accept it."""
    check = FIELDS[name].check
    assert check is not None  # noqa: S101  callers take the name from EDITABLE_FIELDS
    return _as_stored(check(value, Edit(ticket, team_skills, now)))


def _as_stored(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
