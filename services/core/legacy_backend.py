"""When the legacy backend has last written to this database, as far as this product has seen it.

It is seen when its tickets and accounts are adopted and its changes of tickets are reconciled; what
earlier releases adopted is found once, by a migration, by the version key that it stores.
"""

from datetime import datetime, timedelta

from services.core.coerce import as_datetime
from services.core.database import Mongo

VERSION_KEY = "__v"  # of Mongoose, in every document that it creates
_STATE_ID = "legacy-backend"


def record_write(db: Mongo, at: datetime) -> None:
    """Record that it wrote at that time, unless a later time is recorded."""
    db.meta.update_one({"_id": _STATE_ID}, {"$max": {"wroteAt": at}}, upsert=True)


def last_write(db: Mongo) -> datetime | None:
    """Return when it last wrote; None if it never has."""
    return as_datetime((db.meta.find_one({"_id": _STATE_ID}) or {}).get("wroteAt"))


def record_earlier_writes(db: Mongo, *, now: datetime, window: timedelta) -> int:
    """Record the newest ticket within the window that the backend created. Return 0, as a migration
    that is complete: no ticket is changed."""
    newest = db.tickets.find(
        {"createdAt": {"$gt": now - window}}, {VERSION_KEY: True, "createdAt": True}
    )
    for doc in newest.sort([("createdAt", -1), ("_id", -1)]):
        at = as_datetime(doc["createdAt"])
        if VERSION_KEY in doc and at:
            record_write(db, at)
            break
    return 0
