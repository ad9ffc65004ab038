"""Tickets nobody could take.

Such a ticket is unassigned with a date in `assignment.next`. When that comes, or somebody becomes
available, it goes back to the outbox, and so to assignment.
"""

from datetime import datetime, timedelta

from services.database import Mongo
from services.models import Document
from services.outbox import marks

RETRY_AFTER = timedelta(minutes=5)


def wake(db: Mongo, *, now: datetime) -> None:
    """Somebody new, or somebody with room, may take one: try them all again."""
    _back_to_outbox(db, {"assignment.next": {"$type": "date"}}, now)


def wake_due(db: Mongo, *, now: datetime) -> None:
    _back_to_outbox(db, {"assignment.next": {"$lte": now}}, now)


def _back_to_outbox(db: Mongo, which: Document, now: datetime) -> None:
    change = {"$set": {**marks(now), "nextTryAt": now}, "$unset": {"assignment.next": ""}}
    db.tickets.update_many(which, change)
