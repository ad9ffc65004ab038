"""Release of an account's open tickets to assignment when it can no longer work on them.

The update that stops the account from working on tickets also sets its `handBack {at, by, reason}`.
If the release is interrupted, that request stays, and the sweep continues it.
"""

from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from bson import ObjectId

from services.core.database import Document, Mongo
from services.core.work_queue import past
from services.models.set_aside import is_set_aside, isolated
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.user import User, can_work_on_tickets
from services.tickets import ticket_store
from services.tickets.transitions import resume, unassign, with_change

# An assignment that had begun before the request may be stored this much later.
LATE_ASSIGNMENT_WINDOW = timedelta(minutes=3)
BATCH_SIZE = 20
# Long arrays that the release does not need.
_NOT_READ = dict.fromkeys(("comments", "notices", "cards", "events"), False)


def accounts_to_release(db: Mongo, *, now: datetime) -> list[ObjectId]:
    """Return the accounts with a due request."""
    due = past(now, longest=timedelta())  # the date is that of the request
    found = (db.users.find({"handBack.at": at}, {"_id": True}) for at in due)
    return [doc["_id"] for doc in chain.from_iterable(found)]


def release_tickets(
    db: Mongo, user_id: ObjectId, *, now: datetime, limit: int = BATCH_SIZE
) -> list[ObjectId]:
    """Release up to `limit` of an account's open tickets and return their ids.

    Safe to repeat and to run from several processes: a ticket that another process has changed is
    skipped. An account that can work on tickets again keeps the rest.
    """
    doc = db.users.find_one({"_id": user_id})
    if doc is None or not doc.get("handBack"):
        return []
    request: dict[str, Any] = doc["handBack"]
    is_one_off = bool(request.get("once"))
    request_filter = {"_id": user_id, "handBack.at": request["at"]}
    user = User.from_doc(doc)
    if can_work_on_tickets(user) and not request.get("isGone"):
        if not is_one_off:
            return []
        if user.away_until is None or user.away_until <= now:
            # Otherwise they would lose each ticket that is assigned to them after their return.
            db.users.update_one(request_filter, {"$unset": {"handBack": ""}})
            return []
    open_tickets = {"assignedTo": user_id, "status": {"$in": list(OPEN_STATUSES)}}
    docs = db.tickets.find(open_tickets, _NOT_READ).limit(limit)
    found = [Ticket.from_doc(doc) for doc in docs if not is_set_aside(doc, now)]
    released = []
    for ticket in found:
        with isolated(db, ticket.id, now=now):
            if _release_ticket(db, ticket, request, now):
                released.append(ticket.id)
    if not found and (is_one_off or request["at"] <= now - LATE_ASSIGNMENT_WINDOW):
        db.users.update_one(request_filter, {"$unset": {"handBack": ""}})
    return released


def _release_ticket(db: Mongo, ticket: Ticket, request: dict[str, Any], now: datetime) -> bool:
    """Return False on a concurrent change; the next round reads the ticket again."""
    by, reason = request["by"], request["reason"]
    change = unassign(by, ticket, reason=reason, absent=True)
    if ticket.status is Status.WAITING:  # a waiting ticket cannot be unassigned
        resumed = resume(by, ticket)
        resumed_ticket = with_change(ticket, resumed)
        change = resumed.then(unassign(by, resumed_ticket, reason=reason, absent=True))
    as_read: Document = {"status": ticket.status.value, "assignedTo": ticket.assigned_to}
    stored = ticket_store.apply(db, ticket, change, now=now, **as_read)
    return stored is not None
