"""Claim, retry and back-off of work that is stored in documents.

An item of a `WorkQueue` is due from the date in one of its fields. A claim moves this date to the
end of the claim, in one conditional update: one worker has the item, and if that worker dies, the
item is due again. The date identifies the claim: later updates apply only while it is unchanged, so
a worker whose claim has expired changes nothing.

Some work is not a `WorkQueue`, each for the reason in its module: deliveries (entries of a ticket's
array), reminders (one claim for many documents), escalation steps (the claim is the step's own
update), release requests (idempotent, so without a claim), and refreshes of Home (a debounce).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pymongo.collection
from pymongo import ReturnDocument

from services.core.coerce import as_datetime, as_int
from services.core.database import Document

# The longest wait for a delivery (of a ticket's messages, an email, an offer).
MAX_DELIVERY_DELAY = timedelta(minutes=15)
# Of a `RetryState`.
INITIAL_RETRY_DELAY, BACKOFF_FACTOR, MAX_RETRY_DELAY = timedelta(minutes=5), 4, timedelta(hours=1)
_MAX_EXPONENT = 15  # keeps a large count from overflowing a timedelta
# By how much the clocks of two processes may differ, in an upgrade from a release that does not
# correct its clock, say.
MAX_CLOCK_SKEW = timedelta(seconds=5)


def backoff(
    failure_count: int, *, initial: timedelta, maximum: timedelta, factor: int = 2
) -> timedelta:
    """Return the wait after so many failures in a row: `initial` after the first, `factor` times as
    long after each further one, at most `maximum`."""
    multiple: int = factor ** min(max(failure_count - 1, 0), _MAX_EXPONENT)
    return min(initial * multiple, maximum)


def latest_date(now: datetime, *, longest: timedelta) -> datetime:
    """Return the latest date that a right clock may have stored for a wait of up to `longest`."""
    return now + longest + MAX_CLOCK_SKEW


def ahead(now: datetime, *, longest: timedelta) -> Document:
    """The condition for a date that is still to come.

    A date further ahead than the longest wait was stored by a wrong clock and counts as past, or
    its item would wait for as long as that clock was wrong.
    """
    return {"$gt": now, "$lte": latest_date(now, longest=longest)}


def is_ahead(date: datetime | None, now: datetime, *, longest: timedelta) -> bool:
    """Whether a date that was read fulfils the condition `ahead`."""
    return date is not None and now < date <= latest_date(now, longest=longest)


def past(now: datetime, *, longest: timedelta) -> tuple[Document, Document]:
    """The conditions for a date that is past or, as in `ahead`, counts as past. An index serves
    each."""
    return {"$lte": now}, {"$gt": latest_date(now, longest=longest)}


class WorkQueue:
    """The documents that match `condition`, each due from the date in `due_field` on.

    `longest` is the longest wait of an item, see `ahead`. `attempts_field` counts the claims. With
    `includes_new`, a document without a date is due first.
    """

    def __init__(
        self,
        collection: pymongo.collection.Collection[Document],
        due_field: str,
        *,
        longest: timedelta,
        condition: Document | None = None,
        attempts_field: str | None = None,
        includes_new: bool = False,
    ) -> None:
        self._collection = collection
        self._due_field = due_field
        self._longest = longest
        self._condition = condition or {}
        self._counted = {attempts_field: 1} if attempts_field else {}
        self._includes_new = includes_new

    def due_filters(self, now: datetime) -> list[Document]:
        """The queries for what is due, the most urgent first: an index serves each, but no `$or`
        with a sort."""
        dates: list[Any] = [None] if self._includes_new else []
        dates += past(now, longest=self._longest)
        return [{**self._condition, self._due_field: date} for date in dates]

    def has_due(self, now: datetime) -> bool:
        return any(self._collection.find_one(due, {"_id": True}) for due in self.due_filters(now))

    def due(
        self, now: datetime, *, limit: int, fields: Collection[str] | None = None
    ) -> list[Document]:
        """The documents that are due, the longest overdue first, with all fields or only those."""
        found: list[Document] = []
        for query in self.due_filters(now):
            if len(found) < limit:
                docs = self._collection.find(query, fields).sort(self._due_field)
                found += docs.limit(limit - len(found))
        return found

    def claim(self, doc: Document, *, until: datetime) -> Document | None:
        """Claim a document from `due`; None if it was claimed or rescheduled concurrently."""
        return self._claim(self._unchanged(doc["_id"], _value(doc, self._due_field)), until)

    def claim_next(
        self, now: datetime, *, duration: timedelta, item_id: Any = None
    ) -> Document | None:
        """Claim the document that is longest overdue, or the one with that id if it is due."""
        only = {} if item_id is None else {"_id": item_id}
        claims = (self._claim(only | due, now + duration) for due in self.due_filters(now))
        return next(filter(None, claims), None)

    def retry(
        self,
        item_id: Any,
        claimed_until: datetime | None,
        *,
        at: datetime,
        values: Document | None = None,
        remove: Collection[str] = (),
    ) -> bool:
        """Make a claimed document due again at `at`; False if the claim has expired."""
        values = {self._due_field: at, **(values or {})}
        return self._update(item_id, claimed_until, values, remove)

    def finish(
        self,
        item_id: Any,
        claimed_until: datetime | None,
        *,
        values: Document,
        remove: Collection[str] = (),
    ) -> bool:
        """Store the result, a success or a final failure, of a claimed document, and take it from
        the queue; False if the claim has expired."""
        return self._update(item_id, claimed_until, values, (self._due_field, *remove))

    def _claim(self, query: Document, until: datetime) -> Document | None:
        counted = {"$inc": self._counted} if self._counted else {}
        return self._collection.find_one_and_update(
            query,
            {"$set": {self._due_field: until}, **counted},
            sort=[(self._due_field, 1)],
            return_document=ReturnDocument.AFTER,
        )

    def _update(
        self, item_id: Any, due_at: datetime | None, values: Document, remove: Collection[str]
    ) -> bool:
        change: Document = {"$set": values}
        if remove:
            change["$unset"] = dict.fromkeys(remove, "")
        done = self._collection.update_one(self._unchanged(item_id, due_at), change)
        return done.matched_count == 1

    def _unchanged(self, item_id: Any, due_at: datetime | None) -> Document:
        return {**self._condition, "_id": item_id, self._due_field: due_at}


def _value(doc: Document, path: str) -> Any:
    value: Any = doc
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


@dataclass(frozen=True, slots=True)
class RetryState:
    """Back-off state of an item that fails, so that the others do not wait for it: a ticket's next
    escalation step (`alarm.aside`), an account's digest (`digestAside`).

    Stored as {since, times, error}; the next success removes it. `failure_count` counts failures in
    a row. `error` is the type of the last exception only: its text might quote a person.
    """

    first_failed_at: datetime
    failure_count: int
    error: str

    @classmethod
    def from_doc(cls, doc: Any) -> "RetryState | None":
        if not isinstance(doc, Mapping):
            return None
        since, times = as_datetime(doc.get("since")), as_int(doc.get("times"))
        return cls(since, times or 1, str(doc.get("error") or "")) if since else None

    def to_doc(self) -> dict[str, Any]:
        return {"since": self.first_failed_at, "times": self.failure_count, "error": self.error}

    @property
    def delay(self) -> timedelta:
        """Wait until the next attempt."""
        return backoff(
            self.failure_count,
            initial=INITIAL_RETRY_DELAY,
            factor=BACKOFF_FACTOR,
            maximum=MAX_RETRY_DELAY,
        )


def record_failure(previous: RetryState | None, error: Exception, *, now: datetime) -> RetryState:
    """Return the state after one more failure; `previous` is None for the first."""
    since, times = (previous.first_failed_at, previous.failure_count + 1) if previous else (now, 1)
    return RetryState(since, times, type(error).__name__)
