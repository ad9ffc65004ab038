"""Lists of tickets in an ephemeral message and in Home: commands, filters, pages."""

from typing import Any

import pytest

from bot.views import ids
from services.core.database import Mongo
from services.lists.list_query import skill_key
from services.models.permissions import Actor
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tests.conftest import Bot, FixedClock, People, file_ticket
from tests.support import payloads
from tests.support.block_text import read
from tests.support.blockkit import check_message
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL
from tests.support.view_state import elements, find_element

DENIED = "Your role does not allow you to see other people's tickets. Ask an admin if it should."
NOT_FOUND = "There is no such ticket, or you may not see it."


class Reader:
    """A user with a list from a command, which buttons change."""

    def __init__(self, bot: Bot, slack: RecordingSlack, user: User) -> None:
        self._bot = bot
        self._slack = slack
        self.slack_id = People.slack_id(user)
        self.shown: dict[str, Any] = {}
        self.response_url = ""

    def type(self, text: str) -> list[str]:
        """Send `/ticket` with that text; return the texts of the answer."""
        body = payloads.slash_command(text, user=self.slack_id)
        answer = self._bot.answer(body)
        assert answer["response_type"] == "ephemeral"
        self.shown = answer
        assert check_message(answer) == []
        return self.see()

    def see(self) -> list[str]:
        """Return the rows and buttons."""
        if "blocks" not in self.shown:
            return [self.shown["text"]]
        return read({"blocks": [b for b in self.shown["blocks"] if not _is_filters(b)]})

    def set_to(self) -> list[str]:
        menus = [e for e, _ in elements(self.shown) if "initial_option" in e]
        return [menu["initial_option"]["text"]["text"] for menu in menus]

    def press(self, action_id: str, value: str | None = None, **forged: Any) -> list[str]:
        """Press a button, or choose a value from a menu; return the updated list."""
        self.response_url = self.response_url or self._slack.response_url()
        message = {"channel": GENERAL, "ts": "1700000000.000001", "blocks": self.shown["blocks"]}
        body = payloads.block_actions(
            message, action_id, value, user=self.slack_id, response_url=self.response_url, **forged
        )
        # For an ephemeral message, Slack sends its place but not its content.
        del body["message"]
        body["container"]["is_ephemeral"] = True
        before = len(self._slack.calls_to("response_url"))
        assert self._bot.answer(body) == {}
        for call in self._slack.calls_to("response_url")[before:]:
            if call.status == 200 and call.args["replace_original"]:
                self.shown = call.args
        return self.see()


def _is_filters(block: dict[str, Any]) -> bool:
    return str(block.get("block_id")).startswith("filters|")


def numbers(seen: list[str]) -> list[int]:
    rows = [text.partition(":")[0] for text in seen if text.startswith("Ticket ")]
    return [int(row.removeprefix("Ticket ")) for row in rows]


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ann(ticket_bot: Bot, slack: RecordingSlack, employee: User) -> Reader:
    return Reader(ticket_bot, slack, employee)


@pytest.fixture
def ben(ticket_bot: Bot, slack: RecordingSlack, moderator: User) -> Reader:
    return Reader(ticket_bot, slack, moderator)


@pytest.fixture
def twelve(tickets: TicketService, employee: User, clock: FixedClock) -> None:
    """Filed by the employee, one minute apart; every third is urgent."""
    for number in range(1, 13):
        clock.advance(minutes=1)
        priority = "low" if number % 3 else "urgent"
        file_ticket(tickets, employee, title=f"Trouble {number}", priority=priority)


def test_nothing_to_list_yet(ann: Reader, ben: Reader) -> None:
    assert ann.type("list") == [
        "Your tickets",
        "You have no open tickets. When something does not work, type /ticket.",
    ]
    assert ben.type("assigned")[-1].startswith("Nothing is assigned to you.")
    assert ben.type("queue") == [
        "The queue",
        "No ticket is open. New ones appear here as soon as they are filed.",
    ]


@pytest.mark.parametrize("command", ["list", "LIST", "list please", " list "])
def test_a_list_is_typed_for(ann: Reader, twelve: None, command: str) -> None:
    assert numbers(ann.type(command)) == list(range(12, 2, -1))


def test_through_the_pages_and_back(ann: Reader, twelve: None) -> None:
    first = ann.type("list")
    assert first[-1] == "Next"
    assert numbers(ann.press(ids.LIST_NEXT)) == [2, 1]
    assert ann.see()[-1] == "Previous"
    assert ann.press(ids.LIST_PREVIOUS) == first


def test_a_list_is_narrowed_and_widened(ann: Reader, twelve: None) -> None:
    everything = ann.type("list")
    assert ann.set_to() == ["All that are open", "Any priority"]
    assert numbers(ann.press(ids.LIST_PRIORITY, "urgent")) == [12, 9, 6, 3]
    assert ann.set_to() == ["All that are open", "Urgent"]
    assert ann.press(ids.LIST_STATUS, "WAITING")[1:] == [
        "No ticket here matches these filters. Press Clear filters to see all that are open.",
    ]
    assert ann.set_to() == ["Waiting for your answer", "Urgent"]
    assert numbers(ann.press(ids.LIST_STATUS, "any")) == [12, 9, 6, 3]
    assert ann.press(ids.LIST_CLEAR) == everything


def test_a_filter_leads_to_the_first_page(ann: Reader, twelve: None) -> None:
    ann.type("list")
    ann.press(ids.LIST_NEXT)
    assert numbers(ann.press(ids.LIST_STATUS, "TODO")) == list(range(12, 2, -1))


def test_what_was_resolved_lately_is_a_filter_away(
    ann: Reader, twelve: None, ticket_actions: TicketActions, moderator: User, db: Mongo
) -> None:
    for number in (4, 7):
        doc = db.tickets.find_one({"title": f"Trouble {number}"})
        assert doc is not None
        ticket_actions.resolve(
            actor=Actor.from_user(moderator), ticket_id=str(doc["_id"]), resolution="New cable."
        )
    assert 7 not in numbers(ann.type("list"))
    assert numbers(ann.press(ids.LIST_STATUS, "COMPLETED")) == [7, 4]


def test_the_queue_is_in_the_order_of_work(
    ben: Reader, twelve: None, ticket_actions: TicketActions, moderator: User, db: Mongo
) -> None:
    assert numbers(ben.type("queue")) == [3, 6, 9, 12, 1, 2, 4, 5, 7, 8]
    doc = db.tickets.find_one({"title": "Trouble 3"})
    assert doc is not None
    ticket_actions.take(actor=Actor.from_user(moderator), ticket_id=str(doc["_id"]))
    assert numbers(ben.press(ids.LIST_STATUS, "any")) == [6, 9, 12, 1, 2, 4, 5, 7, 8, 10]
    assert numbers(ben.press(ids.LIST_NEXT)) == [11, 3]
    assert numbers(ben.press(ids.LIST_ASSIGNEE, str(moderator.id))) == [3]
    assert numbers(ben.press(ids.LIST_ASSIGNEE, "nobody"))[:2] == [6, 9]
    assert numbers(ben.type("assigned")) == [3]
    row = ben.see()[ben.see().index("Ticket 3: Trouble 3") + 2]
    assert row.startswith(":red_circle: Urgent · due ")
    assert " · *In progress* · From <@U" in row  # accepted, so no longer "Assigned"


def test_the_queue_by_skill(ben: Reader, twelve: None, db: Mongo) -> None:
    db.tickets.update_many(
        {"title": {"$in": ["Trouble 5", "Trouble 8"]}}, {"$set": {"relatedSkills": ["VPN", "DNS"]}}
    )
    ben.type("queue")
    assert numbers(ben.press(ids.LIST_SKILL, skill_key("vpn"))) == [5, 8]
    assert numbers(ben.press(ids.LIST_PRIORITY, "urgent")) == []


def test_open_shows_the_ticket_and_keeps_the_list(
    ann: Reader, twelve: None, slack: RecordingSlack
) -> None:
    before = ann.type("list")
    assert ann.press(ids.LIST_OPEN) == before
    (page,) = slack.calls_to("response_url")
    assert (page.args["replace_original"], page.args["response_type"]) == (False, "ephemeral")
    assert read(page.args)[0] == "#12 Trouble 12"


def test_a_plain_user_has_no_queue(ann: Reader, twelve: None) -> None:
    for command in ("queue", "assigned"):
        assert ann.type(command) == [DENIED]


@pytest.mark.parametrize("listed", ["queue", "assigned"])
def test_a_plain_user_forges_a_button(
    ann: Reader, twelve: None, slack: RecordingSlack, listed: str
) -> None:
    before = ann.type("list")
    assert ann.press(ids.LIST_NEXT, f"{listed},,,,,|") == before
    (refusal,) = slack.calls_to("chat.postEphemeral")
    assert refusal.args["text"] == DENIED
    assert slack.calls_to("response_url") == []


@pytest.mark.parametrize(
    "value", ["", "nonsense", '{"$gt": ""}', "own,{$gt: ''},$where|", "|||||", "own,,,,,>0~x|"]
)
def test_a_forged_button_is_the_top_of_ones_own_list(ann: Reader, twelve: None, value: str) -> None:
    before = ann.type("list")
    assert ann.press(ids.LIST_NEXT, value) == before


def test_a_forged_option_is_none(ben: Reader, twelve: None) -> None:
    before = ben.type("queue")
    for menu in (ids.LIST_STATUS, ids.LIST_PRIORITY, ids.LIST_ASSIGNEE, ids.LIST_SKILL):
        element, block = find_element(ben.shown, menu, None)
        forged = {"selected_option": {"value": '{"$gt": ""}'}}
        body = {"type": element["type"], "action_id": menu, "block_id": block, **forged}
        assert ben.press(menu, "any", actions=[body]) == before


def test_another_users_button_shows_ones_own_list(
    ann: Reader, twelve: None, ticket_bot: Bot, slack: RecordingSlack, people: People
) -> None:
    ann.type("list")
    stranger = Reader(ticket_bot, slack, people.add())
    stranger.shown = ann.shown
    assert stranger.press(ids.LIST_NEXT)[1:] == [
        "You have no open tickets. When something does not work, type /ticket."
    ]
    stranger.shown = ann.shown
    stranger.press(ids.LIST_OPEN)
    (refusal,) = slack.calls_to("chat.postEphemeral")
    assert refusal.args["text"] == NOT_FOUND


def test_after_five_changes_it_says_how_to_go_on(
    ann: Reader, twelve: None, slack: RecordingSlack
) -> None:
    ann.type("list")
    for _ in range(2):
        ann.press(ids.LIST_NEXT)
        ann.press(ids.LIST_PREVIOUS)
    last = ann.press(ids.LIST_NEXT)
    assert ann.press(ids.LIST_PREVIOUS) == last
    (told,) = slack.calls_to("chat.postEphemeral")
    assert told.args["text"] == (
        "This list can be changed only five times in half an hour. Type "
        "/ticket list to see it as it is now."
    )
    assert told.args["channel"] == GENERAL


def test_where_the_bot_may_not_speak_a_modal_says_it(
    ben: Reader, twelve: None, slack: RecordingSlack
) -> None:
    ben.type("queue")
    ben.response_url = slack.response_url().replace("/response/", "/response/0")
    slack.fail("chat.postEphemeral", error="channel_not_found")
    ben.press(ids.LIST_NEXT)
    assert slack.last_view()["blocks"][0]["text"]["text"].endswith(
        "Type /ticket queue to see it as it is now."
    )


def test_it_handles_500(ann: Reader, twelve: None, slack: RecordingSlack) -> None:
    before = ann.type("list")
    slack.fail("response_url", status=500)
    assert ann.press(ids.LIST_NEXT) == before
    (told,) = slack.calls_to("chat.postEphemeral")
    assert told.args["text"].startswith("Slack had a problem just now. Try again in a moment.")


def test_the_database_is_away(
    ann: Reader, twelve: None, bot_without_database: Bot, slack: RecordingSlack, employee: User
) -> None:
    away = "This does not work right now, because the database is away. Try again in a minute."
    ann.type("list")
    cut_off = Reader(bot_without_database, slack, employee)
    cut_off.shown = ann.shown
    cut_off.press(ids.LIST_NEXT)
    assert slack.calls_to("chat.postEphemeral")[0].args["text"] == away
    body = payloads.slash_command("list", user=cut_off.slack_id)
    assert bot_without_database.answer(body)["text"] == away


@pytest.mark.parametrize(
    ("menu", "typed", "offered"),
    [
        (ids.LIST_ASSIGNEE, "", ["Anyone", "Unassigned", "Ann", "Moderator 2"]),
        (ids.LIST_ASSIGNEE, "an", ["Ann"]),
        (ids.LIST_SKILL, "", ["Any skill", "DNS", "VPN"]),
        (ids.LIST_SKILL, "v", ["VPN"]),
        (ids.LIST_SKILL, "<!channel>", []),
    ],
)
def test_a_long_menu_offers_what_is_typed(
    ticket_bot: Bot,
    people: People,
    employee: User,
    moderator: User,
    menu: str,
    typed: str,
    offered: list[str],
) -> None:
    people.add(Role.ADMIN, "DNS", name="Ann")
    element = {"type": "external_select", "action_id": menu}
    view = {"type": "home", "id": "V1", "blocks": [{"type": "actions", "elements": [element]}]}

    def ask(user: User) -> list[str]:
        body = payloads.block_suggestion(view, menu, typed, user=People.slack_id(user))
        return [option["text"]["text"] for option in ticket_bot.answer(body)["options"]]

    assert ask(moderator) == offered
    assert ask(employee) == []


def test_no_more_are_offered_than_slack_takes(ticket_bot: Bot, moderator: User, db: Mongo) -> None:
    accounts = [
        {"email": f"m{number}@example.com", "role": "moderator", "name": f"M {number}"}
        for number in range(120)
    ]
    db.users.insert_many(accounts)
    element = {"type": "external_select", "action_id": ids.LIST_ASSIGNEE}
    view = {"type": "home", "id": "V1", "blocks": [{"type": "actions", "elements": [element]}]}
    body = payloads.block_suggestion(view, ids.LIST_ASSIGNEE, user=People.slack_id(moderator))
    assert len(ticket_bot.answer(body)["options"]) == 100
