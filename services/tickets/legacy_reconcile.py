"""Reconciliation of tickets that the predecessor changes while it runs beside us.

It writes a status or an assignee without a seq, an event or a queue key. What shows by the queue
key that is left is put right: the history says so, and the cards are updated.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

from bson import ObjectId

from services.core.database import Document, Mongo
from services.models.events import EventType, NewEvent
from services.models.ticket import Status, Ticket
from services.tickets import legacy_adopt, ticket_store
from services.tickets.transitions import Change

MAX_ADOPTION_BATCHES = 5
BATCH_SIZE = 200
ASSIGNED_OUTSIDE_REASON = "assigned outside of Slack"
_ASSIGNED = "1-"  # how the queue keys of assigned tickets begin: services/sla/queue_key.py
_ANYBODY = {"$gt": ObjectId("0" * 24)}
_RETRY_FIELDS = ("assignment.next", "assignment.until")


def sync_legacy_tickets(db: Mongo, *, now: datetime) -> None:
    """Adopt what it has made, then put right what it has changed."""
    for _ in range(MAX_ADOPTION_BATCHES):
        if legacy_adopt.adopt_batch(db, now=now) < legacy_adopt.ADOPTION_BATCH_SIZE:
            # Until all are adopted, the queries for what is wrong would find those over and over.
            reconcile(db, now=now)
            return


def reconcile(db: Mongo, *, now: datetime, limit: int = BATCH_SIZE) -> int:
    """How many were; at most about `limit` of each kind, so that as many again may be left.

    Safe to run at any time and by several at once.
    """
    return sum(
        _reconcile_ticket(db, doc, change_of(doc, now), now)
        for query, change_of in _RECONCILIATIONS
        for doc in db.tickets.find(query).limit(limit)
    )


def _reconcile_ticket(db: Mongo, doc: Document, change: Change, now: datetime) -> bool:
    """False where somebody was quicker: the next run looks at it again, if it is still so."""
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
    is_unknown_status = doc.get("status") != ticket.status  # the history keeps what word it was
    was = doc.get("status") if is_unknown_status else next(recorded, None)
    event = _event(EventType.STATUS_CHANGED, "status", was, ticket.status.value)
    if ticket.status is Status.COMPLETED:
        return Change({"completedAt": now}, (event,), _RETRY_FIELDS)
    return Change(events=(event,))


def _assignment_change(doc: Document, now: datetime) -> Change:
    event = _event(EventType.ASSIGNED, "assignedTo", None, Ticket.from_doc(doc).assigned_to)
    values = {
        "assignment.source": "manual",
        "assignment.reason": ASSIGNED_OUTSIDE_REASON,
        "assignment.at": now,
    }
    gone = (*_RETRY_FIELDS, "assignment.score", "assignment.parts", "acceptedAt")
    return Change(values, (event,), gone)


def _unassignment_change(_: Document, __: datetime) -> Change:
    event = _event(EventType.UNASSIGNED, "assignedTo", None, None)
    return Change(events=(event,), remove=("acceptedAt", *_RETRY_FIELDS))


def _event(kind: EventType, field: str, was: Any, now: Any) -> NewEvent:
    return NewEvent(kind, by="system", field=field, from_=was, to=now)


def _foreign_words() -> list[Document]:
    """Statuses that are none of ours, as ranges between ours: an index serves those."""
    ours = sorted(Status)
    between = [{"$gt": low, "$lt": high} for low, high in pairwise(ours)]
    ranges: list[Any] = [None, {"$lt": ours[0]}, *between, {"$gt": ours[-1]}]
    return [{"status": words} for words in ranges]


# What is found, and what is to be done about it. All by the index of status and queueKey.
_RECONCILIATIONS: tuple[tuple[Document, Callable[[Document, datetime], Change]], ...] = (
    *((query, _status_change) for query in _foreign_words()),
    ({"status": Status.COMPLETED, "queueKey": {"$gt": ""}}, _status_change),
    (
        {
            "status": Status.IN_PROGRESS,
            "queueKey": {"$gt": "", "$lt": _ASSIGNED},
            "assignedTo": _ANYBODY,
        },
        _assignment_change,
    ),
    (
        {"status": Status.TODO, "queueKey": {"$gte": _ASSIGNED}, "assignedTo": None},
        _unassignment_change,
    ),
)
