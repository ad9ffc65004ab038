"""What a member sees in the app's Home."""

from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId

from services.changes import EventType
from services.clock import Clock, utcnow
from services.database import Mongo
from services.directory import Directory, look_up, people_of
from services.errors import NotFound
from services.links import LinkService
from services.listing import Page, TicketLists
from services.models import OPEN_STATUSES, Ticket
from services.permissions import Actor, Permission
from services.tickets import TicketService
from services.users import UserService
from services.visits import Screen

# What helps the staff is not for the requester, nor is that it was changed.
INTERNAL_FIELDS = ("summary", "helpfulNotes", "relatedSkills")


@dataclass(frozen=True, slots=True)
class Overview:
    """The lists. `assigned` is None for whoever is assigned nothing, by their role."""

    screen: Screen
    reader: ObjectId
    own: Page
    assigned: Page | None
    people: Directory
    now: datetime


@dataclass(frozen=True, slots=True)
class Sheet:
    """A ticket's page. For a plain requester `ticket` comes without what is internal."""

    screen: Screen
    ticket: Ticket
    is_staff: bool
    may_resolve: bool
    people: Directory
    now: datetime


class HomeService:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._users = users
        self._links = links
        self._tickets = TicketService(db, clock=clock)
        self._lists = TicketLists(db)
        self._clock = clock

    def look(self, *, actor: Actor, team_id: str, screen: Screen) -> Overview | Sheet:
        """What that screen shows the actor. `NotFound` for a ticket they may not know of."""
        if screen.ticket_id:
            return self._sheet(actor, team_id, screen)
        return self._overview(actor, team_id, screen)

    def look_again(self, *, actor: Actor, team_id: str, screen: Screen) -> Overview | Sheet:
        """As `look`, but the lists in place of a ticket that is no longer theirs to see."""
        try:
            return self.look(actor=actor, team_id=team_id, screen=screen)
        except NotFound:
            return self.look(actor=actor, team_id=team_id, screen=screen.lists)

    def _overview(self, actor: Actor, team_id: str, screen: Screen) -> Overview:
        own = self._lists.own(actor=actor, position=screen.own)
        is_staff = actor.may(Permission.SEE_ANY_TICKET)
        assigned = self._lists.assigned(actor=actor, position=screen.assigned) if is_staff else None
        tickets = own.tickets + (assigned.tickets if assigned else ())
        named = {user_id for ticket in tickets for user_id in people_of(ticket)}
        return Overview(
            screen=Screen(
                # The first page is the newest tickets, whichever way it was come to.
                own=screen.own if own.newer else None,
                assigned=screen.assigned if assigned and assigned.newer else None,
            ),
            reader=actor.user_id,
            own=own,
            assigned=assigned,
            people=self._people(team_id, named | {actor.user_id}),
            now=self._clock(),
        )

    def _sheet(self, actor: Actor, team_id: str, screen: Screen) -> Sheet:
        ticket = self._tickets.get(actor=actor, ticket_id=str(screen.ticket_id))
        is_staff = actor.may(Permission.SEE_ANY_TICKET)
        is_open = ticket.status in OPEN_STATUSES
        return Sheet(
            screen=screen,
            ticket=ticket if is_staff else without_internals(ticket),
            is_staff=is_staff,
            may_resolve=is_open and actor.may(Permission.RESOLVE_ANY_TICKET),
            people=self._people(team_id, people_of(ticket)),
            now=self._clock(),
        )

    def _people(self, team_id: str, user_ids: set[ObjectId]) -> Directory:
        return look_up(self._users, self._links, team_id=team_id, user_ids=user_ids)


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
            if event.field not in INTERNAL_FIELDS and event.type != EventType.NOTED
        ),
    )
