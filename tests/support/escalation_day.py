"""Working days with a clock that the test moves; jobs and workers run what is due."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.views.messages.digest import DIGEST_TITLE
from services.core.database import Mongo
from services.escalation.escalation_steps import EscalationSteps
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox.reminders import BATCH_WINDOW
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks import escalation
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket, reload, work
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TRIAGE


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in March 2037; the 2nd is a Monday."""
    return datetime(2037, 3, day, hour, minute, tzinfo=UTC)


@dataclass
class Day:
    """Starts on Monday, 2 March 2037, at 09:00 UTC, when business hours start."""

    db: Mongo
    clock: FixedClock
    slack: RecordingSlack
    people: People
    tickets: TicketService
    ticket_actions: TicketActions
    publisher: RecordingPublisher
    runtime: Runtime
    has_triage: bool = True

    def __post_init__(self) -> None:
        self.clock.now = at(2, 9)
        if self.has_triage:
            self.slack.add_channel(TRIAGE)
            self.runtime = replace(self.runtime, triage_channel=TRIAGE)
        self.runtime.services.has_triage = self.has_triage

    @property
    def steps(self) -> EscalationSteps:
        return replace(self.runtime.services, has_triage=self.has_triage).escalation_steps

    def file(
        self, requester: User, title: str = "VPN is down", priority: str | None = "high"
    ) -> Ticket:
        """File a ticket and let the workers assign it."""
        ticket = file_ticket(self.tickets, requester, title, priority=priority)
        self.deliver(ticket)
        return self.now(ticket)

    def now(self, ticket: Ticket) -> Ticket:
        return reload(self.db, ticket)

    def accept(self, ticket: Ticket, by: User) -> None:
        self.ticket_actions.accept(actor=Actor.from_user(by), ticket_id=str(ticket.id))
        self.deliver(ticket)

    def deliver(self, *tickets: Ticket) -> None:
        """Let the workers act on the tickets."""
        for ticket in tickets:
            self.publisher.publish_ticket(str(ticket.id))
        work(self.runtime, self.publisher)

    def sweep(self) -> None:
        """Run the escalation job once and let the workers act."""
        escalation.take_due_steps(self.steps, self.publisher, should_continue=lambda: True)
        work(self.runtime, self.publisher)

    def send_due_reminders(self) -> None:
        """Send the reminders that are due."""
        escalation.request_due_reminders(self.runtime.services.reminders, self.publisher)
        work(self.runtime, self.publisher)

    def goes_on_at(self, moment: datetime) -> None:
        """Run the jobs at `moment`, after a pause since their last run."""
        self.clock.now = moment
        self.sweep()
        self.send_due_reminders()
        self.clock.now += BATCH_WINDOW
        self.send_due_reminders()

    def runs_until(self, moment: datetime) -> None:
        """Run the jobs whenever something is due until `moment`."""
        while (due := self._next()) and due < moment:
            self.goes_on_at(max(due, self.clock.now))
        self.goes_on_at(moment)

    def _next(self) -> datetime | None:
        """Return the time of the next escalation step or reminder."""
        tickets, nudges = self.db.tickets, self.db.nudges
        first = [doc["alarm"]["at"] for doc in tickets.find({"alarm": {"$ne": None}})]
        first += [doc["at"] for doc in nudges.find({"at": {"$ne": None}})]
        return min(first, default=None)

    def texts_to(self, reader: User | str) -> list[str]:
        """Return the texts of all messages except cards."""
        return [message["text"] for message in self.messages(reader)]

    def messages(self, reader: User | str) -> list[dict[str, Any]]:
        conversation = reader if isinstance(reader, str) else People.slack_id(reader)
        shown = self.slack.messages(conversation)
        return [message for message in shown if not _is_card(message)]

    def history(self, ticket: Ticket) -> list[str]:
        """Return the escalation steps taken."""
        return [str(event.to) for event in self.now(ticket).events if event.field == "alarm"]

    def moderator(self, *skills: str, **fields: Any) -> User:
        return self.people.add(Role.MODERATOR, *skills, **fields)

    def admin(self, **fields: Any) -> User:
        """Add an admin, who gets tickets only if no moderator can."""
        return self.people.add(Role.ADMIN, **fields)


def _is_card(message: dict[str, Any]) -> bool:
    """Whether it is a card, or what is left of it for a former assignee."""
    first = message["blocks"][0]
    is_headed = bool(first["type"] == "header" or "accessory" in first)
    return is_headed and not message["text"].startswith(DIGEST_TITLE)


def texts(message: dict[str, Any]) -> list[str]:
    """Return the texts of sections and contexts."""
    found = []
    for block in message["blocks"]:
        if block["type"] == "section" and "text" in block:
            found.append(block["text"]["text"])
        if block["type"] == "context":
            found += [element["text"] for element in block["elements"]]
    return found
