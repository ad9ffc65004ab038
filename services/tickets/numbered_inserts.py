"""Insert new tickets, each with the next number of its team."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    WriteConcernError,
    WriteError,
)

from services.core.database import Document, Mongo
from services.core.sequences import allocate_numbers

_DUPLICATE_KEY = 11000
# Raised before anything is sent, for one of the tickets.
_NOT_ENCODABLE = (BSONError, UnicodeError, OverflowError, DocumentTooLarge)


@dataclass(eq=False, slots=True)
class _Waiter:
    """A thread that waits for its ticket to be stored. `error`: MongoDB has refused it."""

    ticket: Document
    is_finished: bool = False
    error: Exception | None = None


class NumberedInserts:
    """Stores the new tickets of a process's threads.

    A number and a ticket each wait for a disk. So the thread that writes does both for all waiting
    threads: twenty tickets filed at the same time cost a few writes instead of forty.
    """

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._write_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._waiters: list[_Waiter] = []

    def insert(self, ticket: Document) -> None:
        """Set the ticket's `number`, and store it. Raises as `insert_one`."""
        waiter = _Waiter(ticket)
        with self._queue_lock:
            self._waiters.append(waiter)
        with self._write_lock:
            if not waiter.is_finished:
                self._write(self._take(waiter))
        if waiter.error:
            raise waiter.error

    def _take(self, waiter: _Waiter) -> list[_Waiter]:
        """Take this waiter from the queue, with all others of its team; it alone if it was taken
        already, by a thread whose write has failed."""
        with self._queue_lock:
            if waiter not in self._waiters:
                return [waiter]
            team_id = waiter.ticket["teamId"]
            others = [each for each in self._waiters if each.ticket["teamId"] == team_id]
            self._waiters = [each for each in self._waiters if each not in others]
        others.remove(waiter)
        return [waiter, *others]

    def _write(self, waiters: Sequence[_Waiter]) -> None:
        """Number and store the tickets of the first waiter and of the others. If this fails, each
        of them writes its own."""
        first, *others = waiters
        is_repeated = "number" in first.ticket
        if not is_repeated:
            self._number([waiter.ticket for waiter in waiters])
        elif self._is_stored(first.ticket):
            return  # by a write whose answer was lost
        if others and self._is_stored_together(waiters):
            return
        try:
            self._db.tickets.insert_one(first.ticket)
        except DuplicateKeyError:
            if not (is_repeated and self._is_stored(first.ticket)):
                raise
            # MongoDB went on with the write whose answer was lost.

    def _is_stored(self, ticket: Document) -> bool:
        return self._db.tickets.count_documents({"_id": ticket["_id"]}, limit=1) == 1

    def _number(self, tickets: Sequence[Document]) -> None:
        team_id = tickets[0]["teamId"]
        numbers = allocate_numbers(self._db, team_id=team_id, count=len(tickets))
        for ticket, number in zip(tickets, numbers, strict=True):
            ticket["number"] = number

    def _is_stored_together(self, waiters: Sequence[_Waiter]) -> bool:
        """Store the tickets in one write. False if one of them cannot be sent."""
        try:
            self._db.tickets.insert_many([waiter.ticket for waiter in waiters], ordered=False)
        except BulkWriteError as refusals:
            _set_errors(waiters, refusals)
        except _NOT_ENCODABLE:
            return False
        for waiter in waiters:
            waiter.is_finished = True
        return True


def _set_errors(waiters: Sequence[_Waiter], refusals: BulkWriteError) -> None:
    """Give each waiter the error that `insert_one` would raise."""
    details = refusals.details
    for error in details.get("writeErrors", ()):
        kind = DuplicateKeyError if error["code"] == _DUPLICATE_KEY else WriteError
        waiters[error["index"]].error = kind(error["errmsg"], error["code"], error)
    for error in details.get("writeConcernErrors", ()):
        for waiter in waiters:
            waiter.error = waiter.error or WriteConcernError(
                error["errmsg"], error.get("code"), error
            )
