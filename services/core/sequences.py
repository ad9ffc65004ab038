"""Ticket numbers: 1, 2, 3, per team. Unique; gaps are allowed."""

import threading
from dataclasses import dataclass
from typing import cast

from pymongo import DESCENDING, ReturnDocument

from services.core.database import Document, Mongo


def allocate_numbers(db: Mongo, *, team_id: str, count: int) -> range:
    """Allocate consecutive numbers."""
    # For concurrent upserts of a team's first number SecantusDB returns None to some callers. The
    # counter exists then, and a second call leaves a gap.
    counter = _count(db, team_id, count) or _count(db, team_id, count)
    last = int(cast(Document, counter)["value"])
    return range(last - count + 1, last + 1)


def _count(db: Mongo, team_id: str, count: int) -> Document | None:
    return db.counters.find_one_and_update(
        {"_id": f"tickets:{team_id}"},
        {"$inc": {"value": count}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )


def raise_counter(db: Mongo, *, team_id: str) -> None:
    """Raise the counter to the team's highest number: a restored backup may hold tickets that are
    newer than its counter. Without effect otherwise, and if other processes allocate numbers."""
    numbered = {"teamId": team_id, "number": {"$gt": 0}}
    newest = db.tickets.find_one(numbered, {"number": True}, sort=[("number", DESCENDING)])
    if newest is None:
        return
    counter, highest = {"_id": f"tickets:{team_id}"}, newest["number"]
    if not db.counters.count_documents({**counter, "value": {"$gte": highest}}, limit=1):
        db.counters.update_one(counter, {"$max": {"value": highest}}, upsert=True)


@dataclass(eq=False, slots=True)
class _Waiter:
    """A thread that waits for its next number."""

    team_id: str
    number: int | None = None


class NumberSequence:
    """The next numbers for the threads of a process.

    The sequence is one document, and each write to it waits for a disk. So the thread that queries
    the database allocates for all waiting threads: twenty tickets filed at the same time cost a few
    writes instead of twenty.
    """

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._allocation_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._waiters: list[_Waiter] = []

    def next_number(self, *, team_id: str) -> int:
        waiter = _Waiter(team_id)
        with self._queue_lock:
            self._waiters.append(waiter)
        with self._allocation_lock:
            return self._allocate_for_waiters(waiter) if waiter.number is None else waiter.number

    def _allocate_for_waiters(self, waiter: _Waiter) -> int:
        """Allocate a number for each waiter. If this fails, each waiter allocates its own."""
        with self._queue_lock:
            others = [p for p in self._waiters if p.team_id == waiter.team_id and p is not waiter]
            self._waiters = [p for p in self._waiters if p.team_id != waiter.team_id]
        numbers = self._allocate(waiter.team_id, 1 + len(others))
        for another, number in zip(others, numbers[1:], strict=True):
            another.number = number
        return numbers[0]

    def _allocate(self, team_id: str, count: int) -> range:
        return allocate_numbers(self._db, team_id=team_id, count=count)
