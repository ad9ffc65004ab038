"""One at a time through a gate, which stays shut for a while after a fault behind it."""

import uuid
from datetime import datetime, timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.clock import Clock, utcnow
from services.database import Mongo
from services.models import Document
from services.outbox import LONGEST_WAIT

FIRST_PAUSE = timedelta(seconds=10)


class Gate:
    """For what is slow or away at times, so that many tasks do not all wait for it.

    `hold` is how long who is in has it, should it die there. Not thread-safe; one a task.
    """

    def __init__(self, db: Mongo, name: str, *, hold: timedelta, clock: Clock = utcnow) -> None:
        self._db = db
        self._name = name
        self._hold = hold
        self._clock = clock
        self._holder = uuid.uuid4().hex
        self._faults = 0

    def enter(self) -> bool:
        """False while somebody else is in, or it is shut."""
        now = self._clock()
        mine = {"holder": self._holder, "until": now + self._hold}
        found = self._db.leases.find_one_and_update(
            {"_id": self._name, "until": {"$lte": now}},
            {"$set": mine},
            return_document=ReturnDocument.BEFORE,
        )
        if found:
            self._faults = int(found.get("faults", 0))
            return True
        try:
            self._db.leases.insert_one({"_id": self._name, **mine})
        except DuplicateKeyError:  # it is there, and not open
            return False
        return True

    def leave(self) -> None:
        """All went well."""
        self._let_go(self._clock(), faults=0)

    def shut(self) -> timedelta:
        """After a fault, and for how long: longer each time in a row, at most 15 minutes."""
        doubled: int = 2 ** min(self._faults, 10)
        pause = min(FIRST_PAUSE * doubled, LONGEST_WAIT)
        self._let_go(self._clock() + pause, faults=self._faults + 1)
        return pause

    def _let_go(self, until: datetime, *, faults: int) -> None:
        change: Document = {"$set": {"until": until, "faults": faults}, "$unset": {"holder": ""}}
        self._db.leases.update_one({"_id": self._name, "holder": self._holder}, change)
