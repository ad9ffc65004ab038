"""Slack messages about a ticket that are sent once: claimed before sending, recorded after.

A claim expires after a minute, so that the message of a killed worker is sent by another: at least
once, and twice only if a process dies between Slack's answer and the record of it.

A delivery is an entry of the ticket's `notices`. By these, `TicketThreads` finds the ticket that a
thread in Slack is about.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bson import ObjectId

from services.core.database import Document, Mongo
from services.models.comment import MessageRef
from services.models.ticket import Card, Ticket
from services.outbox.pending import outbox_fields

CLAIM_DURATION = timedelta(seconds=60)

TRIAGE_CARD_KIND = "triage"  # the kind of the card that the staff reads together
# The reply below a message from which a ticket was filed: a conversation of other people.
_THREAD_REPLY_KIND = "thread"


class DeliveryState(StrEnum):
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"


CLAIMED_FILTER: Document = {"state": DeliveryState.CLAIMED.value}


@dataclass(frozen=True, slots=True)
class TicketThread:
    """`internal`: what is written there is for the staff only."""

    ticket_id: str
    internal: bool


class TicketThreads:
    def __init__(self, db: Mongo) -> None:
        self._db = db

    def find_ticket(self, *, team_id: str, message: MessageRef) -> TicketThread | None:
        """The ticket that `message` tells of; None if it is not one of the bot's messages.

        No permission check: returns only an id.
        """
        found = self._db.tickets.find(
            {"notices.ts": message.ts},
            {"teamId": True, "notices": {"$elemMatch": {"ts": message.ts}}},
        )
        for doc in found:
            for delivery in doc["notices"]:
                _, kind, _ = parse_delivery_key(str(delivery["key"]))
                is_here = (doc.get("teamId"), delivery.get("channel")) == (team_id, message.channel)
                if is_here and kind != _THREAD_REPLY_KIND:
                    return TicketThread(str(doc["_id"]), internal=kind == TRIAGE_CARD_KIND)
        return None


def delivery_key(*, seq: int, kind: str, recipient: ObjectId | str) -> str:
    """`recipient` is a user, or a channel."""
    return f"{seq}:{kind}:{recipient}"


def parse_delivery_key(key: str) -> tuple[str, str, str]:
    """The parts that `delivery_key` joined, as text: seq, kind and recipient."""
    seq, _, rest = key.partition(":")
    kind, _, recipient = rest.partition(":")
    return seq, kind, recipient


def is_finished(ticket: Ticket, key: str) -> bool:
    """Sent, or refused by Slack for good."""
    states = (delivery["state"] for delivery in ticket.deliveries if delivery["key"] == key)
    return next(states, None) in (DeliveryState.SENT, DeliveryState.FAILED)


def has_finished_delivery(ticket: Ticket, *, seq: int, kind: str) -> bool:
    """Return whether a delivery of that kind is finished for any recipient."""
    begins = delivery_key(seq=seq, kind=kind, recipient="")
    return any(
        delivery["key"].startswith(begins) and is_finished(ticket, delivery["key"])
        for delivery in ticket.deliveries
    )


def claim(db: Mongo, ticket_id: ObjectId, key: str, *, now: datetime) -> bool:
    """Return whether this caller is the one to send the message."""
    fresh = {
        "key": key,
        "state": DeliveryState.CLAIMED.value,
        "until": now + CLAIM_DURATION,
        "tries": 1,
    }
    first = db.tickets.update_one(
        {"_id": ticket_id, "notices.key": {"$ne": key}}, {"$push": {"notices": fresh}}
    )
    if first.modified_count:
        return True
    return _update_element(
        db,
        ticket_id,
        "notices",
        {"key": key},
        {
            "$set": {"notices.$[this].until": now + CLAIM_DURATION},
            "$inc": {"notices.$[this].tries": 1},
        },
        only_if=CLAIMED_FILTER | {"until": {"$lte": now}},
    )


def mark_delegated(db: Mongo, ticket_id: ObjectId, key: str) -> None:
    """Record that another process sends the message, once."""
    delivery = {"key": key, "state": DeliveryState.SENT.value, "tries": 1}
    db.tickets.update_one(
        {"_id": ticket_id, "notices.key": {"$ne": key}}, {"$push": {"notices": delivery}}
    )


def release_claim(db: Mongo, ticket_id: ObjectId, key: str, *, until: datetime) -> None:
    """Not sent: another attempt may take it from `until` on."""
    values = {"notices.$[this].until": until}
    _update_element(
        db, ticket_id, "notices", {"key": key}, {"$set": values}, only_if=CLAIMED_FILTER
    )


def mark_failed(db: Mongo, ticket_id: ObjectId, key: str, *, error: str) -> None:
    """Record that Slack will never accept the message; `error` is Slack's error code."""
    values = {"notices.$[this].state": DeliveryState.FAILED.value, "notices.$[this].error": error}
    _update_element(
        db, ticket_id, "notices", {"key": key}, {"$set": values}, only_if=CLAIMED_FILTER
    )


def mark_sent(
    db: Mongo,
    ticket_id: ObjectId,
    key: str,
    *,
    channel: str,
    ts: str,
    card: Card | None = None,
    extra_fields: Document | None = None,
) -> None:
    """Record a message that Slack accepted and, if it is a card, that it is to be kept up to date.

    `extra_fields` are stored with the delivery, to tell later whether the message is out of date.
    """
    values = {
        "notices.$[this].state": DeliveryState.SENT.value,
        "notices.$[this].channel": channel,
        "notices.$[this].ts": ts,
        **{f"notices.$[this].{name}": value for name, value in (extra_fields or {}).items()},
    }
    update: Document = {"$set": values}
    if card:
        update["$push"] = {"cards": card.to_doc()}
    _update_element(db, ticket_id, "notices", {"key": key}, update)


def record_card_update(
    db: Mongo, ticket_id: ObjectId, card: Card, *, seq: int, digest: str, now: datetime
) -> bool:
    """Record what a card shows now.

    False if another worker had shown a newer state, which the caller has just overwritten: the card
    then counts as out of date, and the ticket is back in the outbox.
    """
    this = {"channel": card.channel, "ts": card.ts}
    shown = {"cards.$[this].seq": seq, "cards.$[this].digest": digest}
    not_newer = {"seq": {"$lte": seq}}
    if _update_element(db, ticket_id, "cards", this, {"$set": shown}, only_if=not_newer):
        return True
    invalidate_card(db, ticket_id, channel=card.channel, ts=card.ts, now=now)
    return False


def record_message_update(
    db: Mongo, ticket_id: ObjectId, key: str, *, seq: int, version: str, now: datetime
) -> bool:
    """As `record_card_update`, for a message that is kept in step with what it tells of: `version`
    is of that, `seq` the ticket's."""
    shown = {"notices.$[this].seq": seq, "notices.$[this].version": version}
    not_newer = {"seq": {"$lte": seq}}
    if _update_element(db, ticket_id, "notices", {"key": key}, {"$set": shown}, only_if=not_newer):
        return True
    stale: Document = {
        "$set": {"notices.$[this].version": "", **outbox_fields(now)},
        "$inc": {"seq": 1},
    }
    _update_element(db, ticket_id, "notices", {"key": key}, stale)
    return False


def invalidate_card(
    db: Mongo, ticket_id: ObjectId, *, channel: str, ts: str, now: datetime
) -> bool:
    """Mark the card as out of date and put the ticket back in the outbox. False: no such card."""
    stale = {"cards.$[this].digest": "", **outbox_fields(now)}
    # A worker that read the ticket before must not mark it delivered: hence the new seq.
    update: Document = {"$set": stale, "$inc": {"seq": 1}}
    return _update_element(db, ticket_id, "cards", {"channel": channel, "ts": ts}, update)


def _update_element(
    db: Mongo,
    ticket_id: ObjectId,
    array: str,
    element: Document,
    update: Document,
    *,
    only_if: Document | None = None,
) -> bool:
    """Update the ticket if `array` has an entry that matches `element`, called `$[this]` in
    `update`."""
    found = db.tickets.update_one(
        {"_id": ticket_id, array: {"$elemMatch": element | (only_if or {})}},
        update,
        # By what never changes: SecantusDB applies the filter anew after each field it has set.
        array_filters=[{f"this.{name}": value for name, value in element.items()}],
    )
    return found.matched_count == 1
