"""The domain's objects, read from the predecessor's documents as well as from ours.

Reading is forgiving (a legacy ticket has no number, a legacy user no name); writing is done by
the services, field by field, so that fields unknown here survive.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.comment import Comment, comments_of
from services.ladders import Alarm, Ladders, ladders_of
from services.sources import Source
from services.stored import moment as _moment
from services.stored import names
from services.stored import object_id as _id
from services.stored import ours as _ours
from services.stored import text as _text
from services.stored import whole as _whole
from services.target_clock import TargetClock
from services.vocabulary import STATUSES, recognised

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


def status_of(value: Any) -> Status | None:
    """The status that somebody's word for it means; None where it means none."""
    word = recognised(value, Status, STATUSES)
    return Status(word) if word else None


def priority_of(value: Any) -> Priority | None:
    word = recognised(value, Priority)
    return Priority(word) if word else None


OPEN_STATUSES = (Status.TODO, Status.IN_PROGRESS, Status.WAITING, Status.REOPENED)
DEFAULT_CAPACITY = 8


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
    away_until: datetime | None = None
    wants_digest: bool = True
    token_version: int = 0
    created_at: datetime | None = None

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "User":
        capacity = _whole(doc.get("capacity"))
        return cls(
            id=doc["_id"],
            email=_text(doc.get("email")),
            # To the letter: a word that only resembles "admin" makes nobody one.
            role=Role(doc["role"]) if doc.get("role") in tuple(Role) else Role.USER,
            skills=names(doc.get("skills")),
            # Some editions keep first and last name apart.
            name=None if isinstance(doc.get("name"), Mapping) else _text(doc.get("name")) or None,
            active=doc.get("active", True) is not False,
            capacity=DEFAULT_CAPACITY if capacity is None else capacity,
            has_password=bool(doc.get("password")),
            away_until=_moment((doc.get("away") or {}).get("until"))
            if isinstance(doc.get("away"), dict)
            else None,
            wants_digest=doc.get("digest") is not False,
            token_version=_whole(doc.get("tokenVersion")) or 0,
            created_at=_moment(doc.get("createdAt")),
        )

    @property
    def display_name(self) -> str:
        return self.name or self.email.partition("@")[0] or "someone"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a ticket's history. `by` is a user's id, "system" or "ai"; a note that is
    `internal` is for the staff. `skills` and `absent` are as in `services.changes.NewEvent`."""

    seq: int
    at: datetime
    by: ObjectId | str
    type: str
    field: str | None = None
    from_: Any = None
    to: Any = None
    note: str | None = None
    internal: bool = False
    skills: tuple[str, ...] | None = None
    absent: bool = False

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
            internal=doc.get("internal") is True,
            skills=names(doc["skills"]) if "skills" in doc else None,
            absent=doc.get("absent") is True,
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
    # The earlier of the deadline and the target (services/due.py), whose clock is `target`.
    due_at: datetime | None = None
    target: TargetClock | None = None
    queue_key: str | None = None
    # What happens next by the clock (services/alarms.py), and how far that has come.
    alarm: Alarm | None = None
    ladders: Ladders = field(default_factory=dict)
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
            status=status_of(doc.get("status")) or Status.TODO,
            created_by=_id(doc.get("createdBy")),
            assigned_to=_id(doc.get("assignedTo")),
            created_at=_moment(doc.get("createdAt")),
            number=_whole(doc.get("number")),
            team_id=_text(doc.get("teamId")) or None,
            priority=priority_of(doc.get("priority")),
            summary=_text(doc.get("summary")) or None,
            helpful_notes=_text(doc.get("helpfulNotes")) or None,
            related_skills=names(doc.get("relatedSkills")),
            resolution=_text(doc.get("resolution")) or None,
            deadline=_moment(doc.get("deadline")),
            accepted_at=_moment(doc.get("acceptedAt")),
            due_at=_moment(doc.get("dueAt")),
            target=TargetClock.from_doc(doc.get("target")),
            queue_key=_text(doc.get("queueKey")) or None,
            alarm=Alarm.from_doc(doc.get("alarm")),
            ladders=ladders_of(doc.get("ladders")),
            seq=_whole(doc.get("seq")) or 0,
            outbox=bool(doc.get("outbox")),
            events=tuple(map(Event.from_doc, _ours(doc.get("events"), "seq"))),
            cards=tuple(map(Card.from_doc, _ours(doc.get("cards"), "digest"))),
            comments=comments_of(doc.get("comments")),
            assignment=doc["assignment"] if isinstance(doc.get("assignment"), Mapping) else {},
            notices=tuple(_ours(doc.get("notices"), "key")),
            source=Source.from_doc(doc.get("source")),
        )
