"""Lists of open tickets, newest first, a page at a time.

A page is found from a ticket at its edge (createdAt and _id), not by counting: however long the
list, each page costs the same, and a ticket filed meanwhile moves nothing from page to page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from services.database import NEWEST_OF_ASSIGNEE, NEWEST_OF_REQUESTER, Mongo
from services.models import OPEN_STATUSES, Document, Ticket
from services.permissions import Actor, Permission, require

PAGE_SIZE = 5
# What a row shows. A ticket's arrays and long texts stay in the database.
ROW = ("number", "title", "status", "priority", "createdBy", "assignedTo", "createdAt")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = re.compile(r"([<>])(\d{1,14})-([0-9a-f]{24})")


@dataclass(frozen=True, slots=True)
class Position:
    """The page on one side of a ticket: those older than it, or those newer."""

    is_newer: bool
    at: datetime
    ticket_id: ObjectId

    def encode(self) -> str:
        """For a button's value."""
        milliseconds = (self.at - _EPOCH) // timedelta(milliseconds=1)
        return f"{'>' if self.is_newer else '<'}{milliseconds}-{self.ticket_id}"

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """None for whatever `encode` would not have written: the first page."""
        found = _POSITION.fullmatch(text)
        if found is None:
            return None
        try:
            at = _EPOCH + timedelta(milliseconds=int(found[2]))
        except OverflowError:
            return None
        return cls(is_newer=found[1] == ">", at=at, ticket_id=ObjectId(found[3]))


@dataclass(frozen=True, slots=True)
class Page:
    """`newer` and `older` are None where there is nothing more on that side."""

    tickets: tuple[Ticket, ...]
    newer: Position | None = None
    older: Position | None = None


class TicketLists:
    def __init__(self, db: Mongo) -> None:
        self._db = db

    def own(self, *, actor: Actor, position: Position | None = None) -> Page:
        """The open tickets that the actor filed."""
        require(actor, Permission.SEE_OWN_TICKET)
        return self._page({"createdBy": actor.user_id}, NEWEST_OF_REQUESTER, position)

    def assigned(self, *, actor: Actor, position: Position | None = None) -> Page:
        """The open tickets that are the actor's to work on."""
        require(actor, Permission.SEE_ANY_TICKET)
        return self._page({"assignedTo": actor.user_id}, NEWEST_OF_ASSIGNEE, position)

    def _page(
        self, whose: Document, index: Sequence[tuple[str, int]], position: Position | None
    ) -> Page:
        """The page at `position`, or the first where that one has emptied meanwhile."""
        tickets, more = self._read(whose, index, position)
        if position is None:
            return _cut_out(tickets, newer=False, older=more)
        if not position.is_newer and tickets:
            return _cut_out(tickets, newer=True, older=more)
        if position.is_newer and more:
            return _cut_out(tickets, newer=True, older=True)
        # So the first page is always a full one, and knows of the newest.
        return self._page(whose, index, None)

    def _read(
        self, whose: Document, index: Sequence[tuple[str, int]], position: Position | None
    ) -> tuple[list[Ticket], bool]:
        """A page's tickets, newest first, and whether more follow on the side looked at."""
        is_newer = position is not None and position.is_newer
        order = ASCENDING if is_newer else DESCENDING
        query = whose | {"status": {"$in": list(OPEN_STATUSES)}} | _bounds(position)
        docs = list(
            self._db.tickets.find(query, dict.fromkeys(ROW, True))
            .sort([("createdAt", order), ("_id", order)])
            .limit(PAGE_SIZE + 1)
            # It holds the list in its order, a status at a time, so that a page reads a page.
            .hint(list(index))
        )
        tickets = [Ticket.from_doc(doc) for doc in docs[:PAGE_SIZE]]
        return tickets[::-1] if is_newer else tickets, len(docs) > PAGE_SIZE


def _bounds(position: Position | None) -> Document:
    if position is None:
        return {}
    to, beyond = ("$gte", "$gt") if position.is_newer else ("$lte", "$lt")
    return {
        "createdAt": {to: position.at},
        "$or": [{"createdAt": {beyond: position.at}}, {"_id": {beyond: position.ticket_id}}],
    }


def _cut_out(tickets: list[Ticket], *, newer: bool, older: bool) -> Page:
    return Page(
        tickets=tuple(tickets),
        newer=_beside(tickets[0], is_newer=True) if newer else None,
        older=_beside(tickets[-1], is_newer=False) if older else None,
    )


def _beside(ticket: Ticket, *, is_newer: bool) -> Position | None:
    if ticket.created_at is None:  # never written so, by us or by the predecessor
        return None
    return Position(is_newer=is_newer, at=ticket.created_at, ticket_id=ticket.id)
