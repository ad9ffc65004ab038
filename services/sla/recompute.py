"""Recompute the timing (services/sla/timing.py) of open tickets that have none, as the legacy
backend's, or that have it by another policy, after an admin changed the targets.

Every other change of a ticket computes its timing itself (services/tickets/ticket_store.py).
"""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from services.core.clock import utcnow
from services.core.database import Document, Mongo
from services.models.set_aside import find_processable, isolated, write_isolated
from services.models.ticket import OPEN_STATUSES, Ticket
from services.sla.indexes import IN_QUEUE_FILTER
from services.sla.policy import SlaPolicy, load_policy
from services.sla.queue_key import QUEUE_KEY_FIELD
from services.sla.timing import SLA_CLOCK_FIELD, TIMING_FIELDS, recompute_timing

MAX_TICKETS_PER_RUN = 2_000
# Tickets per request, and the time after which no further request begins.
_CHUNK, _SECONDS = 25, 3.0
# The stored fields that the timing depends on: the update is valid while they are unchanged.
_INPUT_FIELDS = ("status", "assignedTo", "deadline", "priority", "createdAt", "acceptedAt", "seq")
_PROJECTION = dict.fromkeys((*_INPUT_FIELDS, *TIMING_FIELDS, "events", "assignment.at"), True)
_POLICY_FIELD = f"{SLA_CLOCK_FIELD}.rules"


def recompute_stale(
    db: Mongo, *, now: datetime | None = None, limit: int = MAX_TICKETS_PER_RUN
) -> int:
    """Recompute at most `limit` tickets and return how many were found; if it is `limit`, more may
    be left.

    Safe to run concurrently. A ticket that changes in between is left to the next run.
    """
    policy, at = load_policy(db), now or utcnow()
    count, end = 0, time.monotonic() + _SECONDS
    for query in _stale_queries(policy):
        is_helpful = True
        while is_helpful and count < limit and time.monotonic() < end:
            chunk = min(_CHUNK, limit - count)
            docs = find_processable(db, query, now=at, limit=chunk, fields=_PROJECTION)
            updates = []
            for doc in docs:
                with isolated(db, doc["_id"], now=at):
                    if update := _timing_update(doc, policy, at):
                        updates.append((doc["_id"], update))
            # If no update applied, the query would find the same tickets again.
            is_helpful = write_isolated(db, updates, now=at) > 0
            count += len(docs)
    return count


def _stale_queries(policy: SlaPolicy) -> Iterator[Document]:
    """One query per index range: "another policy" is a lower or a higher fingerprint."""
    for status in OPEN_STATUSES:
        yield {"status": status, QUEUE_KEY_FIELD: None}
    yield {**IN_QUEUE_FILTER, _POLICY_FIELD: None}
    yield {**IN_QUEUE_FILTER, _POLICY_FIELD: {"$lt": policy.fingerprint}}
    # The next text after the fingerprint. `$gt` would scan every ticket that has the fingerprint.
    yield {**IN_QUEUE_FILTER, _POLICY_FIELD: {"$gte": f"{policy.fingerprint}\0"}}


def _timing_update(doc: Document, policy: SlaPolicy, now: datetime) -> UpdateOne | None:
    ticket = Ticket.from_doc(doc)
    timed = recompute_timing(ticket, policy=policy, now=now)
    new_key = timed.values.get(QUEUE_KEY_FIELD, "")
    if ticket.queue_key and new_key[:1] != ticket.queue_key[:1]:
        # services/tickets/legacy.py finds the legacy backend's changes by this.
        return None
    update: dict[str, Any] = {"$set": timed.values}
    if timed.removed:
        update["$unset"] = dict.fromkeys(timed.removed, "")
    as_read = {name: doc.get(name) for name in (QUEUE_KEY_FIELD, *_INPUT_FIELDS)}
    return UpdateOne({"_id": doc["_id"], **as_read}, update)
