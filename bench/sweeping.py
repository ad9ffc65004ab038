"""Time and memory of one run of the escalation job with many open tickets."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from bson import ObjectId

from bench.figures import Figure, milliseconds
from services.core.database import Document, Mongo
from services.models.ticket import OPEN_STATUSES, Ticket
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from services.sla.escalation_schedule import due_steps
from services.sla.policy import load_policy
from tasks import escalation
from tasks.queue.celery_app import celery
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.waiting_tasks import WaitingTasks

NOW = datetime(2037, 3, 4, 10, tzinfo=UTC)  # a Wednesday, at work
OPEN, DUE = 100_000, 50
BATCH_SIZE = 5_000
MEGABYTE = 1_048_576


class NullPublisher(CeleryPublisher):
    """Drops what is published."""

    def __init__(self) -> None:
        super().__init__(celery)

    def send(self, task: str, ticket_id: str | None = None, **kwargs: Any) -> None: ...

    def waiting_tasks(self) -> WaitingTasks:
        return WaitingTasks()


def fill(db: Mongo, *, count: int, due: int) -> None:
    """Insert open tickets, `due` of which have just missed their due date."""
    ensure_indexes(db)
    people = [ObjectId() for _ in range(50)]
    docs = (ticket(number, people, is_due=number < due) for number in range(count))
    while batch := list(islice(docs, BATCH_SIZE)):
        db.tickets.insert_many(batch, ordered=False)


def ticket(number: int, people: list[ObjectId], *, is_due: bool) -> Document:
    at = NOW - timedelta(seconds=number) if is_due else NOW + timedelta(hours=1, seconds=number)
    milliseconds_since_1970 = int(at.timestamp()) * 1_000
    about = f"{milliseconds_since_1970}/medium"
    return {
        "_id": ObjectId(),
        "number": number + 1,
        "teamId": "T0BENCH",
        "title": f"Ticket {number}",
        "description": "It does not work. " * 20,
        "status": "IN_PROGRESS",
        "priority": "medium",
        "createdBy": people[number % 7],
        "assignedTo": people[number % 50],
        "acceptedAt": NOW - timedelta(days=2),
        "createdAt": NOW - timedelta(days=3),
        "deadline": at,
        "dueAt": at,
        "seq": 1,
        "events": [{"seq": 1, "at": NOW, "by": people[0], "type": "filed"}],
        "ladders": {"due": {"about": about, "since": NOW - timedelta(days=3), "done": "due_soon"}},
        "alarm": {"at": at, "kind": "due_missed", "about": about},
        "target": {"since": NOW - timedelta(days=3), "rules": None},
        "queueKey": f"1-{milliseconds_since_1970:015d}-2-{number:015d}",
    }


def sweep(db: Mongo) -> int:
    services = Services(db, clock=lambda: NOW, has_triage=True)
    return escalation.take_due_steps(
        services.escalation_steps, NullPublisher(), should_continue=lambda: True
    )


def baseline(db: Mongo) -> int:
    """Load every open ticket and return how many have a step to take."""
    by = load_policy(db)
    found = db.tickets.find({"status": {"$in": list(OPEN_STATUSES)}})
    return sum(bool(due_steps(Ticket.from_doc(doc), policy=by, now=NOW)) for doc in found)


def figures(db: Mongo, *, count: int = OPEN, due: int = DUE) -> Iterator[Figure]:
    fill(db, count=count, due=due)
    plain_ms = milliseconds(lambda: baseline(db), rounds=1)
    taken, ms, megabytes = _measured(lambda: sweep(db))
    yield Figure(
        f"take {taken:,} steps due among {count:,} open tickets, {megabytes:.1f} MB at most",
        ms=ms,
        bound=30_000,
        baseline_ms=plain_ms,
    )
    yield Figure(
        f"find nothing due among {count:,} open tickets",
        ms=milliseconds(lambda: sweep(db)),
        bound=50,
        baseline_ms=plain_ms,
    )


def _measured(work: Callable[[], int]) -> tuple[int, float, float]:
    """Return the result of `work`, its milliseconds, and its peak memory in megabytes."""
    tracemalloc.start()
    begun = time.perf_counter()
    done = work()
    ms = (time.perf_counter() - begun) * 1_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return done, ms, peak / MEGABYTE
