"""Emails to users about their account: an outbox in the collection `letters`.

They confirm what the user, or an admin for them, has just done, and who acts as them in Slack. An
email is queued as a kind with facts; its text, and any secret in it, is made when it is sent. So
nothing is stored that could be used to sign in.
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
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY, WorkQueue, backoff

logger = logging.getLogger(__name__)

# Longer than sending one email takes on the slowest server that the time limits allow.
CLAIM_DURATION = timedelta(seconds=45)
INITIAL_RETRY_DELAY = timedelta(seconds=10)
RETENTION = timedelta(days=30)
# Removed when the email is finished: it may not be the name of the account's owner.
_SLACK_NAME = "facts.slack_name"


class EmailKind(StrEnum):
    """The kinds of email, with the facts each needs."""

    WELCOME = "welcome"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a name, and no password
    LINKED = "linked"  # `slack_name`, if known
    UNLINKED = "unlinked"  # `slack_name`, if known
    CONFIRM = "confirm"
    ACCOUNT_DISOWNED = "account_disowned"  # to the address that the closed account had
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
    """A claimed email. `id` is the same for the same kind and key, and reveals neither."""

    id: str
    kind: EmailKind
    user_id: ObjectId
    created_at: datetime
    claimed_until: datetime
    attempts: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_doc(cls, doc: Document) -> "Email":
        return cls(
            id=doc["_id"],
            kind=EmailKind(doc["kind"]),
            user_id=doc["userId"],
            created_at=doc["createdAt"],
            claimed_until=doc["nextTryAt"],
            attempts=doc["attempts"],
            facts=doc["facts"],
        )

    def is_expired(self, now: datetime) -> bool:
        return now >= self.created_at + MAX_AGE_BY_KIND[self.kind]


class Emails:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._queue = WorkQueue(
            db.letters,
            "nextTryAt",
            longest=MAX_DELIVERY_DELAY,
            condition={"state": EmailState.WAITING.value},
            attempts_field="attempts",
        )
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

        Idempotent: one email per kind and key. `facts` are ids and names: never a secret.
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
        due = self._queue.due(self._clock(), limit=1, fields=["_id"])
        return str(due[0]["_id"]) if due else None

    def claim(self, email_id: str | None = None) -> Email | None:
        """Claim the email that has waited longest, or the one with that id, to send it.

        None if there is none, another worker has it, or it needs no sending.
        """
        doc = self._queue.claim_next(self._clock(), duration=CLAIM_DURATION, item_id=email_id)
        return Email.from_doc(doc) if doc else None

    def mark_sent(self, email: Email) -> None:
        self._finish(email, EmailState.SENT)

    def discard(self, email: Email, *, why: str) -> None:
        self._finish(email, EmailState.DISCARDED, why)

    def mark_failed(self, email: Email, *, error: str) -> None:
        self._finish(email, EmailState.FAILED, error)

    def retry_later(self, email: Email, *, error: str) -> None:
        """Try again later: after twice the wait each time, at most 15 minutes."""
        wait = backoff(email.attempts, initial=INITIAL_RETRY_DELAY, maximum=MAX_DELIVERY_DELAY)
        self._queue.retry(
            email.id, email.claimed_until, at=self._clock() + wait, values={"error": error}
        )

    def discard_all(self, *, why: str) -> int:
        """Discard all that are due, because no worker will send them; return how many there
        were."""
        now = self._clock()
        change = {
            "$set": _result(EmailState.DISCARDED, why, now=now),
            "$unset": dict.fromkeys(("nextTryAt", _SLACK_NAME), ""),
        }
        due = self._queue.due_filters(now)
        return sum(self._db.letters.update_many(one, change).modified_count for one in due)

    def _finish(self, email: Email, state: EmailState, error: str | None = None) -> None:
        result = _result(state, error, now=self._clock())
        self._queue.finish(email.id, email.claimed_until, values=result, remove=[_SLACK_NAME])


def queue_account_email(
    emails: Emails,
    kind: EmailKind,
    *,
    user_id: ObjectId,
    key: str,
    slack_name: str | None = None,
) -> tuple[str, ...]:
    """Queue the email and return the ids to publish: one, or none if it failed. Log failures
    instead of raising: the change that the email is about is already stored."""
    facts = {"slack_name": slack_name} if slack_name else {}
    try:
        return (emails.queue(kind, user_id=user_id, key=key, facts=facts),)
    except PyMongoError as error:
        logger.warning("no %s email to account %s: %s", kind, user_id, type(error).__name__)
        return ()


def queue_new_password_email(emails: Emails, *, user_id: ObjectId, token_version: int) -> None:
    key = f"{user_id}:{token_version}"
    queue_account_email(emails, EmailKind.PASSWORD_CHANGED, user_id=user_id, key=key)


def _result(state: EmailState, error: str | None, *, now: datetime) -> Document:
    return {"state": state.value, "error": error, "endedAt": now}
