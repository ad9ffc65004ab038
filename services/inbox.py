"""Which of Slack's events were taken up.

Slack sends an event again when it does not hear back in time, to whichever bot process answers.
"""

from pymongo.errors import DuplicateKeyError

from services.clock import Clock, utcnow
from services.database import Mongo


class Inbox:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def take(self, event_id: str) -> bool:
        """True for the first who asks for this event, in whichever process; False for the rest."""
        try:
            self._db.inbox.insert_one({"_id": event_id, "at": self._clock()})
        except DuplicateKeyError:
            return False
        return True
