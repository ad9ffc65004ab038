"""Tickets nobody could take.

Such a ticket is unassigned with a date in `assignment.next`. When that comes, or somebody becomes
available, it goes back to the outbox, and so to assignment.
"""

from datetime import UTC, datetime, timedelta

from services.database import Mongo
from services.models import Document
from services.outbox import marks

RETRY_AFTER = timedelta(minutes=5)
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def wake(db: Mongo, *, now: datetime) -> None:
    """Somebody new, or somebody with room, may take one: try them all again."""
    _back_to_outbox(db, {"assignment.next": {"$gt": _ANY_TIME}}, now)


def wake_due(db: Mongo, *, now: datetime) -> None:
    _back_to_outbox(db, {"assignment.next": {"$lte": now}}, now)


def count(db: Mongo) -> int:
    return db.tickets.count_documents({"assignment.next": {"$gt": _ANY_TIME}})


def _back_to_outbox(db: Mongo, which: Document, now: datetime) -> None:
    change = {
        "$set": {**marks(now), "nextTryAt": now},
        "$unset": {"assignment.next": ""},
        "$inc": {"seq": 1},  # whoever saw it parked must not settle it now
    }
    db.tickets.update_many(which, change)
