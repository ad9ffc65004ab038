"""The indexes accounts are found by: email address, role, and a search's words."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "users": (
        IndexModel("emailKey"),
        IndexModel([("role", ASCENDING), ("active", ASCENDING)]),
        IndexModel([("emailKey", ASCENDING), ("_id", ASCENDING)]),
        IndexModel("searchKeys"),
    ),
}
