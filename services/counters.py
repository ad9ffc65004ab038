"""Numbers people can say aloud: 1, 2, 3, per team. Gaps are allowed, doubles are not."""

from typing import cast

from pymongo import ReturnDocument

from services.database import Mongo
from services.models import Document


def next_number(db: Mongo, *, team_id: str) -> int:
    # Of several that count a team's first tickets at once, SecantusDB gives some no answer. Then
    # the counter exists, and asking again leaves a gap.
    counter = _count(db, team_id) or _count(db, team_id)
    return int(cast(Document, counter)["value"])


def _count(db: Mongo, team_id: str) -> Document | None:
    return db.counters.find_one_and_update(
        {"_id": f"tickets:{team_id}"},
        {"$inc": {"value": 1}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
