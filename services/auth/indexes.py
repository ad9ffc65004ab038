"""Indexes of one-time codes."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "codes": (
        IndexModel("expiresAt", expireAfterSeconds=0),
        IndexModel([("userId", ASCENDING), ("kind", ASCENDING)]),
        # One link code per account: only the page shown last has a valid one.
        IndexModel(
            [("kind", ASCENDING), ("userId", ASCENDING)],
            unique=True,
            partialFilterExpression={"kind": "link"},
        ),
    ),
}
