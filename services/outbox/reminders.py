"""Lines of messages that many things may call for at once: who gets several gets them in one.

A line is posted as often as anybody likes and told once. It waits a moment for others, and for its
reader's working day; the collection is its own outbox. What a line says is found as it is told.
"""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo

# What comes within this time is told together.
BATCH_WINDOW = timedelta(seconds=20)
CLAIM_DURATION = timedelta(seconds=60)
RETENTION = timedelta(days=7)
# Whoever is not at work may be back sooner than they said. Full hours, so that what was posted at
# different times is still told together.
RECHECK_INTERVAL = timedelta(hours=1)
# More in one message are counted and not read.
MAX_REMINDERS_READ = 2_000
TRIAGE_RECIPIENT = "triage"  # the channel, as a recipient
# Before an account's id: what is told by itself (tasks/notifications/unassigned_alert.py).
UNASSIGNED_ALERT_PREFIX = "nobody:"


@dataclass(frozen=True, slots=True)
class Reminder:
    """`to` is an account's id or `TRIAGE`; `kind` says what is told, of the ticket's event `seq`.
    One that `is_urgent` waits for nobody's working day."""

    id: str
    recipient: str
    ticket_id: ObjectId
    seq: int
    kind: str
    is_urgent: bool

    @classmethod
    def from_doc(cls, doc: Document) -> "Reminder":
        return cls(
            id=doc["_id"],
            recipient=doc["to"],
            ticket_id=doc["ticketId"],
            seq=doc["seq"],
            kind=doc["kind"],
            is_urgent=doc["urgent"],
        )


@dataclass(frozen=True, slots=True)
class ReminderClaim:
    """All that is due for somebody, for a minute one caller's own, the urgent first; `unread` are
    further ones."""

    recipient: str
    token: str
    reminders: Sequence[Reminder]
    unread_count: int = 0


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message, when it was sent, and the lines it tells."""

    channel: str
    ts: str
    sent_at: datetime
    reminders: Sequence[Reminder] = ()


class Reminders:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def queue(
        self,
        *,
        key: str,
        recipient: ObjectId | str,
        ticket_id: ObjectId,
        seq: int,
        kind: str,
        is_urgent: bool = False,
    ) -> None:
        """Keep a line until it is told; one a `key`, however often it is posted."""
        now = self._clock()
        doc = {
            "_id": key,
            "to": str(recipient),
            "ticketId": ticket_id,
            "seq": seq,
            "kind": kind,
            "urgent": is_urgent,
            "at": now + BATCH_WINDOW,
            "expiresAt": now + RETENTION,
        }
        with suppress(DuplicateKeyError):  # posted before
            self._db.nudges.insert_one(doc)

    def due_recipients(self, *, limit: int = 500) -> list[str]:
        """Who is to be told something now, at most so many."""
        rows = self._db.nudges.aggregate(
            [
                {"$match": {"at": {"$lte": self._clock()}}},
                {"$group": {"_id": "$to"}},
                {"$sort": {"_id": 1}},
                {"$limit": limit},
            ]
        )
        return [row["_id"] for row in rows]

    def claim(self, recipient: str) -> ReminderClaim | None:
        """What is due for that recipient; None where nothing is, or another tells it."""
        now = self._clock()
        token = uuid.uuid4().hex
        taken = self._db.nudges.update_many(
            {"to": recipient, "at": {"$lte": now}},
            {"$set": {"at": now + CLAIM_DURATION, "claim": token}},
        )
        if not taken.modified_count:
            return None
        found = self._db.nudges.find({"claim": token}).sort("urgent", -1).limit(MAX_REMINDERS_READ)
        reminders = [Reminder.from_doc(doc) for doc in found]
        return ReminderClaim(
            recipient, token, reminders, unread_count=taken.modified_count - len(reminders)
        )

    def defer(self, claim: ReminderClaim, *, until: datetime) -> ReminderClaim:
        """Not now, but for what is urgent, which is left: the rest is looked at again at `until`,
        or before. However long that goes on, it is kept."""
        now = self._clock()
        next_hour = now.replace(minute=0, second=0, microsecond=0) + RECHECK_INTERVAL
        later = {"at": min(until, next_hour), "expiresAt": now + RETENTION}
        deferred = self._db.nudges.update_many(
            {**_claim_filter(claim), "urgent": False}, {"$set": later, "$unset": {"claim": ""}}
        )
        urgent = [reminder for reminder in claim.reminders if reminder.is_urgent]
        # Where anything else was read, all that is urgent was.
        unread = (
            claim.unread_count - deferred.modified_count
            if len(urgent) == len(claim.reminders)
            else 0
        )
        return replace(claim, reminders=urgent, unread_count=unread)

    def finish(self, claim: ReminderClaim, *, why: str) -> None:
        """All that were not held are done with: told, or not needed any more."""
        self._db.nudges.update_many(
            _claim_filter(claim), {"$set": {"ended": why}, "$unset": {"at": "", "claim": ""}}
        )

    def discard(self, claim: ReminderClaim, reminders: Iterable[Reminder]) -> None:
        """What these tell of is no longer so."""
        self._db.nudges.update_many(
            {"_id": {"$in": [reminder.id for reminder in reminders]}, **_claim_filter(claim)},
            {"$set": {"ended": "dropped"}, "$unset": {"at": "", "claim": ""}},
        )

    def is_sole_claimer(self, claim: ReminderClaim) -> bool:
        """Whether no other caller has something for that recipient in their hands."""
        others = {"$gt": "", "$ne": claim.token}
        claimed_by_others = {"to": claim.recipient, "at": {"$gt": self._clock()}, "claim": others}
        return self._db.nudges.find_one(claimed_by_others, {"_id": True}) is None

    def mark_sent(self, claim: ReminderClaim, message: SentMessage) -> None:
        """Told, in a message that may take up more."""
        location = {"channel": message.channel, "ts": message.ts, "since": message.sent_at}
        self._db.nudges.update_many(
            _claim_filter(claim),
            {"$set": {"ended": "sent", "shown": location}, "$unset": {"at": "", "claim": ""}},
        )

    def last_sent(self, recipient: str, *, since: datetime) -> SentMessage | None:
        """The message that recipient got last, if it was sent after `since`."""
        theirs = {"to": recipient, "shown.since": {"$gt": since}}
        docs = list(
            self._db.nudges.find(theirs)
            .sort([("shown.since", -1), ("_id", 1)])
            .limit(MAX_REMINDERS_READ)
        )
        if not docs:
            return None
        last = docs[0]["shown"]
        reminders = [Reminder.from_doc(doc) for doc in docs if doc["shown"]["ts"] == last["ts"]]
        return SentMessage(last["channel"], last["ts"], last["since"], reminders)

    def release_claim(self, claim: ReminderClaim, *, until: datetime) -> None:
        """Not told: another attempt may take them from `until` on."""
        self._db.nudges.update_many(
            _claim_filter(claim), {"$set": {"at": until}, "$unset": {"claim": ""}}
        )


def _claim_filter(claim: ReminderClaim) -> Document:
    return {"claim": claim.token}
