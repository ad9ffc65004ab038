"""Reminders: short messages to one recipient, grouped so that several arrive as one.

A reminder may be queued any number of times and is sent once. It waits a moment for others, and for
its reader's working day; the collection is its own outbox. Its text is written when it is sent.
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

# Reminders queued within this time are sent together.
BATCH_WINDOW = timedelta(seconds=20)
CLAIM_DURATION = timedelta(seconds=60)
RETENTION = timedelta(days=7)
# A recipient who is not at work may be back sooner than they said. Full hours, so that reminders
# queued at different times are still sent together.
RECHECK_INTERVAL = timedelta(hours=1)
# More in one message are counted and not read.
MAX_REMINDERS_READ = 2_000
TRIAGE_RECIPIENT = "triage"  # the channel, as a recipient
# Before an account's id: an alert in a message of its own
# (tasks/notifications/unassigned_alert.py).
UNASSIGNED_ALERT_PREFIX = "nobody:"


@dataclass(frozen=True, slots=True)
class Reminder:
    """`recipient` is an account's id or `TRIAGE_RECIPIENT`; `kind` says what it tells of the
    ticket's event `seq`. One that `is_urgent` does not wait for a working day."""

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
    """All reminders due for one recipient, claimed by one caller for a minute, the urgent first;
    `unread_count` counts further ones."""

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
        """Store a reminder until it is sent; one a `key`, however often it is queued."""
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
        """The recipients with reminders to send now, at most `limit`."""
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
        """What is due for that recipient; None if nothing is, or another worker has claimed it."""
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
        """Defer all but the urgent reminders, which are left in the claim: the others are looked at
        again at `until`, or before. They are never discarded for waiting."""
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
        """Finish all that were not deferred: sent, or no longer needed."""
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
        """Return whether no other caller has claimed reminders for that recipient."""
        others = {"$gt": "", "$ne": claim.token}
        claimed_by_others = {"to": claim.recipient, "at": {"$gt": self._clock()}, "claim": others}
        return self._db.nudges.find_one(claimed_by_others, {"_id": True}) is None

    def mark_sent(self, claim: ReminderClaim, message: SentMessage) -> None:
        """Record the message in which they were sent, and to which more may be added."""
        location = {"channel": message.channel, "ts": message.ts, "since": message.sent_at}
        self._db.nudges.update_many(
            _claim_filter(claim),
            {"$set": {"ended": "sent", "shown": location}, "$unset": {"at": "", "claim": ""}},
        )

    def last_sent(self, recipient: str, *, since: datetime) -> SentMessage | None:
        """The last message to that recipient, if it was sent after `since`."""
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
        """Release unsent reminders: another attempt may claim them from `until` on."""
        self._db.nudges.update_many(
            _claim_filter(claim), {"$set": {"at": until}, "$unset": {"claim": ""}}
        )


def _claim_filter(claim: ReminderClaim) -> Document:
    return {"claim": claim.token}
