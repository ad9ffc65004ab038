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
WINDOW = timedelta(seconds=20)
CLAIM = timedelta(seconds=60)
KEPT = timedelta(days=7)
# Whoever is not at work may be back sooner than they said. Full hours, so that what was posted at
# different times is still told together.
LOOK_AGAIN = timedelta(hours=1)
# More in one message are counted and not read.
READ_MOST = 2_000
TRIAGE = "triage"  # the channel, as a recipient
# Before an account's id: what is told by itself (tasks/notifications/unassigned_alert.py).
ABOUT_NOBODY = "nobody:"


@dataclass(frozen=True, slots=True)
class Reminder:
    """`to` is an account's id or `TRIAGE`; `kind` says what is told, of the ticket's event `seq`.
    One that `is_urgent` waits for nobody's working day."""

    id: str
    to: str
    ticket_id: ObjectId
    seq: int
    kind: str
    is_urgent: bool

    @classmethod
    def from_doc(cls, doc: Document) -> "Reminder":
        return cls(
            id=doc["_id"],
            to=doc["to"],
            ticket_id=doc["ticketId"],
            seq=doc["seq"],
            kind=doc["kind"],
            is_urgent=doc["urgent"],
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """All that is due for somebody, for a minute one caller's own, the urgent first; `unread` are
    further ones."""

    to: str
    token: str
    nudges: Sequence[Reminder]
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A message, when it was sent, and the lines it tells."""

    channel: str
    ts: str
    since: datetime
    nudges: Sequence[Reminder] = ()


class Reminders:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def post(
        self,
        *,
        key: str,
        to: ObjectId | str,
        ticket_id: ObjectId,
        seq: int,
        kind: str,
        is_urgent: bool = False,
    ) -> None:
        """Keep a line until it is told; one a `key`, however often it is posted."""
        now = self._clock()
        doc = {
            "_id": key,
            "to": str(to),
            "ticketId": ticket_id,
            "seq": seq,
            "kind": kind,
            "urgent": is_urgent,
            "at": now + WINDOW,
            "expiresAt": now + KEPT,
        }
        with suppress(DuplicateKeyError):  # posted before
            self._db.nudges.insert_one(doc)

    def due(self, *, limit: int = 500) -> list[str]:
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

    def claim(self, to: str) -> Claim | None:
        """What is due for that recipient; None where nothing is, or another tells it."""
        now = self._clock()
        token = uuid.uuid4().hex
        taken = self._db.nudges.update_many(
            {"to": to, "at": {"$lte": now}}, {"$set": {"at": now + CLAIM, "claim": token}}
        )
        if not taken.modified_count:
            return None
        found = self._db.nudges.find({"claim": token}).sort("urgent", -1).limit(READ_MOST)
        nudges = [Reminder.from_doc(doc) for doc in found]
        return Claim(to, token, nudges, unread=taken.modified_count - len(nudges))

    def hold(self, claim: Claim, *, until: datetime) -> Claim:
        """Not now, but for what is urgent, which is left: the rest is looked at again at `until`,
        or before. However long that goes on, it is kept."""
        now = self._clock()
        next_hour = now.replace(minute=0, second=0, microsecond=0) + LOOK_AGAIN
        later = {"at": min(until, next_hour), "expiresAt": now + KEPT}
        held = self._db.nudges.update_many(
            {**_of(claim), "urgent": False}, {"$set": later, "$unset": {"claim": ""}}
        )
        urgent = [nudge for nudge in claim.nudges if nudge.is_urgent]
        # Where anything else was read, all that is urgent was.
        unread = claim.unread - held.modified_count if len(urgent) == len(claim.nudges) else 0
        return replace(claim, nudges=urgent, unread=unread)

    def end(self, claim: Claim, *, why: str) -> None:
        """All that were not held are done with: told, or not needed any more."""
        self._db.nudges.update_many(
            _of(claim), {"$set": {"ended": why}, "$unset": {"at": "", "claim": ""}}
        )

    def drop(self, claim: Claim, nudges: Iterable[Reminder]) -> None:
        """What these tell of is no longer so."""
        self._db.nudges.update_many(
            {"_id": {"$in": [nudge.id for nudge in nudges]}, **_of(claim)},
            {"$set": {"ended": "dropped"}, "$unset": {"at": "", "claim": ""}},
        )

    def is_alone(self, claim: Claim) -> bool:
        """Whether no other caller has something for that recipient in their hands."""
        others = {"$gt": "", "$ne": claim.token}
        held = {"to": claim.to, "at": {"$gt": self._clock()}, "claim": others}
        return self._db.nudges.find_one(held, {"_id": True}) is None

    def shown(self, claim: Claim, where: Shown) -> None:
        """Told, in a message that may take up more."""
        place = {"channel": where.channel, "ts": where.ts, "since": where.since}
        self._db.nudges.update_many(
            _of(claim),
            {"$set": {"ended": "sent", "shown": place}, "$unset": {"at": "", "claim": ""}},
        )

    def last_shown(self, to: str, *, since: datetime) -> Shown | None:
        """The message that recipient got last, if it was sent after `since`."""
        theirs = {"to": to, "shown.since": {"$gt": since}}
        docs = list(
            self._db.nudges.find(theirs).sort([("shown.since", -1), ("_id", 1)]).limit(READ_MOST)
        )
        if not docs:
            return None
        last = docs[0]["shown"]
        told = [Reminder.from_doc(doc) for doc in docs if doc["shown"]["ts"] == last["ts"]]
        return Shown(last["channel"], last["ts"], last["since"], told)

    def release(self, claim: Claim, *, until: datetime) -> None:
        """Not told: another attempt may take them from `until` on."""
        self._db.nudges.update_many(_of(claim), {"$set": {"at": until}, "$unset": {"claim": ""}})


def _of(claim: Claim) -> Document:
    return {"claim": claim.token}
