"""Being set aside: what goes by the clock and cannot be done is tried again, each time later, so
that nothing else waits for it. Pure.

A ticket's next step keeps it in `alarm.aside`, somebody's digest in the account's `digestAside`, as
{since, times, error}. Whatever then succeeds takes that away with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.core.coerce import as_datetime, as_int

INITIAL_RETRY_DELAY, BACKOFF_FACTOR, MAX_RETRY_DELAY = timedelta(minutes=5), 4, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RetryState:
    """`since` is when it failed first, `times` how often in a row, and `error` the last fault's
    kind: its text might quote a person."""

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
        """Until it is tried again."""
        slower: int = BACKOFF_FACTOR ** min(self.failure_count - 1, 5)
        return min(INITIAL_RETRY_DELAY * slower, MAX_RETRY_DELAY)


def record_failure(previous: RetryState | None, error: Exception, *, now: datetime) -> RetryState:
    """It has failed, once more if it had `before`."""
    since, times = (previous.first_failed_at, previous.failure_count + 1) if previous else (now, 1)
    return RetryState(since, times, type(error).__name__)


MAX_DELIVERY_DELAY = timedelta(minutes=15)
