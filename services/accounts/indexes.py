"""Indexes of accounts: by email address, by role, and by search key."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "users": (
        IndexModel("emailKey"),
        IndexModel([("role", ASCENDING), ("active", ASCENDING)]),
        IndexModel([("emailKey", ASCENDING), ("_id", ASCENDING)]),
        IndexModel("searchKeys"),
        IndexModel(
            [("privateTickets", ASCENDING), ("role", ASCENDING)],
            partialFilterExpression={"privateTickets": True},
        ),
    ),
}
