"""Indexes of links between Slack members and accounts."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "links": (
        IndexModel([("teamId", ASCENDING), ("userId", ASCENDING)], unique=True),
        IndexModel("userId"),
    ),
    "unlinked": (IndexModel("userId"),),
    # Accounts whose tickets are to be moved or marked: address_claims.py; those of one person.
    "users": (IndexModel("closing.at", sparse=True), IndexModel("mergedInto", sparse=True)),
}
