"""A bot process at work, from ready to stopped, over Socket Mode, HTTP or both."""

import threading
from collections.abc import Callable

from bot.socket_mode import Connection
from bot.web.server import WebServer


def serve(
    *,
    web: WebServer,
    connection: Connection | None,
    stop: threading.Event,
    ready: Callable[[], None],
) -> None:
    """Answer until `stop` is set; then let nobody in any more and finish what is under way."""
    with web:
        if connection:
            connection.connect()  # type: ignore[no-untyped-call]  # Bolt leaves it unannotated
        ready()
        stop.wait()
        # Both at once: together they have ten seconds.
        closing = threading.Thread(target=web.stop)
        closing.start()
        if connection:
            connection.drain()
        closing.join()
