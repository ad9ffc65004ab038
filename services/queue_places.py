"""Places in the queue for tickets that have none: the predecessor's, old ones and those it still
makes. A ticket that changes here gets its place with the change (services/changes.py)."""

from pymongo import UpdateOne

from services.database import Mongo
from services.models import OPEN_STATUSES, Ticket
from services.queue_order import FIELD, queue_key

AT_ONCE = 1_000
# What a place is made of, as stored.
_GROUNDS = ("status", "assignedTo", "deadline", "priority", "createdAt")


def give_places(db: Mongo, *, limit: int = AT_ONCE) -> int:
    """How many were found without one, at most `limit`; so that many again may be left.

    Safe to run at any time and by several at once: who changed meanwhile is left for the next run.
    """
    without = {"status": {"$in": list(OPEN_STATUSES)}, FIELD: None}
    found = list(db.tickets.find(without, dict.fromkeys(_GROUNDS, True)).limit(limit))
    places = [
        UpdateOne(
            {"_id": doc["_id"], FIELD: None, **{name: doc.get(name) for name in _GROUNDS}},
            {"$set": {FIELD: queue_key(Ticket.from_doc(doc))}},
        )
        for doc in found
    ]
    if places:
        db.tickets.bulk_write(places, ordered=False)
    return len(found)
