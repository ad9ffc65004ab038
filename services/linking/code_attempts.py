"""How often a Slack member has typed a wrong code. Counted in the database, so that it holds
whichever process they reach, and before the code is looked at, so that no crowd of guesses at one
instant slips through."""

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
    """`link_id` is the id of the member's link, whether there is one yet or not."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def record_attempt(self, link_id: str) -> int:
        """One more; how many that makes within a quarter of an hour. Raises `LimitReached`."""
        while True:
            counted = self._more(link_id) or self._first(link_id)
            if counted is not None:
                break
        if counted["tries"] > MAX_WRONG_CODES:
            raise self._locked(counted["expiresAt"])
        return int(counted["tries"])

    def forgive_attempt(self, link_id: str) -> None:
        """That one was none. The wrong ones stay: a code of one's own must not wipe them out."""
        self._db.linkTries.update_one({"_id": link_id}, {"$inc": {"tries": -1}})

    def raise_wrong_code(self, link_id: str, *, attempts: int) -> NoReturn:
        """Raises what to say of it; with the fifth, the lock begins."""
        if attempts < MAX_WRONG_CODES:
            raise InvalidValue("code", WRONG_CODE)
        until = self._clock() + LOCKOUT_DURATION
        self._db.linkTries.update_one({"_id": link_id}, {"$set": {"expiresAt": until}})
        raise self._locked(until)

    def _more(self, link_id: str) -> Document | None:
        """None where they have not tried lately."""
        return self._db.linkTries.find_one_and_update(
            {"_id": link_id, "expiresAt": {"$gt": self._clock()}},
            {"$inc": {"tries": 1}},
            return_document=ReturnDocument.AFTER,
        )

    def _first(self, link_id: str) -> Document | None:
        """None where another try of theirs was quicker."""
        now = self._clock()
        begun = {"tries": 1, "expiresAt": now + LOCKOUT_DURATION}
        try:
            self._db.linkTries.insert_one({"_id": link_id, **begun})
        except DuplicateKeyError:  # what is over is removed once a minute only
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
