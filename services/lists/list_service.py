"""Pages of ticket lists, with the people in them and the choices of their filters.

A cursor is the sort key and _id of the ticket at the edge of a page: each page costs the same in a
list of any length, and a ticket filed between two requests does not shift the pages.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bson import ObjectId
from cachetools import TTLCache
from pymongo import ASCENDING, DESCENDING

from services.core.clock import Clock, utcnow
from services.core.coerce import as_string_list
from services.core.database import Document, Mongo
from services.linking.links import Directory, LinkService, referenced_user_ids
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
from services.lists.next_move import WAITS_FOR_ITS_ASSIGNEE
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.user import ACTIVE_STAFF, User
from services.sla.indexes import IN_QUEUE_FILTER
from services.sla.queue_key import (
    QUEUE_KEY_FIELD,
    QUEUE_KEY_PATTERN,
    Sort,
    queue_key_bound,
    sort_key,
    sort_key_expression,
)
from services.sla.timing import DUE_AT_FIELD
from services.tickets.access import visible_to
from services.tickets.fields import Output, fields_of

PAGE_SIZE = 10
# A ticket's arrays and long texts stay in the database.
ROW_FIELDS = fields_of(Output.LISTS)
REQUIRED_PERMISSION = {
    kind: Permission.SEE_OWN_TICKET
    if kind in (ListKind.OWN, ListKind.PARTICIPATING)
    else Permission.SEE_ANY_TICKET
    for kind in ListKind
}
_CREATED_AT_FIELD = "createdAt"
_SORT_KEY_FIELD = "sortKey"  # of the pipeline only


@dataclass(frozen=True, slots=True)
class ListPage:
    """`previous_cursor` and `next_cursor` are None if nothing follows on that side."""

    tickets: tuple[Ticket, ...]
    previous_cursor: ListCursor | None = None
    next_cursor: ListCursor | None = None


@dataclass(frozen=True, slots=True)
class _Lookup:
    """What a list looks for, and its order.

    `indexed` are the fields that its index begins with, `rest` all others: SecantusDB uses an index
    only if it begins with every field of a `$match` stage. MongoDB merges the two. `sight` is what
    the actor may see of that, if not all. `is_team_wide`: it may be as long as the whole queue.

    `computed_sort` is an order that no index has: all that is found is sorted, then `beyond` is the
    part after the cursor.
    """

    indexed: Document
    rest: Document
    sort_field: str
    order: int
    is_team_wide: bool = False
    sight: Document = field(default_factory=dict)
    computed_sort: Sort | None = None
    beyond: Document = field(default_factory=dict)

    def in_queue(self, *, first: str = "", last: str = "") -> "_Lookup":
        """Limit the list to queue keys from `first` to `last`."""
        bounds = dict(self.indexed[QUEUE_KEY_FIELD])
        if first:
            bounds["$gte"] = first
        if last:
            # The next text. With `$lte` SecantusDB leaves out `last` itself.
            bounds["$lt"] = f"{last}\0"
        return replace(self, indexed={**self.indexed, QUEUE_KEY_FIELD: bounds})


# Up to which queue key the first `LOOKAHEAD` tickets of a team's list reach, "" if it is shorter.
# A page within it is read without the rest of the queue, which SecantusDB would sort each time. One
# for all readers, because a page that is full before that is right wherever it ends.
HORIZONS: TTLCache[tuple[Mongo, str], str] = TTLCache(maxsize=1_000, ttl=600)
_horizons_lock = threading.Lock()
LOOKAHEAD = 100


def ticket_list_page(
    db: Mongo,
    *,
    actor: Actor,
    list_query: ListQuery,
    skills: Sequence[str] = (),
    size: int = PAGE_SIZE,
    clock: Clock = utcnow,
) -> ListPage:
    """Return the page at the query's cursor, or the first page if that one is empty now.

    `skills` are the spellings of the query's skill.
    """
    require_permission(actor, REQUIRED_PERMISSION[list_query.kind])
    lookup = _build_lookup(actor, list_query, skills, clock())
    lookup = replace(lookup, sight=visible_to(actor).condition(within=lookup.indexed))
    cursor = list_query.cursor
    ranged = _beside(lookup, cursor) if cursor else None
    if cursor and ranged:
        tickets, more = (
            _read(db, ranged, size, backwards=True)
            if cursor.is_backward
            else _read_from_top(db, lookup, ranged, size)
        )
        # Back at the start, read the first page instead: a full one, with the newest tickets.
        if more if cursor.is_backward else tickets:
            return _build_page(lookup, tickets, before=True, after=more or cursor.is_backward)
    tickets, more = _read_from_top(db, lookup, lookup, size)
    return _build_page(lookup, tickets, before=False, after=more)


def _read_from_top(
    db: Mongo, lookup: _Lookup, ranged: _Lookup, size: int
) -> tuple[list[Ticket], bool]:
    """Return the first tickets of `ranged`, which is `lookup` or a part of it."""
    if not lookup.is_team_wide:
        return _read(db, ranged, size)
    key = (db, f"{lookup.indexed}{lookup.rest}")
    with _horizons_lock:
        horizon = HORIZONS.get(key)
    if horizon:
        tickets, more = _read(db, ranged.in_queue(last=horizon), size)
        if more:  # all tickets beyond come after these
            return tickets, more
    if horizon == "" or ranged is not lookup:
        return _read(db, ranged, size)
    tickets, is_long = _read(db, lookup, max(LOOKAHEAD, size))
    with _horizons_lock:
        HORIZONS[key] = (tickets[-1].queue_key or "") if is_long else ""
    return tickets[:size], len(tickets) > size


def _read(
    db: Mongo, lookup: _Lookup, size: int, *, backwards: bool = False
) -> tuple[list[Ticket], bool]:
    """Return a page's tickets in the list's order, and whether more follow in the read
    direction."""
    order = -lookup.order if backwards else lookup.order
    docs = list(
        db.tickets.aggregate(
            [
                {"$match": lookup.indexed},
                {"$match": lookup.rest},
                *([{"$match": lookup.sight}] if lookup.sight else []),
                *_computed_sort_key(lookup),
                {"$sort": {lookup.sort_field: order, "_id": order}},
                {"$limit": size + 1},
                {"$project": dict.fromkeys(ROW_FIELDS, True)},
            ],
            batchSize=size + 2,  # in one reply
        )
    )
    tickets = [Ticket.from_doc(doc) for doc in docs[:size]]
    return tickets[::-1] if backwards else tickets, len(docs) > size


def _computed_sort_key(lookup: _Lookup) -> list[Document]:
    if lookup.computed_sort is None:
        return []
    keyed: Document = {"$addFields": {_SORT_KEY_FIELD: sort_key_expression(lookup.computed_sort)}}
    return [keyed, {"$match": lookup.beyond}] if lookup.beyond else [keyed]


def _build_lookup(
    actor: Actor, list_query: ListQuery, skills: Sequence[str], now: datetime
) -> _Lookup:
    indexed = _whose(actor, list_query)
    rest: Document = {}
    if list_query.priority:
        rest["priority"] = list_query.priority.value
    if skills:
        is_first = list_query.is_queue_order and not indexed and len(skills) == 1
        (indexed if is_first else rest)["relatedSkills"] = (
            skills[0] if len(skills) == 1 else {"$in": list(skills)}
        )
    if list_query.is_queue_order:
        return _lookup_in_queue(list_query, indexed, rest, now)
    statuses = {"$in": [status.value for status in OPEN_STATUSES]}
    # No index has participants and the status.
    by_status = rest if list_query.kind is ListKind.PARTICIPATING else indexed
    by_status["status"] = list_query.status.value if list_query.status else statuses
    return _Lookup(indexed, rest, _CREATED_AT_FIELD, DESCENDING)


def _whose(actor: Actor, list_query: ListQuery) -> Document:
    """Return the condition on the requester or the assignee, {} if the list has tickets of all."""
    kind, assignee = list_query.kind, list_query.assignee
    if kind is ListKind.OWN:
        return {"createdBy": actor.user_id}
    if kind is ListKind.PARTICIPATING:
        return {"participants": actor.user_id}
    if kind in (ListKind.ASSIGNED, ListKind.WAITING_FOR_ME):
        return {"assignedTo": actor.user_id}
    if kind is ListKind.UNASSIGNED or assignee == NO_ASSIGNEE:
        return {"assignedTo": None}
    return {"assignedTo": ObjectId(assignee)} if assignee else {}


def _lookup_in_queue(
    list_query: ListQuery, indexed: Document, rest: Document, now: datetime
) -> _Lookup:
    """Return the lookup of a list of open tickets."""
    kind, sort = list_query.kind, list_query.sort
    in_queue = {**indexed, QUEUE_KEY_FIELD: dict(IN_QUEUE_FILTER[QUEUE_KEY_FIELD])}
    # Completed tickets have no queue key, but for those that the legacy backend has completed.
    done = {"$ne": Status.COMPLETED.value}
    rest["status"] = list_query.status.value if list_query.status else done
    if kind is ListKind.WAITING_FOR_ME:
        rest |= WAITS_FOR_ITS_ASSIGNEE
    if kind is ListKind.OVERDUE:  # without the assigned tickets that are due later
        in_queue[QUEUE_KEY_FIELD]["$lt"] = queue_key_bound(now, is_assigned=True)
        rest[DUE_AT_FIELD] = {"$lt": now}
    # The key has unassigned tickets before all others; apart from that it is in the order of
    # `Sort.DUE`.
    if kind is ListKind.OVERDUE or sort is not Sort.DUE:
        return _Lookup(in_queue, rest, _SORT_KEY_FIELD, ASCENDING, computed_sort=sort)
    is_team_wide = in_queue.get("assignedTo") is None
    return _Lookup(in_queue, rest, QUEUE_KEY_FIELD, ASCENDING, is_team_wide)


def _beside(lookup: _Lookup, cursor: ListCursor) -> _Lookup | None:
    """Return the part of the list on one side of the cursor; None for a cursor of another list."""
    value: Any = (
        cursor.sort_key
        if QUEUE_KEY_PATTERN.fullmatch(cursor.sort_key)
        else parse_created_at_key(cursor.sort_key)
    )
    if value is None or isinstance(value, str) != (lookup.sort_field != _CREATED_AT_FIELD):
        return None
    if lookup.computed_sort:
        value = sort_key(value, lookup.computed_sort)
    is_up = (lookup.order == ASCENDING) != cursor.is_backward
    to, past = ("gte", "gt") if is_up else ("lte", "lt")
    beyond: Document = {
        "$or": [{lookup.sort_field: {f"${past}": value}}, {"_id": {f"${past}": cursor.ticket_id}}]
    }
    if lookup.computed_sort:
        in_order = {_SORT_KEY_FIELD: {f"${to}": value}}
        return replace(lookup, beyond=in_order | beyond)
    if lookup.sort_field == QUEUE_KEY_FIELD:
        ranged = lookup.in_queue(**{"first" if is_up else "last": value})
    else:
        ranged = replace(lookup, rest=lookup.rest | {lookup.sort_field: {f"${to}": value}})
    return replace(ranged, rest=ranged.rest | beyond)


def _build_page(lookup: _Lookup, tickets: list[Ticket], *, before: bool, after: bool) -> ListPage:
    return ListPage(
        tickets=tuple(tickets),
        previous_cursor=_cursor_at(lookup, tickets[0], is_before=True) if before else None,
        next_cursor=_cursor_at(lookup, tickets[-1], is_before=False) if after else None,
    )


def _cursor_at(lookup: _Lookup, ticket: Ticket, *, is_before: bool) -> ListCursor | None:
    at = ticket.created_at
    newest = created_at_key(at) if at else None
    key = newest if lookup.sort_field == _CREATED_AT_FIELD else ticket.queue_key
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
            self._db,
            actor=actor,
            list_query=list_query,
            skills=spellings,
            size=size,
            clock=self._clock,
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
