"""One at a time through a gate, which stays shut for a while after a fault behind it.

One leader among several processes: a lease in MongoDB that ends when its holder dies.

Leaving something alone for a while, in all processes alike.
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

INITIAL_BACKOFF = timedelta(seconds=10)


class BackoffLock:
    """For what is slow or away at times, so that many tasks do not all wait for it.

    `hold` is how long who is in has it, should it die there. Not thread-safe; one a task.
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
        """False while somebody else is in, or it is shut."""
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
        except DuplicateKeyError:  # it is there, and not open
            return False
        return True

    def release(self) -> None:
        """All went well."""
        self._release_until(self._clock(), failures=0)

    def back_off(self) -> timedelta:
        """After a fault, and for how long: longer each time in a row, at most 15 minutes."""
        doubled: int = 2 ** min(self._failures, 10)
        pause = min(INITIAL_BACKOFF * doubled, MAX_DELIVERY_DELAY)
        self._release_until(self._clock() + pause, failures=self._failures + 1)
        return pause

    def _release_until(self, until: datetime, *, failures: int) -> None:
        change: Document = {"$set": {"until": until, "faults": failures}, "$unset": {"holder": ""}}
        self._db.leases.update_one({"_id": self._name, "holder": self._holder}, change)


LEASE_DURATION = timedelta(seconds=20)
LEASE_RENEW_INTERVAL = timedelta(seconds=5)


class Lease:
    """A claim to be the only one that does `name`. Not thread-safe; one a process."""

    def __init__(self, db: Mongo, name: str, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._name = name
        self._clock = clock
        # Named for the person who looks for it; the end makes it one of its own.
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
        except DuplicateKeyError:  # it exists and matched nothing: somebody else's
            self._until = None
            return False
        self._until = now + LEASE_DURATION
        return True

    def is_held(self) -> bool:
        """Whether it is this process's still, as far as it knows itself: nobody is asked.

        False from the moment on when another may take it, so also after this process was stopped
        for a while. Any thread may ask.
        """
        until = self._until
        return until is not None and self._clock() < until

    def release(self) -> None:
        """Let another process take over at once."""
        self._until = None
        self._db.leases.delete_one({"_id": self._name, "holder": self._holder})


def is_lease_held(db: Mongo, name: str, *, now: datetime) -> bool:
    """Whether any process holds the lease."""
    return db.leases.find_one({"_id": name, "until": {"$gt": now}}) is not None


def pause(db: Mongo, name: str, *, until: datetime) -> None:
    """At least until then; a longer pause stays."""
    try:
        db.leases.update_one({"_id": name}, {"$max": {"until": until}}, upsert=True)
    except DuplicateKeyError:  # made by another at this moment, by the same word
        db.leases.update_one({"_id": name}, {"$max": {"until": until}})


def is_paused(db: Mongo, name: str, *, now: datetime) -> bool:
    return db.leases.find_one({"_id": name, "until": {"$gt": now}}, {"_id": True}) is not None
