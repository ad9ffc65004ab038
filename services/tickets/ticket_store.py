"""How a ticket changes: one conditional update that carries its own audit trail and outbox mark.

The filter holds the `seq` the change was decided on, so of two people who decide on the same
state one wins and the other is told. Only classic update operators: in a pipeline a title such as
"$teamId" would be evaluated.
"""

from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from services.core.database import Document, Mongo
from services.models.events import event_docs
from services.models.ticket import Ticket
from services.outbox.pending import outbox_fields
from services.sla.policy import cached_policy
from services.sla.timing import compute_timing
from services.tickets.transitions import Change


def apply(
    db: Mongo, ticket: Ticket, change: Change, *, now: datetime, **conditions: Any
) -> Ticket | None:
    """Store a change decided on `ticket`; None if the ticket has changed since.

    `conditions` are further conditions of the update's filter.
    """
    sla_update = compute_timing(
        ticket,
        values=change.values,
        remove=change.remove,
        policy=cached_policy(db),
        now=now,
        events=change.events,
    )
    new_events = event_docs(change.events, seq=ticket.seq, at=now)
    update: Document = {
        "$set": {**change.values, **sla_update.values, **outbox_fields(now)},
        "$inc": {"seq": len(change.events)},
        "$push": {"events": {"$each": new_events}, **change.push},
    }
    if removed := (*change.remove, *sla_update.removed):
        update["$unset"] = dict.fromkeys(removed, "")
    doc = db.tickets.find_one_and_update(
        # The predecessor's tickets have no seq before their first change here.
        {"_id": ticket.id, "seq": ticket.seq or None, **conditions},
        update,
        return_document=ReturnDocument.AFTER,
    )
    return Ticket.from_doc(doc) if doc else None
