"""Publishers of tasks: straight to Redis, or by a thread, so that a request need not wait for it.

What cannot be published is not lost: the sweep and the jobs find the work in the database.
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
from tasks.queue.celery_app import (
    ASSIGN_TASK,
    DIGEST_TASK,
    EMAIL_TASK,
    HOME_TASK,
    NOTIFY_TASK,
    REMINDER_TASK,
    STATUS_SYNC_TASK,
)
from tasks.queue.task_instrumentation import message_headers

logger = logging.getLogger(__name__)

# With Redis away each takes up to four seconds. What finds no room is left to the sweep.
MAX_QUEUE_SIZE = 1_000
# What still waits when the process ends is sent within so long, or left to the sweep.
STOP_TIMEOUT_SECONDS = 2.0


class PublishFailed(Exception):
    """The broker did not take the task."""


class CeleryPublisher:
    """`services.outbox.pending.Publisher` over Celery."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish_ticket(self, ticket_id: str) -> None:
        """Publish delivery of the ticket's updates; if that fails, the sweep does it."""
        self._send_or_log(NOTIFY_TASK, ticket_id)

    def publish_assignment(self, ticket_id: str) -> None:
        self._send_or_log(ASSIGN_TASK, ticket_id)

    def publish_email(self, email_id: str) -> None:
        """Publish sending of the email; if that fails, the sweep does it."""
        try:
            self._send(EMAIL_TASK, kwargs={"letter_id": email_id})
        except PublishFailed as error:
            logger.warning("letter %s is left to the sweep: %s", email_id, error)

    def publish_availability_check(self) -> None:
        """Publish a sync of Slack statuses; if that fails, the jobs do it."""
        try:
            self._send(STATUS_SYNC_TASK)
        except PublishFailed as error:
            logger.warning("who is here is left to the jobs: %s", error)

    def publish_digests(self) -> None:
        """Publish sending of the digests that are due; raises as `send`."""
        self._send(DIGEST_TASK)

    def publish_reminders(self, to: str) -> None:
        """Publish sending of the reminders due for a recipient (services/outbox/reminders.py);
        raises as `send`."""
        self._send(REMINDER_TASK, kwargs={"to": to})

    def send(self, task: str, ticket_id: str) -> None:
        """Raises `PublishFailed`, within about four seconds."""
        self._send(task, args=[ticket_id])

    def publish_home_refresh(self, link_id: str, *, countdown: float) -> None:
        """Publish a refresh of a Home in `countdown` seconds; if that fails, it is not repeated."""
        try:
            # By name: what is passed by position is taken for a ticket in the logs.
            self._send(HOME_TASK, kwargs={"link_id": link_id}, countdown=countdown)
        except PublishFailed as error:
            logger.warning("the home of %s is not refreshed: %s", link_id, error)

    def _send(self, task: str, **options: Any) -> None:
        try:
            self._celery.send_task(task, headers=message_headers(), retry=False, **options)
        except (RedisError, KombuError, CeleryError, OSError) as error:
            raise PublishFailed(type(error).__name__) from error

    def _send_or_log(self, task: str, ticket_id: str) -> None:
        with core_context.bound_ids(ticket_id=ticket_id):
            try:
                self.send(task, ticket_id)
                logger.info("%s is asked for", task)
            except PublishFailed as error:
                logger.warning("ticket %s is left to the sweep: %s", ticket_id, error)


class BackgroundPublisher:
    """`services.outbox.pending.Publisher` over another one, which it calls in the order of its
    calls.
    """

    def __init__(self, publisher: Publisher, *, max_size: int = MAX_QUEUE_SIZE) -> None:
        self._publisher = publisher
        self._queue: queue.Queue[tuple[Context, Callable[[], None]] | None] = queue.Queue(max_size)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish_ticket(self, ticket_id: str) -> None:
        self._enqueue(partial(self._publisher.publish_ticket, ticket_id))

    def publish_email(self, email_id: str) -> None:
        self._enqueue(partial(self._publisher.publish_email, email_id))

    def publish_availability_check(self) -> None:
        self._enqueue(self._publisher.publish_availability_check)

    def stop(self) -> None:
        """Once nobody calls any more."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)
            self._thread.join(STOP_TIMEOUT_SECONDS)

    def _enqueue(self, send: Callable[[], None]) -> None:
        try:
            self._queue.put_nowait((copy_context(), send))  # the request's id goes with it
        except queue.Full:
            logger.warning("a hint is left to the sweep: too many wait")

    def _run(self) -> None:
        while waiting := self._queue.get():
            context, send = waiting
            try:
                context.run(send)
            except Exception:  # the next one is not to suffer for it
                logger.exception("a hint is left to the sweep")
