"""The indexes of one-time codes."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "codes": (
        IndexModel("expiresAt", expireAfterSeconds=0),
        IndexModel([("userId", ASCENDING), ("kind", ASCENDING)]),
        # One live code to type, so that the page shown last is the one that counts.
        IndexModel(
            [("kind", ASCENDING), ("userId", ASCENDING)],
            unique=True,
            partialFilterExpression={"kind": "link"},
        ),
    ),
}
