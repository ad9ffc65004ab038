"""A bot process at work, from ready to stopped, over Socket Mode, HTTP or both."""

import threading
from collections.abc import Callable

from bot.assembly import Parts


def serve(parts: Parts, stop: threading.Event, *, ready: Callable[[], None]) -> None:
    """Answer until `stop` is set; then let nobody in any more and finish what is under way."""
    with parts.web:
        if parts.connection:
            parts.connection.connect()  # type: ignore[no-untyped-call]  # Bolt leaves it unannotated
        ready()
        stop.wait()
        # Both at once: together they have ten seconds.
        closing = threading.Thread(target=parts.web.stop)
        closing.start()
        if parts.connection:
            parts.connection.drain()
        closing.join()
    parts.listeners.shutdown(wait=True)
