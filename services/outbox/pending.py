"""The outbox: a ticket with `outbox: true` has changes that somebody has not been told of yet.

Publishing is only a hint to look at a ticket now. The mark in the ticket is the truth: should a
hint be lost, or its consumer die, the sweep publishes the ticket again.

Tickets nobody could take.

Such a ticket is unassigned with a date in `assignment.next`. When that comes, or somebody becomes
available, it goes back to the outbox, and so to assignment. So whatever makes room or brings
somebody to the help desk calls `wake`.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from bson import ObjectId

from services.core.database import Document, Mongo
from services.core.retry import MAX_DELIVERY_DELAY

# How long a fresh change is left to its own hint before the sweep steps in.
SWEEP_GRACE_PERIOD = timedelta(seconds=10)


class Publisher(Protocol):
    """Tells the workers what there is to do. Never raises: the sweep repeats what is lost."""

    def publish_ticket(self, ticket_id: str) -> None:
        """That ticket has changed."""

    def publish_email(self, email_id: str) -> None:
        """That letter (services/outbox/emails.py) is to be sent."""

    def publish_availability_check(self) -> None:
        """Slack is to be asked, or somebody to be told, who is here."""


def outbox_fields(now: datetime) -> Document:
    """What every change sets beside its own fields."""
    return {"outbox": True, "nextTryAt": now + SWEEP_GRACE_PERIOD, "attempts": 0}


def mark_delivered(db: Mongo, ticket_id: ObjectId, *, expected_seq: int) -> bool:
    """Everything up to `seen` is done. False where the ticket has changed since: look again.

    So whatever calls for another look raises `seq`, also where it is no event.
    """
    done = db.tickets.update_one(
        {"_id": ticket_id, "seq": expected_seq},
        {"$set": {"outbox": False}, "$unset": {"nextTryAt": "", "attempts": ""}},
    )
    return done.matched_count == 1


def is_unchanged(db: Mongo, ticket_id: ObjectId, *, expected_seq: int) -> bool:
    return db.tickets.count_documents({"_id": ticket_id, "seq": expected_seq}, limit=1) == 1


def due_ticket_ids(db: Mongo, *, now: datetime, limit: int) -> list[ObjectId]:
    """The tickets to publish again, the longest overdue first."""
    overdue = {"outbox": True, "nextTryAt": {"$lte": now}}
    found = db.tickets.find(overdue, {"_id": True}).sort("nextTryAt").limit(limit)
    return [doc["_id"] for doc in found]


def outbox_ages(db: Mongo, *, now: datetime, limit: int = 1_000) -> list[timedelta]:
    """For how long the tickets in the outbox have been there, the longest first.

    Counted back from the next attempt over all waits before it: an event's date would not do,
    because not every mark is an event.
    """
    found = db.tickets.find({"outbox": True}, {"nextTryAt": True, "attempts": True}).limit(limit)
    since = [
        doc["nextTryAt"]
        - SWEEP_GRACE_PERIOD
        - sum(map(_wait, range(doc.get("attempts", 0))), timedelta())
        for doc in found
        if doc.get("nextTryAt")
    ]
    return sorted((max(now - start, timedelta()) for start in since), reverse=True)


def back_off(db: Mongo, ticket_id: ObjectId, *, now: datetime) -> None:
    """Published once more: the next time is later each time, at most 15 minutes away."""
    doc = db.tickets.find_one_and_update(
        {"_id": ticket_id, "outbox": True}, {"$inc": {"attempts": 1}}
    )
    if doc is None:
        return
    wait = _wait(doc.get("attempts", 0))
    db.tickets.update_one(
        # A change, or somebody who became available, has set the attempts back to 0.
        {"_id": ticket_id, "outbox": True, "attempts": doc.get("attempts", 0) + 1},
        {"$set": {"nextTryAt": now + wait}},
    )


def _wait(attempts: int) -> timedelta:
    """After so many attempts and one more."""
    doubled: int = 2 ** min(attempts, 10)
    return min(SWEEP_GRACE_PERIOD * doubled, MAX_DELIVERY_DELAY)


UNASSIGNED_RETRY_INTERVAL = timedelta(minutes=5)
UNASSIGNED_BATCH_SIZE = 500
MAX_RETRIED_ON_CHANGE = 100
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def retry_unassigned(db: Mongo, *, now: datetime) -> None:
    """Somebody new, or somebody with room, may take one: try those again whose turn is next.

    At most `WOKEN`, more than one person takes, so that it costs a handler little. The others
    come with `wake_due`.
    """
    unassigned = {"assignment.next": {"$gt": _ANY_TIME}}
    found = (
        db.tickets.find(unassigned, {"_id": True})
        .sort("assignment.next")
        .limit(MAX_RETRIED_ON_CHANGE)
    )
    if ids := [doc["_id"] for doc in found]:
        _back_to_outbox(db, {"_id": {"$in": ids}, **unassigned}, now)


def retry_due_unassigned(db: Mongo, *, now: datetime, limit: int = UNASSIGNED_BATCH_SIZE) -> int:
    """Try those again whose time has come; how many were, at most `limit` at once."""
    due = {"assignment.next": {"$lte": now}}
    ids = [doc["_id"] for doc in db.tickets.find(due, {"_id": True}).limit(limit)]
    if ids:
        _back_to_outbox(db, {"_id": {"$in": ids}, **due}, now)
    return len(ids)


def count_unassigned(db: Mongo) -> int:
    return db.tickets.count_documents({"assignment.next": {"$gt": _ANY_TIME}})


def _back_to_outbox(db: Mongo, which: Document, now: datetime) -> None:
    change = {
        "$set": {**outbox_fields(now), "nextTryAt": now},
        "$unset": {"assignment.next": ""},
        "$inc": {"seq": 1},  # whoever saw it parked must not settle it now
    }
    db.tickets.update_many(which, change)
