"""Lists of tickets: whose, in which order, and page by page to either side."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.database import Mongo
from services.errors import Denied
from services.listing import PAGE_SIZE, ROW, Page, Position, TicketLists
from services.models import OPEN_STATUSES, Role, Status
from services.permissions import Actor
from tests.conftest import Commands, FixedClock

ME, SOMEBODY = ObjectId(), ObjectId()
EMPLOYEE, MODERATOR = Actor(ME, Role.USER), Actor(ME, Role.MODERATOR)


@pytest.fixture
def lists(db: Mongo) -> TicketLists:
    return TicketLists(db)


def put(db: Mongo, clock: FixedClock, *numbers: int, apart: float = 60, **fields: Any) -> None:
    """Tickets with these numbers, each filed `apart` seconds after the one before."""
    for number in numbers:
        clock.advance(seconds=apart)
        ticket = {"number": number, "title": "T", "status": "TODO", "createdBy": ME}
        db.tickets.insert_one({**ticket, "createdAt": clock(), **fields})


def read(page: Page) -> list[int | None]:
    return [ticket.number for ticket in page.tickets]


def test_the_newest_come_first(lists: TicketLists, db: Mongo, clock: FixedClock) -> None:
    put(db, clock, 1, 2, 3)
    page = lists.own(actor=EMPLOYEE)
    assert read(page) == [3, 2, 1]
    assert (page.newer, page.older) == (None, None)


@pytest.mark.parametrize("apart", [60, 0], ids=["at different times", "all at once"])
def test_there_and_back(lists: TicketLists, db: Mongo, clock: FixedClock, apart: float) -> None:
    put(db, clock, *range(1, 13), apart=apart)
    first = lists.own(actor=EMPLOYEE)
    second = lists.own(actor=EMPLOYEE, position=first.older)
    third = lists.own(actor=EMPLOYEE, position=second.older)
    assert [read(page) for page in (first, second, third)] == [
        [12, 11, 10, 9, 8],
        [7, 6, 5, 4, 3],
        [2, 1],
    ]
    assert (first.newer, third.older) == (None, None)
    assert read(lists.own(actor=EMPLOYEE, position=third.newer)) == read(second)
    back = lists.own(actor=EMPLOYEE, position=second.newer)
    assert read(back) == read(first)
    assert back.newer is None


@pytest.mark.parametrize("count", [0, 1, PAGE_SIZE, PAGE_SIZE + 1])
def test_older_only_where_there_are(
    lists: TicketLists, db: Mongo, clock: FixedClock, count: int
) -> None:
    put(db, clock, *range(count))
    assert (lists.own(actor=EMPLOYEE).older is not None) == (count > PAGE_SIZE)


def test_a_page_stays_while_others_are_filed(
    lists: TicketLists, db: Mongo, clock: FixedClock
) -> None:
    put(db, clock, *range(1, 8))
    older = lists.own(actor=EMPLOYEE).older
    put(db, clock, 8, 9)
    assert read(lists.own(actor=EMPLOYEE, position=older)) == [2, 1]


def test_a_page_that_has_emptied_is_the_first(
    lists: TicketLists, db: Mongo, clock: FixedClock
) -> None:
    put(db, clock, *range(1, 8))
    older = lists.own(actor=EMPLOYEE).older
    db.tickets.delete_many({"number": {"$lt": 3}})
    assert read(lists.own(actor=EMPLOYEE, position=older)) == [7, 6, 5, 4, 3]


def test_towards_newer_the_first_page_is_full(
    lists: TicketLists, db: Mongo, clock: FixedClock
) -> None:
    put(db, clock, *range(1, 13))
    second = lists.own(actor=EMPLOYEE, position=lists.own(actor=EMPLOYEE).older)
    db.tickets.delete_many({"number": {"$in": [9, 11]}})
    assert read(lists.own(actor=EMPLOYEE, position=second.newer)) == [12, 10, 8, 7, 6]


def test_only_what_is_open_and_theirs(lists: TicketLists, db: Mongo, clock: FixedClock) -> None:
    for number, status in enumerate(Status):
        put(db, clock, number, status=status.value, assignedTo=ME, createdBy=SOMEBODY)
        put(db, clock, number + 10, status=status.value, assignedTo=SOMEBODY)
    newest_first = [n for n, status in enumerate(Status) if status in OPEN_STATUSES][::-1]
    assert read(lists.assigned(actor=MODERATOR)) == newest_first
    assert read(lists.own(actor=EMPLOYEE)) == [n + 10 for n in newest_first]


def test_a_plain_user_has_no_assigned_tickets(lists: TicketLists) -> None:
    with pytest.raises(Denied, match="see any ticket"):
        lists.assigned(actor=EMPLOYEE)


def test_a_legacy_ticket_is_listed(lists: TicketLists, db: Mongo) -> None:
    db.tickets.insert_one({"title": "Old", "status": "TODO", "createdBy": ME})
    (ticket,) = lists.own(actor=EMPLOYEE).tickets
    assert (ticket.number, ticket.title, ticket.created_at) == (None, "Old", None)


@pytest.mark.parametrize("at", ["first", "older", "newer"])
def test_one_query_of_an_index_that_fetches_no_arrays(
    db: Mongo, watched_db: Mongo, commands: Commands, clock: FixedClock, at: str
) -> None:
    put(db, clock, *range(1, 17), events=[{"seq": 1}] * 100, description="long", assignedTo=ME)
    pages = {"first": TicketLists(db).own(actor=EMPLOYEE)}
    pages["older"] = TicketLists(db).own(actor=EMPLOYEE, position=pages["first"].older)
    pages["newer"] = TicketLists(db).own(actor=EMPLOYEE, position=pages["older"].older)
    position = {
        "first": None,
        "older": pages["first"].older,
        "newer": pages["newer"].newer,
    }[at]
    for page in (
        TicketLists(watched_db).own(actor=EMPLOYEE, position=position),
        TicketLists(watched_db).assigned(actor=MODERATOR, position=position),
    ):
        assert len(page.tickets) == PAGE_SIZE
        assert page.tickets[0].events == ()
        assert page.tickets[0].description == ""
    assert [name for name, _ in commands.sent] == ["find"] * 2
    for _, command in commands.sent:
        assert set(command["projection"]) == set(ROW)
        assert command["limit"] == PAGE_SIZE + 1
        plan = str(db.command({"explain": _explained(command)})["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert "COLLSCAN" not in plan


def _explained(command: dict[str, Any]) -> dict[str, Any]:
    kept = ("find", "filter", "sort", "projection", "limit", "hint")
    return {name: command[name] for name in kept if name in command}


def test_a_position_survives_a_button(clock: FixedClock) -> None:
    for is_newer in (True, False):
        position = Position(is_newer=is_newer, at=clock(), ticket_id=ObjectId())
        assert Position.decode(position.encode()) == position
    long_ago = Position(is_newer=True, at=clock() - timedelta(days=365 * 40), ticket_id=ObjectId())
    assert Position.decode(long_ago.encode()) == long_ago


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "<",
        "<1-",
        "<1-xyz",
        ">x-65f0c0ffee65f0c0ffee0012",
        '{"$gt": ""}',
        f"<{'9' * 14}-x",
        f"<{'9' * 14}-65f0c0ffee65f0c0ffee0012",
        f"<{'9' * 15}-65f0c0ffee65f0c0ffee0012",
    ],
)
def test_a_forged_position_is_the_first_page(forged: str) -> None:
    position = Position.decode(forged)
    assert position is None or position.encode() == forged
