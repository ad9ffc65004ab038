"""Numbers people can say aloud: 1, 2, 3, per team. Gaps are allowed, doubles are not."""

from typing import cast

from pymongo import ReturnDocument

from services.database import Mongo
from services.models import Document


def next_number(db: Mongo, *, team_id: str) -> int:
    return next_numbers(db, team_id=team_id, count=1)[0]


def next_numbers(db: Mongo, *, team_id: str, count: int) -> range:
    """So many at once, one after the other."""
    # Of several that count a team's first tickets at once, SecantusDB gives some no answer. Then
    # the counter exists, and asking again leaves a gap.
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
