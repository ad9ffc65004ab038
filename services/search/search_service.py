"""Search for the tickets that an actor may see, in pages.

Of the newest `RANKED` matches those come first that have the words in the title, then in the
description, then elsewhere; each group and all older matches have the newest first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from zoneinfo import ZoneInfo

from bson import ObjectId

from services.accounts.account_search import accounts_named, accounts_with_key
from services.calendar.work_week import parse_time_zone
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue
from services.linking.links import Directory, LinkService, referenced_user_ids
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import Ticket
from services.models.user import User
from services.search.conditions import (
    Condition,
    has_beginning,
    has_word,
    is_assigned_to,
    is_from,
    is_involved,
)
from services.search.match_excerpt import Excerpt, find_excerpt
from services.search.matching import Edge, Match, Matcher
from services.search.search_query import (
    ME,
    QUERY_FIELD,
    Rank,
    SearchCursor,
    SearchFilter,
    SearchQuery,
)
from services.search.word_sample import word_sample
from services.sla.policy import cached_policy
from services.tickets.access import Sight, for_requester, visible_to
from services.tickets.fields import Output, fields_of

PAGE_SIZE = 10
MAX_CHOICES = 10
# A word is read as a name if no more people have it.
MAX_NAMESAKES = 3
_MIN_NAME_LENGTH = 3
_FIELDS = dict.fromkeys(
    [*fields_of(Output.LISTS), *fields_of(Output.API), "comments", "private", "participants"], True
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A ticket that was found. `is_staff`: the reader works on it; `is_own`: they filed it.
    `excerpt` None: its words are not in a text, but in a name or a skill, or it was found by its
    number."""

    ticket: Ticket
    is_staff: bool
    excerpt: Excerpt | None
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class PersonChoice:
    """Several people match a filter: the reader chooses one."""

    by: SearchFilter
    typed: str
    people: tuple[User, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of results; none, but a `choice`, if several people match a filter.

    `cursor` is that of this page, None for the first; `next_cursor` is None if nothing follows.
    `is_staff`: the reader may search for people by name, and for internal notes.
    """

    query: SearchQuery
    hits: tuple[Hit, ...]
    people: Directory
    now: datetime
    is_staff: bool
    cursor: SearchCursor | None = None
    next_cursor: SearchCursor | None = None
    choice: PersonChoice | None = None


class TicketSearch:
    def __init__(self, db: Mongo, links: LinkService, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._links = links
        self._clock = clock

    def parse(self, text: str) -> SearchQuery:
        """Raises `InvalidValue` with a sentence that says what is possible."""
        zone = parse_time_zone(cached_policy(self._db).business_hours.zone) or ZoneInfo("UTC")
        return SearchQuery.parse(text, now=self._clock().astimezone(zone))

    def search(
        self,
        *,
        actor: Actor,
        team_id: str,
        text: str,
        cursor: SearchCursor | None = None,
        size: int = PAGE_SIZE,
    ) -> SearchResult:
        """Return the tickets that the actor may see and that match what was typed.

        Raises `InvalidValue` for a text that cannot be searched for; the sentence says what is
        possible.
        """
        require_permission(actor, Permission.SEE_OWN_TICKET)
        query, sight = self.parse(text), visible_to(actor)
        accounts: dict[SearchFilter, ObjectId] = {}
        for by, typed in query.people.items():
            found = self._find_people(actor, typed)
            if len(found) > 1:
                choice = PersonChoice(by, typed, tuple(found))
                return self._result(actor, team_id, query, (), choice=choice)
            accounts[by] = found[0].id
        numbered = self._numbered(team_id, sight, query)
        first = [numbered] if numbered and cursor is None else []
        page: list[Match] = []
        following: SearchCursor | None = None
        if not query.is_number_alone:
            matcher = self._matcher(actor, sight, query, accounts)
            page, following = self._page(matcher, query, cursor, size - len(first))
        found_ids = [match.ticket_id for match in page]
        tickets = [*first, *self._load(sight, found_ids, without=numbered)]
        hits = tuple(_hit(actor, ticket, query) for ticket in tickets)
        return self._result(
            actor,
            team_id,
            query,
            hits,
            cursor=cursor,
            next_cursor=following,
            named=accounts.values(),
        )

    def _result(
        self,
        actor: Actor,
        team_id: str,
        query: SearchQuery,
        hits: tuple[Hit, ...],
        *,
        cursor: SearchCursor | None = None,
        next_cursor: SearchCursor | None = None,
        choice: PersonChoice | None = None,
        named: Iterable[ObjectId] = (),
    ) -> SearchResult:
        shown = {who for hit in hits for who in referenced_user_ids(hit.ticket)}
        shown |= set(named)
        return SearchResult(
            query=query,
            hits=hits,
            people=self._links.resolve_people(team_id=team_id, user_ids=shown),
            now=self._clock(),
            is_staff=actor.has_permission(Permission.SEE_ANY_TICKET),
            cursor=cursor,
            next_cursor=next_cursor,
            choice=choice,
        )

    def _find_people(self, actor: Actor, typed: str) -> list[User]:
        """Return the accounts that are meant, at least one; of a requester only those that are in
        their own tickets, as they cannot see other people."""
        if typed.casefold() == ME:
            return [User(actor.user_id, "", actor.role)]
        is_staff = actor.has_permission(Permission.SEE_ANY_TICKET)
        within = None if is_staff else self._people_in_tickets(actor)
        found = accounts_named(self._db, typed, limit=MAX_CHOICES + 1, within=within)
        if not found:
            raise InvalidValue(
                QUERY_FIELD,
                f"No one is found by “{typed}”. Write the beginning of a name, or the whole "
                "email address.",
            )
        if len(found) > MAX_CHOICES:
            raise InvalidValue(
                QUERY_FIELD,
                f"More than {MAX_CHOICES} people are found by “{typed}”. Write more of the name, "
                'such as from:"Ada Lovelace", or the email address.',
            )
        return found

    def _people_in_tickets(self, actor: Actor) -> set[ObjectId]:
        own = {"createdBy": actor.user_id}
        named = self._db.tickets.distinct("assignedTo", own)
        return {who for who in (*named, actor.user_id) if isinstance(who, ObjectId)}

    def _matcher(
        self,
        actor: Actor,
        sight: Sight,
        query: SearchQuery,
        accounts: Mapping[SearchFilter, ObjectId],
    ) -> Matcher:
        conditions: list[Condition] = []
        if not actor.has_permission(Permission.SEE_ANY_TICKET):
            conditions.append(is_involved(actor.user_id))  # first: most have few tickets
        conditions += [has_word(word, sight, self._namesakes(word)) for word in query.words]
        if start := query.beginning:
            conditions.append(has_beginning(start, sight, self._namesakes(start)))
        conditions += [_ACCOUNT_CONDITIONS[by](who) for by, who in accounts.items()]
        return Matcher(
            self._db,
            word_sample(self._db, now=self._clock()),
            conditions=conditions,
            rest=(sight.condition(), *_filters(query)),
            since=query.since,
        )

    def _namesakes(self, word: str) -> list[ObjectId]:
        if len(word) < _MIN_NAME_LENGTH:
            return []
        found = accounts_with_key(self._db, word, limit=MAX_NAMESAKES + 1)
        return [user.id for user in found] if len(found) <= MAX_NAMESAKES else []

    def _numbered(self, team_id: str, sight: Sight, query: SearchQuery) -> Ticket | None:
        if query.number is None:
            return None
        this = {"teamId": team_id, "number": query.number}
        doc = self._db.tickets.find_one(this, _FIELDS)
        ticket = Ticket.from_doc(doc) if doc else None
        return ticket if ticket and sight.covers(ticket) else None

    def _page(
        self, matcher: Matcher, query: SearchQuery, cursor: SearchCursor | None, size: int
    ) -> tuple[list[Match], SearchCursor | None]:
        """Return the matches behind the cursor, and the cursor of what follows."""
        wanted = size + 1
        found: list[tuple[Rank, Match]] = []
        edge: Edge | None = None
        if cursor and cursor.rank is Rank.OLDER:
            edge = cursor.created_at, cursor.ticket_id
        else:
            newest, edge = matcher.newest(wanted)
            found = sorted(((_rank_of(match, query), match) for match in newest), key=itemgetter(0))
            if cursor:
                found = [one for one in found if _cursor(*one).sort_key > cursor.sort_key]
        if edge and len(found) < wanted:
            older = matcher.older(edge, wanted - len(found))
            found += [(Rank.OLDER, match) for match in older]
        following = _cursor(*found[size - 1]) if len(found) > size else None
        return [match for _, match in found[:size]], following

    def _load(
        self, sight: Sight, ticket_ids: Sequence[ObjectId], *, without: Ticket | None
    ) -> list[Ticket]:
        wanted = [ticket_id for ticket_id in ticket_ids if not without or ticket_id != without.id]
        docs = self._db.tickets.find({"_id": {"$in": wanted}}, _FIELDS) if wanted else ()
        loaded = {doc["_id"]: Ticket.from_doc(doc) for doc in docs}
        tickets = (loaded.get(ticket_id) for ticket_id in wanted)
        return [ticket for ticket in tickets if ticket and sight.covers(ticket)]


_ACCOUNT_CONDITIONS: Mapping[SearchFilter, Callable[[ObjectId], Condition]] = {
    SearchFilter.REQUESTER: is_from,
    SearchFilter.ASSIGNEE: is_assigned_to,
}


def _filters(query: SearchQuery) -> Iterator[Document]:
    if query.status:
        yield query.status
    if query.priority:
        yield {"priority": query.priority.value}
    if query.since:
        yield {"createdAt": {"$gte": query.since}}


def _cursor(rank: Rank, match: Match) -> SearchCursor:
    return SearchCursor(rank, match.created_at, match.ticket_id)


def _rank_of(match: Match, query: SearchQuery) -> Rank:
    """Return the last of the places that the words are in."""
    for rank, place in ((Rank.TITLE, match.title), (Rank.DESCRIPTION, match.text)):
        has_words = all(word in place for word in query.words)
        start = query.beginning
        if has_words and (not start or any(word.startswith(start) for word in place)):
            return rank
    return Rank.ELSEWHERE


def _hit(actor: Actor, ticket: Ticket, query: SearchQuery) -> Hit:
    is_staff = visible_to(actor).covers_as_staff(ticket)
    seen = ticket if is_staff else for_requester(ticket)
    is_own = ticket.created_by == actor.user_id
    return Hit(seen, is_staff, find_excerpt(seen, query), is_own=is_own)
