"""Hints to the workers, through Redis.

Hints sent by a thread of their own: whoever has changed a ticket does not wait for Redis.
"""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from services.core import request_context as core_context
from services.outbox.pending import Publisher
from tasks.celery_app import ASSIGN, AVAILABILITY, DIGEST, HOME, MAIL, NOTIFY, NUDGE
from tasks.instrumentation import headers

logger = logging.getLogger(__name__)


class PublishFailed(Exception):
    """The broker did not take it."""


class CeleryPublisher:
    """`services.outbox.pending.Publisher` over Celery."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish_ticket(self, ticket_id: str) -> None:
        """Ask for the ticket to be looked at now; a lost hint is left to the sweep."""
        self._hint(NOTIFY, ticket_id)

    def request_assignment(self, ticket_id: str) -> None:
        self._hint(ASSIGN, ticket_id)

    def publish_email(self, email_id: str) -> None:
        """Ask for a letter to be sent now; a lost hint is left to the sweep."""
        try:
            self._send(MAIL, kwargs={"letter_id": email_id})
        except PublishFailed as error:
            logger.warning("letter %s is left to the sweep: %s", email_id, error)

    def publish_availability_check(self) -> None:
        """Ask for Slack to be asked who is here; a lost hint is left to the jobs."""
        try:
            self._send(AVAILABILITY)
        except PublishFailed as error:
            logger.warning("who is here is left to the jobs: %s", error)

    def digest(self) -> None:
        """Ask for the digests that are due; raises as `send`."""
        self._send(DIGEST)

    def nudge(self, to: str) -> None:
        """Ask for a recipient (services/outbox/reminders.py) to be told what is due; raises as
        `send`.
        """
        self._send(NUDGE, kwargs={"to": to})

    def send(self, task: str, ticket_id: str) -> None:
        """Raises `PublishFailed`, within about four seconds."""
        self._send(task, args=[ticket_id])

    def refresh_home(self, link_id: str, *, countdown: float) -> None:
        """Ask for a Home to be published again in `countdown` seconds; a lost hint stays lost."""
        try:
            # By name: what is passed by position is taken for a ticket in the logs.
            self._send(HOME, kwargs={"link_id": link_id}, countdown=countdown)
        except PublishFailed as error:
            logger.warning("the home of %s is not refreshed: %s", link_id, error)

    def _send(self, task: str, **options: Any) -> None:
        try:
            self._celery.send_task(task, headers=headers(), retry=False, **options)
        except (RedisError, KombuError, CeleryError, OSError) as error:
            raise PublishFailed(type(error).__name__) from error

    def _hint(self, task: str, ticket_id: str) -> None:
        with core_context.bound_ids(ticket_id=ticket_id):
            try:
                self.send(task, ticket_id)
                logger.info("%s is asked for", task)
            except PublishFailed as error:
                logger.warning("ticket %s is left to the sweep: %s", ticket_id, error)


# With Redis away each takes up to four seconds. What finds no room is left to the sweep.
ROOM = 1_000
# What still waits when the process ends is sent within so long, or left to the sweep.
LAST_SECONDS = 2.0


class BackgroundPublisher:
    """`services.outbox.pending.Publisher` over another one, which it calls in the order of its
    calls.
    """

    def __init__(self, publisher: Publisher, *, room: int = ROOM) -> None:
        self._publisher = publisher
        self._waiting: queue.Queue[tuple[Context, Callable[[], None]] | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._work, name="hints", daemon=True)
        self._thread.start()

    def publish_ticket(self, ticket_id: str) -> None:
        self._later(partial(self._publisher.publish_ticket, ticket_id))

    def publish_email(self, email_id: str) -> None:
        self._later(partial(self._publisher.publish_email, email_id))

    def publish_availability_check(self) -> None:
        self._later(self._publisher.publish_availability_check)

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
