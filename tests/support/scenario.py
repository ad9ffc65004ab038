"""Where the stories of one ticket begin: a requester, a moderator who gets it, and a colleague.

A module that tells one names this file in `pytest_plugins`.
"""

import pytest

from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.runtime import Runtime
from tests.conftest import Bot, People, RecordingPublisher, file_ticket
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def system(
    ticket_bot: Bot, slack: RecordingSlack, runtime: Runtime, publisher: RecordingPublisher
) -> BotAndWorkers:
    return BotAndWorkers(ticket_bot, slack, runtime, publisher)


@pytest.fixture
def ann(people: People) -> User:
    """Who files the ticket."""
    return people.add()


@pytest.fixture
def ben(people: People) -> User:
    """Who gets it."""
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def cleo(people: People, ben: User) -> User:
    """Who could have got it."""
    return people.add(Role.MODERATOR, "Printer")


@pytest.fixture
def ticket(
    system: BotAndWorkers, tickets: TicketService, ann: User, ben: User, cleo: User
) -> Ticket:
    filed = file_ticket(tickets, ann, "VPN is down")
    system.work(filed)
    assert (system.texts(ann), system.texts(ben), system.texts(cleo)) == (
        [f"in progress ({ben.name})"],
        ["assigned to you"],
        [],
    )
    return filed
