"""Lists over signed HTTP: commands, filters and pages, in messages and in Home."""

from typing import Any

from bot.views import ids
from services.core.database import Mongo
from services.models.user import Role
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket
from tests.support import payloads
from tests.support.block_text import read
from tests.support.http_bot import HttpBot
from tests.support.processes import eventually
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL
from tests.support.view_state import elements

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]


def numbers(shown: Json) -> list[int]:
    rows = [text.partition(":")[0] for text in read(shown) if text.startswith("Ticket ")]
    return [int(row.removeprefix("Ticket ")) for row in rows]


class Listener:
    """A user who filters and pages lists, in messages and in Home."""

    def __init__(self, bot: HttpBot, slack: RecordingSlack, user: str) -> None:
        self._bot = bot
        self._slack = slack
        self._user = user
        self._presses = 0

    def type(self, text: str) -> Json:
        return self._bot.answer(payloads.slash_command(text, user=self._user))

    def press(self, shown: Json, action_id: str, value: str | None = None) -> Json:
        """Press and return what replaces the message."""
        message = {"channel": GENERAL, "ts": "1700000000.000001", "blocks": shown["blocks"]}
        body = payloads.block_actions(
            message, action_id, value, user=self._user, response_url=self._slack.response_url()
        )
        assert self._bot.answer(body) == {}
        self._presses += 1
        return self._slack.wait_for("response_url", self._presses)[-1].args

    def press_in_home(self, action_id: str, value: str | None = None) -> Json:
        before = self._slack.home(self._user)
        body = payloads.block_actions(before, action_id, value, user=self._user)
        assert self._bot.answer(body) == {}
        eventually(
            lambda: self._slack.home(self._user)["hash"] != before["hash"], what="Home changed"
        )
        return self._slack.home(self._user)


def test_the_queue_from_the_command_to_the_ticket(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    clock: FixedClock,
    db: Mongo,
) -> None:
    employee, moderator = people.add(), people.add(Role.MODERATOR, "VPN")
    for number in range(1, 14):
        clock.advance(minutes=1)
        urgent = "urgent" if number > 11 else None
        file_ticket(tickets, employee, f"Trouble {number}", priority=urgent)
    db.tickets.update_one({"title": "Trouble 5"}, {"$set": {"relatedSkills": ["VPN"]}})
    ben = Listener(http_bot, slack, people.slack_id(moderator))

    shown = ben.type("queue")
    assert (shown["response_type"], numbers(shown)) == ("ephemeral", [12, 13, *range(1, 9)])
    shown = ben.press(shown, ids.LIST_NEXT)
    assert (shown["replace_original"], numbers(shown)) == (True, [9, 10, 11])
    shown = ben.press(shown, ids.LIST_PRIORITY, "urgent")
    assert numbers(shown) == [12, 13]
    shown = ben.press(ben.press(shown, ids.LIST_CLEAR), ids.LIST_SKILL, _value(shown, "VPN"))
    assert numbers(shown) == [5]
    page = ben.press(shown, ids.LIST_OPEN)
    assert (page["replace_original"], read(page)[:2]) == (False, ["#5 Trouble 5", "Take it"])

    ann = Listener(http_bot, slack, people.slack_id(employee))
    assert numbers(ann.type("list")) == list(range(13, 3, -1))
    assert ann.type("queue")["text"] == (
        "Your role does not allow you to see other people's tickets. Ask an admin if it should."
    )


def test_the_queue_in_home(
    http_bot: HttpBot, slack: RecordingSlack, people: People, tickets: TicketService
) -> None:
    moderator = people.add(Role.MODERATOR, "VPN")
    user = people.slack_id(moderator)
    file_ticket(tickets, people.add(), "Trouble", priority="high")
    ben = Listener(http_bot, slack, user)
    assert http_bot.answer(payloads.home_opened(user)) == {}
    slack.wait_for("views.publish")
    assert numbers(ben.press_in_home(ids.HOME_QUEUE)) == [1]
    assert numbers(ben.press_in_home(ids.LIST_PRIORITY, "low")) == []
    assert numbers(ben.press_in_home(ids.LIST_CLEAR)) == [1]
    assert read(ben.press_in_home(ids.HOME_OPEN))[:2] == ["#1 Trouble", "Back"]
    assert read(ben.press_in_home(ids.HOME_BACK))[0] == "The queue"


def _value(shown: Json, label: str) -> str:
    """Return the value of the option with this label."""
    options = [option for e, _ in elements(shown) for option in e.get("options", ())]
    return next(str(o["value"]) for o in options if o["text"]["text"] == label)
