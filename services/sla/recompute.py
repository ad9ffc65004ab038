"""What goes by the clock (services/sla/timing.py), for open tickets that came without it or have it
by
other rules: the predecessor's, old ones and those it still makes, and all once an admin has
changed the targets. A ticket that changes here gets it with the change
(services/tickets/ticket_store.py)."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from services.core.clock import utcnow
from services.core.database import IN_QUEUE, Document, Mongo
from services.models.ticket import OPEN_STATUSES, Ticket
from services.sla.policy import SlaPolicy, rules_now
from services.sla.queue_key import QUEUE_KEY_FIELD
from services.sla.timing import timing_again

AT_ONCE = 2_000
# So many in one request, and no more of them after so long: the sweep has more to do.
_CHUNK, _SECONDS = 25, 3.0
# What it is worked out by, as stored: as long as that is so, it holds.
_GROUNDS = ("status", "assignedTo", "deadline", "priority", "createdAt", "acceptedAt", "seq")
_READ = dict.fromkeys(
    (*_GROUNDS, QUEUE_KEY_FIELD, "dueAt", "target", "events", "ladders", "assignment.at"), True
)
_BY = "target.rules"


def give_places(db: Mongo, *, now: datetime | None = None, limit: int = AT_ONCE) -> int:
    """How many were found to be put right, at most `limit`; so that many again may be left.

    Safe to run at any time and by several at once: who changed meanwhile is left for the next run.
    """
    rules, at = rules_now(db), now or utcnow()
    count, end = 0, time.monotonic() + _SECONDS
    for query in _astray(rules):
        is_helpful = True
        while is_helpful and count < limit and time.monotonic() < end:
            docs = list(db.tickets.find(query, _READ).limit(min(_CHUNK, limit - count)))
            updates = [update for doc in docs if (update := _put_right(doc, rules, at))]
            # What is left as it was would be found again and again.
            is_helpful = bool(updates) and _write(db, updates)
            count += len(docs)
    return count


def _write(db: Mongo, updates: list[UpdateOne]) -> bool:
    """Whether any of them still held."""
    return db.tickets.bulk_write(updates, ordered=False).matched_count > 0


def _astray(rules: SlaPolicy) -> Iterator[Document]:
    """Each served by an index: "other than this" as what is less, and what is more."""
    yield {"status": {"$in": list(OPEN_STATUSES)}, QUEUE_KEY_FIELD: None}
    yield {**IN_QUEUE, _BY: None}
    yield {**IN_QUEUE, _BY: {"$lt": rules.mark}}
    # The next text after the mark: `$gt` would have every ticket with the mark looked at.
    yield {**IN_QUEUE, _BY: {"$gte": f"{rules.mark}\0"}}


def _put_right(doc: Document, rules: SlaPolicy, now: datetime) -> UpdateOne | None:
    ticket = Ticket.from_doc(doc)
    timed = timing_again(ticket, rules=rules, now=now)
    place = timed.values.get(QUEUE_KEY_FIELD, "")
    if ticket.queue_key and place[:1] != ticket.queue_key[:1]:
        # by that services/tickets/legacy_reconcile.py sees what the predecessor did, and tells of
        # it
        return None
    update: dict[str, Any] = {"$set": timed.values}
    if timed.gone:
        update["$unset"] = dict.fromkeys(timed.gone, "")
    as_read = {name: doc.get(name) for name in (QUEUE_KEY_FIELD, *_GROUNDS)}
    return UpdateOne({"_id": doc["_id"], **as_read}, update)
