"""Leases and locks in MongoDB, shared by all processes.

`Lease` lets one process at a time do something and expires when its holder dies. `BackoffLock` lets
one task at a time through and stays closed for a while after a failure. `pause` closes something
for all processes until a given time.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from pymongo.errors import DuplicateKeyError, PyMongoError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY, WorkQueue, ahead, backoff

logger = logging.getLogger(__name__)

LEASE_DURATION = timedelta(seconds=20)
LEASE_RENEW_INTERVAL = timedelta(seconds=5)
LEASE_POLL_SECONDS = 0.02

INITIAL_BACKOFF = timedelta(seconds=10)
MAX_PAUSE = MAX_DELIVERY_DELAY


class LeaseUnavailable(Exception):
    """Another process holds the lease."""


class Lease:
    """The right to be the only process that does `name`. Not thread-safe; create one per use.

    `with Lease(...)` waits for the lease for `max_wait_seconds` and raises `LeaseUnavailable` after
    that. A lease that expires while its holder is still at work does not stop the holder: if two of
    them would do harm, make the update conditional as well.
    """

    def __init__(
        self, db: Mongo, name: str, *, clock: Clock = utcnow, max_wait_seconds: float = 0.0
    ) -> None:
        self._db = db
        self._name = name
        self._clock = clock
        self._max_wait_seconds = max_wait_seconds
        # Host and pid are for operators who read the database; the suffix makes the name unique.
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._until: datetime | None = None
        self._monotonic_until = 0.0

    def acquire(self) -> bool:
        """Take the lease or renew it; False while another process has it."""
        began, now = time.monotonic(), self._clock()
        free = {"until": {"$not": ahead(now, longest=LEASE_DURATION)}}
        mine_or_free = {"_id": self._name, "$or": [{"holder": self._holder}, free]}
        change = {"$set": {"holder": self._holder, "until": now + LEASE_DURATION}}
        try:
            self._db.leases.update_one(mine_or_free, change, upsert=True)
        except DuplicateKeyError:  # it exists and did not match: another process holds it
            self._until = None
            return False
        self._until = now + LEASE_DURATION
        self._monotonic_until = began + LEASE_DURATION.total_seconds()
        return True

    def is_held(self) -> bool:
        """Return whether this process still holds the lease, from its own clocks, without a query.

        False from the moment when another process may take it, so also after this process was
        stopped for a while: the monotonic clock stands still while a machine is suspended, and the
        system clock may be set back. Safe to call from any thread.
        """
        until = self._until
        return (
            until is not None and self._clock() < until and time.monotonic() < self._monotonic_until
        )

    def release(self) -> None:
        """Let another process take over immediately."""
        self._until = None
        self._db.leases.delete_one({"_id": self._name, "holder": self._holder})

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self._max_wait_seconds
        while not self.acquire():
            if time.monotonic() >= deadline:
                raise LeaseUnavailable(self._name)
            time.sleep(LEASE_POLL_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.release()


@contextmanager
def renewed(lease: Lease) -> Iterator[None]:
    """Renew the lease, which the caller has acquired, in a thread, and release it after the block.

    For work that takes longer than `LEASE_DURATION` in one call.
    """
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(LEASE_RENEW_INTERVAL.total_seconds()):
            try:
                lease.acquire()
            except PyMongoError as error:  # it is tried again before the lease expires
                logger.warning("a lease is not renewed: %s", type(error).__name__)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        lease.release()


class BackoffLock:
    """Lock with a back-off, for a service that is slow or down at times, so that many tasks do not
    all wait for it: a work queue of one document in `leases`.

    A holder that dies keeps the lock for `lock_timeout`. Not thread-safe; one a task.
    """

    def __init__(
        self, db: Mongo, name: str, *, lock_timeout: timedelta, clock: Clock = utcnow
    ) -> None:
        self._db = db
        longest = max(lock_timeout, MAX_DELIVERY_DELAY)
        self._queue = WorkQueue(db.leases, "until", longest=longest, attempts_field="faults")
        self._name = name
        self._lock_timeout = lock_timeout
        self._clock = clock
        self._claim: Document = {}

    def acquire(self) -> bool:
        """Return False while another holder has the lock, or it is closed after a failure."""
        now = self._clock()
        claim = self._try_claim(now)
        if claim is None:  # closed, or never used: then this creates it, open
            pause(self._db, self._name, until=now)
            claim = self._try_claim(now)
        self._claim = claim or {}
        return claim is not None

    def release(self) -> None:
        """Open the lock after a success."""
        self._release_at(self._clock(), {"faults": 0})

    def back_off(self) -> timedelta:
        """Close the lock after a failure and return for how long: longer after each failure in a
        row, at most 15 minutes."""
        failures = self._claim.get("faults", 1)  # each claim counts as one until its release
        delay = backoff(failures, initial=INITIAL_BACKOFF, maximum=MAX_DELIVERY_DELAY)
        self._release_at(self._clock() + delay)
        return delay

    def _try_claim(self, now: datetime) -> Document | None:
        return self._queue.claim_next(now, duration=self._lock_timeout, item_id=self._name)

    def _release_at(self, at: datetime, values: Document | None = None) -> None:
        self._queue.retry(self._name, self._claim.get("until"), at=at, values=values)


def lease_holder(db: Mongo, name: str, *, now: datetime) -> str | None:
    """Return the holder of the lease; None if no process holds it."""
    held = {"_id": name, "until": ahead(now, longest=LEASE_DURATION)}
    doc = db.leases.find_one(held, {"holder": True})
    return str(doc["holder"]) if doc else None


def is_paused(db: Mongo, name: str, *, now: datetime) -> bool:
    paused = {"_id": name, "until": ahead(now, longest=MAX_PAUSE)}
    return db.leases.find_one(paused, {"_id": True}) is not None


def pause(db: Mongo, name: str, *, until: datetime) -> None:
    """Pause `name` at least until then; a longer pause stays, if it is not above `MAX_PAUSE`."""
    shorter = {"_id": name, "until": {"$not": ahead(until, longest=MAX_PAUSE)}}
    change = {"$set": {"until": until}}
    try:
        db.leases.update_one(shorter, change, upsert=True)
    except DuplicateKeyError:  # a longer one, or another process inserted it concurrently
        db.leases.update_one(shorter, change)
