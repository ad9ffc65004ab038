"""Stopping: accepted payloads are answered, no other is accepted."""

import json
import logging
import threading
import time
from typing import Any

import pytest
from slack_bolt import BoltRequest, BoltResponse
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.builtin.frame_header import FrameHeader
from slack_sdk.socket_mode.builtin.internals import _build_data_frame_for_sending
from slack_sdk.socket_mode.request import SocketModeRequest

import bot.app
from bot.slack import socket_mode
from bot.slack.bot_process import BotProcess
from bot.slack.socket_mode import SocketModeConnection
from tests.conftest import Inline
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack

SECONDS = 10  # only bounds a test that fails


class FakeClient(SocketModeClient):
    """Remembers which envelopes were answered, and with what. Never connects."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("fake")
        self.messages: list[str] = []
        self.answered: dict[str, Any] = {}
        self.closed_after: list[str] | None = None

    def send_message(self, message: str) -> None:
        self.messages.append(message)
        answer = json.loads(message)
        self.answered[answer["envelope_id"]] = answer.get("payload")

    def close(self) -> None:
        self.closed_after = list(self.answered)


class SlowApp:
    """Answers when the test says so."""

    def __init__(self, connection: SocketModeConnection) -> None:
        self.arrived, self.may_answer = threading.Semaphore(0), threading.Event()
        connection.app.dispatch = self.dispatch  # type: ignore[method-assign]  # a slow handler

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        self.arrived.release()
        assert self.may_answer.wait(SECONDS)
        return BoltResponse(status=200, body="")


@pytest.fixture
def connection(bot_process: BotProcess) -> SocketModeConnection:
    made = SocketModeConnection(bot.app.create_app(bot_process, executor=Inline()), "xapp-test")
    made.client.close()
    made.client = FakeClient()
    return made


@pytest.fixture
def client(connection: SocketModeConnection) -> FakeClient:
    assert isinstance(connection.client, FakeClient)
    return connection.client


def envelope(name: str) -> SocketModeRequest:
    command = payloads.slash_command("help", user="U0ANN")
    return SocketModeRequest(type="slash_commands", envelope_id=name, payload=command)


def test_it_answers(connection: SocketModeConnection, client: FakeClient) -> None:
    connection.handle(client, envelope("1"))
    assert client.answered["1"]["text"].startswith("What you can do:")


def test_a_long_answer_fits_into_a_frame(
    connection: SocketModeConnection, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many options as Slack takes, of as many letters, none of which is ASCII."""
    text = {"type": "plain_text", "text": "本" * 75, "emoji": True}
    options = [{"text": text, "value": str(n), "description": text} for n in range(100)]
    answer = BoltResponse(status=200, body={"options": options})
    monkeypatch.setattr(connection.app, "dispatch", lambda _: answer)
    connection.handle(client, envelope("1"))
    assert client.answered["1"] == {"options": options}
    (message,) = client.messages
    assert _build_data_frame_for_sending(message, FrameHeader.OPCODE_TEXT)


def test_draining_waits_for_the_answers_under_way(
    connection: SocketModeConnection, client: FakeClient
) -> None:
    app = SlowApp(connection)
    running = [
        threading.Thread(target=connection.handle, args=(client, envelope(number)))
        for number in ("1", "2")
    ]
    for thread in running:
        thread.start()
        assert app.arrived.acquire(timeout=SECONDS)
    draining = threading.Thread(target=connection.drain)
    draining.start()
    while not connection._stopping:
        time.sleep(0.01)
    connection.handle(client, envelope("late"))  # turned away at the door, so this returns
    assert client.closed_after is None
    app.may_answer.set()
    for thread in (*running, draining):
        thread.join(SECONDS)
    assert sorted(client.closed_after or []) == ["1", "2"]


def test_draining_gives_up_on_an_answer_that_never_comes(
    connection: SocketModeConnection, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_mode, "DRAIN_SECONDS", 0.05)
    app = SlowApp(connection)
    stuck = threading.Thread(target=connection.handle, args=(client, envelope("1")))
    stuck.start()
    assert app.arrived.acquire(timeout=SECONDS)
    connection.drain()
    assert client.closed_after == []
    app.may_answer.set()
    stuck.join(SECONDS)


def test_a_failing_answer_holds_nobody_up(
    connection: SocketModeConnection, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: BoltRequest) -> BoltResponse:
        raise RuntimeError("out of order")

    monkeypatch.setattr(connection.app, "dispatch", fails)
    with pytest.raises(RuntimeError):
        connection.handle(client, envelope("1"))
    connection.drain()
    assert client.closed_after == []


def test_an_idle_connection_closes_at_once(
    connection: SocketModeConnection, client: FakeClient, slack: RecordingSlack
) -> None:
    connection.drain()
    connection.handle(client, envelope("late"))
    assert client.closed_after == []
    assert client.answered == {}
    assert slack.calls_to("apps.connections.open") == []
