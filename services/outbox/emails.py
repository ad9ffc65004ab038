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
from services.core.retry import MAX_DELIVERY_DELAY
from services.models.user import User

# Longer than it takes to send one, however slow the server: until then it is one task's own.
CLAIM_DURATION = timedelta(seconds=45)
INITIAL_RETRY_DELAY = timedelta(seconds=10)
RETENTION = timedelta(days=30)


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
    DISCARDED = "dropped"  # nobody needs it any more, or mail is off
    FAILED = "failed"  # refused for good, or given up


# Later than this nobody waits for it any more.
MAX_AGE_BY_KIND = {kind: timedelta(days=1) for kind in EmailKind}
MAX_AGE_BY_KIND[EmailKind.RESET] = timedelta(hours=1)


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

    def is_expired(self, now: datetime) -> bool:
        return now >= self.created_at + MAX_AGE_BY_KIND[self.kind]


class Emails:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def queue(
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
        email_id = hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()[:32]
        doc = {
            "_id": email_id,
            "kind": kind.value,
            "userId": user_id,
            "facts": dict(facts or {}),
            "state": EmailState.WAITING.value,
            "createdAt": now,
            "nextTryAt": now,
            "attempts": 0,
            "expiresAt": now + RETENTION,
        }
        with suppress(DuplicateKeyError):  # posted before
            self._db.letters.insert_one(doc)
        return email_id

    def next_due_id(self) -> str | None:
        """The id of the letter that has waited longest for its next attempt."""
        query, order = self._due_filter(), [("nextTryAt", 1)]
        doc = self._db.letters.find_one(query, {"_id": True}, sort=order)
        return str(doc["_id"]) if doc else None

    def claim(self, email_id: str) -> Email | None:
        """Take that letter to send it; None where another has it, or it needs no sending."""
        return self._claim({"_id": email_id, **self._due_filter()})

    def claim_next(self) -> Email | None:
        """Take the one that has waited longest."""
        return self._claim(self._due_filter())

    def mark_sent(self, email: Email) -> None:
        self._finish(email, EmailState.SENT)

    def discard(self, email: Email, *, why: str) -> None:
        self._finish(email, EmailState.DISCARDED, why)

    def mark_failed(self, email: Email, *, error: str) -> None:
        self._finish(email, EmailState.FAILED, error)

    def retry_later(self, email: Email, *, error: str) -> None:
        """Not sent: tried again later each time, at most 15 minutes away."""
        doubled: int = 2 ** min(email.attempts - 1, 10)
        wait = min(INITIAL_RETRY_DELAY * doubled, MAX_DELIVERY_DELAY)
        self._update(email, {"$set": {"nextTryAt": self._clock() + wait, "error": error}})

    def discard_all(self, *, why: str) -> int:
        """Nobody will send those that wait; how many there were."""
        ended = _finished_update(EmailState.DISCARDED, why, now=self._clock())
        return self._db.letters.update_many(self._due_filter(), ended).modified_count

    def _due_filter(self) -> Document:
        return {"state": EmailState.WAITING.value, "nextTryAt": {"$lte": self._clock()}}

    def _claim(self, query: Document) -> Email | None:
        doc = self._db.letters.find_one_and_update(
            query,
            {"$set": {"nextTryAt": self._clock() + CLAIM_DURATION}, "$inc": {"attempts": 1}},
            sort=[("nextTryAt", 1)],
            return_document=ReturnDocument.AFTER,
        )
        return Email.from_doc(doc) if doc else None

    def _finish(self, email: Email, state: EmailState, error: str | None = None) -> None:
        self._update(email, _finished_update(state, error, now=self._clock()))

    def _update(self, email: Email, change: Document) -> None:
        """Unless the claim has passed to another meanwhile."""
        waiting, mine = EmailState.WAITING.value, email.attempts
        claimed = {"_id": email.id, "state": waiting, "attempts": mine}
        self._db.letters.update_one(claimed, change)


def _finished_update(state: EmailState, error: str | None, *, now: datetime) -> Document:
    """Of the facts no name is kept: it may be that of somebody else than the account's owner."""
    return {
        "$set": {"state": state.value, "error": error, "endedAt": now},
        "$unset": {"nextTryAt": "", "facts.slack_name": ""},
    }


logger = logging.getLogger(__name__)


def queue_account_email(emails: Emails, kind: EmailKind, *, user_id: ObjectId, key: str) -> None:
    """Post it. What it tells of is done by now, and must not look undone for want of a letter."""
    try:
        emails.queue(kind, user_id=user_id, key=key)
    except PyMongoError as error:
        logger.warning("no letter %s to account %s: %s", kind, user_id, type(error).__name__)


def queue_new_password_email(emails: Emails, *, user_id: ObjectId, token_version: int) -> None:
    key = f"{user_id}:{token_version}"
    queue_account_email(emails, EmailKind.PASSWORD_CHANGED, user_id=user_id, key=key)


def queue_link_email(
    emails: Emails, kind: EmailKind, owner: User, *, key: str, member_name: str | None
) -> tuple[str, ...]:
    """The ids of the letters to hint at: one, or none, for then the link or its end is done all the
    same. `member` is the Slack member's name, where it is known."""
    facts = {"slack_name": member_name} if member_name else {}
    try:
        return (emails.queue(kind, user_id=owner.id, key=key, facts=facts),)
    except PyMongoError as error:
        logger.warning("no letter %s to account %s: %s", kind, owner.id, type(error).__name__)
        return ()
