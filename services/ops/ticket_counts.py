"""Counts of tickets and of the outbox, for monitoring.

A job counts the tickets by status, because that takes as long as there are tickets. What is counted
at a scrape is limited to what is due or failing.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pymongo
from cachetools import TTLCache, cached
from pymongo.errors import PyMongoError

from services.core.clock import Clock, utcnow
from services.core.coerce import as_int
from services.core.database import Document, Mongo
from services.core.leases import lease_holder
from services.models.resolution import NOT_A_REQUEST_RESOLUTION
from services.models.ticket import OPEN_STATUSES, Status
from services.ops import job_health

CACHE_SECONDS = 15.0
QUERY_TIMEOUT_SECONDS = 2.0
# Older counts by status are not shown: the jobs do not run.
MAX_STATUS_COUNT_AGE = timedelta(minutes=10)
_STATUS_COUNTS_ID = "ticket-counts"
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TicketCounts:
    """`by_status` is empty if no job has counted lately.

    `oldest_due_seconds`: the time since the oldest outbox entry became due. `most_attempts`: the
    highest number of attempts to deliver one ticket; each wait is twice as long as the one before.
    `leader`: the process that runs the jobs, None if there is none. `failing`: the number of
    failing items by kind (services/ops/job_health.py).
    """

    by_status: Mapping[str, int]
    outbox: int
    oldest_due_seconds: float
    most_attempts: int
    leader: str | None
    failing: Mapping[str, int]


def record_status_counts(db: Mongo, *, now: datetime) -> None:
    """Count the tickets by status, for `count_tickets`. One that was no request does not count.

    What is not open counts as completed: MongoDB knows the number of all documents.
    """
    is_open: Document = {"status": {"$in": [status.value for status in OPEN_STATUSES]}}
    groups = db.tickets.aggregate(
        [{"$match": is_open}, {"$group": {"_id": "$status", "tickets": {"$sum": 1}}}]
    )
    counts = dict.fromkeys(OPEN_STATUSES, 0) | {group["_id"]: group["tickets"] for group in groups}
    total = db.tickets.estimated_document_count()
    # `$eq`, because SecantusDB scans all tickets if a partial index has values for all fields.
    withdrawn = db.tickets.count_documents({"resolution": {"$eq": NOT_A_REQUEST_RESOLUTION}})
    counts[Status.COMPLETED] = max(total - withdrawn - sum(counts.values()), 0)
    by_status = {status.value: counts[status] for status in Status}
    values = {"byStatus": by_status, "at": now}
    db.meta.update_one({"_id": _STATUS_COUNTS_ID}, {"$set": values}, upsert=True)


def _recorded_status_counts(db: Mongo, now: datetime) -> dict[str, int]:
    doc = db.meta.find_one({"_id": _STATUS_COUNTS_ID})
    if doc is None or doc["at"] <= now - MAX_STATUS_COUNT_AGE:
        return {}
    return {status.value: as_int(doc["byStatus"].get(status.value)) or 0 for status in Status}


def count_tickets(db: Mongo, *, clock: Clock = utcnow) -> TicketCounts:
    """Count from the indexes, without a cache. Raises `PyMongoError`."""
    now = clock()
    waiting = {
        "_id": None,
        "tickets": {"$sum": 1},
        "first": {"$min": "$nextTryAt"},
        "attempts": {"$max": "$attempts"},
    }
    marked: Document = {"outbox": True, "nextTryAt": {"$gt": _ANY_TIME}}
    behind = next(iter(db.tickets.aggregate([{"$match": marked}, {"$group": waiting}])), None)
    return TicketCounts(
        by_status=_recorded_status_counts(db, now),
        outbox=behind["tickets"] if behind else 0,
        oldest_due_seconds=max(0.0, (now - behind["first"]).total_seconds()) if behind else 0.0,
        most_attempts=(behind["attempts"] or 0) if behind else 0,
        leader=lease_holder(db, "jobs", now=now),
        failing=job_health.count_failing(db),
    )


def cached_ticket_counts(
    db: Mongo, *, clock: Clock = utcnow, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], TicketCounts | None]:
    """Return `count_tickets`, cached for 15 s; it returns None if MongoDB is too late with it."""
    lock = threading.Lock()

    @cached(TTLCache(1, CACHE_SECONDS, monotonic))
    def count() -> TicketCounts | None:
        try:
            with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
                return count_tickets(db, clock=clock)
        except PyMongoError:
            return None

    def count_once() -> TicketCounts | None:
        with lock:  # concurrent callers wait for the same result
            return count()

    return count_once
