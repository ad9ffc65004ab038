"""Emails to an account's owner: an outbox in the collection `letters`.

They tell of what the owner, or an admin for them, has just done, and of who acts as them in Slack.
An email is queued as a kind with facts; its text is written, and a secret is made, when it is sent.
So nothing is stored that could be used to sign in.
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
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.models.user import User

logger = logging.getLogger(__name__)

# Longer than it takes to send one, however slow the server: until then one task has it.
CLAIM_DURATION = timedelta(seconds=45)
INITIAL_RETRY_DELAY = timedelta(seconds=10)
RETENTION = timedelta(days=30)


class EmailKind(StrEnum):
    """The kinds of email, with the facts each needs."""

    WELCOME = "welcome"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a name, and no password
    LINKED = "linked"  # `slack_name`, if known
    UNLINKED = "unlinked"  # `slack_name`, if known
    ASSIGNED = "assigned"  # `ticket` and `seq`, of the event


class EmailState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    DISCARDED = "dropped"  # no longer needed, or mail is off
    FAILED = "failed"  # rejected for good, or given up


# An email older than this is discarded.
MAX_AGE_BY_KIND = {kind: timedelta(days=1) for kind in EmailKind}
MAX_AGE_BY_KIND[EmailKind.RESET] = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Email:
    """`id` is the same for the same kind and key, and reveals neither."""

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
        """Queue an email and return its id, for `Publisher.publish_email`.

        One a kind and key, however often it is queued. `facts` are ids and names: never a secret.
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
        with suppress(DuplicateKeyError):  # queued before
            self._db.letters.insert_one(doc)
        return email_id

    def next_due_id(self) -> str | None:
        """The id of the email that has waited longest for its next attempt."""
        query, order = self._due_filter(), [("nextTryAt", 1)]
        doc = self._db.letters.find_one(query, {"_id": True}, sort=order)
        return str(doc["_id"]) if doc else None

    def claim(self, email_id: str) -> Email | None:
        """Claim that email to send it; None if another worker has it, or it needs no sending."""
        return self._claim({"_id": email_id, **self._due_filter()})

    def claim_next(self) -> Email | None:
        """Claim the email that has waited longest."""
        return self._claim(self._due_filter())

    def mark_sent(self, email: Email) -> None:
        self._finish(email, EmailState.SENT)

    def discard(self, email: Email, *, why: str) -> None:
        self._finish(email, EmailState.DISCARDED, why)

    def mark_failed(self, email: Email, *, error: str) -> None:
        self._finish(email, EmailState.FAILED, error)

    def retry_later(self, email: Email, *, error: str) -> None:
        """Try again later: after twice the wait each time, at most 15 minutes."""
        doubled: int = 2 ** min(email.attempts - 1, 10)
        wait = min(INITIAL_RETRY_DELAY * doubled, MAX_DELIVERY_DELAY)
        self._update(email, {"$set": {"nextTryAt": self._clock() + wait, "error": error}})

    def discard_all(self, *, why: str) -> int:
        """Discard all that are due, because no worker will send them; return how many there
        were."""
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
        """Update the email unless its claim has passed to another worker."""
        waiting, mine = EmailState.WAITING.value, email.attempts
        claimed = {"_id": email.id, "state": waiting, "attempts": mine}
        self._db.letters.update_one(claimed, change)


def queue_account_email(emails: Emails, kind: EmailKind, *, user_id: ObjectId, key: str) -> None:
    """Queue the email. Log failures instead of raising: the change it tells of is already
    stored."""
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
    """Queue the email and return the ids to publish: one, or none if it failed, because the link or
    its end is already stored. `member_name` is the Slack member's name, if known."""
    facts = {"slack_name": member_name} if member_name else {}
    try:
        return (emails.queue(kind, user_id=owner.id, key=key, facts=facts),)
    except PyMongoError as error:
        logger.warning("no letter %s to account %s: %s", kind, owner.id, type(error).__name__)
        return ()


def _finished_update(state: EmailState, error: str | None, *, now: datetime) -> Document:
    """Remove the Slack name from the facts: it may not be that of the account's owner."""
    return {
        "$set": {"state": state.value, "error": error, "endedAt": now},
        "$unset": {"nextTryAt": "", "facts.slack_name": ""},
    }
