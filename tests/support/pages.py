"""The account pages on a real server, for modules that name this file in `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from bot.slack.bot_process import BotProcess
from tests.support.page_client import Browser, serving


@pytest.fixture
def url(bot_process: BotProcess) -> Iterator[str]:
    with serving(bot_process) as address:
        yield address


@pytest.fixture
def browser(url: str) -> Browser:
    """A browser without a session."""
    return Browser(url)
