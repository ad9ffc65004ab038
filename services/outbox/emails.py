"""Letters: emails to write to an account's owner. The collection is its own outbox.

Whoever posts a letter says what it tells of; the words are found, and a secret is made, as it is
sent. So nothing is stored that somebody could sign in with.

Letters about what an account's owner, or somebody in their name, has just done.

Letters to an account's owner about who acts as them in Slack.
"""

import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.retry import MAX_DELIVERY_WAIT
from services.models.user import User

# Longer than it takes to send one, however slow the server: until then it is one task's own.
CLAIM = timedelta(seconds=45)
FIRST_WAIT = timedelta(seconds=10)
KEPT = timedelta(days=30)


class EmailKind(StrEnum):
    """With the facts each needs."""

    WELCOME = "welcome"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a name, and no password
    LINKED = "linked"  # `slack_name`, if known
    UNLINKED = "unlinked"  # `slack_name`, if known
    ASSIGNED = "assigned"  # `ticket` and `seq`, of the event that it tells of


class EmailState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"  # nobody needs it any more, or mail is off
    FAILED = "failed"  # refused for good, or given up


# Later than this nobody waits for it any more.
GIVE_UP_AFTER = {kind: timedelta(days=1) for kind in EmailKind}
GIVE_UP_AFTER[EmailKind.RESET] = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Email:
    """`id` is the same for the same kind and key, and tells nothing of them."""

    id: str
    kind: EmailKind
    user_id: ObjectId
    created_at: datetime
    attempts: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_doc(cls, doc: Document) -> "Email":
        return cls(
            id=doc["_id"],
            kind=EmailKind(doc["kind"]),
            user_id=doc["userId"],
            created_at=doc["createdAt"],
            attempts=doc["attempts"],
            facts=doc["facts"],
        )

    def is_too_late(self, now: datetime) -> bool:
        return now >= self.created_at + GIVE_UP_AFTER[self.kind]


class Emails:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def post(
        self,
        kind: EmailKind,
        *,
        user_id: ObjectId,
        key: str,
        facts: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep a letter until it is sent, and return its id, to hint at by `Publisher.mail`.

        One a kind and key, however often it is posted. `facts` are ids and names: never a secret.
        """
        now = self._clock()
        letter_id = hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()[:32]
        doc = {
            "_id": letter_id,
            "kind": kind.value,
            "userId": user_id,
            "facts": dict(facts or {}),
            "state": EmailState.WAITING.value,
            "createdAt": now,
            "nextTryAt": now,
            "attempts": 0,
            "expiresAt": now + KEPT,
        }
        with suppress(DuplicateKeyError):  # posted before
            self._db.letters.insert_one(doc)
        return letter_id

    def due(self) -> str | None:
        """The id of the letter that has waited longest for its next attempt."""
        query, order = self._waiting(), [("nextTryAt", 1)]
        doc = self._db.letters.find_one(query, {"_id": True}, sort=order)
        return str(doc["_id"]) if doc else None

    def claim(self, letter_id: str) -> Email | None:
        """Take that letter to send it; None where another has it, or it needs no sending."""
        return self._claim({"_id": letter_id, **self._waiting()})

    def claim_next(self) -> Email | None:
        """Take the one that has waited longest."""
        return self._claim(self._waiting())

    def sent(self, letter: Email) -> None:
        self._end(letter, EmailState.SENT)

    def drop(self, letter: Email, *, why: str) -> None:
        self._end(letter, EmailState.DROPPED, why)

    def fail(self, letter: Email, *, error: str) -> None:
        self._end(letter, EmailState.FAILED, error)

    def delay(self, letter: Email, *, error: str) -> None:
        """Not sent: tried again later each time, at most 15 minutes away."""
        doubled: int = 2 ** min(letter.attempts - 1, 10)
        wait = min(FIRST_WAIT * doubled, MAX_DELIVERY_WAIT)
        self._update(letter, {"$set": {"nextTryAt": self._clock() + wait, "error": error}})

    def drop_all(self, *, why: str) -> int:
        """Nobody will send those that wait; how many there were."""
        ended = _ended(EmailState.DROPPED, why, now=self._clock())
        return self._db.letters.update_many(self._waiting(), ended).modified_count

    def _waiting(self) -> Document:
        return {"state": EmailState.WAITING.value, "nextTryAt": {"$lte": self._clock()}}

    def _claim(self, query: Document) -> Email | None:
        doc = self._db.letters.find_one_and_update(
            query,
            {"$set": {"nextTryAt": self._clock() + CLAIM}, "$inc": {"attempts": 1}},
            sort=[("nextTryAt", 1)],
            return_document=ReturnDocument.AFTER,
        )
        return Email.from_doc(doc) if doc else None

    def _end(self, letter: Email, state: EmailState, error: str | None = None) -> None:
        self._update(letter, _ended(state, error, now=self._clock()))

    def _update(self, letter: Email, change: Document) -> None:
        """Unless the claim has passed to another meanwhile."""
        waiting, mine = EmailState.WAITING.value, letter.attempts
        claimed = {"_id": letter.id, "state": waiting, "attempts": mine}
        self._db.letters.update_one(claimed, change)


def _ended(state: EmailState, error: str | None, *, now: datetime) -> Document:
    """Of the facts no name is kept: it may be that of somebody else than the account's owner."""
    return {
        "$set": {"state": state.value, "error": error, "endedAt": now},
        "$unset": {"nextTryAt": "", "facts.slack_name": ""},
    }


logger = logging.getLogger(__name__)


def queue_account_email(letters: Emails, kind: EmailKind, *, user_id: ObjectId, key: str) -> None:
    """Post it. What it tells of is done by now, and must not look undone for want of a letter."""
    try:
        letters.post(kind, user_id=user_id, key=key)
    except PyMongoError as error:
        logger.warning("no letter %s to account %s: %s", kind, user_id, type(error).__name__)


def queue_new_password_email(letters: Emails, *, user_id: ObjectId, token_version: int) -> None:
    key = f"{user_id}:{token_version}"
    queue_account_email(letters, EmailKind.PASSWORD_CHANGED, user_id=user_id, key=key)


def write(
    letters: Emails, kind: EmailKind, owner: User, *, key: str, member: str | None
) -> tuple[str, ...]:
    """The ids of the letters to hint at: one, or none, for then the link or its end is done all the
    same. `member` is the Slack member's name, where it is known."""
    facts = {"slack_name": member} if member else {}
    try:
        return (letters.post(kind, user_id=owner.id, key=key, facts=facts),)
    except PyMongoError as error:
        logger.warning("no letter %s to account %s: %s", kind, owner.id, type(error).__name__)
        return ()
