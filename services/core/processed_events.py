"""Slack's events that have been processed.

Slack repeats an event that is not acknowledged in time, to any of the bot processes.
"""

from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Mongo


class ProcessedEvents:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def claim(self, event_id: str) -> bool:
        """Return True for the first call with this event, in any process."""
        try:
            self._db.inbox.insert_one({"_id": event_id, "at": self._clock()})
        except DuplicateKeyError:
            return False
        return True

    def is_known(self, event_id: str) -> bool:
        """Return whether the event was claimed, in any process."""
        return self._db.inbox.find_one({"_id": event_id}, ["_id"]) is not None
