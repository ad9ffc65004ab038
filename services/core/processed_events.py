"""Which of Slack's events were taken up.

Slack sends an event again when it does not hear back in time, to whichever bot process answers.
"""

from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Mongo


class ProcessedEvents:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def claim(self, event_id: str, *, text: str | None = None) -> bool:
        """True for the first who asks for this event, in whichever process; False for the rest.

        `text` is what `get_text` returns for a day: what an event brought need not be fetched
        again.
        """
        kept = {} if text is None else {"text": text}
        try:
            self._db.inbox.insert_one({"_id": event_id, "at": self._clock(), **kept})
        except DuplicateKeyError:
            return False
        return True

    def get_text(self, event_id: str) -> str | None:
        """None where it is not known, or no longer."""
        doc = self._db.inbox.find_one({"_id": event_id})
        return doc.get("text") if doc else None
