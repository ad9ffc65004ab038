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

MOST = 5
LOCKED = timedelta(minutes=15)
WRONG = (
    "This code is wrong, out of date or used already. Get a new one on the page; it is good for "
    "ten minutes."
)


class LinkTries:
    """`link` is the id of the member's link, whether there is one yet or not."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def count(self, link: str) -> int:
        """One more; how many that makes within a quarter of an hour. Raises `LimitReached`."""
        while True:
            counted = self._more(link) or self._first(link)
            if counted is not None:
                break
        if counted["tries"] > MOST:
            raise self._locked(counted["expiresAt"])
        return int(counted["tries"])

    def was_right(self, link: str) -> None:
        """That one was none. The wrong ones stay: a code of one's own must not wipe them out."""
        self._db.linkTries.update_one({"_id": link}, {"$inc": {"tries": -1}})

    def was_wrong(self, link: str, *, number: int) -> NoReturn:
        """Raises what to say of it; with the fifth, the lock begins."""
        if number < MOST:
            raise InvalidValue("code", WRONG)
        until = self._clock() + LOCKED
        self._db.linkTries.update_one({"_id": link}, {"$set": {"expiresAt": until}})
        raise self._locked(until)

    def _more(self, link: str) -> Document | None:
        """None where they have not tried lately."""
        return self._db.linkTries.find_one_and_update(
            {"_id": link, "expiresAt": {"$gt": self._clock()}},
            {"$inc": {"tries": 1}},
            return_document=ReturnDocument.AFTER,
        )

    def _first(self, link: str) -> Document | None:
        """None where another try of theirs was quicker."""
        now = self._clock()
        begun = {"tries": 1, "expiresAt": now + LOCKED}
        try:
            self._db.linkTries.insert_one({"_id": link, **begun})
        except DuplicateKeyError:  # what is over is removed once a minute only
            over = {"_id": link, "expiresAt": {"$lte": now}}
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
