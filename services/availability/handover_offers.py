"""Offers to hand over the open tickets of a user who is away for long.

`handOver {key, to, state, nextTryAt, tries}` of an account is an outbox of one message to `to`: the
account's owner, or the admin who set the absence. It also stores the result: `channel` and `ts`,
`error`, or `count`. It is removed with the absence.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bson import ObjectId

from services.availability import absence
from services.availability.absence import AbsenceSource
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY, WorkQueue, backoff
from services.models import user as model_user
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import User
from services.tickets import release
from services.tickets.queries import count_open_tickets

CLAIM_DURATION = timedelta(seconds=60)
INITIAL_RETRY_DELAY = timedelta(minutes=2)
AWAY_REASON = "the assignee is away"  # in the history of each ticket


class OfferState(StrEnum):
    DUE = "due"
    SENT = "sent"
    FAILED = "failed"
    HANDED_OVER = "handed_over"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class HandoverOffer:
    """A claimed offer. `ticket_count` is how many tickets `user` has open; the user `recipient_id`
    decides."""

    user: User
    key: str
    recipient_id: ObjectId
    ticket_count: int
    until: datetime
    source: AbsenceSource
    attempts: int
    claimed_until: datetime


class OfferAnswer(StrEnum):
    HANDED_OVER = "handed_over"
    KEPT = "kept"
    EXPIRED = "over"  # the absence has ended, or another one has replaced it


@dataclass(frozen=True, slots=True)
class OfferDecision:
    """The answer to an offer. `released` are the first tickets released; the sweep does the
    rest."""

    answer: OfferAnswer
    user: User
    ticket_count: int = 0
    released: list[ObjectId] = field(default_factory=list)


class HandoverOffers:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._queue = WorkQueue(
            db.users,
            "handOver.nextTryAt",
            longest=MAX_DELIVERY_DELAY,
            attempts_field="handOver.tries",
        )
        self._clock = clock

    def has_due(self) -> bool:
        return self._queue.has_due(self._clock())

    def claim_next(self) -> HandoverOffer | None:
        """Claim the next offer to send, for a minute. Drop the offers that no longer apply."""
        now = self._clock()
        while doc := self._queue.claim_next(now, duration=CLAIM_DURATION):
            offer = self._offer(doc, now)
            if offer:
                return offer
            self._db.users.update_one(_this(doc), {"$unset": {"handOver": ""}})
        return None

    def mark_sent(self, offer: HandoverOffer, *, channel: str, ts: str) -> None:
        self._finish(offer, OfferState.SENT, {"handOver.channel": channel, "handOver.ts": ts})

    def mark_failed(self, offer: HandoverOffer, *, error: str) -> None:
        """Slack will never accept it; `error` is Slack's error code."""
        self._finish(offer, OfferState.FAILED, {"handOver.error": error})

    def retry_later(self, offer: HandoverOffer, *, wait: timedelta | None = None) -> None:
        """Try an offer that was not sent again: after `wait`, or later each time."""
        delay = backoff(offer.attempts, initial=INITIAL_RETRY_DELAY, maximum=MAX_DELIVERY_DELAY)
        at = self._clock() + (delay if wait is None else wait)
        self._queue.retry(offer.user.id, offer.claimed_until, at=at)

    def decide(
        self, *, actor: Actor, user_id: str, key: str, hand_over: bool
    ) -> OfferDecision | None:
        """Record the answer to an offer; None if the account no longer exists.

        A second press changes nothing. After a hand-over there is nothing left to keep.
        """
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        if user_id != str(actor.user_id):
            require_permission(actor, Permission.MANAGE_USERS)
        known = ObjectId(user_id) if ObjectId.is_valid(user_id) else None
        doc = self._db.users.find_one({"_id": known}) if known else None
        if doc is None:
            return None
        user, now = User.from_doc(doc), self._clock()
        offer = doc.get("handOver") or {}
        if offer.get("key") != key or absence.current_absence(doc, now=now) is None:
            return OfferDecision(OfferAnswer.EXPIRED, user)
        if offer["state"] == OfferState.HANDED_OVER:
            return OfferDecision(OfferAnswer.HANDED_OVER, user, offer.get("count", 0))
        count = count_open_tickets(self._db, user.id)
        if not hand_over:
            self._decided(doc, {"handOver.state": OfferState.KEPT.value})
            return OfferDecision(OfferAnswer.KEPT, user, count)
        request = model_user.release_request(
            by=actor.user_id, now=now, reason=AWAY_REASON, one_off=True
        )
        # An account with a request already has all of its tickets released.
        self._db.users.update_one({**_this(doc), "handBack": None}, {"$set": {"handBack": request}})
        state = OfferState.HANDED_OVER.value
        self._decided(doc, {"handOver.state": state, "handOver.count": count})
        released = release.release_tickets(self._db, user.id, now=now)
        return OfferDecision(OfferAnswer.HANDED_OVER, user, count, released)

    def _offer(self, doc: Document, now: datetime) -> HandoverOffer | None:
        user, stored = User.from_doc(doc), doc["handOver"]
        away = absence.current_absence(doc, now=now)
        if away is None or not model_user.can_work_on_tickets(user):
            return None
        tickets = count_open_tickets(self._db, user.id)
        if not tickets:
            return None
        return HandoverOffer(
            user=user,
            key=stored["key"],
            recipient_id=stored["to"],
            ticket_count=tickets,
            until=away.until,
            source=away.source,
            attempts=stored["tries"],
            claimed_until=stored["nextTryAt"],
        )

    def _decided(self, doc: Document, values: Document) -> None:
        change = {"$set": values, "$unset": {"handOver.nextTryAt": ""}}
        self._db.users.update_one(_this(doc), change)

    def _finish(self, offer: HandoverOffer, state: OfferState, result: Document) -> None:
        values = {"handOver.state": state.value, **result}
        self._queue.finish(offer.user.id, offer.claimed_until, values=values)


def _this(doc: Document) -> Document:
    return {"_id": doc["_id"], "handOver.key": doc["handOver"]["key"]}
