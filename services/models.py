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

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "User":
        role = doc.get("role")
        return cls(
            id=doc["_id"],
            email=doc.get("email") or "",
            role=Role(role) if role in set(Role) else Role.USER,
            skills=tuple(str(skill) for skill in doc.get("skills") or ()),
            name=doc.get("name"),
            active=doc.get("active", True) is not False,
            capacity=doc.get("capacity", DEFAULT_CAPACITY),
            has_password=bool(doc.get("password")),
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

    `kind` is "requester" or "assignee"; `seq` is the ticket's when it was last rendered;
    `digest` is of the content Slack has.
    """

    kind: str
    recipient: ObjectId
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
    seq: int = 0
    outbox: bool = False
    events: tuple[Event, ...] = ()
    cards: tuple[Card, ...] = ()
    assignment: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Ticket":
        status, priority = doc.get("status"), doc.get("priority")
        return cls(
            id=doc["_id"],
            title=doc.get("title") or "",
            description=doc.get("description") or "",
            status=Status(status) if status in set(Status) else Status.TODO,
            created_by=doc.get("createdBy"),
            assigned_to=doc.get("assignedTo"),
            created_at=doc.get("createdAt"),
            number=doc.get("number"),
            team_id=doc.get("teamId"),
            priority=Priority(priority) if priority in set(Priority) else None,
            summary=doc.get("summary"),
            helpful_notes=doc.get("helpfulNotes"),
            related_skills=tuple(doc.get("relatedSkills") or ()),
            resolution=doc.get("resolution"),
            seq=doc.get("seq", 0),
            outbox=doc.get("outbox", False),
            events=tuple(Event.from_doc(event) for event in doc.get("events") or ()),
            cards=tuple(Card.from_doc(card) for card in doc.get("cards") or ()),
            assignment=doc.get("assignment") or {},
            notices=tuple(doc.get("notices") or ()),
        )
