"""Working days, for modules that name this file in `pytest_plugins`."""

import pytest

from services.core.database import Mongo
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher
from tests.support.escalation_day import Day
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def day(
    db: Mongo,
    clock: FixedClock,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    ticket_actions: TicketActions,
    publisher: RecordingPublisher,
    runtime: Runtime,
) -> Day:
    return Day(db, clock, slack, people, tickets, ticket_actions, publisher, runtime)
