"""Socket Mode with a graceful stop: requests in progress are still answered."""

import threading
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

# Leaves time for work after the answers: a process has ten seconds to exit.
DRAIN_SECONDS = 5.0


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
            super().handle(client, req)
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
