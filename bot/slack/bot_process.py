"""Dependencies that the handlers, HTTP API and account pages of a bot process share."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property

from slack_sdk import WebClient

from services.core.database import CircuitBreaker
from services.core.metrics import InMemoryMeter
from services.core.settings import Settings
from services.ops.event_arrivals import EventArrivals
from services.outbox.pending import Publisher
from services.registry.services import Services
from services.team_settings import slack_settings

# For all queries of a handler together, so that Slack has its answer within 3 s.
HANDLER_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class BotProcess:
    """`team_id` and `team_url`, which ends in a slash, come from Slack's `auth.test`.

    `meter` counts this process's metrics, labelled `name`. While `pending_indexes` returns any, no
    handler, page or API operation works with MongoDB.
    """

    services: Services
    config: Settings
    client: WebClient
    publisher: Publisher
    team_id: str
    team_url: str
    name: str = "bot"
    meter: InMemoryMeter = field(default_factory=InMemoryMeter)
    pending_indexes: Callable[[], Sequence[str]] = lambda: ()
    event_arrivals: EventArrivals = field(default_factory=EventArrivals)

    @property
    def triage_channel(self) -> str:
        """The id of the channel that admins have set, or of TRIAGE_CHANNEL; "" for none."""
        return slack_settings.triage_channel(self.services.db, variable=self.config.triage_channel)

    @property
    def ticket_emoji(self) -> str:
        """The name of the emoji that admins have set, or of TICKET_EMOJI."""
        return slack_settings.ticket_emoji(self.services.db, variable=self.config.ticket_emoji)

    @cached_property
    def database(self) -> CircuitBreaker:
        """The deadline of all work with MongoDB in this process."""
        return CircuitBreaker(self.services.db, pending_indexes=self.pending_indexes)

    def handler_deadline(self) -> AbstractContextManager[None]:
        """Limit the work with MongoDB in the block to the time of a handler."""
        return self.database.deadline(HANDLER_TIMEOUT_SECONDS)
