"""Pages of tickets for the API, the newest first.

The cursor is createdAt and _id of the last ticket of the page before, so each page costs the same
in a list of any length. Tickets without a date, which direct writes may leave, come last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import Ticket
from services.tickets.access import visible_to
from services.tickets.fields import Output, fields_of
from services.tickets.indexes import NEWEST_INDEX

MAX_PAGE_SIZE = 100
TICKET_FIELDS = fields_of(Output.API)
# Searched in turn, from the cursor back: a database that sorts all matches then has few to sort.
# MongoDB reads them in index order either way.
_SEARCH_WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=60))
# How far the first page reaches is remembered for this many requesters.
_MAX_HORIZONS = 10_000
_NO_CONDITION: Document = {}
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)  # MongoDB keeps no less
_HorizonKey = tuple[ObjectId | None, int, bool]


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The last ticket of a page."""

    created_at: datetime | None
    ticket_id: ObjectId


@dataclass(frozen=True, slots=True)
class NewestPage:
    """`next_cursor` is None if nothing follows."""

    tickets: tuple[Ticket, ...]
    next_cursor: PageCursor | None


class TicketPager:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        # By requester (None: all tickets), size, and whether the actor sees only some of them, the
        # date of the first page's last ticket; None for a list that is shorter. The next first page
        # is one query, for these and newer tickets.
        self._horizons: dict[_HorizonKey, datetime | None] = {}

    def newest_page(
        self, *, actor: Actor, size: int = MAX_PAGE_SIZE, after: PageCursor | None = None
    ) -> NewestPage:
        """Return the actor's tickets after the cursor, also those they take part in; all tickets if
        the actor may see them."""
        require_permission(actor, Permission.SEE_OWN_TICKET)
        if actor.has_permission(Permission.SEE_ANY_TICKET):
            found = self._read({}, visible_to(actor).condition(), after, size + 1)
        else:
            found = self._read_own(actor, after, size + 1)
        tickets = tuple(map(Ticket.from_doc, found[:size]))
        has_more = len(found) > size
        last = PageCursor(tickets[-1].created_at, tickets[-1].id) if has_more else None
        return NewestPage(tickets, next_cursor=last)

    def _read_own(self, actor: Actor, after: PageCursor | None, wanted: int) -> list[Document]:
        """Read what the actor has filed and what they take part in, each by its index, and merge
        them."""
        sight, filed = visible_to(actor), {"createdBy": actor.user_id}
        found = self._read(filed, sight.condition(within=filed), after, wanted)
        shared = {"participants": actor.user_id}
        taking_part = sight.condition(within=shared)
        for dated, behind in _participation_filters(after):
            found += self._find(shared | dated, taking_part, wanted, behind)
        by_id = {doc["_id"]: doc for doc in found}
        return sorted(by_id.values(), key=_newest_first, reverse=True)[:wanted]

    def _read(
        self, owner_filter: Document, sight: Document, after: PageCursor | None, wanted: int
    ) -> list[Document]:
        if after is None:
            return self._read_first(owner_filter, sight, wanted)
        found: list[Document] = []
        for dated, behind in _date_windows(after):
            found += self._find(owner_filter | dated, sight, wanted - len(found), behind)
            if len(found) == wanted:
                return found
        return found + self._find(owner_filter | _undated(after), sight, wanted - len(found))

    def _read_first(self, owner_filter: Document, sight: Document, wanted: int) -> list[Document]:
        key = (owner_filter.get("createdBy"), wanted, bool(sight))
        found: list[Document] = []
        for dated in self._first_windows(key):
            found = self._find(owner_filter | dated, sight, wanted)
            if len(found) == wanted:
                break
        if len(self._horizons) >= _MAX_HORIZONS:
            self._horizons.clear()
        last = found[-1].get("createdAt") if len(found) == wanted else None
        if isinstance(last, datetime) or len(found) < wanted:
            self._horizons[key] = last
        return found

    def _first_windows(self, key: _HorizonKey) -> Iterator[Document]:
        if key not in self._horizons:
            now = self._clock()
            yield from ({"createdAt": {"$gte": now - span}} for span in _SEARCH_WINDOWS)
        elif horizon := self._horizons[key]:
            # With `$gte` SecantusDB leaves out the ticket at the horizon itself.
            yield {"createdAt": {"$gt": horizon - _MILLISECOND}}
        yield {}

    def _find(
        self, query: Document, sight: Document, limit: int, behind: Document = _NO_CONDITION
    ) -> list[Document]:
        """Return the newest that match. With the `$or` of `sight` or `behind` in the query,
        SecantusDB would use no index."""
        read, newest = dict.fromkeys(TICKET_FIELDS, True), dict(NEWEST_INDEX)
        then = [{"$match": one} for one in (sight, behind) if one]
        if not then:
            return list(self._db.tickets.find(query, read).sort(newest).limit(limit))
        page: list[Document] = [{"$match": query}, *then, {"$sort": newest}]
        page += [{"$limit": limit}, {"$project": read}]
        return list(self._db.tickets.aggregate(page, batchSize=limit + 1))


def _participation_filters(after: PageCursor | None) -> Iterator[tuple[Document, Document]]:
    """Yield the same as `_date_windows`, without windows: one takes part in few tickets."""
    if after is None:
        yield {}, {}
        return
    if at := after.created_at:
        yield {"createdAt": {"$lte": at}}, _behind(at, after)
    yield _undated(after), {}


def _behind(at: datetime, after: PageCursor) -> Document:
    """Return the condition for the tickets behind the cursor, of those up to its date."""
    return {"$or": [{"createdAt": {"$lt": at}}, {"_id": {"$lt": after.ticket_id}}]}


def _undated(after: PageCursor) -> Document:
    """Return the filter for the tickets without a date, which come last."""
    if after.created_at:
        return {"createdAt": {"$eq": None}}  # SecantusDB scans for a bare None
    return {"createdAt": {"$eq": None}, "_id": {"$lt": after.ticket_id}}


def _newest_first(doc: Document) -> tuple[datetime, ObjectId]:
    """Return the key of the order of `NEWEST_INDEX`."""
    at = doc.get("createdAt")
    return (at if isinstance(at, datetime) else _EARLIEST), doc["_id"]


def _date_windows(after: PageCursor) -> Iterator[tuple[Document, Document]]:
    """Yield filters for dated tickets in windows that follow one another, the last one without a
    limit, each with a condition for the tickets behind the cursor."""
    if at := after.created_at:
        behind = _behind(at, after)
        latest = at
        for span in _SEARCH_WINDOWS:
            if span < at - _EARLIEST:
                yield {"createdAt": {"$gt": at - span, "$lte": latest}}, behind
                latest, behind = at - span, {}
        yield {"createdAt": {"$lte": latest}}, behind
