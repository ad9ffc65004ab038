"""Hints sent by a thread of their own: whoever has changed a ticket does not wait for Redis."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial

from services.outbox import Publisher

logger = logging.getLogger(__name__)

# With Redis away each takes up to four seconds. What finds no room is left to the sweep.
ROOM = 1_000
# What still waits when the process ends is sent within so long, or left to the sweep.
LAST_SECONDS = 2.0


class Hints:
    """`services.outbox.Publisher` over another one, which it calls in the order of its calls."""

    def __init__(self, publisher: Publisher, *, room: int = ROOM) -> None:
        self._publisher = publisher
        self._waiting: queue.Queue[tuple[Context, Callable[[], None]] | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._work, name="hints", daemon=True)
        self._thread.start()

    def publish(self, ticket_id: str) -> None:
        self._later(partial(self._publisher.publish, ticket_id))

    def mail(self, letter_id: str) -> None:
        self._later(partial(self._publisher.mail, letter_id))

    def availability(self) -> None:
        self._later(self._publisher.availability)

    def stop(self) -> None:
        """Once nobody calls any more."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(LAST_SECONDS)

    def _later(self, send: Callable[[], None]) -> None:
        try:
            self._waiting.put_nowait((copy_context(), send))  # the request's id goes with it
        except queue.Full:
            logger.warning("a hint is left to the sweep: too many wait")

    def _work(self) -> None:
        while waiting := self._waiting.get():
            context, send = waiting
            try:
                context.run(send)
            except Exception:  # the next one is not to suffer for it
                logger.exception("a hint is left to the sweep")
