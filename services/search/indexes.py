"""Index of tickets by participant; those by word are in services/tickets/indexes.py."""

from collections.abc import Mapping, Sequence

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from services.tickets.indexes import NEWEST_INDEX

# Not `$exists`: SecantusDB does not use such an index.
_FIRST_ID = ObjectId("0" * 24)

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel(
            (("participants", ASCENDING), *NEWEST_INDEX),
            partialFilterExpression={"participants": {"$gt": _FIRST_ID}},
        ),
    ),
}
