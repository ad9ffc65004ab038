"""Ticket numbers: 1, 2, 3, per team. Unique; gaps are allowed."""

from typing import cast

from pymongo import DESCENDING, ReturnDocument

from services.core.database import Document, Mongo


def allocate_numbers(db: Mongo, *, team_id: str, count: int) -> range:
    """Allocate consecutive numbers."""
    # For concurrent upserts of a team's first number SecantusDB returns None to some callers. The
    # counter exists then, and a second call leaves a gap.
    counter = _count(db, team_id, count) or _count(db, team_id, count)
    last = int(cast(Document, counter)["value"])
    return range(last - count + 1, last + 1)


def _count(db: Mongo, team_id: str, count: int) -> Document | None:
    return db.counters.find_one_and_update(
        {"_id": f"tickets:{team_id}"},
        {"$inc": {"value": count}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )


def raise_counter(db: Mongo, *, team_id: str) -> None:
    """Raise the counter to the team's highest number: a restored backup may hold tickets that are
    newer than its counter. Without effect otherwise, and if other processes allocate numbers."""
    numbered = {"teamId": team_id, "number": {"$gt": 0}}
    newest = db.tickets.find_one(numbered, {"number": True}, sort=[("number", DESCENDING)])
    if newest is None:
        return
    counter, highest = {"_id": f"tickets:{team_id}"}, newest["number"]
    if not db.counters.count_documents({**counter, "value": {"$gte": highest}}, limit=1):
        db.counters.update_one(counter, {"$max": {"value": highest}}, upsert=True)
