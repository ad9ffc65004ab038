"""Counts of tickets and of the outbox, for monitoring."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pymongo
from cachetools import TTLCache, cached
from pymongo.errors import PyMongoError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.leases import lease_holder
from services.models.ticket import Status
from services.ops import job_health

CACHE_SECONDS = 15.0
QUERY_TIMEOUT_SECONDS = 2.0
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TicketCounts:
    """`oldest_due_seconds`: the time since the oldest outbox entry became due.

    `most_attempts`: the highest number of attempts to deliver one ticket; each wait is twice as
    long as the one before. `leader`: the process that runs the jobs, None if there is none.
    `failing`: the number of failing items by kind (services/ops/job_health.py).
    """

    by_status: Mapping[str, int]
    outbox: int
    oldest_due_seconds: float
    most_attempts: int
    leader: str | None
    failing: Mapping[str, int]


def count_tickets(db: Mongo, *, clock: Clock = utcnow) -> TicketCounts:
    """Count from the indexes, without a cache. Raises `PyMongoError`."""
    now = clock()
    # With every status named, the index alone answers the query, without reading a ticket.
    known: Document = {"status": {"$in": [status.value for status in Status]}}
    groups = db.tickets.aggregate(
        [{"$match": known}, {"$group": {"_id": "$status", "tickets": {"$sum": 1}}}]
    )
    found = {group["_id"]: group["tickets"] for group in groups}
    waiting = {
        "_id": None,
        "tickets": {"$sum": 1},
        "first": {"$min": "$nextTryAt"},
        "attempts": {"$max": "$attempts"},
    }
    marked: Document = {"outbox": True, "nextTryAt": {"$gt": _ANY_TIME}}
    behind = next(iter(db.tickets.aggregate([{"$match": marked}, {"$group": waiting}])), None)
    return TicketCounts(
        by_status={status.value: found.get(status.value, 0) for status in Status},
        outbox=behind["tickets"] if behind else 0,
        oldest_due_seconds=max(0.0, (now - behind["first"]).total_seconds()) if behind else 0.0,
        most_attempts=(behind["attempts"] or 0) if behind else 0,
        leader=lease_holder(db, "jobs", now=now),
        failing=job_health.count_failing(db),
    )


def cached_ticket_counts(
    db: Mongo, *, clock: Clock = utcnow, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], TicketCounts | None]:
    """Return `count_tickets`, cached for 15 s; it returns None while MongoDB is unreachable."""
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
