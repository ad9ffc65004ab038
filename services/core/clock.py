"""Time as MongoDB stores it: aware, UTC, in whole milliseconds, by the clock of the database.

Processes on several hosts compare with their own time what another one has stored. So each learns
by how much its system clock differs from the database's (`synchronize`), and `utcnow` corrects it.
"""

import logging
import mmap
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pymongo
from pymongo.errors import PyMongoError

from services.core.coerce import as_datetime
from services.core.database import Mongo, connect

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

# A time server corrects less than this in small steps.
MIN_CLOCK_JUMP_SECONDS = 2.0
# A larger difference from the database's clock is reported.
MIN_REPORTED_OFFSET = timedelta(seconds=2)
SYNC_INTERVAL_SECONDS = 60.0
STOP_SECONDS = 1.0
CLOCK_CHECK_SECONDS = 1.0
QUERY_TIMEOUT_SECONDS = 2.0
_MICROSECOND = timedelta(microseconds=1)
# The offset and the one reported last, in microseconds. In memory that a worker shares with the
# children it forks, so that they follow its measurements.
_shared = memoryview(mmap.mmap(-1, 16)).cast("q")
_OFFSET, _REPORTED = 0, 1


def utcnow() -> datetime:
    """Return the database's current time, truncated to milliseconds.

    Until `synchronize` has reached the database, the system's.
    """
    return truncate(system_now() + database_offset())


def system_now() -> datetime:
    """Return the time of the system clock, for libraries that use it themselves."""
    return datetime.now(UTC)


def database_offset() -> timedelta:
    """Return by how much the database's clock is ahead of the system's."""
    return _shared[_OFFSET] * _MICROSECOND


def synchronize(db: Mongo) -> timedelta:
    """Measure `database_offset`, log a change of two seconds or more, and return it.

    A difference below the precision of the measurement changes nothing, so that time does not
    jitter. Raises `PyMongoError`.
    """
    began, before = time.monotonic(), system_now()
    answer = db.client.admin.command("hello", codec_options=db.codec_options)
    precision = timedelta(seconds=(time.monotonic() - began) / 2)
    if database_now := as_datetime(answer.get("localTime")):
        offset = database_now - (before + precision)
        if abs(offset - database_offset()) > precision + timedelta(milliseconds=1):
            _shared[_OFFSET] = offset // _MICROSECOND
    _report()
    return database_offset()


def describe_offset(offset: timedelta) -> str | None:
    """Return the offset in words; None if it is too small to report."""
    if abs(offset) < MIN_REPORTED_OFFSET:
        return None
    direction = "behind" if offset > timedelta() else "ahead of"
    return f"{timedelta(seconds=round(abs(offset).total_seconds()))} {direction} MongoDB's"


def _report() -> None:
    offset = database_offset()
    if abs(offset - _shared[_REPORTED] * _MICROSECOND) < MIN_REPORTED_OFFSET:
        return
    _shared[_REPORTED] = _shared[_OFFSET]
    if described := describe_offset(offset):
        logger.warning("the system clock is %s; times are corrected", described)
    else:
        logger.info("the system clock agrees with MongoDB's again")


def truncate(at: datetime) -> datetime:
    """Truncate to milliseconds: BSON keeps no more."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class ClockWatch:
    """Notices that the system clock was set, by comparing it with the monotonic clock.

    On a machine that was suspended the monotonic clock stands still: this, too, is a jump forward.
    """

    def __init__(
        self, *, clock: Clock = system_now, monotonic: Callable[[], float] = time.monotonic
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


class ClockSync:
    """Calls `synchronize` once a minute, and when the system clock was set, in a thread of its own.

    Each time connects and closes: no client is open while a worker forks. While the database is
    unreachable, the last offset applies. A call that hangs delays the end of the process little.
    """

    def __init__(self, mongo_uri: str) -> None:
        self._mongo_uri = mongo_uri
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock-sync", daemon=True)

    def __enter__(self) -> "ClockSync":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        watch, due_at = ClockWatch(), time.monotonic()
        while not self._stopping.wait(CLOCK_CHECK_SECONDS):
            if watch.jump():
                due_at = time.monotonic()
            if time.monotonic() >= due_at and self._synchronize():
                due_at = time.monotonic() + SYNC_INTERVAL_SECONDS

    def _synchronize(self) -> bool:
        try:
            db = connect(self._mongo_uri)
            with db.client, pymongo.timeout(QUERY_TIMEOUT_SECONDS):
                synchronize(db)
        except PyMongoError:  # what needs the database reports it
            return False
        return True
