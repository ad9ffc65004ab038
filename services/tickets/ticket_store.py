"""How a ticket changes: one conditional update that carries its own audit trail and outbox mark.

The filter holds the `seq` the change was decided on, so of two people who decide on the same
state one wins and the other is told. Only classic update operators: in a pipeline a title such as
"$teamId" would be evaluated.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from services.core.database import Document, Mongo
from services.models.events import NewEvent, event_docs
from services.models.ticket import Ticket
from services.outbox.pending import outbox_fields
from services.sla.policy import cached_policy
from services.sla.timing import compute_timing


def apply(
    db: Mongo,
    ticket: Ticket,
    *,
    values: Mapping[str, Any],
    events: Sequence[NewEvent],
    now: datetime,
    remove: Sequence[str] = (),
    push: Mapping[str, Any] | None = None,
    **conditions: Any,
) -> Ticket | None:
    """Store a change decided on `ticket`; None if the ticket has changed since.

    `push` is what arrays get at their end, by field name; `conditions` are further conditions.
    """
    sla_update = compute_timing(
        ticket, values=values, remove=remove, policy=cached_policy(db), now=now, events=events
    )
    update: Document = {
        "$set": {**values, **sla_update.values, **outbox_fields(now)},
        "$inc": {"seq": len(events)},
        "$push": {"events": {"$each": event_docs(events, seq=ticket.seq, at=now)}, **(push or {})},
    }
    if gone := (*remove, *sla_update.removed):
        update["$unset"] = dict.fromkeys(gone, "")
    doc = db.tickets.find_one_and_update(
        # The predecessor's tickets have no seq before their first change here.
        {"_id": ticket.id, "seq": ticket.seq or None, **conditions},
        update,
        return_document=ReturnDocument.AFTER,
    )
    return Ticket.from_doc(doc) if doc else None
