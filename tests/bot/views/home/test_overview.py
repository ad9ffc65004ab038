"""The first page of Home, and that Slack accepts it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.views.due_text import format_datetime
from bot.views.home import overview
from services.availability.slack_status import NO_END
from services.home.home_service import HomePage, TicketPage
from services.home.sessions import Screen
from services.linking.links import Directory
from services.lists.list_query import ListCursor, ListKind, ListQuery
from services.lists.list_service import ListPage
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from tests.conftest import sample_ticket
from tests.support.block_text import read
from tests.support.blockkit import check_view

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # fixed, because test names include it
ANN, BEN, GONE = (ObjectId() for _ in range(3))
PEOPLE = Directory(
    users={
        ANN: User(ANN, "ann@example.com", Role.USER, name="Ann Employee"),
        BEN: User(BEN, "ben@example.com", Role.MODERATOR, name="Ben"),
    },
    slack_ids={ANN: "U0ANN", BEN: "U0BEN"},
)
HELP = "Type `/ticket help` in any conversation to read what else you can do."
AT = ListCursor(is_backward=False, sort_key="1700000000000", ticket_id=ObjectId())
TIME = f"<!date^{int((NOW - timedelta(hours=2)).timestamp())}^{{ago}}|2 hours ago>"


def a_ticket(**fields: Any) -> Ticket:
    filed = {"created_by": ANN, "assigned_to": BEN, "created_at": NOW - timedelta(hours=2)}
    return sample_ticket(**{**filed, "status": Status.IN_PROGRESS, **fields})


def shown(**fields: Any) -> dict[str, Any]:
    empty = {"screen": Screen(), "user_id": ANN, "own": ListPage(()), "assigned": None}
    empty |= {"participating": ListPage(()), "people": PEOPLE, "now": NOW}
    view = overview.home_view(HomePage(**{**empty, **fields}))
    assert check_view(view, home=True) == []
    return view


def pressed(view: dict[str, Any], label: str) -> list[Screen]:
    """Return the screens that the buttons of that label lead to."""
    parts = [
        part
        for block in view["blocks"]
        for part in [*block.get("elements", []), block.get("accessory", {})]
    ]
    buttons = [part for part in parts if part.get("type") == "button"]
    return [Screen.decode(b["value"]) for b in buttons if b["text"]["text"] == label]


# Its label and what to type.
SEARCH_BOX = ("Search tickets", "Words or a number; Enter searches")


def test_an_employee_without_tickets_is_told_what_to_do() -> None:
    assert read(shown()) == [
        "Hello, Ann Employee",
        "File a ticket",
        "My profile",
        *SEARCH_BOX,
        HELP,
        "---",
        "Your open tickets",
        "You have no open tickets. When something does not work, press File a ticket.",
        "All your tickets",
    ]


def test_a_moderator_without_tickets_is_told_what_comes() -> None:
    assert read(shown(user_id=BEN, assigned=ListPage(()))) == [
        "Hello, Ben",
        "File a ticket",
        "My profile",
        "My availability",
        "Waiting for me",
        "Unassigned",
        "Overdue",
        "The queue",
        *SEARCH_BOX,
        HELP,
        "---",
        "Your open tickets",
        "You have no open tickets. When something does not work, press File a ticket.",
        "All your tickets",
        "---",
        "Assigned to you",
        "Nothing is assigned to you. A new ticket comes to you as a direct message and stays "
        "here until you resolve it.",
        "All assigned to you",
        "Turn off the daily digest",
    ]


def test_who_has_turned_the_digest_off_can_turn_it_on() -> None:
    ben = replace(PEOPLE.users[BEN], wants_digest=False)
    people = replace(PEOPLE, users={BEN: ben})
    view = shown(user_id=BEN, assigned=ListPage(()), people=people)
    assert read(view)[-1] == "Turn on the daily digest"


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (NOW + timedelta(days=2), f"away until {format_datetime(NOW + timedelta(days=2))}"),
        (NO_END, "away"),
        (NOW, None),
    ],
    ids=["until Sunday", "for good", "no longer"],
)
def test_who_is_away_reads_why_no_ticket_comes(until: datetime, said: str | None) -> None:
    ben = replace(PEOPLE.users[BEN], away_until=until)
    people = replace(PEOPLE, users={BEN: ben})
    line = f"You are *{said}*, so no new tickets are assigned to you. If that is wrong, press "
    found = read(shown(user_id=BEN, assigned=ListPage(()), people=people))
    assert (f"{line}My availability." in found) is (said is not None)
    assert not any("away" in text for text in read(shown(user_id=BEN, people=people)))


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        (
            {"priority": Priority.HIGH},
            f":large_orange_circle: High · *Assigned to <@U0BEN>* · filed {TIME}",
        ),
        ({}, f"*Assigned to <@U0BEN>* · filed {TIME}"),
        (
            {"status": Status.TODO, "assigned_to": None},
            f"*Open* · Not assigned yet · filed {TIME}",
        ),
        (
            {"assigned_to": GONE, "created_at": None},
            "*Assigned to someone who has left*",
        ),
    ],
)
def test_a_row_of_ones_own(fields: dict[str, Any], facts: str) -> None:
    view = shown(own=ListPage((a_ticket(**fields),)))
    assert read(view)[8:-1] == ["Ticket 12: VPN drops", "Open", facts]


def test_a_row_of_the_assigned_says_whose_it_is() -> None:
    view = shown(user_id=BEN, assigned=ListPage((a_ticket(),)))
    assert read(view)[-5:-2] == [
        "Ticket 12: VPN drops",
        "Open",
        f"*Assigned* · From <@U0ANN> · filed {TIME}",
    ]


def test_a_ticket_of_ones_own_that_is_ones_own_work_stands_twice() -> None:
    page = ListPage((a_ticket(created_by=BEN),))
    assert read(shown(user_id=BEN, own=page, assigned=page)).count("Ticket 12: VPN drops") == 2


def test_its_buttons_lead_into_the_lists_and_to_the_tickets() -> None:
    ticket = a_ticket()
    page = ListPage((ticket,))
    view = shown(user_id=BEN, own=page, assigned=page)
    assert pressed(view, "Open") == [Screen(ticket_id=ticket.id)] * 2
    lists = {
        "All your tickets": ListKind.OWN,
        "All assigned to you": ListKind.ASSIGNED,
        "Waiting for me": ListKind.WAITING_FOR_ME,
        "Unassigned": ListKind.UNASSIGNED,
        "Overdue": ListKind.OVERDUE,
        "The queue": ListKind.QUEUE,
    }
    for label, kind in lists.items():
        assert pressed(view, label) == [Screen(list_query=ListQuery(kind))]


def test_it_says_where_there_is_more() -> None:
    page = ListPage((a_ticket(),))
    assert "There are more." not in read(shown(own=page, assigned=page))
    more = ListPage(page.tickets, next_cursor=AT)
    assert read(shown(own=more, assigned=page)).count("There are more.") == 1


def test_open_says_to_a_screen_reader_what_it_opens() -> None:
    view = shown(own=ListPage((a_ticket(),)))
    assert view["blocks"][6]["accessory"]["accessibility_label"] == "Open Ticket 12"


def test_a_refusal_is_a_sentence() -> None:
    view = overview.refusal_view("Guests cannot use this app.", app_name="IT help")
    assert check_view(view, home=True) == []
    assert read(view) == ["IT help", "Guests cannot use this app."]


HOSTILE = "<!channel> <https://evil.example|Sign in> :tada: &amp;"


def test_what_people_wrote_is_no_markup() -> None:
    people = Directory({ANN: User(ANN, "a@example.com", Role.USER, name=HOSTILE)}, {})
    page = ListPage((a_ticket(title=HOSTILE, assigned_to=ANN),))
    view = shown(people=people, own=page, assigned=page)
    mrkdwn = [part for part in json.dumps(view["blocks"]).split("{") if '"mrkdwn"' in part]
    assert [part for part in mrkdwn if "<!channel>" in part or "<https" in part] == []
    assert f"Hello, {HOSTILE}" in read(view)
    assert f"Ticket 12: {HOSTILE}" in read(view)


@pytest.mark.parametrize("sign", ["x", "本", "🔥", '"', "<", "&", "a\n"])
def test_the_longest_lists_fit(sign: str) -> None:
    name = (sign * 400)[:400]
    people = Directory({ANN: User(ANN, "a@example.com", Role.USER, name=name)}, {})
    tickets = tuple(
        a_ticket(
            id=ObjectId(),
            number=2**31 - 1,
            title=(sign * 9_000)[:9_000],
            assigned_to=ANN,
            priority=Priority.URGENT,
            status=Status.WAITING,
        )
        for _ in range(5)
    )
    page = ListPage(tickets, next_cursor=AT)
    view = shown(people=people, own=page, assigned=page)
    assert len(view["blocks"]) <= 100
    assert len(json.dumps(view).encode()) < 250_000


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("A" * 100, f"Hello, {'A' * 79}…"),
        (None, "Hello, ann"),
        ("Ann\nof  two lines", "Hello, Ann of two lines"),
    ],
)
def test_it_greets_by_name(name: str | None, greeting: str) -> None:
    people = Directory({ANN: User(ANN, "ann@example.com", Role.USER, name=name)}, {})
    assert read(shown(people=people))[0] == greeting


def test_a_ticket_takes_the_lists_place(a_ticket_page: Callable[[], TicketPage]) -> None:
    assert read(overview.home_view(a_ticket_page()))[0] == "#12 VPN drops"


@pytest.fixture
def a_ticket_page() -> Callable[[], TicketPage]:
    return lambda: TicketPage(
        screen=Screen(ticket_id=ObjectId()),
        ticket=a_ticket(),
        is_staff=False,
        actions=frozenset(),
        people=PEOPLE,
        now=NOW,
    )
