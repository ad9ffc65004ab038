"""The predecessor's tickets get what ours are born with: a number, a seq and their team.

A job gives it to all of them, the oldest first, and `services.tickets.queries.load` to whichever is
touched before its turn. Words and references are brought into the form our queries look for; of a
status in other words the history keeps what it was.
"""

from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument, UpdateOne

from services.core.clock import utcnow
from services.core.coerce import match_word
from services.core.database import Document, Mongo
from services.core.installation import Installation, get_installation
from services.core.sequences import allocate_numbers
from services.models.events import EventType, NewEvent, event_docs
from services.models.ticket import Status, Ticket, parse_status
from services.outbox.pending import outbox_fields
from services.sla.queue_key import QUEUE_KEY_FIELD, queue_key

# In one write, which has five seconds.
ADOPTION_BATCH_SIZE = 100
# A predecessor that runs beside us assigns within seconds what it assigns. Only what it leaves
# lying is assigned here, or two people would be told that it is theirs.
LEGACY_ASSIGNMENT_DELAY = timedelta(minutes=1)
UNADOPTED: Document = {"number": None}
# What an adoption goes by, as stored.
_ADOPTION_FIELDS = ("seq", "status", "assignedTo", "createdBy", "priority", "deadline", "createdAt")


def is_unadopted(doc: Document) -> bool:
    """Whether the ticket has not been adopted yet."""
    return doc.get("number") is None


def adopt(db: Mongo, doc: Document, *, now: datetime | None = None) -> Document:
    """The ticket once it is adopted; as it was before any bot has said whose installation this
    is, or where it changed this very moment."""
    workspace = get_installation(db)
    if workspace is None:
        return doc
    (number,) = allocate_numbers(db, team_id=workspace.team_id, count=1)
    which, update = _adoption_update(doc, workspace, number, now or utcnow())
    stored = db.tickets.find_one_and_update(
        which, update, return_document=ReturnDocument.AFTER
    ) or db.tickets.find_one({"_id": doc["_id"]})
    return stored or doc


def adopt_batch(db: Mongo, *, now: datetime, limit: int = ADOPTION_BATCH_SIZE) -> int:
    """Adopt the oldest; how many were found, at most `limit`: so that many again may be left.

    Safe to run at any time and by several at once: a ticket that changed meanwhile is left for
    the next run, and a number that came to nothing is a gap.
    """
    workspace = get_installation(db)
    if workspace is None:
        return 0
    read = dict.fromkeys(_ADOPTION_FIELDS, True)
    found = list(db.tickets.find(UNADOPTED, read).sort("_id").limit(limit))
    if found:
        numbers = allocate_numbers(db, team_id=workspace.team_id, count=len(found))
        adoptions = [
            UpdateOne(*_adoption_update(doc, workspace, number, now))
            for doc, number in zip(found, numbers, strict=True)
        ]
        db.tickets.bulk_write(adoptions, ordered=False)
    return len(found)


def _adoption_update(
    doc: Document, workspace: Installation, number: int, now: datetime
) -> tuple[Document, Document]:
    """Which ticket to change, as long as it is as it was read, and how."""
    ticket = Ticket.from_doc(doc)
    events, outbox_values = _history(doc, ticket, workspace, now)
    key = queue_key(ticket)
    update: dict[str, Any] = {
        "$set": {
            **_normalized_fields(doc, ticket),
            "teamId": workspace.team_id,
            "number": number,
            "seq": max(ticket.seq + len(events), 1),
            **({QUEUE_KEY_FIELD: key} if key else {}),
            **outbox_values,
        }
    }
    if key is None:
        update["$unset"] = {QUEUE_KEY_FIELD: ""}
    if events:
        update["$push"] = {"events": {"$each": events}}
    # An absent field equals None here, as it does in what was read.
    return {
        "_id": doc["_id"],
        **UNADOPTED,
        **{name: doc.get(name) for name in _ADOPTION_FIELDS},
    }, update


def _normalized_fields(doc: Document, ticket: Ticket) -> Document:
    """What we understand, in the form that our queries find."""
    values: Document = {"status": ticket.status.value}
    if ticket.priority:
        values["priority"] = ticket.priority.value
    for field, user_id in (("createdBy", ticket.created_by), ("assignedTo", ticket.assigned_to)):
        if isinstance(doc.get(field), str) and user_id:
            values[field] = user_id
    return values


def _history(
    doc: Document, ticket: Ticket, workspace: Installation, now: datetime
) -> tuple[list[Document], Document]:
    """The events that begin its history, and what calls for assignment; both are mostly empty."""
    events: list[Document] = []
    outbox_values: Document = {}
    if _enters(doc, workspace):
        filed = _filed_at(doc) or now
        author = ticket.created_by or "system"
        events = event_docs([NewEvent(EventType.FILED, by=author)], seq=ticket.seq, at=filed)
        outbox_values = {
            **outbox_fields(now),
            "nextTryAt": max(now, filed + LEGACY_ASSIGNMENT_DELAY),
        }
    was = doc.get("status")
    if was is not None and not match_word(was, Status):
        translated = NewEvent(
            EventType.STATUS_CHANGED, by="system", field="status", from_=was, to=ticket.status.value
        )
        events += event_docs([translated], seq=ticket.seq + len(events), at=now)
    return events, outbox_values


def _enters(doc: Document, workspace: Installation) -> bool:
    """Whether it is to be assigned: nobody wants to be told of years of old tickets at once."""
    filed = _filed_at(doc)
    is_waiting = parse_status(doc.get("status")) is Status.TODO and doc.get("assignedTo") is None
    return is_waiting and filed is not None and filed > workspace.created_at


def _filed_at(doc: Document) -> datetime | None:
    """An ObjectId tells when it was made, to the second."""
    at = Ticket.from_doc(doc).created_at
    return at or getattr(doc["_id"], "generation_time", None)
