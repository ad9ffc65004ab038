"""Slack messages about a ticket that are sent once: claimed before sending, recorded after.

A claim expires after a minute, so that the message of a killed worker is sent by another. Slack may
have accepted it before that: each message names its delivery in its metadata, by which the next
worker looks for it in the conversation first. A second copy is sent only if Slack does not let it
look there. The update of a sent message is claimed in the same way, for the content that the caller
read, so two workers do not send the same content.

A delivery is an entry of the ticket's `notices`, so its claim updates an array, not a document with
a due date (services/core/work_queue.py); the ticket's outbox retries it. By the deliveries,
`TicketThreads` finds the ticket that a thread in Slack is about.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId
from pymongo.cursor import Cursor

from services.core.clock import Clock, utcnow
from services.core.coerce import as_datetime, as_string_list
from services.core.database import Document, Mongo
from services.core.slack_errors import CHANNEL_NOT_FOUND, OPERATOR_CODES
from services.core.work_queue import MAX_DELIVERY_DELAY, ahead
from services.models.comment import MessageRef, comments_from_doc
from services.models.events import EventType
from services.models.message_source import filed_from, filed_near, talked_about_in
from services.models.ticket import OPEN_STATUSES, Card, Ticket
from services.outbox import pending
from services.outbox.pending import ANY_TIME, outbox_fields
from services.outbox.reminders import UNASSIGNED_ALERT_PREFIX
from services.outbox.ticket_filter import ticket_filter

CLAIM_DURATION = timedelta(seconds=60)
_UNANSWERED_SINCE = "unansweredSince"  # of a delivery, see `Claim`
_UPDATE_CLAIM = "updatingUntil"  # of a card, or of the delivery of a comment

TRIAGE_CARD_KIND = "triage"  # the kind of the card in the triage channel
NOTES_KIND = "notes"  # of the message whose thread holds an assignee's internal notes
COMMENT_KIND = "comment"  # of a comment or an internal note
# In the thread of a request channel: the line that shows the ticket, and a comment from elsewhere.
LINE_KIND, COPY_KIND = "line", "copy"
# The reply to a message from which a ticket was filed: other people's conversation.
_THREAD_REPLY_KIND = "thread"
# Slack's codes for a thread in which no one can write.
THREAD_LOST = frozenset({"thread_not_found", "restricted_action_thread_locked"})
# No message of these begins a thread.
_REPLY_KINDS = (LINE_KIND, COPY_KIND, _THREAD_REPLY_KIND)


class DeliveryState(StrEnum):
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"


# By Slack's error code, the keys of deliveries that an operator's correction lets through. A member
# who is not found does not come back.
_OPERATOR_FAILURE_KEYS = dict.fromkeys(
    OPERATOR_CODES, re.compile(rf"[0-9]+:(?!{_THREAD_REPLY_KIND}:).*")
) | {CHANNEL_NOT_FOUND: re.compile(r".*:[CG][A-Z0-9]+")}

_NONE: Document = {}
CLAIMED_FILTER: Document = {"state": DeliveryState.CLAIMED.value}

# Slack allows letters, digits and underscores.
_METADATA_TYPE = "ticket_delivery"


@dataclass(frozen=True, slots=True)
class DeliveryRef:
    """Names a delivery in the metadata of its message in Slack, which other apps can read: ids
    only. https://docs.slack.dev/messaging/message-metadata"""

    ticket_id: str
    key: str

    def to_metadata(self) -> dict[str, Any]:
        return {
            "event_type": _METADATA_TYPE,
            "event_payload": {"ticket": self.ticket_id, "delivery": self.key},
        }

    @classmethod
    def from_message(
        cls, message: Mapping[str, Any], *, bot_user_id: str, bot_id: str = ""
    ) -> "DeliveryRef | None":
        """Return None for a message of another author: any app may write such metadata. A message
        under a person's name has the id of the bot only."""
        metadata = message.get("metadata")
        is_own = message.get("user") == bot_user_id or (bot_id and message.get("bot_id") == bot_id)
        if not is_own or not isinstance(metadata, Mapping):
            return None
        payload = metadata.get("event_payload")
        if metadata.get("event_type") != _METADATA_TYPE or not isinstance(payload, Mapping):
            return None
        return cls(str(payload.get("ticket")), str(payload.get("delivery")))


@dataclass(frozen=True, slots=True)
class Claim:
    """`unanswered_since` is when the first attempt began of which it is unknown whether Slack
    accepted the message; None if there is none."""

    unanswered_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TicketThread:
    """`internal`: messages in the thread are for the staff only. `is_conversation`: it is in a
    request channel, so any member may write there."""

    ticket_id: str
    internal: bool
    is_conversation: bool = False


@dataclass(frozen=True, slots=True)
class MarkedTicket:
    """The ticket of a message with an emoji. `is_card`: the message is a card in a direct message
    or in the triage channel."""

    ticket_id: str
    is_card: bool


class MessageUnrecorded(Exception):
    """A worker is sending a message to the author of a reply or to its channel: perhaps the one
    replied to."""


class TicketThreads:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def find_ticket(self, *, team_id: str, message: MessageRef) -> TicketThread | None:
        """Return the ticket that `message` is about: the bot's message about one ticket, a direct
        message that was filed or added to a ticket, or the offer to do so, or the first message of
        the thread in a request channel that is the conversation about it. None if it is
        about no ticket, or about several.

        No permission check: returns only an id.
        """
        return (
            self._by_delivery(team_id, message)
            or self._by_reminder(message)
            or self._by_source(team_id, message)
        )

    def find_conversation(self, *, team_id: str, message: MessageRef) -> TicketThread | None:
        """Return the ticket that the thread below a member's message in a channel is about. No
        permission check, as above."""
        return (
            self._by_conversation(team_id, message)
            or self._by_added(team_id, message)
            or self.find_by_comment(team_id=team_id, message=message)
        )

    def find_marked(self, *, team_id: str, message: MessageRef) -> MarkedTicket | None:
        """Return the ticket of a card, or in a channel that of any message of the bot, or that was
        filed from the message. None for other messages, such as people's replies.

        No permission check: returns only an id.
        """
        is_direct = message.channel.startswith("D")
        found = self._db.tickets.find(
            {"notices.ts": message.ts},
            {"teamId": True, "cards": True, "notices": {"$elemMatch": {"ts": message.ts}}},
        )
        for doc in found:
            here = (doc.get("teamId"), doc["notices"][0].get("channel"))
            if here != (team_id, message.channel):
                continue
            kinds = {
                card.get("kind")
                for card in doc.get("cards") or ()
                if (card.get("channel"), card.get("ts")) == (message.channel, message.ts)
            }
            is_card = bool(kinds) and (is_direct or TRIAGE_CARD_KIND in kinds)
            return MarkedTicket(str(doc["_id"]), is_card) if is_card or not is_direct else None
        if is_direct:
            return None
        filed = filed_from(team_id=team_id, channel=message.channel, ts=message.ts)
        source = self._db.tickets.find_one(filed, ["_id"])
        return MarkedTicket(str(source["_id"]), is_card=False) if source else None

    def find_ticket_of_copy(self, copy: DeliveryRef, *, team_id: str) -> TicketThread | None:
        """Return the ticket of a message that names its delivery and is not the one recorded: the
        worker was killed after Slack accepted it, and another one sent it again.

        No permission check: returns only an id.
        """
        if not ObjectId.is_valid(copy.ticket_id):
            return None
        is_known = {"_id": ObjectId(copy.ticket_id), "teamId": team_id, "notices.key": copy.key}
        if not self._db.tickets.find_one(is_known, ["_id"]):
            return None
        return self._thread_of(ObjectId(copy.ticket_id), copy.key)

    def check_all_recorded(self, recipient: ObjectId | str) -> None:
        """Raise `MessageUnrecorded` if a worker is sending that user or channel a message, because
        the reply to it may arrive before its `ts` is recorded."""
        now = self._clock()
        key = {"$regex": f"^[0-9]+:(?!(?:{'|'.join(_REPLY_KINDS)}):).*:{recipient}$"}
        sending = CLAIMED_FILTER | {"key": key, "until": ahead(now, longest=MAX_DELIVERY_DELAY)}
        outbox = {"outbox": True, "nextTryAt": {"$gt": ANY_TIME}}
        found = self._db.tickets.find_one({**outbox, "notices": {"$elemMatch": sending}}, ["_id"])
        to = [str(recipient), f"{UNASSIGNED_ALERT_PREFIX}{recipient}"]
        claimed = {
            "to": {"$in": to},
            "at": ahead(now, longest=MAX_DELIVERY_DELAY),
            "claim": {"$gt": ""},
            "shown": None,
        }
        if found or self._db.nudges.find_one(claimed, ["_id"]):
            raise MessageUnrecorded(f"{recipient} is being sent a message")

    def _by_delivery(self, team_id: str, message: MessageRef) -> TicketThread | None:
        found = self._db.tickets.find(
            {"notices.ts": message.ts},
            {"teamId": True, "notices": {"$elemMatch": {"ts": message.ts}}},
        )
        for doc in found:
            for delivery in doc["notices"]:
                is_here = (doc.get("teamId"), delivery.get("channel")) == (team_id, message.channel)
                if is_here and (thread := self._thread_of(doc["_id"], str(delivery["key"]))):
                    return thread
        return None

    def _thread_of(self, ticket_id: ObjectId, key: str) -> TicketThread | None:
        """Return the ticket if replies to the message of that delivery are about it."""
        seq, kind, _ = parse_delivery_key(key)
        if kind == _THREAD_REPLY_KIND:
            return None
        internal = kind in (TRIAGE_CARD_KIND, NOTES_KIND) or (
            kind == COMMENT_KIND and self._is_note(ticket_id, seq)
        )
        return TicketThread(str(ticket_id), internal=internal)

    def _is_note(self, ticket_id: ObjectId, seq: str) -> bool:
        """Return whether that event added an internal note: it may have been sent outside any
        thread, and a reply to a note is a note."""
        noted = {"$elemMatch": {"seq": int(seq), "type": EventType.NOTED.value}}
        return self._db.tickets.count_documents({"_id": ticket_id, "events": noted}, limit=1) == 1

    def _by_reminder(self, message: MessageRef) -> TicketThread | None:
        """Reminders are for the staff, so a reply is an internal note."""
        shown = self._db.nudges.find({"shown.ts": message.ts}, ["ticketId", "shown"]).limit(100)
        ids = {doc["ticketId"] for doc in shown if doc["shown"]["channel"] == message.channel}
        return TicketThread(str(ids.pop()), internal=True) if len(ids) == 1 else None

    def _by_source(self, team_id: str, message: MessageRef) -> TicketThread | None:
        sent = self._db.replies.find({"ts": message.ts}, ["channel"])
        offer = next((doc for doc in sent if doc.get("channel") == message.channel), None)
        channel, ts = str(offer["_id"]).split(":")[:2] if offer else (message.channel, message.ts)
        if not offer and not channel.startswith("D"):
            return self.find_conversation(team_id=team_id, message=message)
        filed = filed_from(team_id=team_id, channel=channel, ts=ts)
        if doc := self._db.tickets.find_one(filed, ["_id"]):
            return TicketThread(str(doc["_id"]), internal=False)
        return self.find_by_comment(team_id=team_id, message=MessageRef(channel, ts))

    def _by_added(self, team_id: str, message: MessageRef) -> TicketThread | None:
        """Return the ticket to whose description the message in a channel was added."""
        near = filed_near(team_id=team_id, channel=message.channel, ts=message.ts)
        for doc in self._db.tickets.find(near, ["source.added"]):
            if message.ts in as_string_list(doc["source"].get("added")):
                return TicketThread(str(doc["_id"]), internal=False, is_conversation=True)
        return None

    def _by_conversation(self, team_id: str, message: MessageRef) -> TicketThread | None:
        """Return the newest ticket that the thread below a message in a channel is the conversation
        about. Any other is other people's conversation."""
        for condition in talked_about_in(
            team_id=team_id, channel=message.channel, thread_ts=message.ts
        ):
            if doc := self._db.tickets.find_one(condition, ["_id"], sort=[("_id", -1)]):
                return TicketThread(str(doc["_id"]), internal=False, is_conversation=True)
        return None

    def find_by_comment(self, *, team_id: str, message: MessageRef) -> TicketThread | None:
        """Return the ticket that has the message as a comment. No permission check, as above."""
        found = self._db.tickets.find(
            {"comments.slack.ts": message.ts},
            {"teamId": True, "comments": {"$elemMatch": {"slack.ts": message.ts}}},
        )
        for doc in found:
            for comment in comments_from_doc(doc["comments"]):
                if (doc.get("teamId"), comment.slack_message) == (team_id, message):
                    return TicketThread(str(doc["_id"]), internal=comment.internal)
        return None


def delivery_key(*, seq: int, kind: str, recipient: ObjectId | str) -> str:
    """`recipient` is a user or a channel."""
    return f"{seq}:{kind}:{recipient}"


def parse_delivery_key(key: str) -> tuple[str, str, str]:
    """Return seq, kind and recipient of a `delivery_key`, as text."""
    seq, _, rest = key.partition(":")
    kind, _, recipient = rest.partition(":")
    return seq, kind, recipient


def find_direct_channel(db: Mongo, ticket: Ticket, user_id: ObjectId) -> str | None:
    """Return the id of the user's conversation with the bot, by an earlier message about that
    ticket or a card of another one; None if there is none."""
    for delivery in ticket.deliveries:
        _, _, recipient = parse_delivery_key(str(delivery["key"]))
        if recipient == str(user_id) and delivery.get("channel"):
            return str(delivery["channel"])
    card = {"cards": {"$elemMatch": {"recipient": user_id}}}
    for field in ("createdBy", "assignedTo"):
        if doc := db.tickets.find_one({field: user_id, "cards.recipient": user_id}, card):
            return str(doc["cards"][0]["channel"])
    return None


def is_finished(ticket: Ticket, key: str) -> bool:
    """Return whether the message was sent, or Slack will never accept it."""
    states = (delivery["state"] for delivery in ticket.deliveries if delivery["key"] == key)
    return next(states, None) in (DeliveryState.SENT, DeliveryState.FAILED)


def is_done(ticket: Ticket, key: str) -> bool:
    """Return whether no further attempt is needed: the message is finished, or it was deleted in
    Slack and the ticket is closed."""
    is_deleted = any(each["key"] == key and "lost" in each for each in ticket.deliveries)
    return is_finished(ticket, key) or (is_deleted and ticket.status not in OPEN_STATUSES)


def has_finished_delivery(ticket: Ticket, *, seq: int, kind: str) -> bool:
    """Return whether a delivery of that kind is finished for any recipient."""
    begins = delivery_key(seq=seq, kind=kind, recipient="")
    return any(
        delivery["key"].startswith(begins) and is_finished(ticket, delivery["key"])
        for delivery in ticket.deliveries
    )


def is_thread_lost(ticket: Ticket, channel: str) -> bool:
    """Return whether Slack accepts no message in the thread of the ticket in that channel."""
    return any(
        delivery["state"] == DeliveryState.FAILED
        and delivery.get("error") in THREAD_LOST
        and recipient == channel
        and kind != COMMENT_KIND  # in the thread of the triage card
        for delivery in ticket.deliveries
        for _, kind, recipient in [parse_delivery_key(str(delivery["key"]))]
    )


def claim(
    db: Mongo, ticket_id: ObjectId, key: str, *, now: datetime, expected_seq: int | None = None
) -> Claim | None:
    """Claim the message for this caller to send; None if another one is sending it, or the ticket
    has changed since `expected_seq`."""
    begun, unchanged = _begun(now), _unchanged(expected_seq)
    delivery = {"key": key, "state": DeliveryState.CLAIMED.value, "tries": 1, **begun}
    if _append(db, ticket_id, delivery, only_if_ticket=unchanged):
        return Claim()
    doc = db.tickets.find_one({"_id": ticket_id}, {"notices": {"$elemMatch": {"key": key}}})
    (earlier,) = doc["notices"] if doc and doc.get("notices") else ({},)
    since = as_datetime(earlier.get(_UNANSWERED_SINCE))
    again = begun if since is None else {**begun, _UNANSWERED_SINCE: since}
    is_claimed = _update_element(
        db,
        ticket_id,
        "notices",
        {"key": key},
        {
            "$set": {f"notices.$[this].{name}": value for name, value in again.items()},
            "$inc": {"notices.$[this].tries": 1},
        },
        only_if=_unclaimed(now),
        only_if_ticket=unchanged,
    )
    return Claim(since) if is_claimed else None


def _begun(now: datetime) -> Document:
    return {"until": now + CLAIM_DURATION, _UNANSWERED_SINCE: now}


def _unclaimed(now: datetime) -> Document:
    return CLAIMED_FILTER | {"until": {"$not": ahead(now, longest=MAX_DELIVERY_DELAY)}}


def _unchanged(expected_seq: int | None) -> Document:
    return {} if expected_seq is None else {"seq": expected_seq}


def claim_first(
    db: Mongo,
    ticket_id: ObjectId,
    keys: Sequence[str],
    *,
    now: datetime,
    expected_seq: int | None = None,
) -> bool:
    """Claim the first of several messages, and add the others for `mark_sent` to claim. False if
    one of them was added before, or the ticket has changed since `expected_seq`.

    The others are as after a claim that was released unsent: any worker may claim them.
    """
    first, *others = keys
    state = DeliveryState.CLAIMED.value
    added: list[Document] = [
        {"key": first, "state": state, "tries": 1, **_begun(now)},
        *({"key": key, "state": state, "tries": 0, "until": now} for key in others),
    ]
    unknown = _without_deliveries(ticket_id, keys, only_if=_unchanged(expected_seq))
    done = db.tickets.update_one(unknown, {"$push": {"notices": {"$each": added}}})
    return done.modified_count == 1


def mark_delegated(db: Mongo, ticket_id: ObjectId, key: str) -> None:
    """Record that another outbox sends the message, once."""
    _append(db, ticket_id, {"key": key, "state": DeliveryState.SENT.value, "tries": 1})


def release_claim(
    db: Mongo, ticket_id: ObjectId, key: str, *, until: datetime, is_unsent: bool
) -> None:
    """Let another attempt claim the message from `until` on. `is_unsent`: Slack has refused it
    or not received it, so no copy of it can be there."""
    also = {"$unset": {f"notices.$[this].{_UNANSWERED_SINCE}": ""}} if is_unsent else None
    _set(db, ticket_id, key, {"until": until}, only_if=CLAIMED_FILTER, also=also)


def mark_failed(db: Mongo, ticket_id: ObjectId, key: str, *, error: str) -> None:
    """Record that Slack will never accept the message; `error` is Slack's error code."""
    values = {"state": DeliveryState.FAILED.value, "error": error}
    _set(db, ticket_id, key, values, only_if=CLAIMED_FILTER)


def mark_withdrawn(db: Mongo, ticket_id: ObjectId, key: str) -> None:
    """Record that the message was deleted in Slack, and is not to be sent again."""
    _set(db, ticket_id, key, {"state": DeliveryState.FAILED.value, "error": "withdrawn"})


def is_operator_failure(delivery: Document) -> bool:
    """Return whether the message was given up for an error that an operator can correct. Not a
    reply in other people's conversations, where the bot may be no member."""
    keys = _OPERATOR_FAILURE_KEYS.get(str(delivery.get("error")))
    is_failed = delivery.get("state") == DeliveryState.FAILED
    return bool(is_failed and keys and keys.fullmatch(str(delivery.get("key"))))


def find_operator_failures(
    db: Mongo, *, created_after: datetime, fields: Collection[str] = ()
) -> Cursor[Document]:
    """Find the tickets with an `is_operator_failure`, with their deliveries and those fields."""
    cases = [
        {
            "state": DeliveryState.FAILED.value,
            "error": code,
            "key": {"$regex": f"^{keys.pattern}$"},
        }
        for code, keys in sorted(_OPERATOR_FAILURE_KEYS.items())
    ]
    return db.tickets.find(
        {
            "_id": {"$gte": ObjectId.from_datetime(created_after)},
            "$or": [{"notices": {"$elemMatch": case}} for case in cases],
        },
        ["notices", *fields],
    )


def find_given_up(db: Mongo, *, created_after: datetime, limit: int) -> list[tuple[int | str, str]]:
    """Return number and Slack's error code of the tickets with an `is_operator_failure`, newest
    first."""
    found = find_operator_failures(db, created_after=created_after, fields=["number"])
    return [
        (doc.get("number") or str(doc["_id"]), str(next(failures)["error"]))
        for doc in found.sort("_id", -1).limit(limit)
        for failures in [filter(is_operator_failure, doc["notices"])]
    ]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that Slack accepted, with the card that it is, if it is one. `extra_fields` are
    stored with the delivery, to see later whether the message is out of date."""

    key: str
    channel: str
    ts: str
    card: Card | None = None
    extra_fields: Mapping[str, Any] | None = None


def mark_sent(db: Mongo, ticket_id: ObjectId, message: SentMessage) -> None:
    """Record the message. Idempotent: a write whose answer was lost is repeated."""
    _mark_sent(db, ticket_id, message)


def mark_sent_and_claim(
    db: Mongo,
    ticket_id: ObjectId,
    message: SentMessage,
    next_key: str,
    *,
    now: datetime,
    expected_seq: int | None = None,
) -> bool:
    """Record the message and claim the next one of `claim_first` in one update. If another worker
    has that one, or the ticket has changed since `expected_seq`, record the message only and return
    False.

    A worker does nothing between the two, so a worker that takes over finds no other state than
    after two updates.
    """
    begun = {f"notices.$[next].{name}": value for name, value in _begun(now).items()}
    claimed = _mark_sent(
        db,
        ticket_id,
        message,
        only_if=_unchanged(expected_seq),
        only_if_delivery={"key": next_key, **_unclaimed(now)},
        change={"$set": begun, "$inc": {"notices.$[next].tries": 1}},
        array_filters=[{"next.key": next_key}],
    )
    if not claimed:
        mark_sent(db, ticket_id, message)
    return claimed


def mark_last_sent(
    db: Mongo, ticket_id: ObjectId, message: SentMessage, *, expected_seq: int
) -> bool:
    """Record the last message of a ticket's changes, and `pending.mark_delivered` in one update. If
    the ticket has changed since `expected_seq`, record the message only and return False."""
    is_delivered = _mark_sent(
        db, ticket_id, message, only_if={"seq": expected_seq}, change=pending.DELIVERED
    )
    if not is_delivered:
        mark_sent(db, ticket_id, message)
    return is_delivered


def _mark_sent(
    db: Mongo,
    ticket_id: ObjectId,
    message: SentMessage,
    *,
    only_if: Document = _NONE,
    only_if_delivery: Document = _NONE,
    change: Document = _NONE,
    array_filters: Sequence[Document] = (),
) -> bool:
    """Record the message and make a further `change` of the ticket, if it is not recorded yet, the
    ticket matches `only_if`, and one of its deliveries `only_if_delivery`."""
    sent = {"state": DeliveryState.SENT.value, "channel": message.channel, "ts": message.ts}
    own = {
        f"notices.$[this].{name}": value
        for name, value in {**sent, **(message.extra_fields or {})}.items()
    }
    gone = {f"notices.$[this].{name}": "" for name in ("lost", _UNANSWERED_SINCE)}
    update: Document = {
        **change,
        "$set": {**own, **change.get("$set", {})},
        "$unset": {**gone, **change.get("$unset", {})},
    }
    if message.card:
        update["$push"] = {"cards": message.card.to_doc()}
    unrecorded = {"key": message.key, "ts": {"$ne": message.ts}}
    elements = [{"$elemMatch": one} for one in (unrecorded, only_if_delivery) if one]
    done = db.tickets.update_one(
        ticket_filter(ticket_id, {**only_if, "notices": {"$all": elements}}),
        update,
        array_filters=[{"this.key": message.key}, *array_filters],
    )
    return done.matched_count == 1


def claim_card_update(db: Mongo, ticket_id: ObjectId, card: Card, *, now: datetime) -> bool:
    """Return whether this caller is the one to update the card. False if it shows other content
    than `card` says, or another worker is updating it."""
    this = {"channel": card.channel, "ts": card.ts}
    return _claim_update(db, ticket_id, "cards", this, {"digest": card.digest}, now=now)


def claim_message_update(
    db: Mongo, ticket_id: ObjectId, key: str, *, shown_version: str | None, now: datetime
) -> bool:
    """As `claim_card_update`, for a message that was sent once and shows that version."""
    return _claim_update(
        db, ticket_id, "notices", {"key": key}, {"version": shown_version}, now=now
    )


def release_card_update(db: Mongo, ticket_id: ObjectId, card: Card, *, until: datetime) -> None:
    """Release the claim of an update that failed: another attempt may claim it from `until` on."""
    this = {"channel": card.channel, "ts": card.ts}
    claim = {"$set": {f"cards.$[this].{_UPDATE_CLAIM}": until}}
    _update_element(db, ticket_id, "cards", this, claim)


def release_message_update(db: Mongo, ticket_id: ObjectId, key: str, *, until: datetime) -> None:
    """As `release_card_update`."""
    _set(db, ticket_id, key, {_UPDATE_CLAIM: until})


def replace_deleted(
    db: Mongo, ticket_id: ObjectId, *, channel: str, ts: str, now: datetime
) -> None:
    """Forget a card, or the message of a thread, that was deleted in Slack, so that it is posted
    again while the ticket is open.

    Of several workers that find it deleted, one changes something: its delivery keeps no `ts`.
    """
    this = {"channel": channel, "ts": ts}
    update = _back_to_outbox(now)
    update["$pull"] = {"cards": this}
    again = update | {
        "$set": {
            **update["$set"],
            "notices.$[this].state": DeliveryState.CLAIMED.value,
            "notices.$[this].until": now,
            "notices.$[this].lost": True,
        },
        "$unset": {"notices.$[this].ts": ""},
    }
    if not _update_element(db, ticket_id, "notices", this, again):
        # Another card has taken its place in the delivery.
        db.tickets.update_one(ticket_filter(ticket_id, {"cards": {"$elemMatch": this}}), update)


def record_card_update(
    db: Mongo, ticket_id: ObjectId, card: Card, *, seq: int, digest: str, now: datetime
) -> bool:
    """Record what a card shows now.

    False if another worker had shown a newer state, which the caller has just overwritten: the card
    then counts as out of date, and the ticket is back in the outbox.
    """
    this = {"channel": card.channel, "ts": card.ts}
    shown = {"cards.$[this].seq": seq, "cards.$[this].digest": digest}
    update = {"$set": shown, "$unset": {f"cards.$[this].{_UPDATE_CLAIM}": ""}}
    not_newer = {"seq": {"$lte": seq}}
    if _update_element(db, ticket_id, "cards", this, update, only_if=not_newer):
        return True
    invalidate_card(db, ticket_id, channel=card.channel, ts=card.ts, now=now)
    return False


def record_message_update(
    db: Mongo, ticket_id: ObjectId, key: str, *, seq: int, version: str, now: datetime
) -> bool:
    """As `record_card_update`, for a message that was sent once: `version` is that of its content,
    `seq` the ticket's."""
    shown, not_newer = {"seq": seq, "version": version}, {"seq": {"$not": {"$gt": seq}}}
    unclaimed = {"$unset": {f"notices.$[this].{_UPDATE_CLAIM}": ""}}
    if _set(db, ticket_id, key, shown, only_if=not_newer, also=unclaimed):
        return True
    _set(db, ticket_id, key, {"version": ""}, also=_back_to_outbox(now))
    return False


def invalidate_card(
    db: Mongo, ticket_id: ObjectId, *, channel: str, ts: str, now: datetime
) -> bool:
    """Mark the card as out of date and put the ticket back in the outbox. False: no such card."""
    update = _back_to_outbox(now)
    update["$set"]["cards.$[this].digest"] = ""
    return _update_element(db, ticket_id, "cards", {"channel": channel, "ts": ts}, update)


def invalidate_message(
    db: Mongo, ticket_id: ObjectId, *, channel: str, ts: str, now: datetime
) -> bool:
    """As `invalidate_card`, for a message that was sent once."""
    update = _back_to_outbox(now)
    update["$set"]["notices.$[this].version"] = ""
    return _update_element(db, ticket_id, "notices", {"channel": channel, "ts": ts}, update)


def _claim_update(
    db: Mongo,
    ticket_id: ObjectId,
    array: str,
    element: Document,
    shown: Document,
    *,
    now: datetime,
) -> bool:
    claim = {"$set": {f"{array}.$[this].{_UPDATE_CLAIM}": now + CLAIM_DURATION}}
    unclaimed = {_UPDATE_CLAIM: {"$not": ahead(now, longest=MAX_DELIVERY_DELAY)}}
    return _update_element(db, ticket_id, array, element, claim, only_if=shown | unclaimed)


def _back_to_outbox(now: datetime) -> Document:
    """A new `seq`, so that a worker that read the ticket before does not mark it delivered."""
    return {"$set": outbox_fields(now), "$inc": {"seq": 1}}


def _append(
    db: Mongo, ticket_id: ObjectId, delivery: Document, *, only_if_ticket: Document = _NONE
) -> bool:
    """Add a delivery, unless there is one with its key."""
    unknown = _without_deliveries(ticket_id, [delivery["key"]], only_if=only_if_ticket)
    return db.tickets.update_one(unknown, {"$push": {"notices": delivery}}).modified_count == 1


def _without_deliveries(
    ticket_id: ObjectId, keys: Sequence[str], *, only_if: Document = _NONE
) -> Document:
    """Return the filter for the ticket if it has none of these deliveries."""
    known = {"$elemMatch": {"key": {"$in": list(keys)}}}
    return ticket_filter(ticket_id, {**only_if, "notices": {"$not": known}})


def _set(
    db: Mongo,
    ticket_id: ObjectId,
    key: str,
    values: Document,
    *,
    only_if: Document | None = None,
    also: Document | None = None,
) -> bool:
    """Set values of the delivery with that key, with further operators for the ticket in `also`."""
    update = dict(also or {})
    own = {f"notices.$[this].{name}": value for name, value in values.items()}
    update["$set"] = own | update.get("$set", {})
    return _update_element(db, ticket_id, "notices", {"key": key}, update, only_if=only_if)


def _update_element(
    db: Mongo,
    ticket_id: ObjectId,
    array: str,
    element: Document,
    update: Document,
    *,
    only_if: Document | None = None,
    only_if_ticket: Document = _NONE,
) -> bool:
    """Update the ticket if `array` has an entry that matches `element`, called `$[this]` in
    `update`."""
    entry = {"$elemMatch": element | (only_if or {})}
    found = db.tickets.update_one(
        ticket_filter(ticket_id, {**only_if_ticket, array: entry}),
        update,
        # Only by what never changes: SecantusDB applies the filter again after each field it sets.
        array_filters=[{f"this.{name}": value for name, value in element.items()}],
    )
    return found.matched_count == 1
