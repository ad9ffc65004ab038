"""A request channel in which members write, and the tickets that come of it."""

from collections.abc import Sequence
from typing import Any

from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.ttl_cache import invalidate_caches
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import FixedClock, People
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.comment_helpers import event_of
from tests.support.slack_workspace import TEAM_ID

Json = dict[str, Any]
IT_HELP = "C0ITHELP"


class Channel:
    """A request channel in which members write, by the clock of the test."""

    def __init__(self, system: BotAndWorkers, clock: FixedClock) -> None:
        self.system, self._clock = system, clock
        self._number = 0

    def configure(self, mode: ChannelMode, *, is_private: bool = False) -> None:
        self.system.slack.add_channel(IT_HELP, is_member=True, members=[], is_private=is_private)
        channel = RequestChannel(
            TEAM_ID,
            IT_HELP,
            mode,
            is_private=is_private,
            name="it-help",
            is_channel_private=is_private,
        )
        self.system.db.channels.insert_one(channel.to_doc())
        invalidate_caches()

    def written(self, user: User | str, text: str, **fields: Any) -> Json:
        """Return the event of a message that is written now."""
        self._number += 1
        ts = f"{int(self._clock().timestamp())}.{self._number:06d}"
        author = user if isinstance(user, str) else People.slack_id(user)
        message = self.system.slack.say(IT_HELP, text, **{"user": author, "ts": ts, **fields})
        return event_of(message, is_im=False)

    def write(self, user: User | str, text: str, **fields: Any) -> Json:
        event = self.written(user, text, **fields)
        self.send(event)
        return event

    def send(self, event: Json) -> None:
        """Send the event at the time of the test's clock, and let the workers act."""
        event["event"]["event_ts"] = f"{self._clock().timestamp():.6f}"
        assert self.system.bot.answer(event) == {}
        self.system.work()

    def tickets(self) -> list[Ticket]:
        return [
            Ticket.from_doc(doc) for doc in self.system.db.tickets.find(FILED).sort("number", 1)
        ]

    def only_ticket(self) -> Ticket:
        (ticket,) = self.tickets()
        return ticket

    def notices(self) -> Sequence[tuple[str, str]]:
        return self.system.ephemeral_messages()
