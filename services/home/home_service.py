"""The pages of the app's Home."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId

from services.account_admin.account_admin import AccountAdmin
from services.accounts.account_search import AccountCursor, AccountPage
from services.accounts.users import UserService
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import NotFound, PermissionDenied
from services.home.sessions import Screen
from services.linking.directory import Directory, referenced_user_ids, resolve_people
from services.linking.links import LinkService
from services.lists.list_pages import ListPage, TicketLists
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListResult, ListService
from services.models.events import Event, EventType
from services.models.permissions import Actor, Permission
from services.models.ticket import Ticket
from services.team_settings.settings_service import CurrentSettings, TeamSettings
from services.tickets.filing import TicketService
from services.tickets.lifecycle import TicketAction, allowed_actions
from services.tickets.transitions import is_queued_unassigned

# What helps the staff is not for the requester, nor is that it was changed.
INTERNAL_FIELDS = ("summary", "helpfulNotes", "relatedSkills", "notes", "alarm")
# Tickets of each list on the first page.
PREVIEW_SIZE = 5


@dataclass(frozen=True, slots=True)
class HomePage:
    """The first page: the beginnings of two lists. `assigned` is None for requesters."""

    screen: Screen
    user_id: ObjectId
    own: ListPage
    assigned: ListPage | None
    people: Directory
    now: datetime
    can_manage_people: bool = False


@dataclass(frozen=True, slots=True)
class TicketListPage:
    """One list, with its filters and pages."""

    screen: Screen
    result: ListResult


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A ticket's page. For a requester, `ticket` is without internal fields. `actions` are what the
    reader may do with it now."""

    screen: Screen
    ticket: Ticket
    is_staff: bool
    actions: frozenset[TicketAction]
    people: Directory
    now: datetime
    can_explain: bool = False


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of the accounts, for admins; `slack_ids` of those that are linked."""

    screen: Screen
    page: AccountPage
    slack_ids: Mapping[ObjectId, str]
    now: datetime


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """The team's settings, for admins."""

    screen: Screen
    settings: CurrentSettings


HomeContent = HomePage | TicketListPage | TicketPage | PeoplePage | SettingsPage


class HomeService:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._users = users
        self._links = links
        self._tickets = TicketService(db, clock=clock)
        self._ticket_lists = TicketLists(db)
        self._lists = ListService(db, users, links, clock=clock)
        self._accounts = AccountAdmin(db, clock=clock)
        self._settings = TeamSettings(db, clock=clock)
        self._clock = clock

    def get(self, *, actor: Actor, team_id: str, screen: Screen) -> HomeContent:
        """Return the content of a screen for the actor. Raises `NotFound` for a ticket they may not
        see, `PermissionDenied` for a list that their role may not see."""
        if screen.ticket_id:
            return self._build_ticket_page(actor, team_id, screen)
        if screen.list_query:
            listed = self._lists.get_page(
                actor=actor, team_id=team_id, list_query=screen.list_query
            )
            return TicketListPage(replace(screen, list_query=listed.list_query), listed)
        if screen.people:
            return self._build_people_page(actor, team_id, screen.people)
        if screen.settings:
            return SettingsPage(screen, self._settings.get(actor=actor))
        return self._build_home_page(actor, team_id)

    def ticket_page(self, *, actor: Actor, team_id: str, ticket_id: str) -> TicketPage:
        """Return a ticket's page, for Home or a modal. Raises `NotFound` as `get`."""
        ticket = self._tickets.get(actor=actor, ticket_id=ticket_id)
        return self._build_ticket_page(actor, team_id, Screen(ticket_id=ticket.id))

    def get_or_parent(self, *, actor: Actor, team_id: str, screen: Screen) -> HomeContent:
        """As `get`, but for the parent screen if the reader may no longer see this one."""
        for candidate in (screen, screen.parent):
            try:
                return self.get(actor=actor, team_id=team_id, screen=candidate)
            except (NotFound, PermissionDenied):
                continue
        return self.get(actor=actor, team_id=team_id, screen=Screen())

    def _build_home_page(self, actor: Actor, team_id: str) -> HomePage:
        own = self._preview(actor, ListKind.OWN)
        is_staff = actor.has_permission(Permission.SEE_ANY_TICKET)
        assigned = self._preview(actor, ListKind.ASSIGNED) if is_staff else None
        tickets = own.tickets + (assigned.tickets if assigned else ())
        named = {user_id for ticket in tickets for user_id in referenced_user_ids(ticket)}
        return HomePage(
            screen=Screen(),
            user_id=actor.user_id,
            own=own,
            assigned=assigned,
            people=self._people(team_id, named | {actor.user_id}),
            now=self._clock(),
            can_manage_people=actor.has_permission(Permission.MANAGE_USERS),
        )

    def _preview(self, actor: Actor, kind: ListKind) -> ListPage:
        return self._ticket_lists.page(actor=actor, list_query=ListQuery(kind), size=PREVIEW_SIZE)

    def _build_ticket_page(self, actor: Actor, team_id: str, screen: Screen) -> TicketPage:
        ticket = self._tickets.get(actor=actor, ticket_id=str(screen.ticket_id))
        is_staff = actor.has_permission(Permission.SEE_ANY_TICKET)
        return TicketPage(
            screen=screen,
            ticket=ticket if is_staff else without_internals(ticket),
            is_staff=is_staff,
            actions=allowed_actions(actor, ticket),
            people=self._people(team_id, referenced_user_ids(ticket)),
            now=self._clock(),
            can_explain=actor.has_permission(Permission.MANAGE_USERS),
        )

    def _build_people_page(self, actor: Actor, team_id: str, cursor: AccountCursor) -> PeoplePage:
        page = self._accounts.page(actor=actor, cursor=cursor)
        linked = {user.id for user in page.users}
        return PeoplePage(
            screen=Screen(people=page.cursor),
            page=page,
            slack_ids=self._links.slack_ids(team_id=team_id, user_ids=linked),
            now=self._clock(),
        )

    def _people(self, team_id: str, user_ids: set[ObjectId]) -> Directory:
        return resolve_people(self._users, self._links, team_id=team_id, user_ids=user_ids)


def without_internals(ticket: Ticket) -> Ticket:
    """What its requester may read of a ticket."""
    assignment = ticket.assignment
    return replace(
        ticket,
        summary=None,
        helpful_notes=None,
        related_skills=(),
        assignment={"next": assignment["next"]} if "next" in assignment else {},
        events=tuple(
            replace(event, note=None)
            for event in ticket.events
            if event.field not in INTERNAL_FIELDS and _is_visible_to_requester(ticket, event)
        ),
        comments=tuple(comment for comment in ticket.comments if not comment.internal),
    )


def _is_visible_to_requester(ticket: Ticket, event: Event) -> bool:
    """A requester learns who has it, and not who would not."""
    if event.type == EventType.ASSIGNED:
        assignments = [past for past in ticket.events if past.type == EventType.ASSIGNED]
        return event == assignments[-1] and event.to == ticket.assigned_to
    if event.type == EventType.NOBODY_AVAILABLE:
        return is_queued_unassigned(ticket)
    return event.type not in (EventType.UNASSIGNED, EventType.NOTED)
