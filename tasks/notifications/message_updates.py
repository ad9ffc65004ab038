"""Update a message about a ticket that was sent before, by one worker at a time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from bot.views.text import Message
from services.core.database import record
from services.models.ticket import Ticket
from services.outbox import deliveries
from tasks.notifications.slack_delivery import GIVE_UP_AFTER, OutcomeKind, update_message
from tasks.runtime import Runtime


class DeliveryResult(Enum):
    DONE = auto()
    RETRY = auto()
    CONTENDED = auto()  # a message is claimed by another process, or a card was deleted


def update_delivery(
    runtime: Runtime,
    ticket: Ticket,
    delivery: Mapping[str, Any],
    message: Message,
    *,
    version: str,
    changed_at: datetime,
) -> DeliveryResult:
    """Update the message of a delivery (an entry of `Ticket.deliveries`) to that version.

    `changed_at`: what an operator has not corrected long after that is given up. Raises
    `SlackRateLimited`.
    """
    db, ticket_id, key = runtime.db, ticket.id, str(delivery["key"])
    now = runtime.clock()
    if not deliveries.claim_message_update(
        db, ticket_id, key, shown_version=delivery.get("version"), now=now
    ):
        return DeliveryResult.CONTENDED
    outcome = update_message(
        runtime.slack,
        message,
        channel=str(delivery["channel"]),
        ts=str(delivery["ts"]),
        about=f"ticket {ticket_id}: message {key}",
    )
    is_given_up = outcome.kind is OutcomeKind.BLOCKED and now >= changed_at + GIVE_UP_AFTER
    if not outcome.is_final and not is_given_up:
        until = now + (outcome.wait or timedelta())
        deliveries.release_message_update(db, ticket_id, key, until=until)
        if outcome.rate_limit:
            raise outcome.rate_limit
        return DeliveryResult.RETRY
    is_recorded = record(
        lambda: deliveries.record_message_update(
            db, ticket_id, key, seq=ticket.seq, version=version, now=now
        )
    )
    return DeliveryResult.DONE if is_recorded else DeliveryResult.RETRY
