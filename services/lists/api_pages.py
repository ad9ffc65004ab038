"""Pages of tickets for the API, the newest first.

The cursor is createdAt and _id of the last ticket of the page before, so each page costs the same
in a list of any length. Tickets without a date, which direct writes may leave, come last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from pymongo import DESCENDING

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import Ticket
from services.tickets.fields import Output, fields_of

MAX_PAGE_SIZE = 100
TICKET_FIELDS = fields_of(Output.API)
# Searched in turn, from the cursor back: a database that sorts all matches then has few to sort.
# MongoDB reads them in index order either way.
_SEARCH_WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=60))
# Requesters with short lists are remembered, up to this many: one query finds all their tickets.
_MAX_SHORT_LISTS = 10_000
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


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
        self._short_lists: set[ObjectId | None] = set()

    def newest_page(
        self, *, actor: Actor, size: int = MAX_PAGE_SIZE, after: PageCursor | None = None
    ) -> NewestPage:
        """Return the actor's tickets after the cursor; all tickets if the actor may see them."""
        require_permission(actor, Permission.SEE_OWN_TICKET)
        sees_all = actor.has_permission(Permission.SEE_ANY_TICKET)
        owner_filter: Document = {} if sees_all else {"createdBy": actor.user_id}
        found = self._read(owner_filter, after, size + 1)
        tickets = tuple(map(Ticket.from_doc, found[:size]))
        has_more = len(found) > size
        last = PageCursor(tickets[-1].created_at, tickets[-1].id) if has_more else None
        return NewestPage(tickets, next_cursor=last)

    def _read(
        self, owner_filter: Document, after: PageCursor | None, wanted: int
    ) -> list[Document]:
        if after is None:
            return self._read_first(owner_filter, wanted)
        found: list[Document] = []
        for dated in _date_windows(after):
            found = self._find(owner_filter | dated, wanted)
            if len(found) == wanted:
                return found
        undated: Document = {"createdAt": None}  # they come last
        if not after.created_at:
            undated["_id"] = {"$lt": after.ticket_id}
        return found + self._find(owner_filter | undated, wanted - len(found))

    def _read_first(self, owner_filter: Document, wanted: int) -> list[Document]:
        creator = owner_filter.get("createdBy")
        now, spans = self._clock(), () if creator in self._short_lists else _SEARCH_WINDOWS
        for among in (*({"createdAt": {"$gte": now - span}} for span in spans), {}):
            found = self._find(owner_filter | among, wanted)
            if len(found) == wanted:
                self._short_lists.discard(creator)
                return found
        if len(self._short_lists) >= _MAX_SHORT_LISTS:
            self._short_lists.clear()
        self._short_lists.add(creator)
        return found

    def _find(self, query: Document, limit: int) -> list[Document]:
        cursor = self._db.tickets.find(query, dict.fromkeys(TICKET_FIELDS, True))
        return list(cursor.sort([("createdAt", DESCENDING), ("_id", DESCENDING)]).limit(limit))


def _date_windows(after: PageCursor) -> Iterator[Document]:
    """Yield filters for dated tickets in growing windows, the last one without a limit."""
    if at := after.created_at:
        beyond = {"$or": [{"createdAt": {"$lt": at}}, {"_id": {"$lt": after.ticket_id}}]}
        spans = (span for span in _SEARCH_WINDOWS if span < at - _EARLIEST)
        for earliest in (*(at - span for span in spans), _EARLIEST):
            yield {"createdAt": {"$gte": earliest, "$lte": at}, **beyond}
