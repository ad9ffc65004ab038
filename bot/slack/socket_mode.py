"""Socket Mode that stops gracefully: who has been let in still gets an answer."""

import threading
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

# With what comes after the answers, well within the ten seconds a process has to exit.
DRAIN_SECONDS = 5.0


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
            super().handle(client, req)
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
