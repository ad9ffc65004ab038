"""The connection to MongoDB."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, PyMongoError

Document = dict[str, Any]


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
        w="majority",
        journal=True,
        appname="ticket-bot",
    )
    try:
        return client.get_default_database()
    except ConfigurationError:  # the URI names no database
        return client[DEFAULT_DATABASE_NAME]


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


class DatabaseUnavailable(ConnectionFailure):
    """MongoDB did not answer the last ping, so this call was not sent."""


def is_unavailable(error: BaseException) -> bool:
    """Return whether the error says that MongoDB is unreachable or does not answer in time."""
    return isinstance(error, ConnectionFailure) or (
        isinstance(error, PyMongoError) and error.timeout
    )


class CircuitBreaker:
    """Deadline for work with MongoDB that fails at once while MongoDB does not answer.

    If MongoDB hangs, every handler would hold its thread until its deadline, and those that wait
    for a thread would answer too late for Slack. So a thread pings MongoDB while work takes longer
    than `SLOW_SECONDS`. If a ping fails, no further work is started until one succeeds.
    """

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._started_at: dict[object, float] = {}
        self._is_watched = False
        self._is_open = False

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Limit all calls to MongoDB in the block. Raises `DatabaseUnavailable` while open."""
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
