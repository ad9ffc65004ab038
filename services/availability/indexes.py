"""Indexes for status_sync.py and handover_offers.py."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "users": (
        IndexModel([("role", ASCENDING), ("presence.dueAt", ASCENDING)]),
        IndexModel("away.until", sparse=True),
        IndexModel("handOver.nextTryAt", sparse=True),
    ),
}
