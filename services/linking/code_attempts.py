"""Limit on wrong codes per Slack member.

Counted in the database, so that it holds across processes, and before the code is checked, so that
concurrent guesses do not pass it.
"""

import math
from datetime import datetime, timedelta
from typing import NoReturn

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue, LimitReached

MAX_WRONG_CODES = 5
LOCKOUT_DURATION = timedelta(minutes=15)
WRONG_CODE = (
    "This code is wrong, out of date or used already. Get a new one on the page; it is good for "
    "ten minutes."
)


class CodeAttempts:
    """`link_id` is the id that the member's link has or would have."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def record_attempt(self, link_id: str) -> int:
        """Count an attempt; return the count in the current window. Raises `LimitReached`."""
        while True:
            counted = self._more(link_id) or self._first(link_id)
            if counted is not None:
                break
        if counted["tries"] > MAX_WRONG_CODES:
            raise self._locked(counted["expiresAt"])
        return int(counted["tries"])

    def forgive_attempt(self, link_id: str) -> None:
        """Uncount a right code. Wrong ones stay counted, or valid codes would reset the limit."""
        self._db.linkTries.update_one({"_id": link_id}, {"$inc": {"tries": -1}})

    def raise_wrong_code(self, link_id: str, *, attempts: int) -> NoReturn:
        """Raise the refusal; the fifth wrong code starts the lockout."""
        if attempts < MAX_WRONG_CODES:
            raise InvalidValue("code", WRONG_CODE)
        until = self._clock() + LOCKOUT_DURATION
        self._db.linkTries.update_one({"_id": link_id}, {"$set": {"expiresAt": until}})
        raise self._locked(until)

    def _more(self, link_id: str) -> Document | None:
        """Return None if there is no current window."""
        return self._db.linkTries.find_one_and_update(
            {"_id": link_id, "expiresAt": {"$gt": self._clock()}},
            {"$inc": {"tries": 1}},
            return_document=ReturnDocument.AFTER,
        )

    def _first(self, link_id: str) -> Document | None:
        """Return None if a concurrent attempt started the window."""
        now = self._clock()
        begun = {"tries": 1, "expiresAt": now + LOCKOUT_DURATION}
        try:
            self._db.linkTries.insert_one({"_id": link_id, **begun})
        except DuplicateKeyError:  # MongoDB removes expired documents once a minute
            over = {"_id": link_id, "expiresAt": {"$lte": now}}
            replaced = self._db.linkTries.update_one(over, {"$set": begun})
            return begun if replaced.modified_count else None
        return begun

    def _locked(self, until: datetime) -> LimitReached:
        seconds = max(1, math.ceil((until - self._clock()).total_seconds()))
        minutes = math.ceil(seconds / 60)
        span = "a minute" if minutes == 1 else f"{minutes} minutes"
        return LimitReached(
            f"Too many wrong codes. Try again in {span}, at {until:%H:%M} UTC, with a new code.",
            retry_after=seconds,
        )
