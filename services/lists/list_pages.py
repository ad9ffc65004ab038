"""Lists of tickets, a page at a time.

A page is found from a ticket at its edge (what the list is sorted by, and _id), not by counting:
however long the list, each page costs the same, and a ticket filed meanwhile moves nothing from
page to page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from services.core.database import (
    ASSIGNEE_QUEUE_INDEX,
    ASSIGNEE_STATUS_NEWEST_INDEX,
    IN_QUEUE_FILTER,
    QUEUE_INDEX,
    REQUESTER_STATUS_NEWEST_INDEX,
    SKILL_QUEUE_INDEX,
    Document,
    Mongo,
)
from services.lists.list_query import (
    NOBODY,
    ListCursor,
    ListKind,
    ListQuery,
    milliseconds,
    moment_of,
)
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import OPEN_STATUSES, Ticket
from services.sla.queue_key import QUEUE_KEY_FIELD, QUEUE_KEY_PATTERN

PAGE_SIZE = 10
# What a row shows. A ticket's arrays and long texts stay in the database.
ROW = (
    "number",
    "title",
    "status",
    "priority",
    "createdBy",
    "assignedTo",
    "createdAt",
    "deadline",
    "dueAt",
    "target",  # says which ones have a clock that stands
    "resolution",  # says which ones were cancelled
    "assignment.next",  # says for which ones nobody is available
    QUEUE_KEY_FIELD,
)

NEEDED = {
    ListKind.OWN: Permission.SEE_OWN_TICKET,
    ListKind.ASSIGNED: Permission.SEE_ANY_TICKET,
    ListKind.QUEUE: Permission.SEE_ANY_TICKET,
}
OPEN = list(OPEN_STATUSES)
Index = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`before` and `after` are None where there is nothing more on that side."""

    tickets: tuple[Ticket, ...]
    before: ListCursor | None = None
    after: ListCursor | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of the database: `field` is what the list is sorted by, in that `order`."""

    query: Document
    index: Index
    field: str
    order: int


class TicketLists:
    def __init__(self, db: Mongo) -> None:
        self._db = db

    def page(
        self,
        *,
        actor: Actor,
        selection: ListQuery,
        skills: Sequence[str] = (),
        size: int = PAGE_SIZE,
    ) -> Page:
        """The page at the selection's position, or the first where that one has emptied meanwhile.

        `skills` are the spellings of the selection's skill.
        """
        require_permission(actor, NEEDED[selection.kind])
        question = _question(actor, selection, skills)
        position = selection.position
        beyond = _beyond(question, position) if position else None
        if position and beyond:
            tickets, more = self._read(question, beyond, size, backwards=position.is_before)
            # Back at the start, the first page is asked for: a full one, that knows of the newest.
            if more if position.is_before else tickets:
                return _page(question, tickets, before=True, after=more or position.is_before)
        tickets, more = self._read(question, question.query, size)
        return _page(question, tickets, before=False, after=more)

    def _read(
        self, question: _Question, query: Document, size: int, *, backwards: bool = False
    ) -> tuple[list[Ticket], bool]:
        """A page's tickets in the list's order, and whether more follow on the side looked at."""
        order = -question.order if backwards else question.order
        docs = list(
            self._db.tickets.find(query, dict.fromkeys(ROW, True))
            .sort([(question.field, order), ("_id", order)])
            .limit(size + 1)
            # It holds the list in its order, so that a page reads a page.
            .hint(list(question.index))
        )
        tickets = [Ticket.from_doc(doc) for doc in docs[:size]]
        return tickets[::-1] if backwards else tickets, len(docs) > size


def _question(actor: Actor, selection: ListQuery, skills: Sequence[str]) -> _Question:
    query: Document = {"status": {"$in": [selection.status] if selection.status else OPEN}}
    if selection.priority:
        query["priority"] = selection.priority.value
    if skills:
        query["relatedSkills"] = {"$in": list(skills)}
    if selection.kind is ListKind.OWN:
        query["createdBy"] = actor.user_id
    elif selection.kind is ListKind.ASSIGNED:
        query["assignedTo"] = actor.user_id
    elif selection.assignee:
        is_person = selection.assignee != NOBODY
        query["assignedTo"] = ObjectId(selection.assignee) if is_person else None
    if not selection.is_queued:
        newest = (
            REQUESTER_STATUS_NEWEST_INDEX if "createdBy" in query else ASSIGNEE_STATUS_NEWEST_INDEX
        )
        return _Question(query, newest, "createdAt", DESCENDING)
    index = (
        ASSIGNEE_QUEUE_INDEX
        if "assignedTo" in query
        else SKILL_QUEUE_INDEX
        if skills
        else QUEUE_INDEX
    )
    return _Question(query | IN_QUEUE_FILTER, index, QUEUE_KEY_FIELD, ASCENDING)


def _beyond(question: _Question, position: ListCursor) -> Document | None:
    """The query for what is on that side of the position; None for one of another list."""
    value: Any = (
        position.key if QUEUE_KEY_PATTERN.fullmatch(position.key) else moment_of(position.key)
    )
    if value is None or isinstance(value, str) != (question.field == QUEUE_KEY_FIELD):
        return None
    is_up = (question.order == ASCENDING) != position.is_before
    to, past = ("$gte", "$gt") if is_up else ("$lte", "$lt")
    return question.query | {
        question.field: {to: value, **question.query.get(question.field, {})},
        "$or": [{question.field: {past: value}}, {"_id": {past: position.ticket_id}}],
    }


def _page(question: _Question, tickets: list[Ticket], *, before: bool, after: bool) -> Page:
    return Page(
        tickets=tuple(tickets),
        before=_beside(question, tickets[0], is_before=True) if before else None,
        after=_beside(question, tickets[-1], is_before=False) if after else None,
    )


def _beside(question: _Question, ticket: Ticket, *, is_before: bool) -> ListCursor | None:
    at = ticket.created_at
    newest = milliseconds(at) if at else None
    key = ticket.queue_key if question.field == QUEUE_KEY_FIELD else newest
    if key is None:  # no date: never written so, by us or by the predecessor
        return None
    return ListCursor(is_before=is_before, key=key, ticket_id=ticket.id)
