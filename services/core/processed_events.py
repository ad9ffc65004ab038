"""Slack's events that have been processed.

Slack repeats an event that is not acknowledged in time, to any of the bot processes.
"""

import hashlib
from collections.abc import Collection

from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo


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

    def store_text(
        self, event_id: str, text: str, *, slack_user_id: str, is_edited: bool = False
    ) -> None:
        """Store the text of that member's message for a day. Only an edit replaces a stored text:
        the event of the message itself may be repeated after an edit."""
        values = {"user": slack_user_id}
        if is_edited:
            self._replace_text(event_id, text, values)
            return
        first = {"at": self._clock(), "text": text, **values}
        self._db.inbox.update_one({"_id": event_id}, {"$setOnInsert": first}, upsert=True)

    def delete_text(self, event_id: str) -> None:
        self._replace_text(event_id, "", {})

    def get_replacement(self, event_id: str, *, slack_user_id: str, previous: str) -> str | None:
        """Return the text that replaced `previous` in that member's message, "" if it was deleted;
        None if nothing did."""
        replaced = {"_id": event_id, "user": slack_user_id, "replaced": _digest(previous)}
        doc = self._db.inbox.find_one(replaced)
        return str(doc.get("text") or "") if doc else None

    def _replace_text(self, event_id: str, text: str, values: Document) -> None:
        """Keep only a digest of the earlier text: its author took it back."""
        doc = self._db.inbox.find_one({"_id": event_id}) or {}
        earlier, now = doc.get("text"), self._clock()
        update: Document = {"$set": {"at": now, "text": text, **values}}
        if earlier and earlier != text:
            update["$addToSet"] = {"replaced": _digest(earlier)}
        self._db.inbox.update_one({"_id": event_id}, update, upsert=True)

    def get_text(self, event_id: str, *, slack_user_id: str) -> str | None:
        """Return that member's stored text; None if it is too old, or was deleted."""
        doc = self._db.inbox.find_one({"_id": event_id, "user": slack_user_id})
        return (doc.get("text") or None) if doc else None


def delete_texts(db: Mongo, slack_user_ids: Collection[str]) -> None:
    """Delete the stored messages of those members."""
    db.inbox.delete_many({"user": {"$in": list(slack_user_ids)}})


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()
