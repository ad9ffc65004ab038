"""How a ticket changes: one conditional update that carries its own audit trail and outbox mark.

The filter holds the `seq` the change was decided on, so of two people who decide on the same
state one wins and the other is told. Only classic update operators: in a pipeline a title such as
"$teamId" would be evaluated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from services.database import Mongo
from services.models import Document, Ticket
from services.outbox import marks
from services.rules import rules
from services.timing import timing


class EventType(StrEnum):
    """The closed list of what can happen to a ticket."""

    FILED = "filed"
    EDITED = "edited"
    ANALYSED = "analysed"
    ASSIGNED = "assigned"
    NOBODY_AVAILABLE = "nobody_available"
    STATUS_CHANGED = "status_changed"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"
    HANDED_BACK = "handed_back"
    WAITING = "waiting"
    ANSWERED = "answered"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    COMMENTED = "commented"
    NOTED = "noted"
    COMMENT_EDITED = "comment_edited"
    COMMENT_DELETED = "comment_deleted"
    # By the clock: the field is `alarms.FIELD`, `to` the step. From whom it was passed on, `from_`.
    REMINDED = "reminded"
    PASSED_ON = "passed_on"
    ESCALATED = "escalated"
    # By the clock, too, and a change of the status: nobody has answered.
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """`by` is a user's id, "system" or "ai"; `field`, `from_`, `to` tell of one field.

    `internal`: the note is for the staff. `skills` are those a ticket was thought to need when a
    person said who is to have it: such an event is a correction (services/corrections.py).
    `absent`: it was taken from somebody who was away or gone, not from one it did not suit.
    """

    type: EventType
    by: ObjectId | str
    field: str | None = None
    from_: Any = None
    to: Any = None
    note: str | None = None
    internal: bool = False
    skills: tuple[str, ...] | None = None
    absent: bool = False


def event_docs(events: Sequence[NewEvent], *, seq: int, at: datetime) -> list[Document]:
    """The events as stored, numbered on from `seq`."""
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
        if event.absent:
            doc["absent"] = True
        docs.append(doc)
    return docs


def apply(
    db: Mongo,
    ticket: Ticket,
    *,
    values: Mapping[str, Any],
    events: Sequence[NewEvent],
    now: datetime,
    remove: Sequence[str] = (),
    push: Mapping[str, Any] | None = None,
    **also: Any,
) -> Ticket | None:
    """Store a change decided on `ticket`; None where the ticket has changed since.

    `push` is what arrays get at their end, by field name; `also` are further conditions.
    """
    timed = timing(ticket, values=values, remove=remove, rules=rules(db), now=now, events=events)
    update: Document = {
        "$set": {**values, **timed.values, **marks(now)},
        "$inc": {"seq": len(events)},
        "$push": {"events": {"$each": event_docs(events, seq=ticket.seq, at=now)}, **(push or {})},
    }
    if gone := (*remove, *timed.gone):
        update["$unset"] = dict.fromkeys(gone, "")
    doc = db.tickets.find_one_and_update(
        # The predecessor's tickets have no seq before their first change here.
        {"_id": ticket.id, "seq": ticket.seq or None, **also},
        update,
        return_document=ReturnDocument.AFTER,
    )
    return Ticket.from_doc(doc) if doc else None
