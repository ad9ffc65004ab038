"""The bot of a test behind its web server, which gets Slack's payloads over signed HTTP.

A module uses it as `ticket_bot` by naming this file in `pytest_plugins`.
"""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from bot.app import create_app
from bot.slack.bot_process import BotProcess
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from bot.web.slack_events import SlackEvents
from tests.conftest import Bot, Inline, make_config
from tests.support import payloads
from tests.support.http_bot import SECRET


class SignedBot(Bot):
    """The bot behind its web server, to which Slack's signed requests are posted."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, body: dict[str, Any]) -> Any:
        data, headers = payloads.signed(body, SECRET)
        answer = requests.post(self._url, data=data, headers=headers, timeout=10)
        return SimpleNamespace(status=answer.status_code, body=answer.text)


@pytest.fixture
def ticket_bot(bot_process: BotProcess) -> Iterator[Bot]:
    config = make_config(SLACK_SIGNING_SECRET=SECRET)
    app = create_app(replace(bot_process, config=config), executor=Inline())
    events = SlackEvents(app, signing_secret=SECRET)
    web = create_flask_app(is_ready=lambda: True, slack_events=events)
    with WebServer(web, host="127.0.0.1", port=0) as server:
        yield SignedBot(f"http://127.0.0.1:{server.port}/slack/events")
