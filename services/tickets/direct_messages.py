"""What members write to the bot, stored for a day until it becomes a ticket or a comment.

The lines that a member writes within a minute are one text, which their first message identifies.
A document of `inbox`, "offer:CHANNEL:TS", holds the lines, the text of all of them, and digests of
the texts before. While it is `open`, further lines join it.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ReturnDocument

from services.core.clock import Clock, utcnow
from services.core.coerce import as_str, complete_entries
from services.core.database import Document, Mongo
from services.core.optimistic_retry import retry_on_conflict
from services.models.comment import MessageRef

JOIN_WINDOW_SECONDS = 60
_LINE = {"ts": str, "text": str}


@dataclass(frozen=True, slots=True)
class DirectText:
    """`first` is the message of the first line. `previous` is the text before an edit. `is_open`:
    further lines may join."""

    first: MessageRef
    text: str
    previous: str = ""
    is_open: bool = False


class DirectMessages:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def join(
        self,
        message: MessageRef,
        text: str,
        *,
        slack_user_id: str,
        is_taken: Callable[[MessageRef], bool],
    ) -> DirectText | None:
        """Add a line to the member's open text in that conversation; None if there is none.

        `is_taken` says whether a ticket has the text with that first message: then it is closed.
        Idempotent. Which text it is depends on the timestamps alone, not on the time of the event.
        """

        def attempt() -> tuple[DirectText | None] | None:
            earlier = {**_earlier(message), "user": slack_user_id}
            if joined := self._db.inbox.find_one({**earlier, "lines.ts": message.ts}):
                return (_direct_text(joined),)
            doc = self._db.inbox.find_one({**earlier, "open": True}, sort=[("_id", 1)])
            if doc is None:
                return (None,)
            if is_taken(_first(doc)):
                self.close(_first(doc), slack_user_id=slack_user_id)
                return (None,)
            lines = [*_lines(doc), {"ts": message.ts, "text": text}]
            stored = self._replace(doc, lines, {"open": True})
            # None: another line was first, or the text was closed; retry.
            return (_direct_text(stored),) if stored else None

        return retry_on_conflict(attempt)[0]

    def begin(
        self, message: MessageRef, text: str, *, slack_user_id: str, is_open: bool
    ) -> DirectText:
        """Store the first line. `is_open`: further lines may join it. A repeated event changes
        nothing: the text may have been edited since then."""
        first = {
            "at": self._clock(),
            "user": slack_user_id,
            "text": text,
            "lines": [{"ts": message.ts, "text": text}],
            **({"open": True} if is_open else {}),
        }
        doc = self._db.inbox.find_one_and_update(
            {"_id": _key(message)},
            {"$setOnInsert": first},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        assert doc is not None  # noqa: S101  upserted
        return _direct_text(doc)

    def edit(
        self, message: MessageRef, text: str, *, previous: str, slack_user_id: str
    ) -> DirectText:
        """Change a line from `previous` to `text`, "" if it was deleted, and return the text of all
        lines. Keeps only a digest of what its author took back."""

        def attempt() -> DirectText | None:
            doc = self._db.inbox.find_one({"_id": _key(message)}) or self._db.inbox.find_one(
                {**_earlier(message), "lines.ts": message.ts}
            )
            if doc is None:
                self.begin(message, text, slack_user_id=slack_user_id, is_open=False)
                return DirectText(message, text, previous)
            before, after = (
                [line | change if line["ts"] == message.ts else line for line in _lines(doc)]
                for change in ({"text": previous} if previous else {}, {"text": text})
            )
            stored = self._replace(doc, after, {}, user=slack_user_id)
            # None: another line was first; retry.
            return DirectText(_first(doc), _joined(after), _joined(before)) if stored else None

        return retry_on_conflict(attempt)

    def close(self, first: MessageRef, *, slack_user_id: str) -> str | None:
        """Keep further lines from joining, and return the text as `get` does."""
        self._db.inbox.update_one(_of(first, slack_user_id), {"$unset": {"open": ""}})
        return self.get(first, slack_user_id=slack_user_id)

    def get(self, first: MessageRef, *, slack_user_id: str) -> str | None:
        """Return that member's text; None if it is too old, or was deleted."""
        doc = self._db.inbox.find_one(_of(first, slack_user_id))
        return (doc.get("text") or None) if doc else None

    def get_replacement(
        self, first: MessageRef, *, slack_user_id: str, previous: str
    ) -> str | None:
        """Return the text that replaced `previous`, "" if it was deleted; None if nothing did."""
        replaced = {**_of(first, slack_user_id), "replaced": _digest(previous)}
        doc = self._db.inbox.find_one(replaced)
        return str(doc.get("text") or "") if doc else None

    def _replace(
        self, doc: Document, lines: Sequence[Document], condition: Document, **values: Any
    ) -> Document | None:
        """Store the lines; None if the text has changed since `doc` was read."""
        text, earlier = _joined(lines), as_str(doc.get("text"))
        change: Document = {
            "$set": {"at": self._clock(), "lines": list(lines), "text": text, **values}
        }
        if earlier and earlier != text:
            change["$addToSet"] = {"replaced": _digest(earlier)}
        if not text:
            change["$unset"] = {"open": ""}
        return self._db.inbox.find_one_and_update(
            {"_id": doc["_id"], "text": doc.get("text"), **condition},
            change,
            return_document=ReturnDocument.AFTER,
        )


def delete_direct_messages(db: Mongo, slack_user_ids: Collection[str]) -> None:
    """Delete the stored messages of those members."""
    db.inbox.delete_many({"user": {"$in": list(slack_user_ids)}})


def _key(message: MessageRef) -> str:
    return f"offer:{message.channel}:{message.ts}"


def _of(first: MessageRef, slack_user_id: str) -> Document:
    return {"_id": _key(first), "user": slack_user_id}


def _earlier(message: MessageRef) -> Document:
    """Match the texts of the minute before the message, by their `_id`."""
    seconds, _, rest = message.ts.partition(".")
    start = MessageRef(message.channel, f"{int(seconds) - JOIN_WINDOW_SECONDS}.{rest}")
    return {"_id": {"$gte": _key(start), "$lt": _key(message)}}


def _first(doc: Document) -> MessageRef:
    _, channel, ts = str(doc["_id"]).split(":")
    return MessageRef(channel, ts)


def _direct_text(doc: Document) -> DirectText:
    return DirectText(_first(doc), as_str(doc.get("text")), is_open=bool(doc.get("open")))


def _lines(doc: Document) -> list[Document]:
    """Return the lines. A text of an earlier release has one, which is not stored as such."""
    stored = [dict(line) for line in complete_entries(doc.get("lines"), _LINE)]
    return stored or [{"ts": _first(doc).ts, "text": as_str(doc.get("text"))}]


def _joined(lines: Sequence[Document]) -> str:
    """Return the text of all lines, in the order in which they were written."""
    in_order = sorted(lines, key=lambda line: str(line["ts"]))
    return "\n".join(line["text"] for line in in_order if line["text"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()
