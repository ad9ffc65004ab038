"""Index of tickets by participant; those by word are in services/tickets/indexes.py."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from services.tickets.indexes import FIRST_ID, NEWEST_INDEX

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel(
            (("participants", ASCENDING), *NEWEST_INDEX),
            partialFilterExpression={"participants": {"$gt": FIRST_ID}},
        ),
    ),
}
