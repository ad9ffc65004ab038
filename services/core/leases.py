"""Leases and locks in MongoDB, shared by all processes.

`Lease` elects one process as the leader and expires when its holder dies. `BackoffLock` lets one
task at a time through and stays closed for a while after a failure. `pause` closes something for
all processes until a given time.
"""

import os
import socket
import uuid
from datetime import datetime, timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.retry import MAX_DELIVERY_DELAY

LEASE_DURATION = timedelta(seconds=20)
LEASE_RENEW_INTERVAL = timedelta(seconds=5)

INITIAL_BACKOFF = timedelta(seconds=10)


class Lease:
    """The right to be the only process that does `name`. Not thread-safe; one a process."""

    def __init__(self, db: Mongo, name: str, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._name = name
        self._clock = clock
        # Host and pid are for the reader of the database; the suffix makes the name unique.
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._until: datetime | None = None

    def acquire(self) -> bool:
        """Take the lease or renew it; False while another process has it."""
        now = self._clock()
        mine_or_free = {
            "_id": self._name,
            "$or": [{"holder": self._holder}, {"until": {"$lte": now}}],
        }
        change = {"$set": {"holder": self._holder, "until": now + LEASE_DURATION}}
        try:
            self._db.leases.update_one(mine_or_free, change, upsert=True)
        except DuplicateKeyError:  # it exists and did not match: another process holds it
            self._until = None
            return False
        self._until = now + LEASE_DURATION
        return True

    def is_held(self) -> bool:
        """Return whether this process still holds the lease, from its own clock, without a query.

        False from the moment when another process may take it, so also after this process was
        stopped for a while. Safe to call from any thread.
        """
        until = self._until
        return until is not None and self._clock() < until

    def release(self) -> None:
        """Let another process take over immediately."""
        self._until = None
        self._db.leases.delete_one({"_id": self._name, "holder": self._holder})


def is_lease_held(db: Mongo, name: str, *, now: datetime) -> bool:
    """Whether any process holds the lease."""
    return db.leases.find_one({"_id": name, "until": {"$gt": now}}) is not None


class BackoffLock:
    """Lock with a back-off, for a service that is slow or down at times, so that many tasks do not
    all wait for it.

    A holder that dies keeps the lock for `lock_timeout`. Not thread-safe; one a task.
    """

    def __init__(
        self, db: Mongo, name: str, *, lock_timeout: timedelta, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._name = name
        self._lock_timeout = lock_timeout
        self._clock = clock
        self._holder = uuid.uuid4().hex
        self._failures = 0

    def acquire(self) -> bool:
        """Return False while another holder has the lock, or it is closed after a failure."""
        now = self._clock()
        mine = {"holder": self._holder, "until": now + self._lock_timeout}
        found = self._db.leases.find_one_and_update(
            {"_id": self._name, "until": {"$lte": now}},
            {"$set": mine},
            return_document=ReturnDocument.BEFORE,
        )
        if found:
            self._failures = int(found.get("faults", 0))
            return True
        try:
            self._db.leases.insert_one({"_id": self._name, **mine})
        except DuplicateKeyError:  # held by another, or closed
            return False
        return True

    def release(self) -> None:
        """Open the lock after a success."""
        self._release_until(self._clock(), failures=0)

    def back_off(self) -> timedelta:
        """Close the lock after a failure and return for how long: longer after each failure in a
        row, at most 15 minutes."""
        doubled: int = 2 ** min(self._failures, 10)
        pause = min(INITIAL_BACKOFF * doubled, MAX_DELIVERY_DELAY)
        self._release_until(self._clock() + pause, failures=self._failures + 1)
        return pause

    def _release_until(self, until: datetime, *, failures: int) -> None:
        change: Document = {"$set": {"until": until, "faults": failures}, "$unset": {"holder": ""}}
        self._db.leases.update_one({"_id": self._name, "holder": self._holder}, change)


def pause(db: Mongo, name: str, *, until: datetime) -> None:
    """Pause `name` at least until then; a longer pause stays."""
    try:
        db.leases.update_one({"_id": name}, {"$max": {"until": until}}, upsert=True)
    except DuplicateKeyError:  # another process inserted it concurrently
        db.leases.update_one({"_id": name}, {"$max": {"until": until}})


def is_paused(db: Mongo, name: str, *, now: datetime) -> bool:
    return db.leases.find_one({"_id": name, "until": {"$gt": now}}, {"_id": True}) is not None
