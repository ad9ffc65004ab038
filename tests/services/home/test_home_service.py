"""The content of App Home for each role, and how many queries it takes."""

from dataclasses import replace

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.core.errors import NotFound, PermissionDenied
from services.home.home_service import (
    HomeContent,
    HomePage,
    HomeService,
    TicketListPage,
    TicketPage,
)
from services.home.sessions import Screen
from services.lists.list_query import ListKind, ListQuery
from services.models.events import Event, EventType
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import User
from services.registry.services import Services
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from services.tickets.lifecycle import TicketAction, allowed_actions
from tests.conftest import Commands, FixedClock, People, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID


@pytest.fixture
def ticket(tickets: TicketService, employee: User, moderator: User, db: Mongo) -> Ticket:
    """A ticket of the moderator's, with all internal fields."""
    filed = file_ticket(tickets, employee)
    at = {"at": filed.created_at, "by": "system"}
    events = [
        {**at, "seq": 2, "type": "assigned", "field": "assignedTo", "to": moderator.id}
        | {"note": "knows fire"},
        {**at, "seq": 3, "type": "edited", "field": "helpfulNotes", "to": "secret"},
        {**at, "seq": 4, "type": "noted", "note": "secret"},
    ]
    known = {
        "assignedTo": moderator.id,
        "status": "IN_PROGRESS",
        "summary": "It burns.",
        "helpfulNotes": "Call the fire brigade.",
        "relatedSkills": ["Fire"],
        "assignment": {"reason": "knows fire", "analysis": {"source": "gemini"}},
    }
    db.tickets.update_one(
        {"_id": filed.id}, {"$set": known, "$push": {"events": {"$each": events}}}
    )
    return reload(db, filed)


def open_home(home: HomeService, user: User, screen: Screen | None = None) -> HomeContent:
    return home.get(actor=Actor.from_user(user), team_id=TEAM_ID, screen=screen or Screen())


def page_of(home: HomeService, user: User, ticket: Ticket) -> TicketPage:
    found = open_home(home, user, Screen(ticket_id=ticket.id))
    assert isinstance(found, TicketPage)
    return found


def overview(home: HomeService, user: User, screen: Screen | None = None) -> HomePage:
    found = open_home(home, user, screen)
    assert isinstance(found, HomePage)
    return found


def test_each_sees_their_own_lists(
    home: HomeService, ticket: Ticket, employee: User, moderator: User
) -> None:
    mine, theirs = overview(home, employee), overview(home, moderator)
    assert [t.id for t in mine.own.tickets] == [ticket.id]
    assert mine.assigned is None
    assert theirs.own.tickets == ()
    assert theirs.assigned is not None
    assert [t.id for t in theirs.assigned.tickets] == [ticket.id]


def test_it_names_the_reader_and_everybody_in_the_lists(
    home: HomeService, ticket: Ticket, employee: User, moderator: User
) -> None:
    people = overview(home, employee).people
    assert people.users.keys() == {employee.id, moderator.id}
    assert people.slack_ids[moderator.id] == People.slack_id(moderator)


def in_list(home: HomeService, user: User, selection: ListQuery) -> TicketListPage:
    found = open_home(home, user, Screen(list_query=selection))
    assert isinstance(found, TicketListPage)
    return found


def test_the_first_page_has_the_beginnings_of_the_lists(
    home: HomeService, tickets: TicketService, moderator: User, clock: FixedClock, db: Mongo
) -> None:
    for _ in range(6):
        clock.advance(minutes=1)
        file_ticket(tickets, moderator)
    db.tickets.update_many({}, {"$set": {"assignedTo": moderator.id}})
    content = overview(home, moderator)
    assert content.assigned is not None
    assert [t.number for t in content.own.tickets] == [6, 5, 4, 3, 2]
    assert [t.number for t in content.assigned.tickets] == [1, 2, 3, 4, 5]


def test_a_page_that_became_the_first_is_forgotten(
    home: HomeService, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    for _ in range(11):
        clock.advance(minutes=1)
        file_ticket(tickets, employee)
    own = ListQuery(ListKind.OWN)
    first = in_list(home, employee, own)
    second = in_list(home, employee, own.with_cursor(first.result.page.next_cursor))
    assert second.screen == Screen(list_query=own.with_cursor(first.result.page.next_cursor))
    again = in_list(home, employee, own.with_cursor(second.result.page.previous_cursor))
    assert again.screen == Screen(list_query=own)


def test_a_list_no_longer_permitted_falls_back_to_the_first_page(
    home: HomeService, ticket: Ticket, employee: User, moderator: User
) -> None:
    screen = Screen(list_query=ListQuery(ListKind.QUEUE), ticket_id=ticket.id)
    assert isinstance(in_list(home, moderator, ListQuery(ListKind.QUEUE)), TicketListPage)
    with pytest.raises(PermissionDenied, match="see other people's tickets"):
        open_home(home, employee, screen.parent)
    for place, kind in ((screen, TicketPage), (screen.parent, HomePage)):
        found = home.get_or_parent(actor=Actor.from_user(employee), team_id=TEAM_ID, screen=place)
        assert isinstance(found, kind)


def test_a_ticket_no_longer_visible_falls_back_to_the_list(
    home: HomeService, employee: User
) -> None:
    screen = Screen(list_query=ListQuery(ListKind.OWN), ticket_id=ObjectId())
    found = home.get_or_parent(actor=Actor.from_user(employee), team_id=TEAM_ID, screen=screen)
    assert found.screen == screen.parent


def test_the_staff_reads_everything(home: HomeService, ticket: Ticket, moderator: User) -> None:
    found = page_of(home, moderator, ticket)
    assert found.ticket == ticket
    assert found.is_staff
    assert found.actions == allowed_actions(Actor.from_user(moderator), ticket)


def test_the_requester_reads_nothing_internal(
    home: HomeService, ticket: Ticket, employee: User
) -> None:
    found = page_of(home, employee, ticket)
    assert not found.is_staff
    assert found.actions == allowed_actions(Actor.from_user(employee), ticket)
    events = tuple(replace(event, note=None) for event in ticket.events[:2])
    assert found.ticket.events == events
    assert "knows fire" not in repr(found)
    assert "secret" not in repr(found)


def test_that_nobody_is_available_is_no_secret(
    home: HomeService, ticket: Ticket, employee: User, db: Mongo
) -> None:
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignment": {"next": "later", "x": 1}}})
    assert page_of(home, employee, ticket).ticket.assignment == {"next": "later"}


def test_a_foreign_ticket_is_not_found(home: HomeService, ticket: Ticket, people: People) -> None:
    stranger = people.add()
    for ticket_id in (ticket.id, ObjectId()):
        screen = Screen(ticket_id=ticket_id)
        with pytest.raises(NotFound, match="There is no such ticket, or you may not see it"):
            open_home(home, stranger, screen)
        again = home.get_or_parent(actor=Actor.from_user(stranger), team_id=TEAM_ID, screen=screen)
        assert isinstance(again, HomePage)
        assert again.screen == Screen()


def test_a_resolved_ticket_is_only_read(
    home: HomeService, ticket_actions: TicketActions, ticket: Ticket, moderator: User
) -> None:
    ticket_actions.resolve(
        actor=Actor.from_user(moderator), ticket_id=str(ticket.id), resolution="Done."
    )
    found = page_of(home, moderator, ticket)
    assert found.ticket.status is Status.COMPLETED
    assert found.actions == {
        TicketAction.REOPEN,
        TicketAction.COMMENT,
        TicketAction.NOTE,
        TicketAction.UPDATE,
    }


def with_cached_name(db: Mongo, commands: Commands) -> Services:
    """Services of a process that has read the app's name, which it does every few seconds."""
    services = Services(db)
    assert services.app_name == "Help desk"
    commands.sent.clear()
    return services


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_number_of_queries_is_always_the_same(
    watched_db: Mongo,
    commands: Commands,
    tickets: TicketService,
    people: People,
    moderator: User,
    db: Mongo,
    count: int,
) -> None:
    for _ in range(count):
        file_ticket(tickets, people.add())
        file_ticket(tickets, moderator)
    db.tickets.update_many({}, {"$set": {"assignedTo": moderator.id}})
    services = with_cached_name(watched_db, commands)
    overview(services.home, moderator)
    assert [command[name] for name, command in commands.sent] == [
        "tickets",
        "tickets",
        "tickets",
        "users",
        "links",
    ]


def test_the_queries_of_a_tickets_page(
    watched_db: Mongo, commands: Commands, ticket: Ticket, moderator: User, db: Mongo
) -> None:
    event = {"seq": 9, "at": ticket.created_at, "by": moderator.id, "type": "edited"}
    db.tickets.update_one({"_id": ticket.id}, {"$push": {"events": {"$each": [event] * 500}}})
    services = with_cached_name(watched_db, commands)
    found = page_of(services.home, moderator, ticket)
    assert len(found.ticket.events) == 504
    assert found.ticket.events[-1] == Event(
        9, found.ticket.events[-1].at, moderator.id, EventType.EDITED
    )
    sent = [(name, command[name]) for name, command in commands.sent]
    similar = [("find", "tickets"), ("count", "tickets"), ("aggregate", "tickets")]
    assert sent == [("find", "tickets"), ("find", "users"), ("find", "links"), *similar]
