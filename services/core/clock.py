"""Time as MongoDB stores it: aware, UTC, in whole milliseconds."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utcnow() -> datetime:
    """Return the current time, truncated to milliseconds."""
    return truncate(datetime.now(UTC))


def truncate(at: datetime) -> datetime:
    """Truncate to milliseconds: BSON keeps no more."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
