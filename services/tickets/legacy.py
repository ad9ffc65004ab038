"""Tickets of the legacy backend: adoption, and reconciliation of its later changes.

A ticket is adopted by a job, the oldest first, or when it is loaded before that
(`queries.load_ticket`): it gets a number, a seq, its team, and values in the form that our queries
look for. An unknown status is kept in the history.

The legacy backend writes a status or an assignee without a seq, an event or a queue key. The stale
queue key shows such a change; the history then records it, and the cards are updated.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne

from services.core import legacy_backend
from services.core.clock import utcnow
from services.core.coerce import match_word
from services.core.database import Document, Mongo
from services.core.installation import Installation, get_installation
from services.core.sequences import allocate_numbers
from services.models.events import EventType, NewEvent, event_docs
from services.models.set_aside import find_processable, isolated, write_isolated
from services.models.ticket import MANUAL_SOURCE, Status, Ticket, parse_status
from services.outbox.pending import outbox_fields
from services.sla.queue_key import QUEUE_KEY_FIELD, queue_key
from services.tickets import ticket_store
from services.tickets.transitions import RETRY_FIELDS, Change

# As many tickets as one write can adopt within its timeout of five seconds.
ADOPTION_BATCH_SIZE = 100
# A legacy backend that runs at the same time assigns a ticket within seconds, or not at all.
# Assigning earlier would notify two assignees of one ticket.
LEGACY_ASSIGNMENT_DELAY = timedelta(minutes=1)
UNADOPTED: Document = {"number": None}
# The fields an adoption depends on.
_ADOPTION_FIELDS = ("seq", "status", "assignedTo", "createdBy", "priority", "deadline", "createdAt")
MAX_ADOPTION_BATCHES = 5
RECONCILIATION_BATCH_SIZE = 200
ASSIGNED_OUTSIDE_REASON = "assigned outside of Slack"
_ASSIGNED = "1-"  # prefix of the queue keys of assigned tickets: services/sla/queue_key.py
_ANY_ASSIGNEE = {"$gt": ObjectId("0" * 24)}


def adopt(db: Mongo, doc: Document, *, now: datetime | None = None) -> Document:
    """Adopt the ticket and return it as stored.

    It stays as it is if no bot has claimed the installation yet, or on a concurrent change.
    """
    workspace = get_installation(db)
    if workspace is None:
        return doc
    (number,) = allocate_numbers(db, team_id=workspace.team_id, count=1)
    which, update = _adoption_update(doc, workspace, number, now or utcnow())
    legacy_backend.record_write(db, _filed_at(doc) or now or utcnow())
    stored = db.tickets.find_one_and_update(
        which, update, return_document=ReturnDocument.AFTER
    ) or db.tickets.find_one({"_id": doc["_id"]})
    return stored or doc


def adopt_batch(db: Mongo, *, now: datetime, limit: int = ADOPTION_BATCH_SIZE) -> int:
    """Adopt the oldest tickets and return their number; if it is `limit`, there may be more.

    Safe to run concurrently: a ticket that has changed is left for the next run, and its number is
    a gap.
    """
    workspace = get_installation(db)
    if workspace is None:
        return 0
    read = dict.fromkeys(_ADOPTION_FIELDS, True)
    found = find_processable(db, UNADOPTED, now=now, limit=limit, fields=read, sort="_id")
    if found:
        numbers = allocate_numbers(db, team_id=workspace.team_id, count=len(found))
        adoptions: list[tuple[ObjectId, UpdateOne]] = []
        for doc, number in zip(found, numbers, strict=True):
            with isolated(db, doc["_id"], now=now):
                update = UpdateOne(*_adoption_update(doc, workspace, number, now))
                adoptions.append((doc["_id"], update))
        write_isolated(db, adoptions, now=now)
        legacy_backend.record_write(db, max(_filed_at(doc) or now for doc in found))
    return len(found)


def _adoption_update(
    doc: Document, workspace: Installation, number: int, now: datetime
) -> tuple[Document, Document]:
    """Return the filter, which holds the ticket as it was read, and the update."""
    ticket = Ticket.from_doc(doc)
    events, outbox_values = _first_events_and_outbox(doc, ticket, workspace, now)
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
    # An absent field equals None in a filter, as it does in `doc`.
    read = {name: doc.get(name) for name in _ADOPTION_FIELDS}
    return {"_id": doc["_id"], **UNADOPTED, **read}, update


def _normalized_fields(doc: Document, ticket: Ticket) -> Document:
    """Return the values that are readable, in the form that our queries look for."""
    values: Document = {"status": ticket.status.value}
    if ticket.priority:
        values["priority"] = ticket.priority.value
    for field, user_id in (("createdBy", ticket.created_by), ("assignedTo", ticket.assigned_to)):
        if isinstance(doc.get(field), str) and user_id:
            values[field] = user_id
    return values


def _first_events_and_outbox(
    doc: Document, ticket: Ticket, workspace: Installation, now: datetime
) -> tuple[list[Document], Document]:
    """Return the first events, and the fields that request assignment; both may be empty."""
    events: list[Document] = []
    outbox_values: Document = {}
    if _is_to_be_assigned(doc, workspace):
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


def _is_to_be_assigned(doc: Document, workspace: Installation) -> bool:
    """Exclude tickets older than the installation: years of them would flood the assignees."""
    filed = _filed_at(doc)
    is_waiting = parse_status(doc.get("status")) is Status.TODO and doc.get("assignedTo") is None
    return is_waiting and filed is not None and filed > workspace.created_at


def _filed_at(doc: Document) -> datetime | None:
    """Return `createdAt`, or the time in the ObjectId, which has seconds only."""
    at = Ticket.from_doc(doc).created_at
    return at or getattr(doc["_id"], "generation_time", None)


def sync_legacy_tickets(db: Mongo, *, now: datetime) -> None:
    """Adopt the legacy backend's tickets, then reconcile its changes."""
    for _ in range(MAX_ADOPTION_BATCHES):
        if adopt_batch(db, now=now) < ADOPTION_BATCH_SIZE:
            # Until all are adopted, each run of `reconcile` would find those again.
            reconcile(db, now=now)
            return


def reconcile(db: Mongo, *, now: datetime, limit: int = RECONCILIATION_BATCH_SIZE) -> int:
    """Reconcile up to `limit` tickets of each kind; return how many. Safe to run concurrently."""
    count = 0
    for query, further, change_of in _RECONCILIATIONS:
        for doc in find_processable(db, query, further, now=now, limit=limit):
            with isolated(db, doc["_id"], now=now):
                count += _reconcile_ticket(db, doc, change_of(doc, now), now)
    if count:
        legacy_backend.record_write(db, now)
    return count


def _reconcile_ticket(db: Mongo, doc: Document, change: Change, now: datetime) -> bool:
    """Return False on a concurrent change; the next run reads the ticket again."""
    ticket = Ticket.from_doc(doc)
    read = {"status": ticket.status.value, "assignedTo": ticket.assigned_to}
    stored = ticket_store.apply(
        db,
        ticket,
        Change(read).then(change),
        now=now,
        status=doc.get("status"),
        assignedTo=doc.get("assignedTo"),
    )
    return stored is not None


def _status_change(doc: Document, now: datetime) -> Change:
    ticket = Ticket.from_doc(doc)
    recorded = (event.to for event in reversed(ticket.events) if event.field == "status")
    is_unknown_status = doc.get("status") != ticket.status  # the history keeps the stored word
    was = doc.get("status") if is_unknown_status else next(recorded, None)
    event = _event(EventType.STATUS_CHANGED, "status", was, ticket.status.value)
    if ticket.status is Status.COMPLETED:
        return Change({"completedAt": now}, (event,), RETRY_FIELDS)
    return Change(events=(event,))


def _assignment_change(doc: Document, now: datetime) -> Change:
    event = _event(EventType.ASSIGNED, "assignedTo", None, Ticket.from_doc(doc).assigned_to)
    values = {
        "assignment.source": MANUAL_SOURCE,
        "assignment.reason": ASSIGNED_OUTSIDE_REASON,
        "assignment.at": now,
    }
    gone = (*RETRY_FIELDS, "assignment.score", "assignment.parts", "acceptedAt")
    return Change(values, (event,), gone)


def _unassignment_change(_: Document, __: datetime) -> Change:
    event = _event(EventType.UNASSIGNED, "assignedTo", None, None)
    return Change(events=(event,), remove=("acceptedAt", *RETRY_FIELDS))


def _event(kind: EventType, field: str, was: Any, now: Any) -> NewEvent:
    return NewEvent(kind, by="system", field=field, from_=was, to=now)


def _unknown_status_queries() -> list[Document]:
    """Return queries for statuses that are not ours, as ranges, which an index can serve."""
    ours = sorted(Status)
    between = [{"$gt": low, "$lt": high} for low, high in pairwise(ours)]
    ranges: list[Any] = [None, {"$lt": ours[0]}, *between, {"$gt": ours[-1]}]
    return [{"status": words} for words in ranges]


# (query, further condition, change): the index of status and queueKey serves each query.
_RECONCILIATIONS: tuple[tuple[Document, Document, Callable[[Document, datetime], Change]], ...] = (
    *((query, {}, _status_change) for query in _unknown_status_queries()),
    ({"status": Status.COMPLETED, "queueKey": {"$gt": ""}}, {}, _status_change),
    (
        {"status": Status.IN_PROGRESS, "queueKey": {"$gt": "", "$lt": _ASSIGNED}},
        {"assignedTo": _ANY_ASSIGNEE},
        _assignment_change,
    ),
    (
        {"status": Status.TODO, "queueKey": {"$gte": _ASSIGNED}},
        {"assignedTo": None},
        _unassignment_change,
    ),
)
