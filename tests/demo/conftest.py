"""The demo's servers and product, one set per module, and the members who use it."""

from collections.abc import Iterator

import pytest

from demo.local_stack import Stack
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as made:
        yield made


@pytest.fixture(scope="module")
def workspace(stack: Stack) -> Iterator[SlackPage]:
    with SlackPage(stack.slack.url) as page:
        yield page


@pytest.fixture
def emma(workspace: SlackPage) -> SlackUser:
    return SlackUser(workspace, "U0EMMA")


@pytest.fixture
def nils(workspace: SlackPage) -> SlackUser:
    return SlackUser(workspace, "U0NILS")


@pytest.fixture
def ada(workspace: SlackPage) -> SlackUser:
    return SlackUser(workspace, "U0ADA")
