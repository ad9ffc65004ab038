"""Indexes of links between Slack members and accounts."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "links": (
        IndexModel([("teamId", ASCENDING), ("userId", ASCENDING)], unique=True),
        IndexModel("userId"),
    ),
    "linkTries": (IndexModel("expiresAt", expireAfterSeconds=0),),
    "unlinked": (IndexModel("userId"),),
}
