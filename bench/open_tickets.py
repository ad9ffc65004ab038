"""Time of work that must not grow with the number of open tickets: finding due steps, a page of the
queue, and filing a ticket, each with 1,000 and with 100,000 open tickets.

In SecantusDB, which this runs on, the first page that a process reads does grow: it sorts results
that an index has sorted already. The next ones read only the beginning of the queue.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from bench import sweeping
from bench.figures import Figure, alternately, growth, milliseconds
from services.core.database import Document, Mongo
from services.core.rate_limiter import RateLimiter
from services.core.sequences import allocate_numbers
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ticket_list_page
from services.models.permissions import Actor
from services.models.user import Role
from services.sla.indexes import IN_QUEUE_FILTER
from services.sla.queue_key import QUEUE_KEY_FIELD
from services.tickets.filing import TicketService

TEAM = "T0BENCH"
FEW, MANY = 1_000, 100_000
# More than one batch of the jobs.
DUE = 250
FILED_COUNT, CONCURRENCY = 160, 8
PAGE = 10
BOSS = Actor(ObjectId("b055" * 6), Role.ADMIN)


class Reads(CommandListener):
    """Counts the tickets that the database returns, and the maximum in one reply."""

    def __init__(self) -> None:
        self.tickets = self.most = 0

    def started(self, event: CommandStartedEvent) -> None: ...

    def succeeded(self, event: CommandSucceededEvent) -> None:
        reply: Any = event.reply
        cursor = reply.get("cursor") or {"ns": ""}
        if cursor["ns"].endswith(".tickets"):
            number = len(cursor.get("firstBatch", cursor.get("nextBatch", ())))
            self.tickets += number
            self.most = max(self.most, number)

    def failed(self, event: CommandFailedEvent) -> None: ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """One run of the job: steps taken, milliseconds per step, tickets read, and the maximum in
    one reply."""

    taken: int
    ms: float
    read: int
    most: int


class BenchDatabase:
    """A database with `size` open tickets, filled by `sweeping.fill`."""

    def __init__(self, uri: str, name: str, *, size: int) -> None:
        self._reads = Reads()
        watched: MongoClient[Document] = MongoClient(
            uri, tz_aware=True, event_listeners=[self._reads]
        )
        self.db: Mongo = watched[name]
        self.size = size

    def reserve_numbers(self) -> None:
        """Reserve the numbers of the existing tickets."""
        allocate_numbers(self.db, team_id=TEAM, count=self.size)

    def close(self) -> None:
        self.db.client.close()

    def sweep(self, *, due: int) -> Sweep:
        """Run the job after `due` more tickets have become due."""
        people = [ObjectId() for _ in range(50)]
        numbers = allocate_numbers(self.db, team_id=TEAM, count=due)
        late = [sweeping.ticket(number - 1, people, is_due=True) for number in numbers]
        self.db.tickets.insert_many(late)
        self._reads.tickets = self._reads.most = 0
        begun = time.perf_counter()
        taken = sweeping.sweep(self.db)
        ms = (time.perf_counter() - begun) * 1_000
        return Sweep(taken, ms / max(taken, 1), self._reads.tickets, self._reads.most)

    def check_due(self) -> float:
        """Return the milliseconds to find that nothing is due."""
        return milliseconds(lambda: sweeping.sweep(self.db))

    def page(self) -> int:
        queue = ListQuery(ListKind.QUEUE)
        return len(ticket_list_page(self.db, actor=BOSS, list_query=queue, size=PAGE).tickets)

    def sort_all(self) -> int:
        """Return a page by the baseline: load the sort key of every open ticket, and sort all."""
        found = list(self.db.tickets.find(IN_QUEUE_FILTER, {QUEUE_KEY_FIELD: True}))
        found.sort(key=lambda doc: (doc[QUEUE_KEY_FIELD], doc["_id"]))
        return len(found[:PAGE])

    def file(self) -> float:
        """Return the milliseconds per ticket, filed concurrently and stored on disk."""
        tickets = TicketService(self.db, RateLimiter(""))

        def one(_: int) -> bool:
            return tickets.create(
                actor=Actor(ObjectId(), Role.USER),  # a new requester, because of the rate limit
                team_id=TEAM,
                request_id=uuid.uuid4().hex,
                title="The VPN is down",
                description="It does not work. " * 20,
            ).is_new

        with ThreadPoolExecutor(CONCURRENCY) as pool:
            begun = time.perf_counter()
            filed = sum(pool.map(one, range(FILED_COUNT)))
        return (time.perf_counter() - begun) * 1_000 / filed


def figures(uri: str, *, few: int = FEW, many: int = MANY, due: int = DUE) -> Iterator[Figure]:
    """Measure in two new databases, with indexes created before the tickets."""
    small, large = (BenchDatabase(uri, f"bench-{ObjectId()}", size=size) for size in (few, many))
    try:
        sweeping.fill(small.db, count=few, due=0)
        yield from sweeping.figures(large.db, count=many)
        small.reserve_numbers()
        large.reserve_numbers()
        for measured in (_looked, _swept(due), _paged, _filed):
            yield measured(small, large)
    finally:
        small.close()
        large.close()


def _looked(small: BenchDatabase, large: BenchDatabase) -> Figure:
    before, ms = small.check_due(), large.check_due()
    return Figure(_named("see that nothing is due", large), ms, 50, note=_times(ms, before, small))


def _swept(due: int) -> Callable[[BenchDatabase, BenchDatabase], Figure]:
    def swept(small: BenchDatabase, large: BenchDatabase) -> Figure:
        before, now = small.sweep(due=due), large.sweep(due=due)
        read = f"{now.read:,} tickets read ({before.read:,} there), at most {now.most} at once"
        name = _named(f"take one of {now.taken} steps", large)
        return Figure(name, now.ms, 50, note=f"{_times(now.ms, before.ms, small)}; {read}")

    return swept


def _paged(small: BenchDatabase, large: BenchDatabase) -> Figure:
    before, ms = alternately(small.page, large.page)
    plain = milliseconds(large.sort_all, rounds=1)
    note = f"; {plain:.0f} ms if all are sorted"
    return growth(_named("a page of the queue", large), before, ms, bound=4, note=note)


def _filed(small: BenchDatabase, large: BenchDatabase) -> Figure:
    before, ms = small.file(), large.file()
    name = _named(f"file a ticket, {CONCURRENCY} at a time,", large)
    note = f"{_times(ms, before, small)}; {1_000 / ms:.0f} stored a second"
    return Figure(name, ms, 50, note=note)


def _named(what: str, database: BenchDatabase) -> str:
    return f"{what} among {database.size:,} open tickets"


def _times(ms: float, before: float, small: BenchDatabase) -> str:
    return f"{ms / before:.1f} times as long as among {small.size:,}"
