"""One leader among several processes: a lease in MongoDB that ends when its holder dies."""

import os
import socket
import uuid
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from services.clock import Clock, utcnow
from services.database import Mongo

LENGTH = timedelta(seconds=20)
RENEW_EVERY = timedelta(seconds=5)


class Lease:
    """A claim to be the only one that does `name`. Not thread-safe; one a process."""

    def __init__(self, db: Mongo, name: str, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._name = name
        self._clock = clock
        # Named for the person who looks for it; the end makes it one of its own.
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._until: datetime | None = None

    def hold(self) -> bool:
        """Take the lease or renew it; False while another process has it."""
        now = self._clock()
        mine_or_free = {
            "_id": self._name,
            "$or": [{"holder": self._holder}, {"until": {"$lte": now}}],
        }
        change = {"$set": {"holder": self._holder, "until": now + LENGTH}}
        try:
            self._db.leases.update_one(mine_or_free, change, upsert=True)
        except DuplicateKeyError:  # it exists and matched nothing: somebody else's
            self._until = None
            return False
        self._until = now + LENGTH
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


def is_held(db: Mongo, name: str, *, now: datetime) -> bool:
    """Whether any process holds the lease."""
    return db.leases.find_one({"_id": name, "until": {"$gt": now}}) is not None
