"""The bot, its workers, and people who press what they were sent, over the recording Slack."""

from typing import Any

from services.models.ticket import Ticket
from services.models.user import User
from tasks.runtime import Runtime
from tests.conftest import Bot, FixedClock, People, RecordingPublisher, send_due_reminders, work
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack

Json = dict[str, Any]


class BotAndWorkers:
    def __init__(
        self, bot: Bot, slack: RecordingSlack, runtime: Runtime, publisher: RecordingPublisher
    ) -> None:
        self.bot, self.slack = bot, slack
        self._runtime, self._publisher = runtime, publisher

    def work(self, ticket: Ticket | None = None) -> None:
        if ticket:
            work(self._runtime, self._publisher, ticket)

    def send_due_reminders(self) -> None:
        """What gathers before it is told, a moment later."""
        clock = self._runtime.clock
        assert isinstance(clock, FixedClock)
        send_due_reminders(self._runtime, clock)

    def messages(self, user: User) -> list[Json]:
        return self.slack.messages(People.slack_id(user))

    def texts(self, user: User) -> list[str]:
        """What their messages say of the ticket, less those in threads."""
        shown = [m["text"] for m in self.messages(user) if "thread_ts" not in m]
        return [text.split("”: ", 1)[1] for text in shown]

    def card(self, user: User, number: int = 0) -> Json:
        return self.messages(user)[number]

    def press(self, user: User, message: Json, step: str) -> None:
        """A button, or the choice in the menu that stands for it."""
        labels = {
            e["action_id"]: e
            for b in message["blocks"]
            for e in b.get("elements", ())
            if "action_id" in e
        }
        slack_id = People.slack_id(user)
        if step in labels:
            body = payloads.block_actions(message, step, user=slack_id)
        else:
            options = labels["more"]["options"]
            (value,) = [o["value"] for o in options if o["value"].startswith(f"{step}:")]
            body = payloads.block_actions(message, "more", value, user=slack_id)
        assert self.bot.answer(body) == {}

    def submit(self, user: User, **values: str | None) -> Json:
        view = self.slack.last_view()
        return self.bot.answer(payloads.view_submission(view, values, user=People.slack_id(user)))

    def ephemeral_messages(self) -> list[tuple[str, str]]:
        calls = self.slack.calls_to("chat.postEphemeral")
        return [(call.args["user"], call.args["text"]) for call in calls]


def buttons(message: Json) -> list[str]:
    return [
        element["text"]["text"]
        for block in message["blocks"]
        for element in block.get("elements", ())
        if element["type"] == "button"
    ]


def said(message: Json) -> str:
    return str(message["blocks"])


def message_counts(system: BotAndWorkers, *users: User) -> list[int]:
    """How many messages each of them has got by now."""
    return [len(system.messages(user)) for user in users]
