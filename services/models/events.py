"""Events in the history of a ticket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.core.coerce import as_string_list
from services.core.database import Document


class EventType(StrEnum):
    """All types of events. The values are stored."""

    FILED = "filed"
    EDITED = "edited"
    ANALYSED = "analysed"
    ASSIGNED = "assigned"
    NOBODY_AVAILABLE = "nobody_available"
    STATUS_CHANGED = "status_changed"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"
    UNASSIGNED = "handed_back"
    WAITING = "waiting"
    ANSWERED = "answered"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"  # by the staff: it is not a request
    REOPENED = "reopened"
    # The account of its requester or its filer (`field` "createdBy" or "filedBy") was merged into
    # another of the same person.
    REQUESTER_MERGED = "requester_merged"
    # The owner of the requester's address disowned the account.
    REQUESTER_DISOWNED = "requester_disowned"
    # The field is "participants"; `to` or `from_` is the person. Both, if the account of `from_`
    # was merged into that of `to`.
    PARTICIPANT_ADDED = "participant_added"
    PARTICIPANT_REMOVED = "participant_removed"
    COMMENTED = "commented"
    NOTED = "noted"
    COMMENT_EDITED = "comment_edited"
    COMMENT_DELETED = "comment_deleted"
    # By escalation: the field is `escalation_schedule.NEXT_STEP_FIELD`, `to` the step. `from_` is
    # the former assignee if the ticket was reassigned.
    REMINDED = "reminded"
    REASSIGNED_BY_ESCALATION = "passed_on"
    ESCALATED = "escalated"
    # Also by escalation, with a change of the status: the requester has not answered.
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to store. `by` is a user's id, "system" or "ai"; `field`, `from_` and `to` are for a
    changed field.

    `internal`: the note is for the staff. `skills` are the ticket's when a user chose its
    assignee: such an event is a correction (services/assignment/feedback.py).
    `assignee_was_absent`: the former assignee was away or had left; this is no correction.
    `ends_assignees_work`: another user took the work off the assignee, who is notified. Events of
    releases that did not notify lack it.
    """

    type: EventType
    by: ObjectId | str
    field: str | None = None
    from_: Any = None
    to: Any = None
    note: str | None = None
    internal: bool = False
    skills: tuple[str, ...] | None = None
    assignee_was_absent: bool = False
    ends_assignees_work: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a ticket's history. `by` is a user's id, "system" or "ai"; a note that is
    `internal` is for the staff. The last three fields are as in `NewEvent`."""

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
    assignee_was_absent: bool = False
    ends_assignees_work: bool = False

    @property
    def is_by_its_person(self) -> bool:
        """Whether the participant has added themselves, by writing in a request channel."""
        return self.type == EventType.PARTICIPANT_ADDED and self.by == self.to

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
            skills=as_string_list(doc["skills"]) if "skills" in doc else None,
            assignee_was_absent=doc.get("absent") is True,
            ends_assignees_work=doc.get("tellAssignee") is True,
        )


def is_next_of_change(event: Event, later: Event) -> bool:
    """Return whether `later` was stored after the event in one update."""
    return (later.seq, later.by, later.at) == (event.seq + 1, event.by, event.at)


def event_docs(events: Sequence[NewEvent], *, seq: int, at: datetime) -> list[Document]:
    """Return the events as stored, numbered from `seq` + 1."""
    docs = []
    for number, event in enumerate(events, start=seq + 1):
        doc = {"seq": number, "at": at, "by": event.by, "type": event.type.value}
        if event.field is not None:
            doc |= {"field": event.field, "from": event.from_, "to": event.to}
        if event.note is not None:
            doc["note"] = event.note
        if event.internal:
            doc["internal"] = True
        if event.skills is not None:
            doc["skills"] = list(event.skills)
        if event.assignee_was_absent:
            doc["absent"] = True
        if event.ends_assignees_work:
            doc["tellAssignee"] = True
        docs.append(doc)
    return docs
