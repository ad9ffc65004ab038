"""What a member sees in the app's Home."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId

from services.accounts.account_search import AccountCursor, AccountPage
from services.accounts.users import UserService
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import NotFound, PermissionDenied
from services.home.sessions import Screen
from services.linking.directory import Directory, referenced_user_ids, resolve_people
from services.linking.links import LinkService
from services.lists.list_pages import Page, TicketLists
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import Listed, ListService
from services.models.events import Event, EventType
from services.models.permissions import Actor, Permission
from services.models.ticket import Ticket
from services.people.account_admin import AccountAdmin
from services.team_settings.settings_service import CurrentSettings, TeamSettings
from services.tickets.filing import TicketService
from services.tickets.lifecycle import TicketAction, allowed_actions
from services.tickets.transitions import is_queued_unassigned

# What helps the staff is not for the requester, nor is that it was changed.
INTERNAL_FIELDS = ("summary", "helpfulNotes", "relatedSkills", "notes", "alarm")
# Of each list on the first page. The whole of it is a press away.
GLIMPSE = 5


@dataclass(frozen=True, slots=True)
class HomePage:
    """The first page: the beginnings of two lists. `assigned` is None for whoever is assigned
    nothing, by their role."""

    screen: Screen
    reader: ObjectId
    own: Page
    assigned: Page | None
    people: Directory
    now: datetime
    may_manage_people: bool = False


@dataclass(frozen=True, slots=True)
class OpenList:
    """One list, with its filters and pages."""

    screen: Screen
    listed: Listed


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A ticket's page. For a plain requester `ticket` comes without what is internal.

    `steps` are what the reader may do with it now.
    """

    screen: Screen
    ticket: Ticket
    is_staff: bool
    steps: frozenset[TicketAction]
    people: Directory
    now: datetime
    may_ask_why: bool = False


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of the accounts, for admins; `slack_ids` of those who are linked."""

    screen: Screen
    page: AccountPage
    slack_ids: Mapping[ObjectId, str]
    now: datetime


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """What is set for the whole team, for admins."""

    screen: Screen
    held: CurrentSettings


Content = HomePage | OpenList | TicketPage | PeoplePage | SettingsPage


class HomeService:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._users = users
        self._links = links
        self._tickets = TicketService(db, clock=clock)
        self._glimpses = TicketLists(db)
        self._lists = ListService(db, users, links, clock=clock)
        self._accounts = AccountAdmin(db, clock=clock)
        self._settings = TeamSettings(db, clock=clock)
        self._clock = clock

    def look(self, *, actor: Actor, team_id: str, screen: Screen) -> Content:
        """What that screen shows the actor. `NotFound` for a ticket they may not know of, `Denied`
        for a list that is not for their role."""
        if screen.ticket_id:
            return self._sheet(actor, team_id, screen)
        if screen.listed:
            listed = self._lists.look(actor=actor, team_id=team_id, selection=screen.listed)
            return OpenList(replace(screen, listed=listed.selection), listed)
        if screen.people:
            return self._roster(actor, team_id, screen.people)
        if screen.settings:
            return SettingsPage(screen, self._settings.get(actor=actor))
        return self._overview(actor, team_id)

    def page(self, *, actor: Actor, team_id: str, ticket_id: str) -> TicketPage:
        """A ticket's page, wherever it is shown. `NotFound` as for `look`."""
        ticket = self._tickets.get(actor=actor, ticket_id=ticket_id)
        return self._sheet(actor, team_id, Screen(ticket_id=ticket.id))

    def look_again(self, *, actor: Actor, team_id: str, screen: Screen) -> Content:
        """As `look`, but what lies behind it in place of what is no longer theirs to see."""
        for place in (screen, screen.lists):
            try:
                return self.look(actor=actor, team_id=team_id, screen=place)
            except (NotFound, PermissionDenied):
                continue
        return self.look(actor=actor, team_id=team_id, screen=Screen())

    def _overview(self, actor: Actor, team_id: str) -> HomePage:
        own = self._glimpse(actor, ListKind.OWN)
        is_staff = actor.has_permission(Permission.SEE_ANY_TICKET)
        assigned = self._glimpse(actor, ListKind.ASSIGNED) if is_staff else None
        tickets = own.tickets + (assigned.tickets if assigned else ())
        named = {user_id for ticket in tickets for user_id in referenced_user_ids(ticket)}
        return HomePage(
            screen=Screen(),
            reader=actor.user_id,
            own=own,
            assigned=assigned,
            people=self._people(team_id, named | {actor.user_id}),
            now=self._clock(),
            may_manage_people=actor.has_permission(Permission.MANAGE_USERS),
        )

    def _glimpse(self, actor: Actor, kind: ListKind) -> Page:
        return self._glimpses.page(actor=actor, selection=ListQuery(kind), size=GLIMPSE)

    def _sheet(self, actor: Actor, team_id: str, screen: Screen) -> TicketPage:
        ticket = self._tickets.get(actor=actor, ticket_id=str(screen.ticket_id))
        is_staff = actor.has_permission(Permission.SEE_ANY_TICKET)
        return TicketPage(
            screen=screen,
            ticket=ticket if is_staff else without_internals(ticket),
            is_staff=is_staff,
            steps=allowed_actions(actor, ticket),
            people=self._people(team_id, referenced_user_ids(ticket)),
            now=self._clock(),
            may_ask_why=actor.has_permission(Permission.MANAGE_USERS),
        )

    def _roster(self, actor: Actor, team_id: str, place: AccountCursor) -> PeoplePage:
        page = self._accounts.page(actor=actor, cursor=place)
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
            if event.field not in INTERNAL_FIELDS and _may_know(ticket, event)
        ),
        comments=tuple(comment for comment in ticket.comments if not comment.internal),
    )


def _may_know(ticket: Ticket, event: Event) -> bool:
    """A requester learns who has it, and not who would not."""
    if event.type == EventType.ASSIGNED:
        given = [past for past in ticket.events if past.type == EventType.ASSIGNED]
        return event == given[-1] and event.to == ticket.assigned_to
    if event.type == EventType.NOBODY_AVAILABLE:
        return is_queued_unassigned(ticket)
    return event.type not in (EventType.UNASSIGNED, EventType.NOTED)
