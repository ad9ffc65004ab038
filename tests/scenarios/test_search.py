"""Search over signed HTTP: the command, the box and pages in Home, and the API."""

from typing import Any

import pytest

from bot.views import ids
from services.accounts.account_search import search_keys
from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.user import Role, User
from services.registry.services import Services
from services.search.word_sample import SAMPLES
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket
from tests.support import payloads
from tests.support.api_client import Api, problem
from tests.support.block_text import read
from tests.support.http_bot import HttpBot
from tests.support.recording_slack import RecordingSlack
from tests.support.view_state import elements

from tests.scenarios.test_lists import Listener, numbers  # isort: skip

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _new_sample() -> None:
    SAMPLES.clear()


def named(people: People, db: Mongo, email: str, name: str, role: Role = Role.USER) -> User:
    user = people.add(role, email=email, emailKey=email, name=name)
    db.users.update_one({"_id": user.id}, {"$set": {"searchKeys": search_keys(user)}})
    return user


def texts(shown: Json) -> str:
    return "\n".join(read(shown))


def test_an_employee_and_a_moderator_search(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    services: Services,
    tickets: TicketService,
    clock: FixedClock,
) -> None:
    ada = named(people, db, "ada@example.com", "Ada Lovelace")
    twin = named(people, db, "byron@example.com", "Ada Byron")
    staff = people.add(Role.MODERATOR)
    filed = []
    for user, title, description in (
        (ada, "Café Wi-Fi", "The *VPN* of <!channel> drops & `dies` :fire: 🔥 " + "so long " * 300),
        (twin, "VPN", "password: hunter2"),
        (ada, "VPNに接続できない", "切断されました"),
    ):
        filed.append(file_ticket(tickets, user, title, description))
        clock.advance(minutes=1)
    for text, internal in (("Old router", True), ("Have you tried a crêpe?", False)):
        services.comments.add(
            actor=Actor.from_user(staff),
            ticket_id=str(filed[0].id),
            text=text,
            internal=internal,
        )
    employee = Listener(http_bot, slack, people.slack_id(ada))
    moderator = Listener(http_bot, slack, people.slack_id(staff))

    # Each sees what they may; those with the word in the title first.
    shown = employee.type("search vpn")
    assert (shown["response_type"], numbers(shown)) == ("ephemeral", [3, 1])
    assert "Description: The \u2217*VPN*\u2217 of &lt;!channel&gt; drops &amp; " in texts(shown)
    assert "…" in texts(shown)
    assert numbers(moderator.type("search VPN")) == [3, 2, 1]
    assert numbers(moderator.type("search hunter2")) == []
    # Accents, pairs of letters, notes and comments.
    assert numbers(employee.type("search cafe wi")) == [1]
    assert numbers(employee.type("search 接続")) == [3]
    assert "Comment: Have you tried a *crêpe*?" in texts(employee.type("search CREPE"))
    assert numbers(employee.type("search router")) == []
    assert "Internal note: Old *router*" in texts(moderator.type("search rout"))
    # Numbers.
    assert numbers(moderator.type("search #2")) == [2]
    assert numbers(employee.type("search 2")) == []
    # Nothing found, and what cannot be searched for.
    nothing = employee.type("search <!channel> :tada: nothing")
    assert "No ticket that you may see matches." in texts(nothing)
    assert read(nothing)[-1] == "File a ticket"
    for typed, sentence in (
        ("search", "Write what to search for"),
        ("search owner:ada", "There is no filter owner:. Use status:, priority:, assignee:, "),
        ("search status:gone", "Write open, assigned, in-progress, waiting, "),
        (f"search {'x' * 200}", "Write at most 150 characters."),
        ("search assignee:byron", "No one is found by “byron”."),
    ):
        assert sentence in employee.type(typed)["text"]
    # Several people.
    asked = moderator.type("search vpn from:ada")
    assert "Several people match from:ada. Who do you mean?" in read(asked)
    assert "Ada Byron · byron@example.com" in read(asked)
    chosen = {
        e["accessibility_label"]: e["value"]
        for e, _ in elements(asked)
        if e.get("action_id") == ids.SEARCH_PERSON
    }
    assert [label.partition(" ·")[0] for label in chosen] == [
        "Choose Ada Lovelace",
        "Choose Ada Byron",
    ]
    shown = moderator.press(asked, ids.SEARCH_PERSON)
    assert numbers(shown) == [3, 1]
    assert 'For “vpn from:"Ada Lovelace"”' in read(shown)
    assert read(moderator.press(shown, ids.LIST_OPEN))[0] == "#3 VPNに接続できない"


def test_search_in_home_in_pages(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    clock: FixedClock,
) -> None:
    requester, staff = people.add(), people.add(Role.MODERATOR)
    for number in range(1, 13):
        clock.advance(minutes=1)
        file_ticket(tickets, requester, f"Printer {number}", "Out of <ink>")
    user = people.slack_id(staff)
    ben = Listener(http_bot, slack, user)
    assert http_bot.answer(payloads.home_opened(user)) == {}
    slack.wait_for("views.publish")

    page = ben.press_in_home(ids.SEARCH_BOX, "printer ink")
    assert numbers(page) == list(range(12, 2, -1))
    assert numbers(ben.press_in_home(ids.SEARCH_NEXT)) == [2, 1]
    assert read(ben.press_in_home(ids.HOME_OPEN))[0] == "#2 Printer 2"
    assert numbers(ben.press_in_home(ids.HOME_BACK)) == [2, 1]
    assert numbers(ben.press_in_home(ids.SEARCH_FIRST))[0] == 12
    assert "No ticket that you may see matches." in texts(
        ben.press_in_home(ids.SEARCH_BOX, "toner")
    )
    before = slack.home(user)
    wrong = payloads.block_actions(before, ids.SEARCH_BOX, "status:gone", user=user)
    assert http_bot.answer(wrong) == {}
    (opened,) = slack.wait_for("views.open", 1)
    assert "Write open, assigned," in str(opened.args["view"])
    assert read(ben.press_in_home(ids.HOME_BACK))[0].startswith("Hello")


def test_search_by_api(
    api: Api,
    people: People,
    db: Mongo,
    tickets: TicketService,
    clock: FixedClock,
) -> None:
    ada = named(people, db, "ada@example.com", "Ada Lovelace")
    named(people, db, "byron@example.com", "Ada Byron")
    staff = people.add(Role.MODERATOR)
    for number in range(1, 6):
        clock.advance(minutes=1)
        file_ticket(
            tickets, ada if number % 2 else staff, f"Printer {number}", "Out of toner. pin: 4711"
        )

    found: list[int] = []
    cursor = ""
    for _ in range(3):
        answered = api.get(f"/api/tickets?q=toner%20print&limit=2{cursor}", by=staff)
        assert answered.status_code == 200, answered.text
        answer = answered.json()
        found += [ticket["number"] for ticket in answer["tickets"]]
        cursor = f"&cursor={answer['nextCursor']}"
    assert (found, answer["nextCursor"]) == ([5, 4, 3, 2, 1], None)
    assert "4711" not in str(answer)
    own = api.get("/api/tickets?q=printer", by=ada).json()["tickets"]
    assert [ticket["number"] for ticket in own] == [5, 3, 1]
    for query, sentence in (
        ("q=", "Write what to search for"),
        ("q=from:ada", "Several people match from:ada."),
        ("q=since:x", "Write a date or an age"),
        ("q=toner&cursor=abc", "Give a nextCursor as it was answered"),
        ("q=a&q=b", "Give this once."),
    ):
        answered = api.get(f"/api/tickets?{query}", by=staff)
        status, body = problem(answered)
        assert (status, body["code"]) == (400, "invalid")
        assert sentence in body["error"]
