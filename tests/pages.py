"""The bot's pages on a real server, for a module that names this file in `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from bot.desk import Desk
from services.account_services import AccountServices
from services.users import UserService
from tests.browsing import Browser, serving


@pytest.fixture
def url(desk: Desk, account_services: AccountServices, users: UserService) -> Iterator[str]:
    with serving(desk, account_services, users) as address:
        yield address


@pytest.fixture
def browser(url: str) -> Browser:
    """Nobody is signed in."""
    return Browser(url)
