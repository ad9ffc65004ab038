"""The bot and its workers over the recording Slack, and users who press what they were sent."""

from typing import Any

from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import User
from tasks.runtime import Runtime
from tests.conftest import (
    Bot,
    FixedClock,
    People,
    RecordingPublisher,
    file_ticket,
    reload,
    send_due_reminders,
    work,
)
from tests.support import payloads
from tests.support.block_text import without_facts
from tests.support.recording_slack import RecordingSlack

Json = dict[str, Any]


class BotAndWorkers:
    """`tickets` and `actions` change tickets without Slack, as a request to the API does."""

    def __init__(
        self, bot: Bot, slack: RecordingSlack, runtime: Runtime, publisher: RecordingPublisher
    ) -> None:
        self.bot, self.slack, self.runtime, self.publisher = bot, slack, runtime, publisher
        self.tickets, self.actions = runtime.services.tickets, runtime.services.ticket_actions

    @property
    def db(self) -> Mongo:
        return self.runtime.db

    def file(self, requester: User, title: str = "VPN is down") -> Ticket:
        """File a ticket and let the workers act on it."""
        ticket = file_ticket(self.tickets, requester, title)
        self.work(ticket)
        return ticket

    def now(self, ticket: Ticket) -> Ticket:
        return reload(self.db, ticket)

    def work(self, ticket: Ticket | None = None) -> None:
        if ticket:
            self.publisher.publish_ticket(str(ticket.id))
        work(self.runtime, self.publisher)

    def deliver(self) -> None:
        """Publish every ticket in the outbox, as the sweep does, and let the workers act."""
        for doc in self.db.tickets.find({"outbox": True}):
            self.publisher.publish_ticket(str(doc["_id"]))
        self.work()

    def send_due_reminders(self) -> None:
        """Send the reminders that are held back to be sent together."""
        clock = self.runtime.clock
        assert isinstance(clock, FixedClock)
        send_due_reminders(self.runtime, clock)

    def messages(self, user: User) -> list[Json]:
        return self.slack.messages(People.slack_id(user))

    def texts(self, user: User) -> list[str]:
        """Return what the user's messages say of the ticket, without those in threads, and without
        priority and due date."""
        shown = [m["text"] for m in self.messages(user) if "thread_ts" not in m]
        return [without_facts(text.split("”: ", 1)[1]) for text in shown]

    def card(self, user: User, number: int = 0) -> Json:
        return self.messages(user)[number]

    def press(self, user: User, message: Json, step: str, **overrides: Any) -> None:
        """Press the button, or choose the step in the card's menu."""
        labels = {
            e["action_id"]: e
            for b in message["blocks"]
            for e in b.get("elements", ())
            if "action_id" in e
        }
        slack_id = People.slack_id(user)
        if step in labels:
            body = payloads.block_actions(message, step, user=slack_id, **overrides)
        else:
            body = payloads.menu_choice(message, step, user=slack_id, **overrides)
        assert self.bot.answer(body) == {}

    def submit(self, user: User, **values: str | None) -> Json:
        view = self.slack.last_view()
        return self.bot.answer(payloads.view_submission(view, values, user=People.slack_id(user)))

    def ephemeral_messages(self) -> list[tuple[str, str]]:
        self.work()  # sends the replies
        calls = self.slack.calls_to("chat.postEphemeral")
        return [(call.args["user"], call.args["text"]) for call in calls]


def buttons(message: Json) -> list[str]:
    return [
        element["text"]["text"]
        for block in message["blocks"]
        for element in (*block.get("elements", ()), block.get("accessory", {"type": ""}))
        if element["type"] == "button"
    ]


def said(message: Json) -> str:
    return str(message["blocks"])


def message_counts(system: BotAndWorkers, *users: User) -> list[int]:
    return [len(system.messages(user)) for user in users]
