"""The bot's pages on a real server, for a module that names this file in `pytest_plugins`."""

from collections.abc import Iterator

import pytest
from bot.slack.bot_services import BotServices
from services.auth.services import AccountServices

from services.accounts.users import UserService
from tests.support.page_client import Browser, serving


@pytest.fixture
def url(
    bot_services: BotServices, account_services: AccountServices, users: UserService
) -> Iterator[str]:
    with serving(bot_services, account_services, users) as address:
        yield address


@pytest.fixture
def browser(url: str) -> Browser:
    """Nobody is signed in."""
    return Browser(url)
