"""Reminders: short messages to one recipient, grouped so that several arrive as one.

A reminder may be queued any number of times and is sent once. It waits a moment for others, and for
the recipient's working day; the collection `nudges` is its own outbox. Its text is written when it
is sent. Once someone has acted on the ticket, a sent reminder is due again, until its message says
so. One claim, with a token, covers all documents of a recipient, so this is no `WorkQueue`
(services/core/work_queue.py). After a failure the claim is released for a fixed time.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import UpdateMany, UpdateOne
from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import past

# Reminders queued within this time are sent together.
BATCH_WINDOW = timedelta(seconds=20)
CLAIM_DURATION = timedelta(seconds=60)
# As long as a delivery waits for an operator (tasks/notifications/slack_delivery.py).
RETENTION = timedelta(days=14)
# A recipient who is not at work may return early. On the hour, so that reminders queued at
# different times are still sent together.
RECHECK_INTERVAL = timedelta(hours=1)
# Further ones in a message are only counted.
MAX_REMINDERS_READ = 2_000
TRIAGE_RECIPIENT = "triage"  # the channel, as a recipient
# Prefix of an account's id: an alert in a separate message
# (tasks/notifications/unassigned_alert.py).
UNASSIGNED_ALERT_PREFIX = "nobody:"


_UNDUE = {"at": "", "claim": ""}


@dataclass(frozen=True, slots=True)
class Reminder:
    """`recipient` is an account's id or `TRIAGE_RECIPIENT`; `kind` says what the reminder is about,
    `seq` which event of the ticket. If `is_urgent`, it does not wait for a working day.

    `shown_seq` is the ticket's `seq` in the message as it was sent; None before. `place` is that
    message's channel and `ts`."""

    id: str
    recipient: str
    ticket_id: ObjectId
    seq: int
    kind: str
    is_urgent: bool
    shown_seq: int | None = None
    place: tuple[str, str] | None = None

    @classmethod
    def from_doc(cls, doc: Document) -> "Reminder":
        shown = doc.get("shown")
        return cls(
            id=doc["_id"],
            recipient=doc["to"],
            ticket_id=doc["ticketId"],
            seq=doc["seq"],
            kind=doc["kind"],
            is_urgent=doc["urgent"],
            shown_seq=doc.get("sentSeq", doc["seq"]) if shown else None,
            place=(shown["channel"], shown["ts"]) if shown else None,
        )


@dataclass(frozen=True, slots=True)
class ReminderClaim:
    """All reminders due for one recipient, claimed by one worker for a minute, urgent first;
    `unread_count` counts further ones."""

    recipient: str
    token: str
    reminders: Sequence[Reminder]
    unread_count: int = 0


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message, when it was sent, the reminders in it, and the `seq` of the tickets it shows."""

    channel: str
    ts: str
    sent_at: datetime
    reminders: Sequence[Reminder] = ()
    shown_seqs: Mapping[ObjectId, int] = field(default_factory=dict)


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
        """Store a reminder until it is sent. Idempotent: one per `key`."""
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
        with suppress(DuplicateKeyError):  # queued before
            self._db.nudges.insert_one(doc)

    def due_recipients(self, *, limit: int = 500) -> list[str]:
        """The recipients with reminders to send or update now, at most `limit`."""
        rows = self._db.nudges.aggregate(
            [
                {"$match": {"$or": self._due()}},
                {"$group": {"_id": "$to"}},
                {"$sort": {"_id": 1}},
                {"$limit": limit},
            ]
        )
        return [row["_id"] for row in rows]

    def claim(self, recipient: str) -> ReminderClaim | None:
        """Claim what is to be sent to that recipient; None if nothing is, or another worker has
        it."""
        return self._claim(recipient, {"shown": None})

    def claim_updates(self, recipient: str) -> ReminderClaim | None:
        """As `claim`, for sent reminders whose message has to change."""
        return self._claim(recipient, {"shown.ts": {"$gt": ""}})

    def _claim(self, recipient: str, which: Document) -> ReminderClaim | None:
        now = self._clock()
        token = uuid.uuid4().hex
        taken = self._db.nudges.update_many(
            {"to": recipient, **which, "$or": self._due()},
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
        """Defer all but the urgent reminders, which stay in the claim, until `until` or earlier.
        Deferred reminders do not expire."""
        now = self._clock()
        next_hour = now.replace(minute=0, second=0, microsecond=0) + RECHECK_INTERVAL
        later = {"at": min(until, next_hour), "expiresAt": now + RETENTION}
        deferred = self._db.nudges.update_many(
            {**_claim_filter(claim), "urgent": {"$ne": True}},
            {"$set": later, "$unset": {"claim": ""}},
        )
        urgent = [reminder for reminder in claim.reminders if reminder.is_urgent]
        # The urgent are read first: if any other was read, all of the urgent were.
        unread = (
            claim.unread_count - deferred.modified_count
            if len(urgent) == len(claim.reminders)
            else 0
        )
        return replace(claim, reminders=urgent, unread_count=unread)

    def split(self, claim: ReminderClaim, *, ticket_id: ObjectId) -> ReminderClaim:
        """Claim the reminders of that ticket separately, to send them in a message of their own."""
        own = [reminder for reminder in claim.reminders if reminder.ticket_id == ticket_id]
        token = uuid.uuid4().hex
        ids = [reminder.id for reminder in own]
        self._db.nudges.update_many(
            {"_id": {"$in": ids}, **_claim_filter(claim)}, {"$set": {"claim": token}}
        )
        return ReminderClaim(claim.recipient, token, own)

    def finish(self, claim: ReminderClaim, *, why: str) -> None:
        """Finish all that were not deferred: sent, or no longer needed."""
        self._finish(_claim_filter(claim), {"ended": why})

    def discard(self, claim: ReminderClaim, reminders: Iterable[Reminder]) -> None:
        """Finish reminders that no longer apply."""
        ids = [reminder.id for reminder in reminders]
        self._finish({"_id": {"$in": ids}, **_claim_filter(claim)}, {"ended": "dropped"})

    def is_sole_claimer(self, claim: ReminderClaim) -> bool:
        """Return whether no other caller has claimed reminders for that recipient."""
        others = {"$gt": "", "$ne": claim.token}
        claimed_by_others = {"to": claim.recipient, "at": {"$gt": self._clock()}, "claim": others}
        return self._db.nudges.find_one(claimed_by_others, {"_id": True}) is None

    def mark_sent(self, claim: ReminderClaim, message: SentMessage) -> None:
        """Record the message in which they were sent; more reminders may be added to it."""
        location = {"channel": message.channel, "ts": message.ts, "since": message.sent_at}
        this = _claim_filter(claim)
        self._db.nudges.bulk_write(
            [
                *(
                    UpdateOne({"_id": reminder.id, **this}, {"$set": {"sentSeq": seq}})
                    for reminder in claim.reminders
                    if (seq := message.shown_seqs.get(reminder.ticket_id)) is not None
                ),
                UpdateMany(this, {"$set": {"ended": "sent", "shown": location}, "$unset": _UNDUE}),
            ]
        )

    def request_updates(self, ids: Sequence[str], *, seq: int) -> list[str]:
        """Make those of the reminders due again that were sent before the ticket's event `seq`, and
        return their recipients."""
        now = self._clock()
        older = {"$not": {"$gte": seq}}
        stale = {
            "_id": {"$in": list(ids)},
            "shown.ts": {"$gt": ""},
            "sentSeq": older,
            "drawn": older,
        }
        recipients = {str(doc["to"]) for doc in self._db.nudges.find(stale, ["to"])}
        if recipients:
            due = {"at": now, "drawn": seq}
            self._db.nudges.update_many({**stale, "claim": None}, {"$set": due})
            # A worker updates the message now, perhaps to an older state: do it again afterwards.
            later = {"at": now + CLAIM_DURATION, "drawn": seq}
            self._db.nudges.update_many(stale, {"$set": later, "$unset": {"claim": ""}})
        return sorted(recipients)

    def sent_with(self, reminder: Reminder) -> list[Reminder]:
        """Return all reminders in the message of a sent one."""
        channel, ts = reminder.place or ("", "")
        return [
            Reminder.from_doc(doc)
            for doc in self._db.nudges.find({"shown.ts": ts})
            if (doc["to"], doc["shown"]["channel"]) == (reminder.recipient, channel)
        ]

    def last_sent(self, recipient: str, *, since: datetime) -> SentMessage | None:
        """The last message to that recipient, if it was sent after `since`."""
        sent = {"to": recipient, "shown.since": {"$gt": since}}
        docs = list(self._db.nudges.find(sent).sort("shown.since", -1).limit(MAX_REMINDERS_READ))
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

    def _due(self) -> list[Document]:
        return [{"at": at} for at in past(self._clock(), longest=RECHECK_INTERVAL)]

    def _finish(self, query: Document, values: Document) -> None:
        self._db.nudges.update_many(query, {"$set": values, "$unset": _UNDUE})


def _claim_filter(claim: ReminderClaim) -> Document:
    return {"claim": claim.token}
