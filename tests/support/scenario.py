"""The users and the ticket that the scenarios of one ticket begin with.

A module uses them by naming this file in `pytest_plugins`.
"""

from dataclasses import replace

import pytest

from services.models.ticket import Ticket
from services.models.user import Role, User
from tasks.runtime import Runtime
from tests.conftest import Bot, People, RecordingPublisher
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TRIAGE


@pytest.fixture
def system(
    ticket_bot: Bot, slack: RecordingSlack, runtime: Runtime, publisher: RecordingPublisher
) -> BotAndWorkers:
    return BotAndWorkers(ticket_bot, slack, runtime, publisher)


@pytest.fixture
def triage(system: BotAndWorkers) -> BotAndWorkers:
    """The help desk with a triage channel, in which the bot and all users are."""
    system.slack.add_channel(TRIAGE, is_member=True, members=None)
    system.runtime = replace(system.runtime, triage_channel=TRIAGE)
    return system


@pytest.fixture
def ann(people: People) -> User:
    """The requester."""
    return people.add()


@pytest.fixture
def ben(people: People) -> User:
    """The assignee."""
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def cleo(people: People, ben: User) -> User:
    """A moderator without the skill."""
    return people.add(Role.MODERATOR, "Printer")


@pytest.fixture
def ticket(system: BotAndWorkers, ann: User, ben: User, cleo: User) -> Ticket:
    filed = system.file(ann)
    assert (system.texts(ann), system.texts(ben), system.texts(cleo)) == (
        [f"assigned to {ben.name}"],
        ["assigned to you"],
        [],
    )
    return filed
