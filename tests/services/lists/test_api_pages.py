"""Pages of a requester with 10,000 tickets. The legacy app took 0.6 to 0.9 s for the whole list."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.core.clock import utcnow
from services.core.database import Mongo
from services.lists.api_pages import TICKET_FIELDS, PageCursor, TicketPager
from services.models.permissions import Actor
from services.models.user import Role
from services.tickets.indexes import NEWEST_INDEX, REQUESTER_NEWEST_INDEX
from tests.conftest import Commands
from tests.support import query_rule

MANY = 10_000
ARRAYS = {"events", "comments", "cards", "notices"}


def pile(db: Mongo, creator: ObjectId, number: int, *, apart: timedelta) -> None:
    """Insert that many tickets of the requester, each older than the one before."""
    now = utcnow()
    arrays: dict[str, Any] = {name: [{"text": "x" * 100}] * 5 for name in ARRAYS}
    db.tickets.insert_many(
        [
            {"title": f"Ticket {n}", "createdBy": creator, "createdAt": now - n * apart, **arrays}
            for n in range(number)
        ],
        ordered=False,
    )


def queries(commands: Commands, of: str = "createdBy") -> list[dict[str, Any]]:
    """Return the queries for what the requester has filed, or `of` participants."""
    found = [command for name, command in commands.sent if name in ("find", "aggregate")]
    commands.sent.clear()
    return [command for command in found if of in _condition(command)]


def _condition(command: dict[str, Any]) -> dict[str, Any]:
    return dict(command["filter"] if "find" in command else command["pipeline"][0]["$match"])


def _page(command: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the limit and the projection."""
    if "find" in command:
        return command["limit"], command["projection"]
    *_, limit, fields = command["pipeline"]
    return limit["$limit"], fields["$project"]


def test_a_page_of_ten_thousand_tickets(
    watched_db: Mongo, commands: Commands, record_property: Callable[[str, object], None]
) -> None:
    actor, pages = Actor(ObjectId(), Role.USER), TicketPager(watched_db)
    pile(watched_db, actor.user_id, MANY, apart=timedelta(minutes=7))
    edge: PageCursor | None = None
    seconds, titles = [], []
    for _ in range(5):
        began = time.perf_counter()
        page = pages.newest_page(actor=actor, size=100, after=edge)
        seconds.append(time.perf_counter() - began)
        titles += [ticket.title for ticket in page.tickets]
        edge = page.next_cursor
    assert titles == [f"Ticket {n}" for n in range(500)]
    asked = queries(commands)
    assert len(asked) <= 4 * 5
    for command in asked:
        (query,) = query_rule.queries("find" if "find" in command else "aggregate", command)
        assert query_rule.fault(query) == ""
        limit, fields = _page(command)
        assert set(fields) == set(TICKET_FIELDS)
        assert not set(fields) & ARRAYS
        assert limit <= 101
    median = 1000 * statistics.median(seconds)
    record_property("ticket_pages", f"100 of a requester's {MANY:,} tickets: {median:.0f} ms")


def test_a_short_list_is_one_query_from_the_second_time_on(
    watched_db: Mongo, commands: Commands
) -> None:
    actor, pages = Actor(ObjectId(), Role.USER), TicketPager(watched_db)
    pile(watched_db, actor.user_id, 10, apart=timedelta(days=40))
    assert len(pages.newest_page(actor=actor).tickets) == 10
    queries(commands)
    assert len(pages.newest_page(actor=actor).tickets) == 10
    assert [command["filter"] for command in queries(commands)] == [{"createdBy": actor.user_id}]
    pile(watched_db, actor.user_id, 100, apart=timedelta(seconds=1))
    for most in (
        1,
        1,
    ):  # the first query finds a long list, the next look in the last hour
        assert len(pages.newest_page(actor=actor).tickets) == 100
        assert len(queries(commands)) == most


def test_a_long_list_is_one_query_for_its_first_page_from_the_second_time_on(
    watched_db: Mongo, commands: Commands
) -> None:
    actor, pages = Actor(ObjectId(), Role.USER), TicketPager(watched_db)
    pile(watched_db, actor.user_id, 300, apart=timedelta(minutes=1))
    first = pages.newest_page(actor=actor)
    queries(commands)
    assert pages.newest_page(actor=actor) == first
    (query,) = queries(commands)
    # Neither more nor fewer tickets than the page needs, for a database that sorts all of them.
    assert watched_db.tickets.count_documents(query["filter"]) == 101
    pages.newest_page(actor=actor, size=20)
    pages.newest_page(actor=actor, size=20)
    queries(commands)
    assert pages.newest_page(actor=actor) == first
    assert len(queries(commands)) == 1
    watched_db.tickets.delete_many({"title": {"$in": [f"Ticket {n}" for n in range(50)]}})
    shifted = pages.newest_page(actor=actor)
    assert [ticket.title for ticket in shifted.tickets] == [f"Ticket {n}" for n in range(50, 150)]


def test_no_ticket_of_a_page_is_read_twice(watched_db: Mongo, commands: Commands) -> None:
    actor, pages = Actor(ObjectId(), Role.USER), TicketPager(watched_db)
    pile(watched_db, actor.user_id, 400, apart=timedelta(minutes=1))
    edge = pages.newest_page(actor=actor).next_cursor
    commands.sent.clear()
    page = pages.newest_page(actor=actor, after=edge)
    assert [ticket.title for ticket in page.tickets] == [f"Ticket {n}" for n in range(100, 200)]
    (_, hour), (_, day), *participating = commands.sent
    assert len(participating) == 2
    assert hour["pipeline"][-2] == {"$limit": 101}
    assert day["limit"] == 101 - 59
    assert commands.scans(watched_db.tickets) == []


def test_what_one_takes_part_in_is_one_query_more(watched_db: Mongo, commands: Commands) -> None:
    """Of later pages two: the second for tickets without a date, which come last."""
    actor, pages = Actor(ObjectId(), Role.USER), TicketPager(watched_db)
    pile(watched_db, actor.user_id, 5, apart=timedelta(days=31))
    pile(watched_db, ObjectId(), 5, apart=timedelta(days=30))
    others = {"createdBy": {"$ne": actor.user_id}}
    watched_db.tickets.update_many(others, {"$set": {"participants": [actor.user_id]}})
    titles: list[str] = []
    counts: list[int] = []
    edge: PageCursor | None = None
    while edge or not titles:
        commands.sent.clear()
        page = pages.newest_page(actor=actor, size=4, after=edge)
        titles += [ticket.title for ticket in page.tickets]
        asked = queries(commands, of="participants")
        counts.append(len(asked))
        for command in asked:
            (query,) = query_rule.queries(next(iter(command)), command)
            assert query_rule.fault(query) == ""
        edge = page.next_cursor
    assert titles[2:] == [f"Ticket {n}" for n in (1, 1, 2, 2, 3, 3, 4, 4)]
    assert counts == [1, 2, 2]


@pytest.mark.parametrize("role", [Role.USER, Role.ADMIN])
def test_the_plan_is_an_index_in_the_lists_order(db: Mongo, role: Role) -> None:
    creator = ObjectId()
    pile(db, creator, 300, apart=timedelta(hours=1))
    query: dict[str, Any] = {"createdAt": {"$gte": utcnow() - timedelta(days=1)}}
    index: tuple[tuple[str, int], ...] = NEWEST_INDEX
    if role is Role.USER:
        query, index = {"createdBy": creator, **query}, REQUESTER_NEWEST_INDEX
    cursor = db.tickets.find(query).sort([("createdAt", -1), ("_id", -1)]).limit(101)
    plan = str(cursor.explain()["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "COLLSCAN" not in plan
    assert str(dict(index)) in plan
