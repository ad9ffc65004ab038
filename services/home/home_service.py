"""The pages of App Home for each member."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId

from services.account_admin.account_admin import AccountAdmin
from services.account_admin.private_ticket_settings import (
    PrivateTicketSettings,
    PrivateTicketSettingsService,
)
from services.accounts.account_search import AccountCursor, AccountPage
from services.availability.slack_status import StatusRules, StatusRulesStore
from services.channels.channel_settings import ChannelSettings
from services.channels.request_channels import RequestChannel
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import InvalidValue, NotFound, PermissionDenied
from services.home.sessions import Screen
from services.home.setup_checklist import SetupChecklist, SetupChecklists
from services.linking.links import Directory, LinkService, referenced_user_ids
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListPage, ListResult, ListService, ticket_list_page
from services.models.comment import MessageRef
from services.models.conversation import conversation_of
from services.models.permissions import Actor, Permission, require_permission
from services.models.resolution import RESOLUTION_CODES
from services.models.ticket import Ticket
from services.outbox.deliveries import LINE_KIND
from services.search.search_service import SearchResult, TicketSearch
from services.search.similar_tickets import SimilarTicket, SimilarTickets
from services.team_settings.settings_service import CurrentSettings, TeamSettings
from services.tickets.access import (
    NOT_VISIBLE,
    concealed,
    for_requester,
    may_change_participants,
    require_visible,
    visible_to,
)
from services.tickets.lifecycle import TicketAction, allowed_actions
from services.tickets.queries import load_ticket

# Tickets of each list on the first page.
PREVIEW_SIZE = 5


@dataclass(frozen=True, slots=True)
class HomePage:
    """The first page: the beginnings of three lists. `assigned` is None if the role gets no
    tickets assigned, `setup` if there are no steps to show."""

    screen: Screen
    user_id: ObjectId
    own: ListPage
    participating: ListPage
    assigned: ListPage | None
    people: Directory
    now: datetime
    can_manage_people: bool = False
    setup: SetupChecklist | None = None


@dataclass(frozen=True, slots=True)
class TicketListPage:
    """One list, with its filters and pages."""

    screen: Screen
    result: ListResult


@dataclass(frozen=True, slots=True)
class SearchResultsPage:
    """A page of results of a search."""

    screen: Screen
    result: SearchResult


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A ticket's page. For a requester, `ticket` has only what they may see.

    `actions` are what the reader may do now; `similar` are tickets like this one, for staff.
    """

    screen: Screen
    ticket: Ticket
    is_staff: bool
    actions: frozenset[TicketAction]
    people: Directory
    now: datetime
    can_explain: bool = False
    similar: tuple[SimilarTicket, ...] = ()
    may_change_participants: bool = False
    takes_part: bool = False
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of accounts, for admins; `slack_ids` of the linked ones."""

    screen: Screen
    page: AccountPage
    slack_ids: Mapping[ObjectId, str]
    now: datetime


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """The team's settings, for admins."""

    screen: Screen
    settings: CurrentSettings
    status_rules: StatusRules
    private_tickets: PrivateTicketSettings
    channels: Sequence[RequestChannel]


HomeContent = HomePage | TicketListPage | SearchResultsPage | TicketPage | PeoplePage | SettingsPage


class HomeService:
    def __init__(
        self,
        db: Mongo,
        links: LinkService,
        accounts: AccountAdmin,
        settings: TeamSettings,
        status_rules: StatusRulesStore,
        setup_checklists: SetupChecklists,
        private_tickets: PrivateTicketSettingsService,
        channels: ChannelSettings,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._links = links
        self._lists = ListService(db, links, clock=clock)
        self._search = TicketSearch(db, links, clock=clock)
        self._similar_tickets = SimilarTickets(db, clock=clock)
        self._accounts = accounts
        self._settings = settings
        self._status_rules = status_rules
        self._setup_checklists = setup_checklists
        self._private_tickets = private_tickets
        self._channels = channels
        self._clock = clock

    def get(self, *, actor: Actor, team_id: str, screen: Screen) -> HomeContent:
        """Return the content of the screen for the actor. Raises `NotFound` for a ticket the
        actor may not see, `PermissionDenied` for a list their role does not have, `InvalidValue`
        for a text that cannot be searched for."""
        if screen.ticket_id:
            page = self.ticket_page(actor=actor, team_id=team_id, ticket_id=str(screen.ticket_id))
            return replace(page, screen=screen)
        if screen.list_query:
            listed = self._lists.get_page(
                actor=actor, team_id=team_id, list_query=screen.list_query
            )
            return TicketListPage(replace(screen, list_query=listed.list_query), listed)
        if search := screen.search:
            found = self._search.search(
                actor=actor, team_id=team_id, text=search.text, cursor=search.cursor
            )
            return SearchResultsPage(screen, found)
        if screen.people:
            return self._build_people_page(actor, team_id, screen.people)
        if screen.settings:
            settings = self._settings.get(actor=actor)
            private_tickets = self._private_tickets.get(actor=actor)
            channels = self._channels.list(actor=actor)
            rules = self._status_rules.read()
            return SettingsPage(screen, settings, rules, private_tickets, channels)
        return self._build_home_page(actor, team_id)

    def ticket_page(self, *, actor: Actor, team_id: str, ticket_id: str) -> TicketPage:
        """Return a ticket's page, for Home or a message. Raises `NotFound` as `get` does."""
        ticket = require_visible(actor, load_ticket(self._db, ticket_id))
        return self.page_of_ticket(actor=actor, team_id=team_id, ticket=ticket)

    def page_of_ticket(self, *, actor: Actor, team_id: str, ticket: Ticket) -> TicketPage:
        """Return the page of a ticket that the caller has just loaded, as `ticket_page` does."""
        require_visible(actor, ticket)
        is_staff = visible_to(actor).covers_as_staff(ticket)
        return TicketPage(
            screen=Screen(ticket_id=ticket.id),
            ticket=ticket if is_staff else for_requester(ticket),
            is_staff=is_staff,
            actions=allowed_actions(actor, ticket),
            people=self._links.resolve_people(
                team_id=team_id,
                user_ids=referenced_user_ids(ticket),
                requesters=[ticket.created_by] if is_staff and ticket.created_by else (),
            ),
            now=self._clock(),
            can_explain=actor.has_permission(Permission.MANAGE_USERS),
            similar=self._similar_tickets.find(actor=actor, ticket=ticket) if is_staff else (),
            may_change_participants=may_change_participants(actor, ticket),
            takes_part=actor.user_id in ticket.participants,
            is_own=ticket.created_by == actor.user_id,
        )

    def conversation_line(
        self, *, actor: Actor, team_id: str, ticket_id: str, line: MessageRef
    ) -> tuple[Ticket, Directory]:
        """Return a ticket that the actor may not see, with what its `line` in a request channel
        shows to all who read there. Raises `NotFound` if that message is not its line."""
        require_permission(actor, Permission.SEE_OWN_TICKET)
        ticket = load_ticket(self._db, ticket_id)
        cards = ticket.cards if ticket else ()
        is_line = any(
            (card.kind, card.channel, card.ts) == (LINE_KIND, line.channel, line.ts)
            for card in cards
        )
        if ticket is None or not is_line or conversation_of(ticket) is None:
            raise NotFound(NOT_VISIBLE)
        people = self._links.resolve_people(team_id=team_id, user_ids=referenced_user_ids(ticket))
        is_code = ticket.resolution in RESOLUTION_CODES
        shown = replace(
            concealed(ticket),
            accepted_at=ticket.accepted_at,
            resolution=ticket.resolution if is_code else None,
        )
        return shown, people

    def get_or_parent(self, *, actor: Actor, team_id: str, screen: Screen) -> HomeContent:
        """Return the screen, or its parent if the actor may no longer see it."""
        for candidate in (screen, screen.parent):
            try:
                return self.get(actor=actor, team_id=team_id, screen=candidate)
            except (NotFound, PermissionDenied, InvalidValue):
                continue
        return self.get(actor=actor, team_id=team_id, screen=Screen())

    def _build_home_page(self, actor: Actor, team_id: str) -> HomePage:
        is_staff = actor.has_permission(Permission.SEE_ANY_TICKET)
        own = self._preview(actor, ListKind.OWN)
        participating = self._preview(actor, ListKind.PARTICIPATING)
        assigned = self._preview(actor, ListKind.ASSIGNED) if is_staff else None
        tickets = own.tickets + participating.tickets + (assigned.tickets if assigned else ())
        named = {user_id for ticket in tickets for user_id in referenced_user_ids(ticket)}
        return HomePage(
            screen=Screen(),
            user_id=actor.user_id,
            own=own,
            participating=participating,
            assigned=assigned,
            people=self._links.resolve_people(team_id=team_id, user_ids=named | {actor.user_id}),
            now=self._clock(),
            can_manage_people=actor.has_permission(Permission.MANAGE_USERS),
            setup=self._setup_checklists.get(actor=actor),
        )

    def _preview(self, actor: Actor, kind: ListKind) -> ListPage:
        query = ListQuery(kind)
        return ticket_list_page(self._db, actor=actor, list_query=query, size=PREVIEW_SIZE)

    def _build_people_page(self, actor: Actor, team_id: str, cursor: AccountCursor) -> PeoplePage:
        page = self._accounts.page(actor=actor, cursor=cursor)
        linked = {user.id for user in page.users}
        return PeoplePage(
            screen=Screen(people=page.cursor),
            page=page,
            slack_ids=self._links.slack_ids(team_id=team_id, user_ids=linked),
            now=self._clock(),
        )
