"""The domain's objects, read from the predecessor's documents as well as from ours.

Reading is forgiving (a legacy ticket has no number, a legacy user no name); writing is done by
the services, field by field, so that fields unknown here survive.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from bson import ObjectId

from services.comment import Comment, comments_of
from services.sources import Source

Document = dict[str, Any]


class Role(StrEnum):
    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"


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


_Word = TypeVar("_Word", bound=StrEnum)

OPEN_STATUSES = (Status.TODO, Status.IN_PROGRESS, Status.WAITING, Status.REOPENED)
DEFAULT_CAPACITY = 8
_LARGEST = 2**31  # beyond this, and for NaN, a number is nobody's capacity


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _word(kind: type[_Word], value: Any) -> _Word | None:
    return kind(value) if isinstance(value, str) and value in set(kind) else None


def _whole(value: Any) -> int | None:
    """The mongo shell writes every number as a double."""
    return int(value) if isinstance(value, (int, float)) and abs(value) < _LARGEST else None


def _moment(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _id(value: Any) -> ObjectId | None:
    return value if isinstance(value, ObjectId) else None


def names(value: Any) -> tuple[str, ...]:
    """The texts of a list, stripped and without blanks; of a lone text, that one."""
    listed = value if isinstance(value, list) else [value]
    names = (" ".join(name.split()) for name in listed if isinstance(name, str))
    return tuple(name for name in names if name)


@dataclass(frozen=True, slots=True)
class User:
    """An account. `email` is as its owner wrote it; `email_key` is what we look it up by."""

    id: ObjectId
    email: str
    role: Role
    skills: tuple[str, ...] = ()
    name: str | None = None
    active: bool = True
    capacity: int = DEFAULT_CAPACITY
    has_password: bool = False
    timezone: str | None = None
    away_until: datetime | None = None

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "User":
        capacity = _whole(doc.get("capacity"))
        return cls(
            id=doc["_id"],
            email=_text(doc.get("email")),
            role=_word(Role, doc.get("role")) or Role.USER,
            skills=names(doc.get("skills")),
            name=_text(doc.get("name")) or None,
            active=doc.get("active", True) is not False,
            capacity=DEFAULT_CAPACITY if capacity is None else capacity,
            has_password=bool(doc.get("password")),
            timezone=_text(doc.get("timezone")) or None,
            away_until=_moment((doc.get("away") or {}).get("until"))
            if isinstance(doc.get("away"), dict)
            else None,
        )

    @property
    def display_name(self) -> str:
        return self.name or self.email.partition("@")[0] or "someone"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a ticket's history. `by` is a user's id, "system" or "ai"."""

    seq: int
    at: datetime
    by: ObjectId | str
    type: str
    field: str | None = None
    from_: Any = None
    to: Any = None
    note: str | None = None

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Event":
        return cls(
            seq=doc["seq"],
            at=doc["at"],
            by=doc["by"],
            type=doc["type"],
            field=doc.get("field"),
            from_=doc.get("from"),
            to=doc.get("to"),
            note=doc.get("note"),
        )


@dataclass(frozen=True, slots=True)
class Card:
    """A message that shows this ticket and is kept up to date.

    `kind` is "requester", "assignee" or "triage", with a channel's id as its recipient; `seq` is
    the ticket's when it was last rendered; `digest` is of the content Slack has.
    """

    kind: str
    recipient: ObjectId | str
    channel: str
    ts: str
    seq: int
    digest: str

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Card":
        return cls(
            kind=doc["kind"],
            recipient=doc["recipient"],
            channel=doc["channel"],
            ts=doc["ts"],
            seq=doc["seq"],
            digest=doc["digest"],
        )

    def to_doc(self) -> Document:
        return asdict(self)


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
    queue_key: str | None = None
    seq: int = 0
    outbox: bool = False
    events: tuple[Event, ...] = ()
    cards: tuple[Card, ...] = ()
    comments: tuple[Comment, ...] = ()
    assignment: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Mapping[str, Any], ...] = ()
    source: Source | None = None

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Ticket":
        return cls(
            id=doc["_id"],
            title=_text(doc.get("title")),
            description=_text(doc.get("description")),
            status=_word(Status, doc.get("status")) or Status.TODO,
            created_by=_id(doc.get("createdBy")),
            assigned_to=_id(doc.get("assignedTo")),
            created_at=doc.get("createdAt"),
            number=_whole(doc.get("number")),
            team_id=doc.get("teamId"),
            priority=_word(Priority, doc.get("priority")),
            summary=_text(doc.get("summary")) or None,
            helpful_notes=_text(doc.get("helpfulNotes")) or None,
            related_skills=names(doc.get("relatedSkills")),
            resolution=doc.get("resolution"),
            deadline=_moment(doc.get("deadline")),
            accepted_at=_moment(doc.get("acceptedAt")),
            queue_key=_text(doc.get("queueKey")) or None,
            seq=_whole(doc.get("seq")) or 0,
            outbox=bool(doc.get("outbox")),
            events=tuple(Event.from_doc(event) for event in doc.get("events") or ()),
            cards=tuple(Card.from_doc(card) for card in doc.get("cards") or ()),
            comments=comments_of(doc.get("comments")),
            assignment=doc.get("assignment") or {},
            notices=tuple(doc.get("notices") or ()),
            source=Source.from_doc(doc.get("source")),
        )
