"""Retry state of scheduled work: exponential back-off for an item that failed. Pure.

No other item waits for it. A ticket's next escalation step keeps it in `alarm.aside`, an account's
digest in `digestAside`, as {since, times, error}. The next success removes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.core.coerce import as_datetime, as_int

INITIAL_RETRY_DELAY, BACKOFF_FACTOR, MAX_RETRY_DELAY = timedelta(minutes=5), 4, timedelta(hours=1)
MAX_DELIVERY_DELAY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class RetryState:
    """Back-off state of a failed item.

    `failure_count` counts failures in a row. `error` is the type of the last exception only: its
    text might quote a person.
    """

    first_failed_at: datetime
    failure_count: int
    error: str

    @classmethod
    def from_doc(cls, doc: Any) -> "RetryState | None":
        if not isinstance(doc, Mapping):
            return None
        since, times = as_datetime(doc.get("since")), as_int(doc.get("times"))
        return cls(since, times or 1, str(doc.get("error") or "")) if since else None

    def to_doc(self) -> dict[str, Any]:
        return {"since": self.first_failed_at, "times": self.failure_count, "error": self.error}

    @property
    def delay(self) -> timedelta:
        """Wait until the next attempt."""
        slower: int = BACKOFF_FACTOR ** min(self.failure_count - 1, 5)
        return min(INITIAL_RETRY_DELAY * slower, MAX_RETRY_DELAY)


def record_failure(previous: RetryState | None, error: Exception, *, now: datetime) -> RetryState:
    """Return the state after one more failure; `previous` is None for the first."""
    since, times = (previous.first_failed_at, previous.failure_count + 1) if previous else (now, 1)
    return RetryState(since, times, type(error).__name__)
