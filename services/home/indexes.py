"""Indexes of links by the screen that is open in Home (sessions.py)."""

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "links": (
        IndexModel("home.ticket", sparse=True),
        IndexModel("home.queueAt", sparse=True),
        IndexModel("home.retryAt", sparse=True),
    ),
}
