"""Finds the tickets that match all conditions, the newest first, by the rarest of these."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bson import ObjectId

from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.models.search_words import stored_words
from services.search.conditions import Alternative, Condition, is_any
from services.search.word_sample import WordSample
from services.tickets.indexes import NEWEST_INDEX

# An index that does not go on with createdAt is read as a whole: only if it has few tickets.
MAX_UNDATED_SHARE = 0.01
# About as many tickets are read one after another, then all others.
WINDOW_SIZES = (650, 650, 4_000, 24_000)
_MILLISECOND = timedelta(milliseconds=1)  # MongoDB keeps no less
_NO_DATE = datetime.min.replace(tzinfo=UTC)
_FIELDS: Document = {"createdAt": True, "public": "$search.public", "parts": "$search.parts"}


class Match(NamedTuple):  # of which a search makes a thousand
    """`title` and `text` are the words of the title, and of title and description."""

    ticket_id: ObjectId
    created_at: datetime | None
    title: Sequence[str]
    text: Sequence[str]


@dataclass(frozen=True, slots=True)
class Window:
    """Tickets filed after `after`, until `until`; None: without that limit. `is_undated`: those
    without a date."""

    after: datetime | None = None
    until: datetime | None = None
    is_undated: bool = False

    @property
    def filter(self) -> Document:
        if self.is_undated:
            return {"createdAt": None}
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
        self._rarest, self._share = self._choose(conditions)
        others = [one.filter for one in conditions if one is not self._rarest]
        self._rest: list[Document] = [{"$or": [one]} for one in (*others, *rest) if one]

    def windows(self, until: datetime | None = None) -> Iterator[Window]:
        """Yield windows that follow one another, from the newest ticket, or from `until`, back."""
        count = self._share * self._sample.total
        latest, start = until, until or self._sample.read_at
        for wanted in WINDOW_SIZES:
            if self._sample.is_complete or count <= wanted:
                break
            span = self._sample.span_of(wanted / self._share)
            if span > start - (self._since or datetime.min.replace(tzinfo=start.tzinfo)):
                break
            start -= span
            yield Window(start, latest)
            latest = start
        yield Window(self._since, latest)
        if latest and not self._since:
            yield Window(is_undated=True)

    def find(
        self, window: Window, limit: int, *, after: tuple[datetime | None, ObjectId] | None = None
    ) -> list[Match]:
        """Return the newest matches in the window, those behind `after` in the order of age."""
        beyond = [_behind(*after)] if after else []
        found: dict[ObjectId, Document] = {}
        for one in self._rarest.alternatives:
            docs = self._read(one, window, beyond, limit)
            found |= {doc["_id"]: doc for doc in docs}
        newest = list(found.values())
        if len(self._rarest.alternatives) > 1:
            newest.sort(key=_age, reverse=True)
        return [_match(doc) for doc in newest[:limit]]

    def _read(
        self, one: Alternative, window: Window, beyond: Sequence[Document], limit: int
    ) -> Iterable[Document]:
        dated = window.filter
        first = {**one.indexed, **(dated if one.is_dated else {})}
        rest = [part for part in (one.rest, *self._rest, *beyond) if part]
        if not one.is_dated and dated:
            rest.append(dated)
        stages: list[Document] = [{"$match": first}] if first else []
        stages += [{"$match": {"$and": rest}}] if rest else []
        stages += [
            {"$sort": dict(NEWEST_INDEX)},
            {"$limit": limit},
            {"$project": _FIELDS},
        ]
        return self._db.tickets.aggregate(stages, batchSize=limit + 1)

    def _choose(self, conditions: Sequence[Condition]) -> tuple[Condition, float]:
        everything = is_any()
        best, least = everything, 1.0
        for condition in conditions:
            share = condition.share(self._sample)
            is_usable = condition.is_dated or share <= MAX_UNDATED_SHARE
            if share < least and (is_usable or self._sample.is_complete):
                best, least = condition, share
        return best, least


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
