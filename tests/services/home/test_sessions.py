"""Who looks at what in Home, and when it is brought up to date."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.home.sessions import SESSION_TIMEOUT, HomeSessions, Screen
from services.lists.list_query import ListCursor, ListKind, ListQuery
from services.models.ticket import Priority, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID

SOON = timedelta(seconds=3)


@pytest.fixture
def visits(db: Mongo, clock: FixedClock) -> HomeSessions:
    return HomeSessions(db, clock=clock)


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


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
    visits: HomeSessions, link: str, clock: FixedClock
) -> None:
    screen = a_screen()
    assert visits.last_screen(link) == Screen()
    visits.navigate(link, screen=screen)
    assert visits.last_screen(link) == screen
    clock.advance(seconds=SESSION_TIMEOUT.total_seconds() + 1)
    assert visits.last_screen(link) == Screen()


def test_whoever_has_no_link_is_nowhere(visits: HomeSessions, db: Mongo) -> None:
    assert visits.navigate("T0TEAM:U0NOBODY", screen=Screen()) == 0
    assert visits.last_screen("T0TEAM:U0NOBODY") == Screen()
    assert db.links.count_documents({}) == 0


def test_a_turn_ends_with_the_next(visits: HomeSessions, link: str) -> None:
    first = visits.navigate(link, screen=Screen())
    assert visits.is_current(link, sequence=first)
    second = visits.navigate(link, screen=Screen())
    assert not visits.is_current(link, sequence=first)
    visits.record_view_hash(link, sequence=second, view_hash="new")
    visits.record_view_hash(link, sequence=first, view_hash="old")  # a late answer
    visits.request_refresh(link, within=SOON)
    visit = visits.claim_refresh(link)
    assert visit is not None
    assert (visit.sequence, visit.view_hash) == (second, "new")


def test_several_changes_are_one_refresh(
    visits: HomeSessions, link: str, clock: FixedClock
) -> None:
    visits.navigate(link, screen=a_screen())
    assert visits.request_refresh(link, within=SOON)
    clock.advance(seconds=2)
    assert not visits.request_refresh(link, within=SOON)
    visit = visits.claim_refresh(link)
    assert visit is not None
    assert visit.screen == visits.last_screen(link)
    assert (visit.team_id, visit.slack_user_id) == tuple(link.split(":"))
    assert visits.claim_refresh(link) is None
    assert visits.request_refresh(link, within=SOON)


def test_a_lost_hint_does_no_harm(visits: HomeSessions, link: str, clock: FixedClock) -> None:
    visits.navigate(link, screen=Screen())
    assert visits.request_refresh(link, within=SOON)
    clock.advance(seconds=3)
    assert visits.request_refresh(link, within=SOON)


def test_of_many_at_once_one_asks_and_one_takes(visits: HomeSessions, link: str) -> None:
    visits.navigate(link, screen=Screen())
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: visits.request_refresh(link, within=SOON), range(16)))
        taken = list(pool.map(lambda _: visits.claim_refresh(link), range(16)))
    assert asked.count(True) == 1
    assert len([visit for visit in taken if visit]) == 1


def test_who_never_opened_home_is_not_refreshed(
    visits: HomeSessions, link: str, ticket: Ticket
) -> None:
    assert visits.watchers(ticket) == []
    assert not visits.request_refresh(link, within=SOON)
    assert visits.claim_refresh(link) is None


def test_whom_a_change_concerns(
    visits: HomeSessions,
    people: People,
    employee: User,
    ticket: Ticket,
    tickets: TicketService,
    db: Mongo,
) -> None:
    former, assignee, reader, other = (people.add(Role.MODERATOR) for _ in range(4))
    for user in (employee, former, assignee, other):
        visits.navigate(link_of(user), screen=Screen())
    visits.navigate(link_of(reader), screen=Screen(ticket_id=ticket.id))
    handed = {"seq": 2, "at": ticket.created_at, "by": "system", "type": "assigned"}
    db.tickets.update_one(
        {"_id": ticket.id},
        {"$set": {"assignedTo": assignee.id}, "$push": {"events": {**handed, "to": former.id}}},
    )
    concerned = [employee, former, assignee, reader]
    assert visits.watchers(reload(db, ticket)) == sorted(link_of(user) for user in concerned)


def test_a_change_concerns_whoever_looks_at_the_queue(
    visits: HomeSessions, people: People, ticket: Ticket, clock: FixedClock
) -> None:
    here, elsewhere, inside, gone = (people.add(Role.MODERATOR) for _ in range(4))
    queue = Screen(list_query=ListQuery(ListKind.QUEUE))
    for user in (gone, elsewhere, inside):
        visits.navigate(link_of(user), screen=queue)
    visits.navigate(link_of(elsewhere), screen=Screen(list_query=ListQuery(ListKind.OWN)))
    visits.navigate(link_of(inside), screen=Screen(queue.list_query, ticket_id=ObjectId()))
    clock.advance(seconds=SESSION_TIMEOUT.total_seconds())
    visits.navigate(link_of(here), screen=queue)
    assert visits.watchers(ticket) == [link_of(here)]
    visits.navigate(link_of(inside), screen=queue)
    assert visits.watchers(ticket) == sorted([link_of(here), link_of(inside)])


def test_a_hash_is_forgotten_unless_it_is_newer(visits: HomeSessions, link: str, db: Mongo) -> None:
    turn = visits.navigate(link, screen=Screen())
    visits.record_view_hash(link, sequence=turn, view_hash="old")
    visits.request_refresh(link, within=SOON)
    visit = visits.claim_refresh(link)
    assert visit is not None
    visits.record_view_hash(link, sequence=turn, view_hash="new")
    visits.clear_view_hash(visit)
    assert db.links.distinct("home.hash") == ["new"]
    visits.record_view_hash(link, sequence=turn, view_hash="old")
    visits.clear_view_hash(visit)
    assert db.links.distinct("home.hash") == []
