"""Time as MongoDB stores it: aware, UTC, in whole milliseconds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

# A time server corrects less than this in small steps.
MIN_CLOCK_JUMP_SECONDS = 2.0


def utcnow() -> datetime:
    """Return the current time, truncated to milliseconds."""
    return truncate(datetime.now(UTC))


def truncate(at: datetime) -> datetime:
    """Truncate to milliseconds: BSON keeps no more."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class ClockWatch:
    """Notices that the system clock was set, by comparing it with the monotonic clock.

    On a machine that was suspended the monotonic clock stands still: this, too, is a jump forward.
    """

    def __init__(
        self, *, clock: Clock = utcnow, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._seen = self._offset()

    def jump(self) -> timedelta:
        """Return by how much the clock was set since the last call, in whole seconds."""
        before, self._seen = self._seen, self._offset()
        seconds = self._seen - before
        return timedelta(seconds=round(seconds) if abs(seconds) >= MIN_CLOCK_JUMP_SECONDS else 0)

    def _offset(self) -> float:
        return self._clock().timestamp() - self._monotonic()
