"""The table of ticket fields: what each is called, who sees and edits it, where it is sent.

It is the only place that says so. `services/tickets/visibility.py` applies it to what a requester
reads; the edit form, the lists, the API and the data export take their fields from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, Flag, StrEnum, auto
from typing import Any

from services.models.ticket import Ticket
from services.tickets.validation import (
    MAX_NOTES_LENGTH,
    TicketFields,
    checked_assignee_id,
    checked_deadline,
    checked_description,
    checked_optional_text,
    checked_priority,
    checked_skills,
    checked_status,
    checked_title,
)


class Audience(StrEnum):
    """`REQUESTER` includes the staff; `NOBODY` means that only the program uses it."""

    REQUESTER = "requester"
    STAFF = "staff"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Edit:
    """What a new value is checked against."""

    ticket: Ticket
    team_skills: Sequence[str]
    now: datetime


class Output(Flag):
    """Where a field is read: answers of the API, rows of lists, data exports.

    Comments, events, messages and the reasons for a choice are exported entry by entry
    (services/privacy/export.py).
    """

    NONE = 0
    API = auto()
    LISTS = auto()
    EXPORT = auto()  # of the requester
    ASSIGNEE_EXPORT = auto()


@dataclass(frozen=True, slots=True)
class TicketField:
    """A field of a ticket.

    `name` is the field in MongoDB, in the API, in the history and the block_id in forms;
    `attribute` that of `Ticket`, or "" if `Ticket` does not have it. `check` returns the value to
    store, or raises `InvalidValue`. `label` is as in "changed the notes".
    """

    name: str
    attribute: str
    seen_by: Audience
    outputs: Output = Output.NONE
    # `REQUESTER` fills it in when filing; the staff edit it in the form and by PATCH.
    edited_by: Audience = Audience.NOBODY
    check: Callable[[Any, Edit], Any] | None = None
    label: str = ""


_REQUESTER, _STAFF, _NOBODY = Audience
_API, _LISTS, _EXPORT, _ASSIGNEE_EXPORT = Output

FIELDS: Mapping[str, TicketField] = {
    field.name: field
    for field in (
        TicketField("_id", "id", _REQUESTER, _API | _LISTS),
        TicketField("number", "number", _REQUESTER, _API | _LISTS | _EXPORT),
        TicketField(
            "title",
            "title",
            _REQUESTER,
            _API | _LISTS | _EXPORT,
            edited_by=_REQUESTER,
            check=lambda value, _: checked_title(value),
            label="title",
        ),
        TicketField(
            "description",
            "description",
            _REQUESTER,
            _API | _EXPORT,
            edited_by=_REQUESTER,
            check=lambda value, _: checked_description(value),
            label="description",
        ),
        TicketField(
            "status",
            "status",
            _REQUESTER,
            _API | _LISTS | _EXPORT | _ASSIGNEE_EXPORT,
            edited_by=_STAFF,
            check=lambda value, _: checked_status(value),
        ),
        TicketField(
            "priority",
            "priority",
            _REQUESTER,
            _API | _LISTS | _EXPORT,
            edited_by=_REQUESTER,
            check=lambda value, _: checked_priority(value or None),
        ),
        TicketField(
            "deadline",
            "deadline",
            _REQUESTER,
            _API | _LISTS | _EXPORT,
            edited_by=_REQUESTER,
            check=lambda value, edit: checked_deadline(value, now=edit.now),
        ),
        TicketField("createdAt", "created_at", _REQUESTER, _API | _LISTS | _EXPORT),
        TicketField("acceptedAt", "accepted_at", _REQUESTER, _ASSIGNEE_EXPORT),
        TicketField("completedAt", "", _REQUESTER, _EXPORT | _ASSIGNEE_EXPORT),
        # In lists it tells a cancelled ticket from a resolved one.
        TicketField("resolution", "resolution", _REQUESTER, _API | _LISTS | _EXPORT),
        TicketField("source", "source", _REQUESTER, _EXPORT),
        TicketField("createdBy", "created_by", _REQUESTER, _API | _LISTS),
        TicketField(
            "assignedTo",
            "assigned_to",
            _REQUESTER,
            _API | _LISTS,
            edited_by=_STAFF,
            check=lambda value, _: checked_assignee_id(value),
        ),
        TicketField("dueAt", "due_at", _REQUESTER, _API | _LISTS),
        # Says if the clock is paused.
        TicketField("target", "sla_clock", _REQUESTER, _LISTS),
        # `visibility.for_requester` leaves out internal notes, and events for the staff.
        TicketField("comments", "comments", _REQUESTER),
        TicketField("events", "events", _REQUESTER),
        TicketField("summary", "summary", _STAFF, _API, label="summary"),
        TicketField(
            "relatedSkills",
            "related_skills",
            _STAFF,
            _API,
            edited_by=_STAFF,
            check=lambda value, edit: checked_skills(value, edit.ticket, edit.team_skills),
            label="skills",
        ),
        TicketField(
            "helpfulNotes",
            "helpful_notes",
            _STAFF,
            _API,
            edited_by=_STAFF,
            check=lambda value, _: checked_optional_text(
                value, field="helpfulNotes", limit=MAX_NOTES_LENGTH
            ),
            label="notes",
        ),
        TicketField("assignment", "assignment", _STAFF),
        # When assignment tries again: says that nobody is available.
        TicketField("assignment.next", "", _REQUESTER, _LISTS),
        TicketField("alarm", "next_step", _STAFF),
        TicketField("ladders", "escalation_tracks", _NOBODY),
        TicketField("queueKey", "queue_key", _NOBODY, _LISTS),
        TicketField("teamId", "team_id", _NOBODY),
        TicketField("seq", "seq", _NOBODY),
        TicketField("outbox", "is_in_outbox", _NOBODY),
        TicketField("nextTryAt", "", _NOBODY),
        TicketField("attempts", "", _NOBODY),
        TicketField("cards", "cards", _NOBODY),
        TicketField("notices", "deliveries", _NOBODY),
        TicketField("requestId", "", _NOBODY),
        TicketField("requestDigest", "", _NOBODY),
    )
}
FILED_FIELDS = [name for name, field in FIELDS.items() if field.edited_by is Audience.REQUESTER]
EDITABLE_FIELDS = [name for name, field in FIELDS.items() if field.check]


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
    if check is None:
        raise KeyError(name)
    return _as_stored(check(value, Edit(ticket, team_skills, now)))


def _as_stored(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
