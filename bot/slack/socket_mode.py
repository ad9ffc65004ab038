"""Socket Mode with a graceful stop: requests in progress are still answered."""

import json
import threading
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

# Leaves time for work after the answers: a process has ten seconds to exit.
DRAIN_SECONDS = 5.0


class _Utf8Sender:
    """Sends answers as UTF-8.

    slack_sdk cannot send a frame of more than 65,535 bytes, and its \\uXXXX escapes make six bytes
    of a letter that UTF-8 writes in three: the answer to a long menu in Japanese never arrived.
    """

    def __init__(self, client: SocketModeClient) -> None:
        self._client = client
        self.logger = client.logger

    def send_socket_mode_response(self, response: SocketModeResponse) -> None:
        text = json.dumps(response.to_dict(), ensure_ascii=False, separators=(",", ":"))
        self._client.send_message(text)


class SocketModeConnection(SocketModeHandler):
    def __init__(self, app: App, app_token: str) -> None:
        super().__init__(app, app_token)
        self._change = threading.Condition()
        self._running = 0
        self._stopping = False

    # the base class has no annotations
    def handle(self, client: SocketModeClient, req: SocketModeRequest) -> Any:  # type: ignore[override]
        with self._change:
            if self._stopping:  # Slack sends an unanswered request to another connection
                return
            self._running += 1
        try:
            super().handle(_Utf8Sender(client), req)  # type: ignore[arg-type]  # all that it uses
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()

    def drain(self) -> None:
        """Accept no more requests, wait for those in progress, then close."""
        with self._change:
            self._stopping = True
            self._change.wait_for(lambda: self._running == 0, timeout=DRAIN_SECONDS)
        self.close()  # type: ignore[no-untyped-call]  # Bolt leaves it unannotated
