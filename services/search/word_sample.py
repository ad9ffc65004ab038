"""How common words and people are among the newest tickets: a search begins with the rarest.

MongoDB could count an index's entries up to a limit; SecantusDB counts all of them.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from cachetools import TTLCache

from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.tickets.indexes import NEWEST_INDEX

SAMPLE_SIZE = 500
_FIELDS = ("createdAt", "search.public", "search.internal", "createdBy", "assignedTo")


@dataclass(frozen=True)
class WordSample:
    """In how many of the newest `size` tickets each value is, by field. `total` is about how many
    tickets there are."""

    size: int
    total: int
    counts: Mapping[str, Counter[Hashable]]
    oldest_at: datetime | None
    read_at: datetime

    @property
    def is_complete(self) -> bool:
        return self.size < SAMPLE_SIZE

    def count(self, field: str, value: Hashable) -> int:
        return self.counts[field][value] if field in self.counts else 0

    def count_between(self, field: str, first: str, after: str) -> int:
        """Return the sum for the words from `first`, before `after`: a ticket may have several."""
        words = self._sorted_words[field]
        between = words[bisect_left(words, first) : bisect_left(words, after)]
        return sum(self.counts[field][word] for word in between)

    def span_of(self, count: float) -> timedelta:
        """Return about how long it took until that many tickets were filed."""
        if self.oldest_at is None:
            return timedelta.max
        span = max(self.read_at - self.oldest_at, timedelta(minutes=1))
        try:
            return span * (count / self.size)
        except OverflowError:
            return timedelta.max

    @cached_property
    def _sorted_words(self) -> Mapping[str, list[str]]:
        fields = ("search.public", "search.internal")
        return {field: sorted(map(str, self.counts[field])) for field in fields}


SAMPLES: TTLCache[Mongo, WordSample] = TTLCache(maxsize=100, ttl=600)
_lock = threading.Lock()


def word_sample(db: Mongo, *, now: datetime) -> WordSample:
    """Return the sample, at most ten minutes old."""
    with _lock:
        found = SAMPLES.get(db)
    if found is None:
        newest = db.tickets.find({}, dict.fromkeys(_FIELDS, True)).sort(NEWEST_INDEX)
        tickets = list(newest.limit(SAMPLE_SIZE))
        found = WordSample(
            size=len(tickets),
            total=db.tickets.estimated_document_count(),
            counts=_counts(tickets),
            oldest_at=as_datetime(tickets[-1].get("createdAt")) if tickets else None,
            read_at=now,
        )
        with _lock:
            SAMPLES[db] = found
    return found


def _counts(tickets: Iterable[Document]) -> Mapping[str, Counter[Hashable]]:
    counts: dict[str, Counter[Hashable]] = {name: Counter() for name in _FIELDS[1:]}
    for ticket in tickets:
        for name, counter in counts.items():
            counter.update(set(_values(ticket, name)))
    return counts


def _values(ticket: Document, name: str) -> Iterator[Hashable]:
    """Yield the words, or the account, of the ticket."""
    outer, _, inner = name.partition(".")
    value: Any = ticket.get(outer)
    if not inner:
        yield value
    elif isinstance(value, dict) and isinstance(value.get(inner), list):
        yield from (word for word in value[inner] if isinstance(word, str))
