"""The live state of local-slack's page, received over the page's WebSocket."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import requests
import websocket

from demo.block_translation import Json

T = TypeVar("T")
TIMEOUT_SECONDS = 15.0


class NotSeenError(AssertionError):
    """A wait timed out; `str(error)` says what is shown instead."""


@dataclass
class PageState:
    """The page's state, built from local-slack's events."""

    users: dict[str, Json] = field(default_factory=dict)
    channels: dict[str, Json] = field(default_factory=dict)
    messages: dict[str, list[Json]] = field(default_factory=dict)
    modals: list[Json] = field(default_factory=list)
    homes: dict[str, Json] = field(default_factory=dict)
    errors: dict[str, str] | None = None
    connected: bool = False
    answers: int = 0  # how often the modals or their errors changed
    fences: set[str] = field(default_factory=set)

    def apply(self, event: Json) -> None:
        handler = getattr(self, f"_{event['t']}", None)
        if handler:
            handler(event)

    def _init(self, event: Json) -> None:
        state = event["state"]
        self.users = {user["id"]: user for user in state["users"]}
        self.channels = {channel["id"]: channel for channel in state["channels"]}
        self.messages = state["messages"]
        self.modals = state["modalStack"]
        self.connected = any(app["connected"] for app in state["apps"])

    def _channel(self, event: Json) -> None:
        self.channels[event["channel"]["id"]] = event["channel"]

    def _message(self, event: Json) -> None:
        message = event["message"]
        self.messages.setdefault(message["channel"], []).append(message)

    def _message_update(self, event: Json) -> None:
        new = event["message"]
        kept = self.messages.get(new["channel"], [])
        self.messages[new["channel"]] = [new if old["ts"] == new["ts"] else old for old in kept]

    def _message_delete(self, event: Json) -> None:
        kept = self.messages.get(event["channel"], [])
        self.messages[event["channel"]] = [old for old in kept if old["ts"] != event["ts"]]

    def _view(self, event: Json) -> None:
        self.modals, self.errors = event["stack"], None
        self.answers += 1

    def _home(self, event: Json) -> None:
        self.homes[event["user"]] = event["view"]

    def _view_errors(self, event: Json) -> None:
        self.errors = event["errors"]
        self.answers += 1

    def _log(self, event: Json) -> None:
        detail = event["entry"].get("detail")
        if isinstance(detail, dict) and "fence" in detail:
            self.fences.add(detail["fence"])

    def _socket_status(self, event: Json) -> None:
        self.connected = event["connected"]


class SlackPage:
    """`with SlackPage(local_slack.url) as workspace:`, then `SlackUser(workspace, "U1")`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.state = PageState()
        self._changed = threading.Condition()
        self._socket = websocket.create_connection(url.replace("http", "ws", 1) + "/ui", timeout=5)
        self.state.apply(json.loads(self._socket.recv()))
        self._socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, name="local-slack page", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                received = self._socket.recv()
            except (websocket.WebSocketException, OSError):
                return
            if not received:
                return
            with self._changed:
                self.state.apply(json.loads(received))
                self._changed.notify_all()

    def send(self, kind: str, **fields: Any) -> None:
        """Send what the page sends for a user's action."""
        self._socket.send(json.dumps({"t": kind, **fields}))

    def control(self, action: str, /, **fields: Any) -> None:
        """Act over the control API; return once the bot has answered and the state is current."""
        answer = requests.post(
            f"{self.url}/_control/{action}", json=fields, timeout=TIMEOUT_SECONDS
        )
        answer.raise_for_status()
        self._catch_up()

    def _catch_up(self) -> None:
        """Wait until the state holds all that local-slack knew before this call.

        It reports each Web API call, even an unknown one, to the page: earlier events come first.
        """
        fence = uuid.uuid4().hex
        requests.post(f"{self.url}/api/fence", data={"fence": fence}, timeout=TIMEOUT_SECONDS)
        self.wait_for(lambda: fence in self.state.fences, "local-slack's page to catch up")

    def wait_for(
        self, condition: Callable[[], T | None], what: str, *, seconds: float = TIMEOUT_SECONDS
    ) -> T:
        """Return the first true value of `condition()`, called again after each change.

        Raises `NotSeenError` after `seconds`; `what` completes the sentence "Waited ... for".
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (seen := condition()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NotSeenError(f"Waited {seconds:.0f} s for {what}.")
                self._changed.wait(left)
        return seen

    def wait_for_bot(self, *, seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until a bot is connected by Socket Mode."""
        self.wait_for(lambda: self.state.connected, "the bot to connect", seconds=seconds)

    def close(self) -> None:
        self._socket.close()
        self._reader.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
