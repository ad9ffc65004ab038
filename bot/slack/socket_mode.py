"""Socket Mode that stops gracefully: who has been let in still gets an answer."""

import json
import threading
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

# With what comes after the answers, well within the ten seconds a process has to exit.
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

    # as the base's
    def handle(self, client: SocketModeClient, req: SocketModeRequest) -> Any:  # type: ignore[override]
        with self._change:
            if self._stopping:  # unanswered, Slack offers it to another connection
                return
            self._running += 1
        try:
            super().handle(_Utf8Sender(client), req)  # type: ignore[arg-type]  # all that it uses
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()

    def drain(self) -> None:
        """Let nobody in any more, wait for the answers under way, then hang up."""
        with self._change:
            self._stopping = True
            self._change.wait_for(lambda: self._running == 0, timeout=DRAIN_SECONDS)
        self.close()  # type: ignore[no-untyped-call]  # Bolt leaves it unannotated
