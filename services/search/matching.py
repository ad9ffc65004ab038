"""Finds the tickets that match all conditions, the newest first, by the rarest of these."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, prod
from typing import NamedTuple

from bson import ObjectId

from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.models.search_words import stored_words
from services.search.conditions import Alternative, Condition, is_any
from services.search.word_sample import WordSample
from services.tickets.indexes import NEWEST_INDEX

RANKED = 1_000
# About as many tickets are read first; and before the matches among them are all that is ranked, if
# they fill a page.
FIRST_READ, MAX_READ = 650, 5_000
_GROWTH = 4  # of what is read next, if the matches do not fill a page
_MARGIN = 1.1
_TRIP = 30  # as many tickets are read in the time of a trip
_MILLISECOND = timedelta(milliseconds=1)  # MongoDB keeps no less
_NO_DATE = datetime.min.replace(tzinfo=UTC)
_LAST_ID = ObjectId("f" * 24)
# SecantusDB reads these fields alone for a `$group`, and whole tickets for `$sort` and `$project`.
_FIELDS: Document = {
    "_id": "$_id",
    "createdAt": {"$first": "$createdAt"},
    "public": {"$first": "$search.public"},
    "parts": {"$first": "$search.parts"},
}

Edge = tuple[datetime | None, ObjectId]
"""The date and id of the ticket before, in the order of age."""


class Match(NamedTuple):  # of which a search makes a thousand
    """`title` and `text` are the words of the title, and of title and description."""

    ticket_id: ObjectId
    created_at: datetime | None
    title: Sequence[str]
    text: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Window:
    """Tickets filed after `after`, until `until`; None: without that limit. `is_undated`: those
    without a date. `read`: about how many tickets are read with it and those before."""

    after: datetime | None = None
    until: datetime | None = None
    is_undated: bool = False
    read: int = 0

    @property
    def filter(self) -> Document:
        if self.is_undated:
            # Not `None` alone: with a partial index, SecantusDB would scan all tickets.
            return {"createdAt": {"$eq": None}}
        # Not `$gte` and `$lt`: SecantusDB leaves out what is equal then.
        bounds = {"$gt": self.after, "$lte": self.until}
        dated = {name: at for name, at in bounds.items() if at}
        return {"createdAt": dated} if dated else {}


class Matcher:
    """`conditions` may be used to find tickets; `rest` are filters that all have to match, too."""

    def __init__(
        self,
        db: Mongo,
        sample: WordSample,
        *,
        conditions: Sequence[Condition],
        rest: Sequence[Document],
        since: datetime | None,
    ) -> None:
        self._db = db
        self._sample = sample
        self._since = since - _MILLISECOND if since else None
        by_share = sorted(conditions, key=lambda one: one.share(sample))
        rarest, self._alternatives = self._choose(by_share)
        self._count = self._read_by(self._alternatives, is_dated=True, among=sample.total)
        others = [one.filter for one in by_share if one is not rarest]
        self._rest: list[Document] = [{"$or": [one]} for one in (*others, *rest) if one]

    def newest(self, wanted: int) -> tuple[list[Match], Edge | None]:
        """Return the newest matches, at most `RANKED`, and behind what older ones may follow: None
        if there are no more. Fewer, but as many as `wanted`, if they are among `MAX_READ` tickets.
        """
        found: list[Match] = []

        def next_size(read: int) -> int:
            if read >= MAX_READ:
                return read * _GROWTH
            needed = (RANKED + 1 - len(found)) * read / max(len(found), 1) * _MARGIN
            return min(max(ceil(needed), FIRST_READ // 2), MAX_READ - read) if read else FIRST_READ

        for window in self._windows(None, next_size):
            found += self._find(window, RANKED + 1 - len(found))
            if len(found) > RANKED:
                last = found[RANKED - 1]
                return found[:RANKED], (last.created_at, last.ticket_id)
            if window.after and window.read >= MAX_READ and len(found) >= wanted:
                return found, (window.after, _LAST_ID)
        return found, None

    def older(self, edge: Edge, limit: int) -> list[Match]:
        """Return the newest matches behind the edge."""
        at, _ = edge
        windows = self._windows(at, lambda read: read * _GROWTH or FIRST_READ)
        found: list[Match] = []
        for window in windows if at else [_Window(is_undated=True)]:
            found += self._find(window, limit - len(found), behind=[_behind(*edge)])
            if len(found) == limit:
                break
        return found

    def _windows(
        self, until: datetime | None, next_size: Callable[[int], int]
    ) -> Iterator[_Window]:
        """Yield windows that follow one another, from the newest ticket, or from `until`, back. An
        index that does not go on with createdAt is read as a whole."""
        if not any(one.is_dated for one in self._alternatives):
            yield _Window(self._since)
            return
        read, latest, start = 0, until, until or self._sample.read_at
        while not self._sample.is_complete and (size := next_size(read)) < self._count - read:
            span = self._sample.span_of(size / self._count * self._sample.total)
            if span > start - (self._since or _NO_DATE):
                break
            start -= span
            read += size
            yield _Window(start, latest, read=read)
            latest = start
        # A date for MongoDB to use an index, if there is no word.
        oldest = self._since or (None if self._alternatives[0].indexed else _NO_DATE)
        yield _Window(oldest, latest)
        if not self._since and (latest or oldest):
            yield _Window(is_undated=True)

    def _find(self, window: _Window, limit: int, *, behind: Sequence[Document] = ()) -> list[Match]:
        found: dict[ObjectId, Document] = {}
        for one in self._alternatives:
            docs = self._read(one, window, behind, limit)
            found |= {doc["_id"]: doc for doc in docs}
        newest = list(found.values())
        if len(self._alternatives) > 1:
            newest.sort(key=_age, reverse=True)
        return [_match(doc) for doc in newest[:limit]]

    def _read(
        self, one: Alternative, window: _Window, behind: Sequence[Document], limit: int
    ) -> Iterable[Document]:
        dated = window.filter
        first = {**one.indexed, **(dated if one.is_dated else {})}
        rest = [part for part in (one.rest, *self._rest, *behind) if part]
        if not one.is_dated and dated:
            rest.append(dated)
        stages: list[Document] = [{"$match": first}] if first else []
        stages += [{"$match": {"$and": rest}}] if rest else []
        stages += [
            {"$group": _FIELDS},
            {"$sort": dict(NEWEST_INDEX)},
            {"$limit": limit},
        ]
        return self._db.tickets.aggregate(stages, batchSize=limit + 1)

    def _choose(self, conditions: Sequence[Condition]) -> tuple[Condition, tuple[Alternative, ...]]:
        """Return the condition, and those of its alternatives, by which the fewest tickets are
        read: until `RANKED` match, or all that an index has without a date."""
        total = self._sample.total
        joint = prod(one.share(self._sample) for one in conditions)
        reach = min(total, RANKED / joint)

        def cost(found: tuple[Condition, tuple[Alternative, ...]]) -> float:
            _, by = found
            dated = self._read_by(by, is_dated=True, among=reach)
            undated = self._read_by(by, is_dated=False, among=total)
            windows = 2 if any(one.is_dated for one in by) else 1
            return min(dated, MAX_READ) + windows * (undated + len(by) * _TRIP)

        all_of_them = (*conditions, is_any())
        ways = [(one, one.alternatives) for one in all_of_them]
        ways += [(one, one.also_by) for one in all_of_them if one.also_by]
        return min(ways, key=cost)

    def _read_by(
        self, alternatives: Iterable[Alternative], *, is_dated: bool, among: float
    ) -> float:
        """Return about how many of so many tickets are read."""
        counts = [one.count(self._sample) for one in alternatives if one.is_dated == is_dated]
        return sum(counts) / max(self._sample.size, 1) * among


def _match(doc: Document) -> Match:
    public, (title_count, text_count) = stored_words(doc)
    at = as_datetime(doc.get("createdAt"))
    return Match(doc["_id"], at, public[:title_count], public[:text_count])


def _age(doc: Document) -> tuple[datetime, ObjectId]:
    return as_datetime(doc.get("createdAt")) or _NO_DATE, doc["_id"]


def _behind(at: datetime | None, ticket_id: ObjectId) -> Document:
    if at is None:
        return {"$or": [{"createdAt": None, "_id": {"$lt": ticket_id}}]}
    older: list[Document] = [
        {"createdAt": {"$lt": at}},
        {"createdAt": at, "_id": {"$lt": ticket_id}},
        {"createdAt": None},
    ]
    return {"$or": older}
