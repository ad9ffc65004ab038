"""A Slack member in front of App Home, through the whole bot."""

from typing import Any

from services.models.user import User
from tests.conftest import Bot, People
from tests.support import payloads
from tests.support.block_text import read
from tests.support.recording_slack import RecordingSlack
from tests.support.view_state import elements


class Visitor:
    def __init__(self, bot: Bot, slack: RecordingSlack, user: User) -> None:
        self._bot = bot
        self._slack = slack
        self.slack_id = People.slack_id(user)

    def open(self, tab: str = "home", **event: Any) -> list[str]:
        """Open the app, and return what Home shows."""
        body = {"type": "app_home_opened", "user": self.slack_id, "channel": "D0X", "tab": tab}
        assert self._bot.answer(payloads.event({**body, **event})) == {}
        return self.see()

    def see(self) -> list[str]:
        return read(self._slack.home(self.slack_id))

    def press(
        self, label: str, *, number: int = 0, on: dict[str, Any] | None = None, **forged: Any
    ) -> list[str]:
        """Press the button of that label and `number`, in the current Home or in `on`."""
        view = on or self._slack.home(self.slack_id)
        found = [
            (element, block)
            for element, block in elements(view)
            if element["type"] == "button" and element["text"]["text"] == label
        ]
        element, block = found[number]
        body = payloads.block_actions(
            view, element["action_id"], user=self.slack_id, block_id=block, **forged
        )
        assert self._bot.answer(body) == {}
        return self.see()

    def choose(self, action_id: str, value: str) -> list[str]:
        """Choose an option of the first menu with that action_id."""
        view = self._slack.home(self.slack_id)
        body = payloads.block_actions(view, action_id, value, user=self.slack_id)
        assert self._bot.answer(body) == {}
        return self.see()

    def submit(self, **values: Any) -> dict[str, Any]:
        """Submit the open modal; return {} if it closes."""
        view = self._slack.last_view()
        return self._bot.answer(payloads.view_submission(view, values, user=self.slack_id))
