"""Pages of ticket lists, with the people in them and the choices of their filters.

A cursor is the sort key and _id of the ticket at the edge of a page: each page costs the same in a
list of any length, and a ticket filed between two requests does not shift the pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from services.core.clock import Clock, utcnow
from services.core.coerce import as_string_list
from services.core.database import Document, Mongo
from services.linking.links import Directory, LinkService, referenced_user_ids
from services.lists.indexes import REQUESTER_STATUS_NEWEST_INDEX, SKILL_QUEUE_INDEX
from services.lists.list_query import (
    FILTERS,
    NO_ASSIGNEE,
    Filter,
    ListCursor,
    ListKind,
    ListQuery,
    created_at_key,
    parse_created_at_key,
    skill_key,
)
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import OPEN_STATUSES, Ticket
from services.models.user import ACTIVE_STAFF, User
from services.sla.indexes import ASSIGNEE_QUEUE_INDEX, IN_QUEUE_FILTER, QUEUE_INDEX
from services.sla.queue_key import QUEUE_KEY_FIELD, QUEUE_KEY_PATTERN
from services.tickets.fields import Output, fields_of
from services.tickets.indexes import ASSIGNEE_STATUS_NEWEST_INDEX

PAGE_SIZE = 10
# A ticket's arrays and long texts stay in the database.
ROW_FIELDS = fields_of(Output.LISTS)
REQUIRED_PERMISSION = {
    ListKind.OWN: Permission.SEE_OWN_TICKET,
    ListKind.ASSIGNED: Permission.SEE_ANY_TICKET,
    ListKind.QUEUE: Permission.SEE_ANY_TICKET,
}


@dataclass(frozen=True, slots=True)
class ListPage:
    """`previous_cursor` and `next_cursor` are None if nothing follows on that side."""

    tickets: tuple[Ticket, ...]
    previous_cursor: ListCursor | None = None
    next_cursor: ListCursor | None = None


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A query, the index it uses, and the field and `order` of the list."""

    query: Document
    index: tuple[tuple[str, int], ...]
    sort_field: str
    order: int


def ticket_list_page(
    db: Mongo,
    *,
    actor: Actor,
    list_query: ListQuery,
    skills: Sequence[str] = (),
    size: int = PAGE_SIZE,
) -> ListPage:
    """Return the page at the query's cursor, or the first page if that one is empty now.

    `skills` are the spellings of the query's skill.
    """
    require_permission(actor, REQUIRED_PERMISSION[list_query.kind])
    lookup = _build_lookup(actor, list_query, skills)
    cursor = list_query.cursor
    range_filter = _range_filter(lookup, cursor) if cursor else None
    if cursor and range_filter:
        tickets, more = _read(db, lookup, range_filter, size, backwards=cursor.is_backward)
        # Back at the start, read the first page instead: a full one, with the newest tickets.
        if more if cursor.is_backward else tickets:
            return _build_page(lookup, tickets, before=True, after=more or cursor.is_backward)
    tickets, more = _read(db, lookup, lookup.query, size)
    return _build_page(lookup, tickets, before=False, after=more)


def _read(
    db: Mongo, lookup: _Lookup, query: Document, size: int, *, backwards: bool = False
) -> tuple[list[Ticket], bool]:
    """Return a page's tickets in the list's order, and whether more follow in the read
    direction."""
    order = -lookup.order if backwards else lookup.order
    docs = list(
        db.tickets.find(query, dict.fromkeys(ROW_FIELDS, True))
        .sort([(lookup.sort_field, order), ("_id", order)])
        .limit(size + 1)
        # The index is in the list's order, so that only one page is read.
        .hint(list(lookup.index))
    )
    tickets = [Ticket.from_doc(doc) for doc in docs[:size]]
    return tickets[::-1] if backwards else tickets, len(docs) > size


def _build_lookup(actor: Actor, list_query: ListQuery, skills: Sequence[str]) -> _Lookup:
    statuses = [list_query.status] if list_query.status else list(OPEN_STATUSES)
    query: Document = {"status": {"$in": statuses}}
    if list_query.priority:
        query["priority"] = list_query.priority.value
    if skills:
        query["relatedSkills"] = {"$in": list(skills)}
    if list_query.kind is ListKind.OWN:
        query["createdBy"] = actor.user_id
    elif list_query.kind is ListKind.ASSIGNED:
        query["assignedTo"] = actor.user_id
    elif list_query.assignee:
        is_person = list_query.assignee != NO_ASSIGNEE
        query["assignedTo"] = ObjectId(list_query.assignee) if is_person else None
    if not list_query.is_queue_order:
        newest = (
            REQUESTER_STATUS_NEWEST_INDEX if "createdBy" in query else ASSIGNEE_STATUS_NEWEST_INDEX
        )
        return _Lookup(query, newest, "createdAt", DESCENDING)
    index = (
        ASSIGNEE_QUEUE_INDEX
        if "assignedTo" in query
        else SKILL_QUEUE_INDEX
        if skills
        else QUEUE_INDEX
    )
    return _Lookup(query | IN_QUEUE_FILTER, index, QUEUE_KEY_FIELD, ASCENDING)


def _range_filter(lookup: _Lookup, cursor: ListCursor) -> Document | None:
    """Return the query for one side of the cursor; None for a cursor of another list."""
    value: Any = (
        cursor.sort_key
        if QUEUE_KEY_PATTERN.fullmatch(cursor.sort_key)
        else parse_created_at_key(cursor.sort_key)
    )
    if value is None or isinstance(value, str) != (lookup.sort_field == QUEUE_KEY_FIELD):
        return None
    is_up = (lookup.order == ASCENDING) != cursor.is_backward
    to, past = ("$gte", "$gt") if is_up else ("$lte", "$lt")
    return lookup.query | {
        lookup.sort_field: {to: value, **lookup.query.get(lookup.sort_field, {})},
        "$or": [{lookup.sort_field: {past: value}}, {"_id": {past: cursor.ticket_id}}],
    }


def _build_page(lookup: _Lookup, tickets: list[Ticket], *, before: bool, after: bool) -> ListPage:
    return ListPage(
        tickets=tuple(tickets),
        previous_cursor=_cursor_at(lookup, tickets[0], is_before=True) if before else None,
        next_cursor=_cursor_at(lookup, tickets[-1], is_before=False) if after else None,
    )


def _cursor_at(lookup: _Lookup, ticket: Ticket, *, is_before: bool) -> ListCursor | None:
    at = ticket.created_at
    newest = created_at_key(at) if at else None
    key = ticket.queue_key if lookup.sort_field == QUEUE_KEY_FIELD else newest
    if key is None:  # only a direct write leaves no date
        return None
    return ListCursor(is_backward=is_before, sort_key=key, ticket_id=ticket.id)


@dataclass(frozen=True, slots=True)
class ListResult:
    """A page of a list. `assignees` and `skills` (by `skill_key`) are the choices of its
    filters, empty if it has no such filter."""

    list_query: ListQuery
    page: ListPage
    people: Directory
    assignees: tuple[User, ...]
    skills: Mapping[str, str]
    now: datetime


class ListService:
    def __init__(self, db: Mongo, links: LinkService, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._links = links
        self._clock = clock

    def get_page(
        self, *, actor: Actor, team_id: str, list_query: ListQuery, size: int = PAGE_SIZE
    ) -> ListResult:
        """Return a page of that list. A skill that no one has is ignored.

        Raises `PermissionDenied` if the actor's role has no such list.
        """
        require_permission(actor, REQUIRED_PERMISSION[list_query.kind])
        by = FILTERS[list_query.kind]
        skills = self.skills(actor=actor) if Filter.SKILL in by else {}
        assignees = self.assignees(actor=actor) if Filter.ASSIGNEE in by else ()
        if list_query.skill not in skills:
            list_query = replace(list_query, skill="")
        spellings = skills.get(list_query.skill, ())
        page = ticket_list_page(
            self._db, actor=actor, list_query=list_query, skills=spellings, size=size
        )
        named = {user_id for ticket in page.tickets for user_id in referenced_user_ids(ticket)}
        if list_query.assignee not in ("", NO_ASSIGNEE):
            named.add(ObjectId(list_query.assignee))
        return ListResult(
            # The first page has no cursor, even if a backward cursor led to it.
            list_query=list_query if page.previous_cursor else list_query.with_cursor(None),
            page=page,
            people=self._links.resolve_people(team_id=team_id, user_ids=named),
            assignees=assignees,
            skills={key: spelled[0] for key, spelled in skills.items()},
            now=self._clock(),
        )

    def assignees(self, *, actor: Actor, query: str = "") -> tuple[User, ...]:
        """Return the active staff with the query in their name, sorted by name."""
        require_permission(actor, Permission.SEE_ANY_TICKET)
        wanted = query.casefold().strip()
        found = [User.from_doc(doc) for doc in self._db.users.find(ACTIVE_STAFF)]
        named = [user for user in found if wanted in user.display_name.casefold()]
        return tuple(sorted(named, key=lambda user: (user.display_name.casefold(), user.id)))

    def skills(self, *, actor: Actor, query: str = "") -> dict[str, tuple[str, ...]]:
        """Return the team's skills that contain the query, by `skill_key`, each in all
        spellings."""
        require_permission(actor, Permission.SEE_ANY_TICKET)
        wanted = query.casefold().strip()
        found = as_string_list(self._db.users.distinct("skills", ACTIVE_STAFF))
        spelled: dict[str, tuple[str, ...]] = {}
        for skill in sorted(found, key=lambda skill: (skill.casefold(), skill)):
            if wanted in skill.casefold():
                spelled[skill_key(skill)] = (*spelled.get(skill_key(skill), ()), skill)
        return spelled
