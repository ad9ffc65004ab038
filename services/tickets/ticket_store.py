"""Store a ticket's change: one conditional update with its history events and the outbox flag.

The filter holds the `seq` that the change was decided on, so of two concurrent changes one is
stored. Only classic update operators: a pipeline would evaluate a title such as "$teamId".

An update and a read, not one findAndModify: SecantusDB scans all tickets for that.
"""

from datetime import datetime
from typing import Any

from services.core.database import Document, Mongo
from services.models.events import event_docs
from services.models.ticket import OPEN_STATUSES, Ticket
from services.outbox import pending
from services.outbox.ticket_filter import ticket_filter
from services.sla.policy import cached_policy
from services.sla.timing import compute_timing
from services.tickets import search_index
from services.tickets.transitions import Change


def apply(
    db: Mongo, ticket: Ticket, change: Change, *, now: datetime, **conditions: Any
) -> Ticket | None:
    """Store a change decided on `ticket`; None if the ticket has changed since.

    `conditions` are further conditions of the update's filter. If the assignee has room for one
    more ticket after this, tickets queued as unassigned are retried. The returned ticket may have
    later changes, too.
    """
    if not store(db, ticket, change, now=now, **conditions):
        return None
    doc = db.tickets.find_one({"_id": ticket.id})
    stored = Ticket.from_doc(doc) if doc else None
    if stored and _is_assignee_freed(ticket, stored, change):
        pending.retry_unassigned(db, now=now)
    return stored


def store(db: Mongo, ticket: Ticket, change: Change, *, now: datetime, **conditions: Any) -> bool:
    """As `apply`, for a change that frees no assignee; return whether it is stored."""
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
        "$set": {
            **change.values,
            **sla_update.values,
            **search_index.words_after(ticket, change),
            **pending.outbox_fields(now),
        },
        "$inc": {"seq": len(change.events)},
        "$push": {"events": {"$each": new_events}, **change.push},
    }
    if removed := (*change.remove, *sla_update.removed):
        update["$unset"] = dict.fromkeys(removed, "")
    # The legacy backend's tickets have no seq before their first change.
    unchanged = ticket_filter(ticket.id, {"seq": ticket.seq or None, **conditions})
    return db.tickets.update_one(unchanged, update).matched_count == 1


def _is_assignee_freed(before: Ticket, after: Ticket, change: Change) -> bool:
    """Return whether the former assignee can take one more ticket."""
    if before.assigned_to is None or before.status not in OPEN_STATUSES:
        return False
    is_lost = after.status not in OPEN_STATUSES or after.assigned_to != before.assigned_to
    return is_lost and not any(event.assignee_was_absent for event in change.events)
