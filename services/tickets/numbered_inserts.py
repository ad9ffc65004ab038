"""Insert new tickets, each with the next number of its team."""

from collections import defaultdict
from collections.abc import Sequence

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from services.core.database import Document, Mongo
from services.core.sequences import allocate_numbers
from services.core.shared_call import SharedCall

_DUPLICATE_KEY = 11000
# Raised before anything is sent, for one of the tickets.
_NOT_ENCODABLE = (BSONError, UnicodeError, OverflowError, DocumentTooLarge)

# MongoDB's refusal of each ticket, None for one that is stored.
Refusals = list[Exception | None]


class NumberedInserts:
    """Stores the new tickets of a process's threads.

    A number and a ticket each wait for a disk. So the thread that writes does both for all waiting
    threads: twenty tickets filed at the same time cost a few writes instead of forty.
    """

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._teams: defaultdict[str, SharedCall[Document, Exception | None]] = defaultdict(
            lambda: SharedCall(self._write)
        )

    def insert(self, ticket: Document) -> None:
        """Set the ticket's `number`, and store it. Raises as `insert_one`."""
        refusal = self._teams[ticket["teamId"]].ask(ticket)
        if refusal:
            raise refusal

    def _write(self, tickets: Sequence[Document]) -> Refusals:
        """Number and store tickets of one team. If this fails, each of them comes again alone, with
        the number that it has."""
        first, *others = tickets
        is_repeated = "number" in first
        if not is_repeated:
            self._number(tickets)
        elif self._is_stored(first):
            return [None]  # by a write whose answer was lost
        if not others:
            self._store(first, is_repeated=is_repeated)
            return [None]
        try:
            return self._store_together(tickets)
        except _NOT_ENCODABLE:
            return [self._refusal(ticket) for ticket in tickets]

    def _is_stored(self, ticket: Document) -> bool:
        return self._db.tickets.count_documents({"_id": ticket["_id"]}, limit=1) == 1

    def _number(self, tickets: Sequence[Document]) -> None:
        team_id = tickets[0]["teamId"]
        numbers = allocate_numbers(self._db, team_id=team_id, count=len(tickets))
        for ticket, number in zip(tickets, numbers, strict=True):
            ticket["number"] = number

    def _store(self, ticket: Document, *, is_repeated: bool) -> None:
        try:
            self._db.tickets.insert_one(ticket)
        except DuplicateKeyError:
            if not (is_repeated and self._is_stored(ticket)):
                raise
            # MongoDB went on with the write whose answer was lost.

    def _store_together(self, tickets: Sequence[Document]) -> Refusals:
        """Store the tickets in one write. Raises `_NOT_ENCODABLE` if one of them cannot be sent;
        then none is."""
        try:
            self._db.tickets.insert_many(tickets, ordered=False)
        except BulkWriteError as refusals:
            return _refusals(refusals, count=len(tickets))
        return [None] * len(tickets)

    def _refusal(self, ticket: Document) -> Exception | None:
        try:
            self._store(ticket, is_repeated=False)
        except (PyMongoError, *_NOT_ENCODABLE) as error:
            return error
        return None


def _refusals(refusals: BulkWriteError, *, count: int) -> Refusals:
    """Return the errors that `insert_one` would raise."""
    errors: Refusals = [None] * count
    details = refusals.details
    for error in details.get("writeErrors", ()):
        kind = DuplicateKeyError if error["code"] == _DUPLICATE_KEY else WriteError
        errors[error["index"]] = kind(error["errmsg"], error["code"], error)
    for error in details.get("writeConcernErrors", ()):
        late = WriteConcernError(error["errmsg"], error.get("code"), error)
        errors = [one or late for one in errors]
    return errors
