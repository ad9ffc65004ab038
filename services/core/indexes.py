"""Indexes for processed events (processed_events.py) and stored direct messages
(services/tickets/direct_messages.py)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pymongo import IndexModel

# Longer than Slack repeats an event.
EVENT_RETENTION = timedelta(days=1)

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "inbox": (
        IndexModel("at", expireAfterSeconds=int(EVENT_RETENTION.total_seconds())),
        IndexModel("user", sparse=True),
    ),
}
