"""Tickets whose stored data no task or job can process: set aside, so that no other ticket waits.

`aside {since, until, reason}` in the ticket names the fault for operators, in words without any
text of a person. A job looks at the ticket again at `until`: once its data is repaired, it is
processed like any other.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain

from bson import ObjectId
from bson.errors import BSONError
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure

from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.core.work_queue import ahead, is_ahead, past
from services.models.ticket import find_defect

logger = logging.getLogger(__name__)

RECHECK_INTERVAL = timedelta(minutes=15)
RECHECK_BATCH_SIZE = 100
_ALL_FIELDS: Document = {}
# What a malformed value raises in code that reads it.
DATA_ERRORS = (ArithmeticError, AttributeError, BSONError, LookupError, TypeError, ValueError)
# MongoDB's codes for an update that the stored value does not allow: BadValue, TypeMismatch,
# PathNotViable, ConflictingUpdateOperators, NotSingleValueField, 10334 and 17419 (too large).
_DATA_CODES = frozenset({2, 14, 28, 40, 10334, 10141, 17419})


def not_set_aside(now: datetime) -> Document:
    """Return the condition for tickets that are not set aside."""
    return {"aside.until": {"$not": ahead(now, longest=RECHECK_INTERVAL)}}


def find_processable(
    db: Mongo,
    indexed: Document,
    *further: Document,
    now: datetime,
    limit: int,
    fields: Document = _ALL_FIELDS,
    sort: str = "",
) -> list[Document]:
    """Return tickets that match all conditions and are not set aside. An index has to begin with
    the `indexed` fields: SecantusDB uses one for these only."""
    conditions = (indexed, *further, not_set_aside(now))
    stages: list[Document] = [{"$match": one} for one in conditions if one]
    stages += [{"$sort": {sort: 1}}] if sort else []
    stages += [{"$limit": limit}]
    stages += [{"$project": fields}] if fields else []
    return list(db.tickets.aggregate(stages))


def is_set_aside(doc: Document, now: datetime) -> bool:
    aside = doc.get("aside")
    until = as_datetime(aside.get("until")) if isinstance(aside, dict) else None
    return is_ahead(until, now, longest=RECHECK_INTERVAL)


def is_data_fault(error: Exception) -> bool:
    """Whether the error comes from the stored data of one item, so that a retry cannot help."""
    if isinstance(error, BulkWriteError):
        return False
    if isinstance(error, OperationFailure):
        return error.code in _DATA_CODES
    return isinstance(error, DATA_ERRORS)


def set_aside(db: Mongo, ticket_id: ObjectId, *, reason: str, now: datetime) -> None:
    """Record the fault, and keep the ticket from being processed until `RECHECK_INTERVAL` later."""
    logger.warning("ticket %s is set aside: %s", ticket_id, reason)
    until = now + RECHECK_INTERVAL
    doc = db.tickets.find_one({"_id": ticket_id}, {"aside": True, "outbox": True}) or {}
    known = doc.get("aside")
    since = known.get("since", now) if isinstance(known, dict) else now
    values: Document = {"aside": {"since": since, "until": until, "reason": reason}}
    if doc.get("outbox"):
        values["nextTryAt"] = until
    db.tickets.update_one({"_id": ticket_id}, {"$set": values})


@contextmanager
def isolated(db: Mongo, ticket_id: ObjectId | str, *, now: datetime) -> Iterator[None]:
    """Set the ticket aside if its data makes the block fail; any other error is raised."""
    try:
        yield
    except (*DATA_ERRORS, OperationFailure) as error:
        if not is_data_fault(error):
            raise
        logger.exception("ticket %s cannot be processed", ticket_id)
        key = ObjectId(ticket_id)
        set_aside(db, key, reason=_describe_fault(db, key, error), now=now)


def _describe_fault(db: Mongo, ticket_id: ObjectId, error: Exception) -> str:
    """Return what is malformed in the document, or the error's type: its text may quote people."""
    doc = db.tickets.find_one({"_id": ticket_id})
    return (find_defect(doc) if doc else "") or f"{type(error).__name__}, see the log"


def write_isolated(
    db: Mongo, updates: Iterable[tuple[ObjectId, UpdateOne]], *, now: datetime
) -> int:
    """Write the updates of tickets, each for itself, and return how many matched.

    A ticket whose data refuses its update is set aside; any other error is raised.
    """
    pairs = list(updates)
    if not pairs:
        return 0
    try:
        return db.tickets.bulk_write([one for _, one in pairs], ordered=False).matched_count
    except BulkWriteError as error:
        failures = error.details.get("writeErrors", [])
        if error.details.get("writeConcernErrors") or not all(
            failure.get("code") in _DATA_CODES for failure in failures
        ):
            raise
        for failure in failures:
            ticket_id = pairs[failure["index"]][0]
            reason = _describe_fault(db, ticket_id, OperationFailure("", failure["code"]))
            set_aside(db, ticket_id, reason=reason, now=now)
        return int(error.details.get("nMatched", 0))


def recheck(db: Mongo, *, now: datetime) -> None:
    """Release the tickets that were repaired, and note the others again."""
    conditions = past(now, longest=RECHECK_INTERVAL)
    due = (db.tickets.find({"aside.until": at}).limit(RECHECK_BATCH_SIZE) for at in conditions)
    for doc in chain.from_iterable(due):
        if reason := find_defect(doc):
            set_aside(db, doc["_id"], reason=reason, now=now)
        else:
            db.tickets.update_one({"_id": doc["_id"]}, {"$unset": {"aside": ""}})
