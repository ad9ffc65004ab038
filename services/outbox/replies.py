"""The bot's answers to events of Slack: an outbox in the collection `replies`.

A reply is stored before its event is acknowledged, so Slack repeats the event until the reply is
stored. A worker sends it. Its id consists of what it answers and of its kind: a repeated event
stores no second one. The answer to a mention or an emoji may be a ticket (`FILING`): then `message`
names what the worker has to read first. A finished reply keeps no text; it is known for a while, so
that a repeated event finds it, and a thread below it.
"""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pymongo.errors import DuplicateKeyError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY, WorkQueue, backoff

# As deliveries: longer than a call of Slack's Web API takes.
CLAIM_DURATION = timedelta(seconds=60)
INITIAL_RETRY_DELAY = timedelta(seconds=5)
UNSENT_RETENTION = timedelta(days=30)


class ReplyKind(StrEnum):
    OFFER = "offer"  # to file a direct message as a ticket
    REACTION_OFFER = "reaction"  # to file a message that was marked with the emoji
    FILING = "filing"  # the ticket of a message or thread that a worker has to read first
    HOME_REFUSAL = "home"  # a member without an account opened Home; `message` holds its blocks
    ADDRESS_CLAIM = "claim"  # whether an account with their address is the member's
    WELCOME = "welcome"  # what a new moderator or admin can do
    NOTICE = "notice"  # what becomes of a message, or why nothing does
    EXPLANATION = "explanation"  # how something works, once for each person


class ReplyState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"  # Slack will never accept it


# A reply older than this is dropped: an offer an hour later answers nothing.
MAX_AGE_BY_KIND = {
    ReplyKind.OFFER: timedelta(hours=1),
    ReplyKind.REACTION_OFFER: timedelta(hours=1),
    ReplyKind.FILING: timedelta(days=1),
    ReplyKind.HOME_REFUSAL: timedelta(hours=1),
    ReplyKind.ADDRESS_CLAIM: timedelta(days=14),
    ReplyKind.WELCOME: timedelta(days=14),
    ReplyKind.NOTICE: timedelta(days=14),
    ReplyKind.EXPLANATION: timedelta(days=14),
}
# How long a finished reply is known. An offer changes with its message, and when that is filed; the
# question about an account is asked once, and a new role explained once; an explanation is never
# repeated.
RETENTION_BY_KIND: Mapping[ReplyKind, timedelta | None] = {
    ReplyKind.OFFER: timedelta(days=30),
    ReplyKind.REACTION_OFFER: timedelta(days=30),
    ReplyKind.FILING: timedelta(days=1),
    ReplyKind.HOME_REFUSAL: timedelta(days=1),
    ReplyKind.ADDRESS_CLAIM: timedelta(days=365),
    ReplyKind.WELCOME: timedelta(days=365),
    ReplyKind.NOTICE: timedelta(days=1),
    ReplyKind.EXPLANATION: None,
}
_UNSETTLED: Document = {"settled": {"$ne": True}}


@dataclass(frozen=True, slots=True)
class Reply:
    """A claimed reply to the member `slack_user_id`. `recipient` is a channel or a member; if
    `is_ephemeral`, only the member sees the message in that channel. `ts` is the message to update,
    None for one that was not sent. `revision` counts changes of `message`."""

    id: str
    recipient: str
    slack_user_id: str
    thread_ts: str | None
    is_ephemeral: bool
    message: Mapping[str, Any]
    created_at: datetime
    claimed_until: datetime
    tries: int
    channel: str | None = None
    ts: str | None = None
    revision: int = 0

    @classmethod
    def from_doc(cls, doc: Document) -> "Reply":
        return cls(
            id=doc["_id"],
            recipient=doc["to"],
            slack_user_id=doc["user"],
            thread_ts=doc["thread"],
            is_ephemeral=doc["ephemeral"],
            message=doc["message"],
            created_at=doc["createdAt"],
            claimed_until=doc["nextTryAt"],
            tries=doc["tries"],
            channel=doc.get("channel"),
            ts=doc.get("ts"),
            revision=doc["revision"],
        )

    @property
    def kind(self) -> ReplyKind:
        return ReplyKind(self.id.rpartition(":")[2])

    def is_expired(self, now: datetime) -> bool:
        return self.ts is None and now >= self.created_at + MAX_AGE_BY_KIND[self.kind]


class Replies:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._queue = WorkQueue(
            db.replies,
            "nextTryAt",
            longest=MAX_DELIVERY_DELAY,
            condition={"state": ReplyState.WAITING.value},
            attempts_field="tries",
        )

    def queue(
        self,
        kind: ReplyKind,
        *,
        event: str,
        recipient: str,
        slack_user_id: str,
        message: Mapping[str, Any],
        thread_ts: str | None = None,
        is_ephemeral: bool = False,
    ) -> str:
        """Store a reply until it is sent; return its id. Idempotent: one for each kind and event.

        `event` names what is answered; `message` holds the arguments of Slack's method.
        """
        now = self._clock()
        doc = {
            "_id": f"{event}:{kind}",
            "to": recipient,
            "user": slack_user_id,
            "thread": thread_ts,
            "ephemeral": is_ephemeral,
            "message": dict(message),
            "state": ReplyState.WAITING.value,
            "createdAt": now,
            "nextTryAt": now,
            "tries": 0,
            "revision": 0,
            "expiresAt": now + UNSENT_RETENTION,
        }
        with suppress(DuplicateKeyError):  # the event was repeated
            self._db.replies.insert_one(doc)
        return str(doc["_id"])

    def revise(
        self,
        kind: ReplyKind,
        *,
        event: str,
        message: Mapping[str, Any],
        is_needed_unsent: bool = True,
    ) -> str | None:
        """Change a reply, sent already or not; return its id, None if there is none or it is
        settled.

        Without `is_needed_unsent` a reply that no worker has tried to send is removed instead.
        """
        this: Document = {"_id": f"{event}:{kind}"}
        waiting = {**this, "state": ReplyState.WAITING.value, **_UNSETTLED}
        if not is_needed_unsent:
            untried = self._db.replies.delete_one({**waiting, "tries": 0})
            if untried.deleted_count:
                return None
        return str(this["_id"]) if self._change(this, {"message": dict(message)}) else None

    def settle_offers(self, *, channel: str, ts: str, message: Mapping[str, Any]) -> list[str]:
        """Replace the offers to file that Slack message by `message`, for good; return the ids of
        those that have to be sent."""
        kinds = f"{ReplyKind.OFFER}|{ReplyKind.REACTION_OFFER}"
        found = self._db.replies.find(
            {"_id": {"$regex": f"^{re.escape(f'{channel}:{ts}:')}(.*:)?({kinds})$"}, **_UNSETTLED},
            ["_id"],
        )
        values = {"message": dict(message), "settled": True}
        return [str(doc["_id"]) for doc in found if self._change({"_id": doc["_id"]}, values)]

    def _change(self, this: Document, values: Document) -> bool:
        """Change an unsettled reply, sent already or not."""
        change: Document = {"$set": values, "$inc": {"revision": 1}}
        waiting = {**this, "state": ReplyState.WAITING.value, **_UNSETTLED}
        if self._db.replies.update_one(waiting, change).matched_count:
            return True  # a worker that sends it now updates it afterwards
        change["$set"] |= {"state": ReplyState.WAITING.value, "nextTryAt": self._clock()}
        # An ephemeral message can be changed only by the press of its button.
        sent = {
            **this,
            "state": ReplyState.SENT.value,
            "ephemeral": {"$ne": True},
            **_UNSETTLED,
        }
        return self._db.replies.update_one(sent, change).matched_count == 1

    def is_filing(self, *, channel: str, ts: str, within: timedelta) -> bool:
        """Return whether a worker was asked within that time to make a ticket of the message, and
        has not done so yet."""
        ids = {"$regex": f"^{re.escape(f'{channel}:{ts}:')}.*:{ReplyKind.FILING}$"}
        since = self._clock() - within
        return any(
            doc["state"] == ReplyState.WAITING.value and doc["createdAt"] > since
            for doc in self._db.replies.find({"_id": ids}, ["state", "createdAt"])
        )

    def next_due_id(self) -> str | None:
        """The id of the reply that has waited longest for its next attempt."""
        due = self._queue.due(self._clock(), limit=1, fields=["_id"])
        return str(due[0]["_id"]) if due else None

    def claim(self, reply_id: str | None = None) -> Reply | None:
        """Claim the reply that has waited longest, or the one with that id, to send it.

        None if there is none, another worker has it, or it was sent.
        """
        doc = self._queue.claim_next(self._clock(), duration=CLAIM_DURATION, item_id=reply_id)
        return Reply.from_doc(doc) if doc else None

    def mark_sent(self, reply: Reply, *, channel: str, ts: str) -> None:
        self._finish(reply, ReplyState.SENT, {"channel": channel, "ts": ts})

    def mark_failed(self, reply: Reply, *, error: str) -> None:
        """Record that Slack will never accept it; `error` is Slack's error code."""
        self._finish(reply, ReplyState.FAILED, {"error": error})

    def drop(self, reply: Reply) -> None:
        """Remove a reply that is too old, so that the same event may be answered again."""
        self._db.replies.delete_one({"_id": reply.id, "nextTryAt": reply.claimed_until})

    def retry_later(self, reply: Reply, *, error: str, wait: timedelta | None = None) -> None:
        """Try again after `wait`, or after twice the wait each time, at most 15 minutes."""
        delay = wait or backoff(
            reply.tries, initial=INITIAL_RETRY_DELAY, maximum=MAX_DELIVERY_DELAY
        )
        at = self._clock() + delay
        self._queue.retry(reply.id, reply.claimed_until, at=at, values={"error": error})

    def _finish(self, reply: Reply, state: ReplyState, values: Document) -> None:
        now = self._clock()
        claimed = {"_id": reply.id, "nextTryAt": reply.claimed_until}
        retention = RETENTION_BY_KIND[reply.kind]
        result: Document = {"state": state.value, **values}
        gone = {"message": "", "nextTryAt": ""}
        if retention is None:
            gone["expiresAt"] = ""
        else:
            result["expiresAt"] = now + retention
        finished = {"$set": result, "$unset": gone}
        unrevised = claimed if reply.is_ephemeral else {**claimed, "revision": reply.revision}
        if not self._db.replies.update_one(unrevised, finished).matched_count:
            # Revised while it was sent: due again, as an update.
            self._db.replies.update_one(claimed, {"$set": {"nextTryAt": now, **values}})


def delete_replies(db: Mongo, slack_user_ids: Collection[str]) -> int:
    """Delete all replies to those members; return how many there were."""
    return db.replies.delete_many({"user": {"$in": list(slack_user_ids)}}).deleted_count
