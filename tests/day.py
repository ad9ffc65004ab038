"""A working day for a module that names this file in `pytest_plugins`."""

import pytest

from services.database import Mongo
from services.moves import TicketMoves
from services.tickets import TicketService
from tasks.runtime import Runtime
from tests.alarm_day import Day
from tests.conftest import FixedClock, People, RecordingPublisher
from tests.recording_slack import RecordingSlack


@pytest.fixture
def day(
    db: Mongo,
    clock: FixedClock,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    moves: TicketMoves,
    publisher: RecordingPublisher,
    runtime: Runtime,
) -> Day:
    return Day(db, clock, slack, people, tickets, moves, publisher, runtime)
