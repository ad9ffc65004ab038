"""Index for the digests that are due (digest_service.py)."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "users": (IndexModel([("role", ASCENDING), ("digestAt", ASCENDING)]),),
}
