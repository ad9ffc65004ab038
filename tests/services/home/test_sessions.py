"""Home sessions: the screen each member has open, and when it is refreshed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.home.sessions import REFRESH_DELAY, SESSION_TIMEOUT, HomeSessions, Screen
from services.lists.list_query import TEAM_LISTS, ListCursor, ListKind, ListQuery
from services.models.ticket import Priority, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID

SOON = timedelta(seconds=3)


@pytest.fixture
def ticket(tickets: TicketService, employee: User) -> Ticket:
    return file_ticket(tickets, employee)


def link_of(user: User) -> str:
    return f"{TEAM_ID}:{People.slack_id(user)}"


@pytest.fixture
def link(employee: User) -> str:
    return link_of(employee)


def a_screen() -> Screen:
    key = "1-000001700000000-4-000001700000000"
    at = ListCursor(is_backward=True, sort_key=key, ticket_id=ObjectId())
    listed = ListQuery(ListKind.QUEUE, priority=Priority.HIGH, cursor=at)
    return Screen(list_query=listed, ticket_id=ObjectId())


def test_a_screen_survives_a_button() -> None:
    screen = a_screen()
    for kept in (Screen(), screen, screen.parent, Screen(ticket_id=ObjectId())):
        assert Screen.decode(kept.encode()) == kept
        assert len(kept.encode()) < 150
    assert screen.parent == Screen(list_query=screen.list_query)


@pytest.mark.parametrize("forged", ["", "|", "||", "||||||", "|b|c", "|no id", "|$where|{}"])
def test_a_forged_screen_is_the_top_of_the_lists(forged: str) -> None:
    assert Screen.decode(forged) == Screen()


def test_one_comes_back_to_where_one_was(
    home_sessions: HomeSessions, link: str, clock: FixedClock
) -> None:
    screen = a_screen()
    assert home_sessions.last_screen(link) == Screen()
    home_sessions.navigate(link, screen=screen)
    assert home_sessions.last_screen(link) == screen
    clock.advance(seconds=SESSION_TIMEOUT.total_seconds() + 1)
    assert home_sessions.last_screen(link) == Screen()


def test_a_member_without_a_link_has_no_session(home_sessions: HomeSessions, db: Mongo) -> None:
    assert home_sessions.navigate("T0TEAM:U0NOBODY", screen=Screen()) == 0
    assert home_sessions.last_screen("T0TEAM:U0NOBODY") == Screen()
    assert db.links.count_documents({}) == 0


def test_a_turn_ends_with_the_next(home_sessions: HomeSessions, link: str) -> None:
    first = home_sessions.navigate(link, screen=Screen())
    assert home_sessions.is_current(link, sequence=first)
    second = home_sessions.navigate(link, screen=Screen())
    assert not home_sessions.is_current(link, sequence=first)
    home_sessions.record_view_hash(link, sequence=second, view_hash="new", content="x")
    home_sessions.record_view_hash(
        link, sequence=first, view_hash="old", content="x"
    )  # a late answer
    home_sessions.request_refresh(link, within=SOON)
    session = home_sessions.claim_refresh(link)
    assert session is not None
    assert (session.sequence, session.view_hash) == (second, "new")


def test_several_changes_are_one_refresh(
    home_sessions: HomeSessions, link: str, clock: FixedClock
) -> None:
    home_sessions.navigate(link, screen=a_screen())
    assert home_sessions.request_refresh(link, within=SOON)
    clock.advance(seconds=2)
    assert not home_sessions.request_refresh(link, within=SOON)
    session = home_sessions.claim_refresh(link)
    assert session is not None
    assert session.screen == home_sessions.last_screen(link)
    assert (session.team_id, session.slack_user_id) == tuple(link.split(":"))
    assert home_sessions.claim_refresh(link) is None
    assert home_sessions.request_refresh(link, within=SOON)


def test_a_lost_task_does_no_harm(
    home_sessions: HomeSessions, link: str, clock: FixedClock
) -> None:
    home_sessions.navigate(link, screen=Screen())
    assert home_sessions.request_refresh(link, within=SOON)
    clock.advance(seconds=3)
    assert home_sessions.request_refresh(link, within=SOON)


def test_of_many_at_once_one_asks_and_one_takes(home_sessions: HomeSessions, link: str) -> None:
    home_sessions.navigate(link, screen=Screen())
    with ThreadPoolExecutor(8) as pool:
        asked = list(
            pool.map(lambda _: home_sessions.request_refresh(link, within=SOON), range(16))
        )
        taken = list(pool.map(lambda _: home_sessions.claim_refresh(link), range(16)))
    assert asked.count(True) == 1
    assert len([session for session in taken if session]) == 1


def watchers(home_sessions: HomeSessions, db: Mongo, ticket: Ticket) -> list[str]:
    return home_sessions.watchers([ticket], links=list(db.links.find()))


def test_who_never_opened_home_is_not_refreshed(
    home_sessions: HomeSessions, link: str, ticket: Ticket, db: Mongo
) -> None:
    assert watchers(home_sessions, db, ticket) == []
    assert not home_sessions.request_refresh(link, within=SOON)
    assert home_sessions.claim_refresh(link) is None


def test_whom_a_change_concerns(
    home_sessions: HomeSessions,
    people: People,
    employee: User,
    ticket: Ticket,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
) -> None:
    former, assignee, reader, other = (people.add(Role.MODERATOR) for _ in range(4))
    for user in (employee, former, assignee, other):
        home_sessions.navigate(link_of(user), screen=Screen())
    home_sessions.navigate(link_of(reader), screen=Screen(ticket_id=ticket.id))
    handed = {"seq": 2, "at": ticket.created_at, "by": "system", "type": "assigned"}
    db.tickets.update_one(
        {"_id": ticket.id},
        {"$set": {"assignedTo": assignee.id}, "$push": {"events": {**handed, "to": former.id}}},
    )
    concerned = [employee, former, assignee, reader]
    found = watchers(home_sessions, db, reload(db, ticket))
    assert found == sorted(link_of(user) for user in concerned)
    home_sessions.request_refresh(link_of(reader), within=REFRESH_DELAY)
    home_sessions.request_refresh(link_of(employee), within=REFRESH_DELAY)
    found = watchers(home_sessions, db, reload(db, ticket))
    assert found == sorted(link_of(user) for user in (former, assignee))
    clock.advance(seconds=SESSION_TIMEOUT.total_seconds())
    home_sessions.navigate(link_of(former), screen=Screen())
    assert watchers(home_sessions, db, reload(db, ticket)) == [link_of(former)]


@pytest.mark.parametrize("kind", TEAM_LISTS)
def test_a_change_concerns_members_who_have_a_list_of_the_team_open(
    home_sessions: HomeSessions,
    people: People,
    ticket: Ticket,
    clock: FixedClock,
    db: Mongo,
    kind: ListKind,
) -> None:
    here, elsewhere, inside, gone = (people.add(Role.MODERATOR) for _ in range(4))
    queue = Screen(list_query=ListQuery(kind))
    for user in (gone, elsewhere, inside):
        home_sessions.navigate(link_of(user), screen=queue)
    home_sessions.navigate(link_of(elsewhere), screen=Screen(list_query=ListQuery(ListKind.OWN)))
    home_sessions.navigate(link_of(inside), screen=Screen(queue.list_query, ticket_id=ObjectId()))
    clock.advance(seconds=SESSION_TIMEOUT.total_seconds())
    home_sessions.navigate(link_of(here), screen=queue)
    assert watchers(home_sessions, db, ticket) == [link_of(here)]
    home_sessions.navigate(link_of(inside), screen=queue)
    assert watchers(home_sessions, db, ticket) == sorted([link_of(here), link_of(inside)])


def test_a_hash_is_forgotten_unless_it_is_newer(
    home_sessions: HomeSessions, link: str, db: Mongo
) -> None:
    turn = home_sessions.navigate(link, screen=Screen())
    home_sessions.record_view_hash(link, sequence=turn, view_hash="old", content="x")
    home_sessions.request_refresh(link, within=SOON)
    session = home_sessions.claim_refresh(link)
    assert session is not None
    home_sessions.record_view_hash(link, sequence=turn, view_hash="new", content="x")
    home_sessions.clear_view_hash(session)
    assert db.links.distinct("home.hash") == ["new"]
    home_sessions.record_view_hash(link, sequence=turn, view_hash="old", content="x")
    home_sessions.clear_view_hash(session)
    assert db.links.distinct("home.hash") == []
