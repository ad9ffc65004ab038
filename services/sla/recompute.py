"""What goes by the clock (services/sla/timing.py), for open tickets that came without it or have it
by other rules: the predecessor's, old ones and those it still makes, and all once an admin has
changed the targets. A ticket that changes here gets it with the change
(services/tickets/ticket_store.py)."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from services.core.clock import utcnow
from services.core.database import Document, Mongo
from services.models.ticket import OPEN_STATUSES, Ticket
from services.sla.indexes import IN_QUEUE_FILTER
from services.sla.policy import SlaPolicy, load_policy
from services.sla.queue_key import QUEUE_KEY_FIELD
from services.sla.timing import recompute_timing

MAX_TICKETS_PER_RUN = 2_000
# So many in one request, and no more of them after so long: the sweep has more to do.
_CHUNK, _SECONDS = 25, 3.0
# What it is worked out by, as stored: as long as that is so, it holds.
_INPUT_FIELDS = ("status", "assignedTo", "deadline", "priority", "createdAt", "acceptedAt", "seq")
_PROJECTION = dict.fromkeys(
    (*_INPUT_FIELDS, QUEUE_KEY_FIELD, "dueAt", "target", "events", "ladders", "assignment.at"), True
)
_POLICY_FIELD = "target.rules"


def recompute_stale(
    db: Mongo, *, now: datetime | None = None, limit: int = MAX_TICKETS_PER_RUN
) -> int:
    """How many were found to be put right, at most `limit`; so that many again may be left.

    Safe to run at any time and by several at once: who changed meanwhile is left for the next run.
    """
    policy, at = load_policy(db), now or utcnow()
    count, end = 0, time.monotonic() + _SECONDS
    for query in _stale_queries(policy):
        is_helpful = True
        while is_helpful and count < limit and time.monotonic() < end:
            docs = list(db.tickets.find(query, _PROJECTION).limit(min(_CHUNK, limit - count)))
            updates = [update for doc in docs if (update := _timing_update(doc, policy, at))]
            # What is left as it was would be found again and again.
            is_helpful = bool(updates) and _write(db, updates)
            count += len(docs)
    return count


def _write(db: Mongo, updates: list[UpdateOne]) -> bool:
    """Whether any of them still held."""
    return db.tickets.bulk_write(updates, ordered=False).matched_count > 0


def _stale_queries(policy: SlaPolicy) -> Iterator[Document]:
    """Each served by an index: "other than this" as what is less, and what is more."""
    yield {"status": {"$in": list(OPEN_STATUSES)}, QUEUE_KEY_FIELD: None}
    yield {**IN_QUEUE_FILTER, _POLICY_FIELD: None}
    yield {**IN_QUEUE_FILTER, _POLICY_FIELD: {"$lt": policy.fingerprint}}
    # The next text after the mark: `$gt` would have every ticket with the mark looked at.
    yield {**IN_QUEUE_FILTER, _POLICY_FIELD: {"$gte": f"{policy.fingerprint}\0"}}


def _timing_update(doc: Document, policy: SlaPolicy, now: datetime) -> UpdateOne | None:
    ticket = Ticket.from_doc(doc)
    timed = recompute_timing(ticket, policy=policy, now=now)
    new_key = timed.values.get(QUEUE_KEY_FIELD, "")
    if ticket.queue_key and new_key[:1] != ticket.queue_key[:1]:
        # by that services/tickets/legacy.py sees what the predecessor did, and tells of
        # it
        return None
    update: dict[str, Any] = {"$set": timed.values}
    if timed.removed:
        update["$unset"] = dict.fromkeys(timed.removed, "")
    as_read = {name: doc.get(name) for name in (QUEUE_KEY_FIELD, *_INPUT_FIELDS)}
    return UpdateOne({"_id": doc["_id"], **as_read}, update)
