"""The table of ticket fields: who sees and edits each, and which outputs contain it.

It is the only place that says so: what a requester reads (services/tickets/access.py), the edit
form, the lists, the API and the data export take their fields from it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, Flag, StrEnum, auto
from typing import Any

from services.core.errors import InvalidValue
from services.models.ticket import Ticket
from services.tickets.validation import (
    TicketFields,
    checked_assignee_id,
    checked_deadline,
    checked_description,
    checked_notes,
    checked_priority,
    checked_requester_id,
    checked_skills,
    checked_status,
    checked_title,
)


class Access(StrEnum):
    """`ALL`: the requester and the staff; `INTERNAL`: only the program itself."""

    ALL = "all"
    STAFF = "staff"
    INTERNAL = "internal"


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
    edited_by: Access = Access.INTERNAL
    check: Callable[[Any, Edit], Any] | None = None
    label: str = ""  # as in "changed the notes", if it is not the name
    other_attribute: str | None = None  # "": `Ticket` does not have it

    @property
    def attribute(self) -> str:
        """The attribute of `Ticket`: the name in snake case, if no other is given."""
        if self.other_attribute is not None:
            return self.other_attribute
        return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", self.name)


ALL, STAFF, INTERNAL = Access
API, LISTS, EXPORT, ASSIGNEE_EXPORT = Output
SHOWN = API | LISTS | EXPORT  # every output for the requester


def _plain(check: Callable[[Any], Any]) -> Callable[[Any, Edit], Any]:
    """Return a check that depends on the new value alone."""
    return lambda value, _: check(value)


def _checked_private(value: Any, edit: Edit) -> bool:
    if edit.ticket.private and value is not True:
        raise InvalidValue("private", "A private ticket stays private.")
    return bool(value)


_ROWS = (
    TicketField("_id", ALL, API | LISTS, other_attribute="id"),
    TicketField("number", ALL, SHOWN),
    TicketField("title", ALL, SHOWN, edited_by=ALL, check=_plain(checked_title)),
    TicketField("description", ALL, API | EXPORT, edited_by=ALL, check=_plain(checked_description)),
    TicketField(
        "status", ALL, SHOWN | ASSIGNEE_EXPORT, edited_by=STAFF, check=_plain(checked_status)
    ),
    TicketField(
        "priority", ALL, SHOWN, edited_by=ALL, check=lambda v, _: checked_priority(v or None)
    ),
    TicketField(
        "deadline", ALL, SHOWN, edited_by=ALL, check=lambda v, e: checked_deadline(v, now=e.now)
    ),
    TicketField("createdAt", ALL, SHOWN),
    TicketField("acceptedAt", ALL, LISTS | ASSIGNEE_EXPORT),
    TicketField("completedAt", ALL, EXPORT | ASSIGNEE_EXPORT, other_attribute=""),
    TicketField("resolution", ALL, SHOWN),  # in lists it says what was cancelled
    TicketField("source", ALL, EXPORT),
    TicketField("private", ALL, SHOWN, edited_by=ALL, check=_checked_private),
    TicketField("notTo", ALL, EXPORT),
    TicketField("participants", ALL, API | EXPORT),
    TicketField(
        "createdBy",
        ALL,
        API | LISTS,
        edited_by=STAFF,
        check=_plain(checked_requester_id),
        label="requester",
    ),
    TicketField("filedBy", ALL, API | LISTS),
    TicketField("assignedTo", ALL, API | LISTS, edited_by=STAFF, check=_plain(checked_assignee_id)),
    TicketField("dueAt", ALL, API | LISTS),
    TicketField("target", ALL, LISTS, other_attribute="sla_clock"),  # says if the clock is paused
    # Without internal notes and events for the staff, see services/tickets/access.py.
    TicketField("comments", ALL),
    TicketField("events", ALL),
    TicketField("summary", STAFF, API),
    TicketField(
        "relatedSkills",
        STAFF,
        API,
        edited_by=STAFF,
        check=lambda value, edit: checked_skills(value, edit.ticket, edit.team_skills),
        label="skills",
    ),
    TicketField(
        "helpfulNotes", STAFF, API, edited_by=STAFF, check=_plain(checked_notes), label="notes"
    ),
    TicketField("assignment", STAFF),
    TicketField("assignment.next", ALL, LISTS, other_attribute=""),  # set while no assignee is free
    TicketField("alarm", STAFF, other_attribute="next_step"),
    TicketField("ladders", INTERNAL, other_attribute="escalation_tracks"),
    TicketField("queueKey", INTERNAL, LISTS),
    TicketField("search", INTERNAL),
    TicketField("teamId", INTERNAL),
    TicketField("seq", INTERNAL),
    TicketField("outbox", INTERNAL, other_attribute="is_in_outbox"),
    TicketField("nextTryAt", INTERNAL, other_attribute="next_try_at"),
    TicketField("aside", INTERNAL, other_attribute="defect"),
    TicketField("attempts", INTERNAL),
    TicketField("cards", INTERNAL),
    TicketField("notices", INTERNAL, other_attribute="deliveries"),
    TicketField("requestId", INTERNAL, other_attribute=""),
    TicketField("requestDigest", INTERNAL, other_attribute=""),
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
