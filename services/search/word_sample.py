"""How common words and people are among the newest tickets: a search begins with the rarest.

MongoDB could count an index's entries up to a limit; SecantusDB counts all of them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cachetools import TTLCache

from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.tickets.indexes import NEWEST_INDEX

SAMPLE_SIZE = 500
_FIELDS = ("createdAt", "search.public", "search.internal", "createdBy", "assignedTo")


@dataclass(frozen=True, slots=True)
class WordSample:
    """The newest tickets. `total` is about how many there are."""

    tickets: tuple[Document, ...]
    total: int
    oldest_at: datetime | None
    read_at: datetime

    @property
    def is_complete(self) -> bool:
        return len(self.tickets) < SAMPLE_SIZE

    def share(self, matches: Callable[[Document], bool]) -> float:
        """Return the share of the tickets that match, more than 0."""
        if not self.tickets:
            return 1.0
        return max(sum(map(matches, self.tickets)), 0.5) / len(self.tickets)

    def span_of(self, count: float) -> timedelta:
        """Return about how long it took until that many tickets were filed."""
        if self.oldest_at is None:
            return timedelta.max
        span = max(self.read_at - self.oldest_at, timedelta(minutes=1))
        try:
            return span * (count / len(self.tickets))
        except OverflowError:
            return timedelta.max


SAMPLES: TTLCache[Mongo, WordSample] = TTLCache(maxsize=100, ttl=600)
_lock = threading.Lock()


def word_sample(db: Mongo, *, now: datetime) -> WordSample:
    """Return the sample, at most ten minutes old."""
    with _lock:
        found = SAMPLES.get(db)
    if found is None:
        newest = db.tickets.find({}, dict.fromkeys(_FIELDS, True)).sort(NEWEST_INDEX)
        tickets = tuple(newest.limit(SAMPLE_SIZE))
        total = db.tickets.estimated_document_count()
        oldest_at = as_datetime(tickets[-1].get("createdAt")) if tickets else None
        found = WordSample(tuple(map(_prepared, tickets)), total, oldest_at, now)
        with _lock:
            SAMPLES[db] = found
    return found


def _prepared(doc: Document) -> Document:
    """Hold the words as sets, by the name of their field."""
    stored: Any = doc.get("search")
    words = stored if isinstance(stored, dict) else {}
    return {
        "search.public": frozenset(words.get("public") or ()),
        "search.internal": frozenset(words.get("internal") or ()),
        "createdBy": doc.get("createdBy"),
        "assignedTo": doc.get("assignedTo"),
    }
