"""Numbers people can say aloud: 1, 2, 3, per team. Gaps are allowed, doubles are not."""

from typing import cast

from pymongo import ReturnDocument

from services.database import Mongo
from services.models import Document


def next_number(db: Mongo, *, team_id: str) -> int:
    counter = db.counters.find_one_and_update(
        {"_id": f"tickets:{team_id}"},
        {"$inc": {"value": 1}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return int(cast(Document, counter)["value"])  # an upsert always finds one
