"""Pages of the ticket list."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.models.user import Role, User
from tests.conftest import FixedClock, People
from tests.support.api_client import Api, problem


@pytest.fixture
def stored(db: Mongo, requester: User, people: People, clock: FixedClock) -> list[str]:
    """250 tickets as the legacy backend wrote them, the newest first: many of the same moment,
    some without a date; and another's among them."""
    other = people.add()
    docs: list[dict[str, Any]] = [
        {
            "_id": ObjectId(),
            "title": f"Ticket {number}",
            "description": "x",
            "status": "TODO",
            "createdBy": other.id if number % 7 == 0 else requester.id,
            "createdAt": clock.now - timedelta(days=number // 20),
        }
        for number in range(250)
    ]
    for doc in docs[240:]:
        del doc["createdAt"]
    db.tickets.insert_many(docs)
    undated = datetime.min.replace(tzinfo=UTC)
    docs.sort(key=lambda doc: (doc.get("createdAt", undated), doc["_id"]), reverse=True)
    return [str(doc["_id"]) for doc in docs if doc["createdBy"] == requester.id]


def all_pages(api: Api, by: User, query: str, cursor: str = "") -> list[list[str]]:
    """The ids on all pages from there on."""
    found: list[list[str]] = []
    while True:
        answer = api.get(f"/api/tickets?{query}{cursor}", by=by)
        assert answer.status_code == 200, answer.text
        found.append([ticket["_id"] for ticket in answer.json()["tickets"]])
        if answer.json()["nextCursor"] is None:
            return found
        cursor = f"&cursor={answer.json()['nextCursor']}"


@pytest.mark.parametrize(("query", "size"), [("", 100), ("limit=7", 7), ("limit=100", 100)])
def test_every_ticket_is_on_one_page(
    api: Api, requester: User, stored: list[str], query: str, size: int
) -> None:
    pages = all_pages(api, requester, query)
    assert [ticket for page in pages for ticket in page] == stored
    assert {len(page) for page in pages[:-1]} == {size}
    assert 0 < len(pages[-1]) <= size


def test_the_staff_see_them_all(
    api: Api, people: People, requester: User, stored: list[str]
) -> None:
    pages = all_pages(api, people.add(Role.MODERATOR), "limit=90")
    seen = [ticket for page in pages for ticket in page]
    assert [len(page) for page in pages] == [90, 90, 70]
    assert len(set(seen)) == 250
    assert [ticket for ticket in seen if ticket in set(stored)] == stored


def test_a_ticket_filed_between_pages_moves_nothing(
    api: Api, requester: User, stored: list[str], clock: FixedClock
) -> None:
    first = api.get("/api/tickets?limit=50", by=requester).json()
    clock.advance(minutes=1)
    api.filed(requester)
    cursor = first["nextCursor"]
    second = api.get(f"/api/tickets?limit=50&cursor={cursor}", by=requester).json()
    assert [ticket["_id"] for ticket in second["tickets"]] == stored[50:100]


def test_a_cursor_of_others_leads_to_ones_own(
    api: Api, people: People, requester: User, stored: list[str]
) -> None:
    cursor = api.get("/api/tickets?limit=1", by=people.add(Role.ADMIN)).json()["nextCursor"]
    seen = all_pages(api, requester, "", f"&cursor={cursor}")
    assert {ticket for page in seen for ticket in page} <= set(stored)


BAD_LIMITS = ("0", "101", "-1", "1.5", "1e1", "", "abc", "%D9%A1", "1" * 99)


def test_a_bad_limit_is_refused(api: Api, requester: User) -> None:
    cases = [(limit, "Give a whole number from 1 to 100.") for limit in BAD_LIMITS]
    for limit, sentence in (*cases, ("10&limit=10", "Give this once.")):
        answer = api.get(f"/api/tickets?limit={limit}", by=requester)
        expected = {"error": f"limit: {sentence}", "code": "invalid", "field": "limit"}
        assert problem(answer) == (400, expected)


BAD_CURSORS = (
    "",
    "x",
    "AAAA",
    "%C3%A9",
    "%00",
    "MTcwMC42NWYwYzBmZmVlNjVmMGMwZmZlZTAwMTI=",  # padded
    "MDE3MDAuNjVmMGMwZmZlZTY1ZjBjMGZmZWUwMDEy",  # 01700: not canonical
    "OTk5OTk5OTk5OTk5OTk5LjY1ZjBjMGZmZWU2NWYwYzBmZmVlMDAxMg",  # the year 33658
    "x" * 5_000,
)


def test_a_bad_cursor_is_refused(api: Api, requester: User) -> None:
    expected = {
        "error": "cursor: Give a nextCursor as it was answered, or leave it out for the newest "
        "tickets.",
        "code": "invalid",
        "field": "cursor",
    }
    for cursor in BAD_CURSORS:
        answer = api.get(f"/api/tickets?cursor={cursor}", by=requester)
        assert problem(answer) == (400, expected)
