"""Tickets nobody could take.

Such a ticket is unassigned with a date in `assignment.next`. When that comes, or somebody becomes
available, it goes back to the outbox, and so to assignment. So whatever makes room or brings
somebody to the help desk calls `wake`.
"""

from datetime import UTC, datetime, timedelta

from services.database import Mongo
from services.models import Document
from services.outbox import marks

RETRY_AFTER = timedelta(minutes=5)
AT_ONCE = 500
WOKEN = 100
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def wake(db: Mongo, *, now: datetime) -> None:
    """Somebody new, or somebody with room, may take one: try those again whose turn is next.

    At most `WOKEN`, more than one person takes, so that it costs a handler little. The others
    come with `wake_due`.
    """
    parked = {"assignment.next": {"$gt": _ANY_TIME}}
    found = db.tickets.find(parked, {"_id": True}).sort("assignment.next").limit(WOKEN)
    if ids := [doc["_id"] for doc in found]:
        _back_to_outbox(db, {"_id": {"$in": ids}, **parked}, now)


def wake_due(db: Mongo, *, now: datetime, limit: int = AT_ONCE) -> int:
    """Try those again whose time has come; how many were, at most `limit` at once."""
    due = {"assignment.next": {"$lte": now}}
    ids = [doc["_id"] for doc in db.tickets.find(due, {"_id": True}).limit(limit)]
    if ids:
        _back_to_outbox(db, {"_id": {"$in": ids}, **due}, now)
    return len(ids)


def count(db: Mongo) -> int:
    return db.tickets.count_documents({"assignment.next": {"$gt": _ANY_TIME}})


def _back_to_outbox(db: Mongo, which: Document, now: datetime) -> None:
    change = {
        "$set": {**marks(now), "nextTryAt": now},
        "$unset": {"assignment.next": ""},
        "$inc": {"seq": 1},  # whoever saw it parked must not settle it now
    }
    db.tickets.update_many(which, change)
