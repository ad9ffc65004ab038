"""Indexes of links between Slack members and accounts."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "links": (
        IndexModel([("teamId", ASCENDING), ("userId", ASCENDING)], unique=True),
        IndexModel("userId"),
    ),
    "unlinked": (IndexModel("userId"),),
}
