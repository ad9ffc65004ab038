"""A ticket, read from the legacy backend's documents as well as from ours.

Reading accepts missing and unusual values. Services write single fields, so that unknown fields
survive.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.core.coerce import (
    STATUS_ALIASES,
    RequiredValues,
    as_datetime,
    as_int,
    as_object_id,
    as_str,
    as_string_list,
    complete_entries,
    entry_defect,
    match_word,
)
from services.core.database import Document
from services.models.comment import COMMENT_VALUES, Comment, comments_from_doc
from services.models.escalation_track import ScheduledStep, TrackStates, track_states_from_doc
from services.models.events import Event, EventType
from services.models.message_source import MessageSource
from services.models.search_words import SearchWords
from services.models.sla_clock import SlaClock


class Status(StrEnum):
    TODO = "TODO"
    IN_PROGRESS = "IN_PROGRESS"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    REOPENED = "REOPENED"


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


# To iterate over an enumeration for each ticket of a list costs as much as to decode it.
_STATUSES: Mapping[str, Status] = {status.value: status for status in Status}
_PRIORITIES: Mapping[str, Priority] = {priority.value: priority for priority in Priority}


def parse_status(value: Any) -> Status | None:
    """Return the status that a stored or typed word means, or None."""
    if isinstance(value, str) and value in _STATUSES:  # as this product stores it
        return _STATUSES[value]
    word = match_word(value, _STATUSES, STATUS_ALIASES)
    return _STATUSES[word] if word else None


def parse_priority(value: Any) -> Priority | None:
    word = match_word(value, _PRIORITIES)
    return _PRIORITIES[word] if word else None


OPEN_STATUSES = (Status.TODO, Status.IN_PROGRESS, Status.WAITING, Status.REOPENED)


_PERSON = (ObjectId, str)
_EVENT: RequiredValues = {"seq": int, "at": datetime, "by": _PERSON, "type": str}
_CARD: RequiredValues = {
    "digest": str,
    "kind": str,
    "recipient": _PERSON,
    "channel": str,
    "ts": str,
    "seq": int,
}
_DELIVERY: RequiredValues = {"key": str, "state": str}
_ARRAYS: Mapping[str, RequiredValues] = {
    "events": _EVENT,
    "cards": _CARD,
    "notices": _DELIVERY,
    "comments": COMMENT_VALUES,
}


def find_defect(doc: Mapping[str, Any]) -> str:
    """Return what keeps a stored ticket from being processed, such as "events is no list"; "" if
    nothing does. A ticket with a malformed entry is read without it."""
    for name, required in _ARRAYS.items():
        if name in doc and (found := entry_defect(doc[name], required)):
            return f"{name}{found}"
    for name in ("seq", "attempts"):
        if doc.get(name) is not None and as_int(doc[name]) is None:
            return f"{name} is no number"
    return ""


@dataclass(frozen=True, slots=True)
class Card:
    """A message that shows this ticket and is kept up to date.

    `kind` is "requester", "assignee", "participant", "triage" or "line"; of the last two, the
    recipient is a channel id. `seq` is the ticket's seq at the last rendering; `digest` is the hash
    of the content Slack has.
    """

    kind: str
    recipient: ObjectId | str
    channel: str
    ts: str
    seq: int
    digest: str

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Card":
        return cls(**{each.name: doc[each.name] for each in fields(cls)})

    def to_doc(self) -> Document:
        return asdict(self)


MANUAL_SOURCE = "manual"  # the `assignment.source` of an assignee chosen by a user


class AnalysisSource(StrEnum):
    GEMINI = "gemini"
    ROUTER = "router"


class ChoiceReason(StrEnum):
    SKILLS = "skills"
    HISTORY = "history"
    LEAST_LOADED = "least_loaded"
    NO_SKILL_MATCH = "nobody_knows"


@dataclass(frozen=True, slots=True)
class AssigneeChoice:
    """`reason_text` is a phrase for the assignee; `score_parts` add up to `score`."""

    user_id: ObjectId
    main_reason: ChoiceReason
    reason_text: str
    score: float
    score_parts: dict[str, float]


@dataclass(frozen=True, slots=True)
class Ticket:
    id: ObjectId
    title: str
    description: str
    status: Status
    created_by: ObjectId | None
    assigned_to: ObjectId | None
    created_at: datetime | None
    number: int | None = None
    team_id: str | None = None
    priority: Priority | None = None
    summary: str | None = None
    helpful_notes: str | None = None
    related_skills: tuple[str, ...] = ()
    resolution: str | None = None
    deadline: datetime | None = None
    accepted_at: datetime | None = None
    # The earlier of deadline and SLA target (services/sla/timing.py); `sla_clock` is of the target.
    due_at: datetime | None = None
    sla_clock: SlaClock | None = None
    queue_key: str | None = None
    # The next escalation step (services/sla/escalation_schedule.py), and the progress by track.
    next_step: ScheduledStep | None = None
    escalation_tracks: TrackStates = field(default_factory=dict)
    seq: int = 0
    is_in_outbox: bool = False
    # The next attempt of the outbox and the number of attempts (services/outbox/pending.py).
    next_try_at: datetime | None = None
    attempts: int = 0
    events: tuple[Event, ...] = ()
    cards: tuple[Card, ...] = ()
    comments: tuple[Comment, ...] = ()
    assignment: Mapping[str, Any] = field(default_factory=dict)
    deliveries: tuple[Mapping[str, Any], ...] = ()
    source: MessageSource | None = None
    search: SearchWords | None = None
    # Seen by its people and admins only (services/tickets/access.py).
    private: bool = False
    participants: tuple[ObjectId, ...] = ()
    not_to: ObjectId | None = None  # the requester does not want this person to get it
    filed_by: ObjectId | None = None  # who filed it for the requester; None: the requester did
    # Why the stored document is malformed, "" if it is not.
    defect: str = ""

    @property
    def text(self) -> str:
        """Title and description, as they are searched and compared."""
        return f"{self.title}\n{self.description}"

    @property
    def filer(self) -> ObjectId | None:
        """Who filed it: the requester, if no one did so for them."""
        return self.filed_by or self.created_by

    @property
    def is_queued_unassigned(self) -> bool:
        """Whether it has not been assigned since no one was available for it."""
        relevant = (EventType.NOBODY_AVAILABLE, EventType.ASSIGNED)
        last = next((event for event in reversed(self.events) if event.type in relevant), None)
        return last is not None and last.type == EventType.NOBODY_AVAILABLE

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Ticket":
        """Read the fields that the document has: lists are read with a few."""
        return cls(defect=find_defect(doc), **{**_ABSENT, **_read_fields(doc)})

    def with_fields(self, doc: Mapping[str, Any]) -> "Ticket":
        """Return the ticket with these stored fields, too."""
        return replace(self, **_read_fields(doc))


def _read_fields(doc: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in doc.items():
        if reader := _READERS.get(name):
            attribute, read = reader
            values[attribute] = read(value)
    return values


def _ids(value: Any) -> tuple[ObjectId, ...]:
    return (
        tuple(one for one in value if isinstance(one, ObjectId)) if isinstance(value, list) else ()
    )


def _text_or_none(value: Any) -> str | None:
    return as_str(value) or None


# Of a document without these fields.
_ABSENT: Mapping[str, Any] = {
    "title": "",
    "description": "",
    "status": Status.TODO,
    "created_by": None,
    "assigned_to": None,
    "created_at": None,
}
# The attribute of each stored field, and how its value is read.
_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "_id": ("id", lambda value: value),
    "title": ("title", as_str),
    "description": ("description", as_str),
    "status": ("status", lambda value: parse_status(value) or Status.TODO),
    "createdBy": ("created_by", as_object_id),
    "assignedTo": ("assigned_to", as_object_id),
    "createdAt": ("created_at", as_datetime),
    "number": ("number", as_int),
    "teamId": ("team_id", _text_or_none),
    "priority": ("priority", parse_priority),
    "summary": ("summary", _text_or_none),
    "helpfulNotes": ("helpful_notes", _text_or_none),
    "relatedSkills": ("related_skills", as_string_list),
    "resolution": ("resolution", _text_or_none),
    "deadline": ("deadline", as_datetime),
    "acceptedAt": ("accepted_at", as_datetime),
    "dueAt": ("due_at", as_datetime),
    "target": ("sla_clock", SlaClock.from_doc),
    "queueKey": ("queue_key", _text_or_none),
    "alarm": ("next_step", ScheduledStep.from_doc),
    "ladders": ("escalation_tracks", track_states_from_doc),
    "seq": ("seq", lambda value: as_int(value) or 0),
    "outbox": ("is_in_outbox", bool),
    "nextTryAt": ("next_try_at", as_datetime),
    "attempts": ("attempts", lambda value: as_int(value) or 0),
    "events": (
        "events",
        lambda value: tuple(map(Event.from_doc, complete_entries(value, _EVENT))),
    ),
    "cards": ("cards", lambda value: tuple(map(Card.from_doc, complete_entries(value, _CARD)))),
    "comments": ("comments", comments_from_doc),
    "assignment": ("assignment", lambda value: value if isinstance(value, Mapping) else {}),
    "notices": ("deliveries", lambda value: tuple(complete_entries(value, _DELIVERY))),
    "source": ("source", MessageSource.from_doc),
    "search": ("search", SearchWords.from_doc),
    "private": ("private", lambda value: value is True),  # as the queries compare it
    "participants": ("participants", _ids),
    "notTo": ("not_to", as_object_id),
    "filedBy": ("filed_by", as_object_id),
}
