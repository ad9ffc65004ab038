"""The text of a list, in a message and in Home, and that Slack accepts it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.views import ids
from bot.views.home import overview, ticket_list
from bot.views.text import fits_limit
from services.home.home_service import TicketListPage
from services.home.sessions import Screen
from services.linking.links import Directory
from services.lists.list_query import (
    NO_ASSIGNEE,
    Filter,
    ListCursor,
    ListKind,
    ListQuery,
    skill_key,
)
from services.lists.list_service import ListPage, ListResult
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from tests.conftest import sample_ticket
from tests.support.block_text import read
from tests.support.blockkit import check_message, check_view
from tests.support.view_state import elements, find_element

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # fixed, because test names include it
ANN, BEN, GONE = (ObjectId() for _ in range(3))
USERS = (
    User(ANN, "ann@example.com", Role.USER, name="Ann Employee"),
    User(BEN, "ben@example.com", Role.MODERATOR, name="Ben"),
)
PEOPLE = Directory({user.id: user for user in USERS}, {ANN: "U0ANN", BEN: "U0BEN"})
TIME = f"<!date^{int((NOW - timedelta(hours=2)).timestamp())}^{{ago}}|2 hours ago>"
KEY = "0-999999999999999-4-000001700000000"
BEFORE, AFTER = (ListCursor(is_before, KEY, ObjectId()) for is_before in (True, False))
SKILLS = {skill_key(skill): skill for skill in ("DNS", "VPN")}


def a_ticket(**fields: Any) -> Ticket:
    filed = {"created_by": ANN, "assigned_to": BEN, "created_at": NOW - timedelta(hours=2)}
    return sample_ticket(**{**filed, "status": Status.IN_PROGRESS, **fields})


def listed(selection: ListQuery, *tickets: Ticket, **fields: Any) -> ListResult:
    return ListResult(
        **{
            "list_query": selection,
            "page": ListPage(tickets),
            "people": PEOPLE,
            "assignees": USERS[1:],
            "skills": SKILLS,
            "now": NOW,
            **fields,
        }
    )


def message(content: ListResult) -> dict[str, Any]:
    shown = ticket_list.list_message(content).as_args()
    assert check_message(shown) == []
    assert fits_limit(shown["blocks"])
    return shown


def in_home(content: ListResult) -> dict[str, Any]:
    view = overview.home_view(TicketListPage(Screen(list_query=content.list_query), content))
    assert check_view(view, home=True) == []
    return view


def rows(shown: dict[str, Any]) -> list[str]:
    """Return the texts below the filters."""
    kept = [block for block in shown["blocks"] if "filters|" not in block.get("block_id", "")]
    return read({"blocks": kept})


def offered(shown: dict[str, Any], action_id: str) -> tuple[list[str], str]:
    """Return the options of a filter, and its current one."""
    element, _ = find_element(shown, action_id, None)
    texts = [option["text"]["text"] for option in element["options"]]
    return texts, element["initial_option"]["text"]["text"]


def leads(shown: dict[str, Any], label: str) -> list[Screen]:
    buttons = [element for element, _ in elements(shown) if element["type"] == "button"]
    return [Screen.decode(b["value"]) for b in buttons if b["text"]["text"] == label]


OWN, PARTICIPATING, ASSIGNED, QUEUE = (
    ListQuery(kind)
    for kind in (ListKind.OWN, ListKind.PARTICIPATING, ListKind.ASSIGNED, ListKind.QUEUE)
)


def test_the_queue_in_a_message() -> None:
    mine = a_ticket(priority=Priority.HIGH, due_at=NOW + timedelta(hours=6))
    free = a_ticket(id=ObjectId(), number=13, status=Status.TODO, assigned_to=None, created_at=None)
    shown = message(listed(QUEUE, free, mine))
    assert rows(shown) == [
        "The queue",
        "Unassigned tickets first, then what is due first, then the most urgent, then the oldest.",
        "Ticket 13: VPN drops",
        "Open",
        "*Open* · Not assigned yet",
        "Ticket 12: VPN drops",
        "Open",
        f":large_orange_circle: High · due {home_moment()} · *Assigned to <@U0BEN>* · filed {TIME}",
    ]
    assert shown["text"] == (
        "The queue:\n"
        "Ticket 13 “VPN drops”: open, not assigned yet\n"
        f"Ticket 12 “VPN drops”: high priority, due {home_moment()}, assigned to Ben"
    )


@pytest.mark.parametrize("selection", [OWN, QUEUE])
def test_a_row_begins_with_priority_and_lateness(selection: ListQuery) -> None:
    late = a_ticket(priority=Priority.URGENT, due_at=NOW - timedelta(hours=2))
    shown = message(listed(selection, late))
    assert rows(shown)[-1] == (
        f":red_circle: Urgent · due {TIME}, *late* · *Assigned to <@U0BEN>* · filed {TIME}"
    )
    line = shown["text"].splitlines()[-1]
    assert line == f"Ticket 12 “VPN drops”: urgent priority, due {TIME}, late, assigned to Ben"


@pytest.mark.parametrize("selection", [OWN, QUEUE])
def test_a_private_one_is_marked(selection: ListQuery) -> None:
    shown = message(listed(selection, a_ticket(private=True)))
    assert rows(shown)[-1] == f"*Assigned to <@U0BEN>* · private · filed {TIME}"
    assert shown["text"].endswith("Ticket 12 “VPN drops”: assigned to Ben, private")


def home_moment() -> str:
    at = NOW + timedelta(hours=6)
    fallback = at.strftime("%-d %b %Y, %H:%M UTC")
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


@pytest.mark.parametrize("selection", [OWN, QUEUE])
def test_what_is_accepted_says_by_whom(selection: ListQuery) -> None:
    shown = message(listed(selection, a_ticket(accepted_at=NOW)))
    assert rows(shown)[-1] == f"*In progress* · Accepted by <@U0BEN> · filed {TIME}"
    assert shown["text"].endswith("”: in progress, accepted by Ben")


def test_ones_own_says_who_has_it_and_the_assigned_whose_it_is() -> None:
    assert rows(message(listed(OWN, a_ticket()))) == [
        "Your tickets",
        "The newest first.",
        "Ticket 12: VPN drops",
        "Open",
        f"*Assigned to <@U0BEN>* · filed {TIME}",
    ]
    assert rows(message(listed(ASSIGNED, a_ticket(created_by=GONE)))) == [
        "Assigned to you",
        "What is due first, then the most urgent, then the oldest.",
        "Ticket 12: VPN drops",
        "Open",
        f"*Assigned* · From someone who has left · filed {TIME}",
    ]


def test_what_was_cancelled_is_not_called_resolved() -> None:
    done = replace(OWN, status=Status.COMPLETED)
    cancelled = a_ticket(status=Status.COMPLETED, resolution="cancelled")
    shown = rows(message(listed(done, cancelled, a_ticket(id=ANN, status=Status.COMPLETED))))
    assert [text.split(" · ")[0] for text in shown if text.startswith("*")] == [
        "*Cancelled*",
        "*Resolved*",
    ]


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (OWN, "You have no open tickets. When something does not work, type /ticket."),
        (
            ASSIGNED,
            "Nothing is assigned to you. A new ticket comes to you as a direct message; "
            "/ticket queue shows what you could take.",
        ),
        (PARTICIPATING, "You take part in no open ticket of someone else."),
        (QUEUE, "No ticket is open. New ones appear here as soon as they are filed."),
        (
            replace(QUEUE, priority=Priority.LOW),
            "No ticket here matches these filters. Press Clear filters to see all that are open.",
        ),
    ],
)
def test_an_empty_list_says_what_to_do(selection: ListQuery, says: str) -> None:
    shown = message(listed(selection))
    assert rows(shown)[1:] == [says]
    assert shown["text"] == says
    assert (leads(shown, "Clear filters") == [Screen(list_query=selection.without_filters)]) == (
        selection.has_filters
    )
    assert rows(in_home(listed(selection))) == [rows(shown)[0], "Back", says]


def test_home_has_a_way_back() -> None:
    view = in_home(listed(QUEUE, a_ticket()))
    assert leads(view, "Back") == [Screen()]
    assert rows(view)[:2] == ["The queue", "Back"]


def test_the_filters_of_each_list() -> None:
    in_work = "Assigned or in progress"
    statuses = ["All that are open", "Open", in_work, "Waiting for the requester"]
    every = {
        ids.LIST_STATUS: ([*statuses, "Reopened"], "All that are open"),
        ids.LIST_PRIORITY: (["Any priority", "Urgent", "High", "Medium", "Low"], "Any priority"),
        ids.LIST_ASSIGNEE: (["Anyone", "Unassigned", "Ben"], "Anyone"),
        ids.LIST_SKILL: (["Any skill", "DNS", "VPN"], "Any skill"),
    }
    for drawn in (message, in_home):
        shown = drawn(listed(QUEUE))
        assert {each: offered(shown, each) for each in every} == every
    own = message(listed(OWN))
    assert offered(own, ids.LIST_STATUS)[0] == [
        *statuses[:3],
        "Waiting for your answer",
        "Resolved or cancelled",
        "Reopened",
    ]
    assert {element["action_id"] for element, _ in elements(own)} == {
        ids.LIST_STATUS,
        ids.LIST_PRIORITY,
    }
    with pytest.raises(LookupError):
        offered(message(listed(ASSIGNED)), ids.LIST_ASSIGNEE)


def test_the_filters_show_what_they_are_set_to() -> None:
    narrow = ListQuery(
        ListKind.QUEUE,
        status=Status.WAITING,
        priority=Priority.URGENT,
        assignee=NO_ASSIGNEE,
        skill=skill_key("vpn"),
    )
    shown = message(listed(narrow, a_ticket()))
    assert [offered(shown, each)[1] for each in ticket_list.FILTER_ACTION_IDS.values()] == [
        "Waiting for the requester",
        "Urgent",
        "Unassigned",
        "VPN",
    ]
    assert leads(shown, "Clear filters") == [Screen(list_query=QUEUE)]


def test_an_assignee_who_has_left_is_named_all_the_same() -> None:
    for user_id, name in ((ANN, "Ann Employee"), (GONE, "someone who has left")):
        shown = message(listed(replace(QUEUE, assignee=str(user_id))))
        assert offered(shown, ids.LIST_ASSIGNEE) == (["Anyone", "Unassigned", "Ben", name], name)


@pytest.mark.parametrize("drawn", [message, in_home])
def test_a_press_brings_what_the_list_is_narrowed_by(
    drawn: Callable[[ListResult], dict[str, Any]],
) -> None:
    narrow = replace(QUEUE, priority=Priority.HIGH, assignee=str(BEN), cursor=AFTER)
    shown = drawn(listed(narrow, a_ticket(), page=ListPage((a_ticket(),), BEFORE, AFTER)))
    _, block_id = find_element(shown, ids.LIST_STATUS, None)
    assert ticket_list.query_from_block_id(block_id) == narrow.with_cursor(None)
    assert leads(shown, "Previous") == [Screen(list_query=narrow.with_cursor(BEFORE))]
    assert leads(shown, "Next") == [Screen(list_query=narrow.with_cursor(AFTER))]


def test_open_in_home_comes_back_to_the_list() -> None:
    narrow = replace(QUEUE, priority=Priority.HIGH, cursor=AFTER)
    content = listed(narrow, page=ListPage((a_ticket(),), BEFORE))
    assert leads(in_home(content), "Open") == [Screen(narrow, a_ticket().id)]
    opener, _ = find_element(message(content), ids.LIST_OPEN, None)
    assert opener["value"] == str(a_ticket().id)


@pytest.mark.parametrize("forged", ["", "filters", "filters|", "filters|||", "x|queue,$where"])
def test_a_forged_block_is_one_of_our_lists(forged: str) -> None:
    assert ticket_list.query_from_block_id(forged) in (OWN, QUEUE)


def test_only_the_ways_there_are() -> None:
    assert "Previous" not in rows(message(listed(QUEUE, a_ticket())))
    first = ListPage((a_ticket(),), next_cursor=AFTER)
    assert rows(message(listed(QUEUE, page=first)))[-1:] == ["Next"]


def team(size: int) -> dict[str, Any]:
    named = [f"Person {number}" for number in range(size)]
    users = [User(ObjectId(), "p@example.com", Role.MODERATOR, name=name) for name in named]
    skills = [f"Skill {number}" for number in range(size)]
    return {
        "assignees": tuple(users),
        "skills": {skill_key(skill): skill for skill in skills},
    }


def test_a_long_menu_is_filled_as_one_types() -> None:
    narrow = replace(QUEUE, skill=skill_key("Skill 7"))
    shown, view = message(listed(narrow, **team(100))), in_home(listed(narrow, **team(100)))
    for menu in (shown, view):
        skills, _ = find_element(menu, ids.LIST_SKILL, None)
        assert (skills["type"], skills["min_query_length"]) == ("external_select", 0)
        assert skills["initial_option"]["text"]["text"] == "Skill 7"
    few = in_home(listed(narrow, **team(98)))
    assert {element["type"] for element, _ in elements(few)} == {"static_select", "button"}


HOSTILE = "<!channel> <https://evil.example|Sign in> :tada: &amp;"


def test_what_people_wrote_is_no_markup() -> None:
    user = User(ANN, "a@example.com", Role.MODERATOR, name=HOSTILE)
    known = {"assignees": (user,), "skills": {skill_key(HOSTILE): HOSTILE}}
    ticket = a_ticket(title=HOSTILE, assigned_to=ANN)
    content = listed(QUEUE, ticket, people=Directory({ANN: user}, {}), **known)
    shown = message(content)
    in_home(content)
    assert f"Ticket 12: {HOSTILE}" in rows(shown)
    assert offered(shown, ids.LIST_SKILL)[0] == ["Any skill", HOSTILE]
    assert "<!channel>" not in shown["text"]


@pytest.mark.parametrize("sign", ["x", "本", "🔥", '"', "<", "&", "a\n"])
@pytest.mark.parametrize("selection", [OWN, ASSIGNED, QUEUE])
def test_the_longest_lists_fit(sign: str, selection: ListQuery) -> None:
    long = (sign * 400)[:400]
    users = tuple(User(ObjectId(), "a@example.com", Role.ADMIN, name=long) for _ in range(12))
    tickets = tuple(
        a_ticket(
            id=ObjectId(),
            number=2**31 - 1,
            title=(sign * 9_000)[:9_000],
            created_by=users[0].id,
            assigned_to=users[0].id,
            priority=Priority.URGENT,
            status=Status.WAITING,
            due_at=NOW,
        )
        for _ in range(10)
    )
    narrow = selection.with_filter(Filter.STATUS, Status.WAITING.value)
    for size in (1, 10, 12):
        content = listed(
            narrow,
            page=ListPage(tickets, BEFORE, AFTER),
            people=Directory({user.id: user for user in users}, {}),
            assignees=users[:size],
            skills={f"{number:012d}": (sign * 50)[:50] for number in range(size)},
        )
        shown = message(content)
        assert len(shown["text"]) <= 4_000
        assert rows(shown).count("Open") == 10
        in_home(content)
