"""Index of tickets by participant; those by word are in services/tickets/indexes.py."""

from collections.abc import Mapping, Sequence

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from services.tickets.indexes import NEWEST_INDEX

_HAS_PARTICIPANTS = {"participants": {"$gt": ObjectId("0" * 24)}}

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel(
            (("participants", ASCENDING), *NEWEST_INDEX), partialFilterExpression=_HAS_PARTICIPANTS
        ),
    ),
}
