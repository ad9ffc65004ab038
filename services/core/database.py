"""The connection to MongoDB."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

Document = dict[str, Any]
T = TypeVar("T")


Mongo = Database[Document]

DEFAULT_DATABASE_NAME = "ai-ticket-assistant"
# The deadline of each call, unless a handler sets a tighter one around it.
TIMEOUT_MS = 5_000
PING_TIMEOUT_SECONDS = 1.0
PING_INTERVAL_SECONDS = 0.5
# Of work in progress, after which MongoDB is pinged. With the ping less than a handler's deadline:
# those that wait for its thread then still answer within Slack's three seconds.
SLOW_SECONDS = 0.5
WATCH_INTERVAL_SECONDS = 0.25
# How long a worker tries to record what it has done. As long as a delivery is claimed.
RECORD_TIMEOUT_SECONDS = 60.0
_RECORD_RETRY_SECONDS = 0.1, 1.0  # the first wait and the longest

# MongoDB's codes for writes that it refuses, whatever they contain: UnsatisfiableWriteConcern,
# UserWritesBlocked, AtlasError (the quota is used up) and OutOfDiskSpace.
_WRITES_REFUSED = frozenset({100, 371, 8000, 14031})
# The codes of its other failures: InternalError (after a failed write to its disk, say),
# UnknownError, Unauthorized, AuthenticationFailed, FileStreamFailed and FileNotOpen.
_FAILURES = frozenset({1, 8, 13, 18, 37, 39})

logger = logging.getLogger(__name__)


def connect(uri: str) -> Mongo:
    """Return the database that the URI names. Connects lazily, at the first query.

    Call it once per process, after any fork. An acknowledged write is on a majority's disks.
    """
    client: MongoClient[Document] = MongoClient(
        uri,
        tz_aware=True,
        # A date mistyped in the legacy backend, such as the year 20260, becomes a `DatetimeMS`.
        datetime_conversion="DATETIME_AUTO",
        timeoutMS=TIMEOUT_MS,
        # Applies in `no_deadline`, too.
        serverSelectionTimeoutMS=TIMEOUT_MS,
        w="majority",
        journal=True,
        appname="ticket-bot",
    )
    try:
        name = client.get_default_database().name
    except ConfigurationError:  # the URI names no database
        name = DEFAULT_DATABASE_NAME
    return _Database(client, name)


class _Database(Database[Document]):
    """Makes each collection once, where PyMongo makes it at every use, from all options."""

    def __init__(self, client: MongoClient[Document], name: str) -> None:
        self._made: dict[str, Collection[Document]] = {}
        super().__init__(client, name)

    def __getitem__(self, name: str) -> Collection[Document]:
        if (made := self._made.get(name)) is None:
            made = self._made[name] = super().__getitem__(name)
        return made


def no_deadline() -> AbstractContextManager[None]:
    """Let the calls of the block take as long as they need, such as the build of an index.

    A time-out of 0 replaces the client's, and means none. A dead connection is found by TCP.
    """
    return pymongo.timeout(0)


def update_for(values: Document) -> Document:
    """Return the update that sets these fields, and removes those that are None."""
    update = {
        "$set": {name: value for name, value in values.items() if value is not None},
        "$unset": {name: "" for name, value in values.items() if value is None},
    }
    return {operator: fields for operator, fields in update.items() if fields}


def is_reachable(db: Mongo) -> bool:
    """Return whether the server answers, within a second."""
    try:
        with pymongo.timeout(PING_TIMEOUT_SECONDS):
            db.command("ping")
    except PyMongoError:
        return False
    return True


def record(write: Callable[[], T]) -> T:
    """Run a write that records what cannot be undone, such as a message that Slack accepted.

    Repeat it while MongoDB is unavailable, for at most `RECORD_TIMEOUT_SECONDS`: without the
    record the message would be sent again. `write` must be idempotent.
    """
    until = time.monotonic() + RECORD_TIMEOUT_SECONDS
    wait, longest = _RECORD_RETRY_SECONDS
    while True:
        try:
            return write()
        except PyMongoError as error:
            if not is_unavailable(error) or time.monotonic() >= until:
                raise
            logger.warning("a record is retried: %s", type(error).__name__)
        time.sleep(wait)
        wait = min(wait * 2, longest)


class DatabaseUnavailable(ConnectionFailure):
    """MongoDB did not answer the last ping, so this call was not sent."""


class DatabasePreparing(DatabaseUnavailable):
    """The unique indexes are not complete, so nothing may be written yet."""


def is_unavailable(error: BaseException) -> bool:
    """Return whether the error says that MongoDB is unreachable or does not answer in time."""
    return isinstance(error, ConnectionFailure) or (
        isinstance(error, PyMongoError) and error.timeout
    )


def refuses_writes(error: BaseException) -> bool:
    """Return whether the error says that MongoDB stores nothing, whatever it is sent."""
    return isinstance(error, WriteConcernError) or bool(_error_codes(error) & _WRITES_REFUSED)


def is_failing(error: BaseException) -> bool:
    """Return whether the error says that MongoDB answers, but cannot do its work at present."""
    return refuses_writes(error) or bool(_error_codes(error) & _FAILURES)


def _error_codes(error: BaseException) -> set[int]:
    if isinstance(error, BulkWriteError):
        details = error.details
        failures = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        return {failure.get("code", 0) for failure in failures}
    return {error.code or 0} if isinstance(error, OperationFailure) else set()


class CircuitBreaker:
    """Deadline for work with MongoDB that fails at once while MongoDB does not answer.

    If MongoDB hangs, every handler would hold its thread until its deadline, and those that wait
    for a thread would answer too late for Slack. So a thread pings MongoDB while work takes longer
    than `SLOW_SECONDS`. If a ping fails, no further work is started until one succeeds.
    `pending_indexes` returns the unique indexes that are not complete; until then no work is
    started either.
    """

    def __init__(
        self, db: Mongo, *, pending_indexes: Callable[[], Sequence[str]] = lambda: ()
    ) -> None:
        self._db = db
        self._pending_indexes = pending_indexes
        self._lock = threading.Lock()
        self._started_at: dict[object, float] = {}
        self._is_watched = False
        self._is_open = False

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Limit all calls to MongoDB in the block. Raises `DatabaseUnavailable` while open."""
        if self._pending_indexes():
            raise DatabasePreparing("the unique indexes are being built")
        if self._is_open:
            raise DatabaseUnavailable("MongoDB does not answer")
        work = object()
        with self._lock:
            self._started_at[work] = time.monotonic()
            is_watched, self._is_watched = self._is_watched, True
        if not is_watched:
            threading.Thread(target=self._watch, name="circuit-breaker", daemon=True).start()
        try:
            with pymongo.timeout(seconds):
                yield
        finally:
            with self._lock:
                del self._started_at[work]

    def _watch(self) -> None:
        """Run while there is work."""
        while True:
            time.sleep(WATCH_INTERVAL_SECONDS)
            with self._lock:
                if not self._started_at:
                    self._is_watched = False
                    return
                oldest = min(self._started_at.values())
            if time.monotonic() - oldest >= SLOW_SECONDS and not is_reachable(self._db):
                self._wait_until_reachable()

    def _wait_until_reachable(self) -> None:
        self._is_open = True
        logger.error("MongoDB does not answer: no work with it is started until it does")
        while not is_reachable(self._db):
            time.sleep(PING_INTERVAL_SECONDS)
        self._is_open = False
        logger.info("MongoDB answers again")
