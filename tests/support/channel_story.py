"""A request channel, and a bot that gets its events over signed HTTP, for modules that name this
file in `pytest_plugins`."""

import pytest

from services.channels.request_channels import ChannelMode
from tests.conftest import FixedClock
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.request_channel import Channel

pytest_plugins = ["tests.support.scenario", "tests.support.signed_bot"]


@pytest.fixture
def channel(system: BotAndWorkers, clock: FixedClock) -> Channel:
    return Channel(system, clock)


@pytest.fixture
def every(channel: Channel) -> Channel:
    channel.configure(ChannelMode.EVERY_MESSAGE)
    return channel
