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

    def claim(self, event_id: str, *, text: str | None = None) -> bool:
        """Return True for the first call with this event, in any process.

        `text` is stored for a day, for `get_text`: so an event's content is fetched once.
        """
        kept = {} if text is None else {"text": text}
        try:
            self._db.inbox.insert_one({"_id": event_id, "at": self._clock(), **kept})
        except DuplicateKeyError:
            return False
        return True

    def get_text(self, event_id: str) -> str | None:
        """Return the stored text, if any."""
        doc = self._db.inbox.find_one({"_id": event_id})
        return doc.get("text") if doc else None
