"""Publishers of tasks: directly to Redis, or in a thread, so that a request does not wait for it.

A task that cannot be published is not lost: the jobs find the work in the database.
"""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from functools import partial
from typing import Any, NamedTuple

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from services.core import request_context as core_context
from tasks.queue.celery_app import (
    EMAIL_TASK,
    FRESH_QUEUE,
    HOME_TASK,
    NOTIFY_TASK,
    REPLY_TASK,
    STATUS_SYNC_TASK,
)
from tasks.queue.task_instrumentation import message_headers
from tasks.queue.waiting_tasks import WaitingTasks, read_waiting

logger = logging.getLogger(__name__)

# Without Redis each call takes up to four seconds. Calls beyond this are left to the sweep.
MAX_QUEUE_SIZE = 1_000
# When the process ends, the queue is sent within this time, or left to the sweep.
STOP_TIMEOUT_SECONDS = 2.0
# Few enough for one worker to work off while the others take the next message.
MAX_TICKETS_PER_MESSAGE = 8
GATHER_SECONDS = 0.1


class PublishFailed(Exception):
    """The broker did not take the task."""


_BROKER_ERRORS = (RedisError, KombuError, CeleryError, OSError)


class CeleryPublisher:
    """`services.outbox.pending.Publisher` over Celery."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish_ticket(self, ticket_id: str, *, countdown: float | None = None) -> None:
        """Publish assignment of the ticket and delivery of its updates, in `countdown` seconds if
        given; if that fails, the sweep does it."""
        failure = f"ticket {ticket_id} is left to the sweep"
        with core_context.bound_ids(ticket_id=ticket_id):
            self._send_or_log(failure, NOTIFY_TASK, ticket_id, countdown=countdown)

    def publish_tickets(self, tickets: Mapping[str, str | None]) -> None:
        """Publish tickets, each with the id of its request, in one message; one ticket as
        `publish_ticket`."""
        if len(tickets) == 1:
            ((ticket_id, request_id),) = tickets.items()
            with core_context.bound_ids(request_id=request_id):
                self.publish_ticket(ticket_id)
        else:
            failure = f"{len(tickets)} tickets are left to the sweep"
            with _logged(NOTIFY_TASK, failure):
                self.send_tickets(tickets)

    def publish_email(self, email_id: str) -> None:
        """Publish sending of the email; if that fails, the sweep does it."""
        self._send_or_log(f"email {email_id} is left to the sweep", EMAIL_TASK, letter_id=email_id)

    def publish_reply(self, reply_id: str) -> None:
        """Publish sending of the reply; if that fails, the sweep does it."""
        self._send_or_log("a reply is left to the sweep", REPLY_TASK, reply_id=reply_id)

    def publish_availability_check(self) -> None:
        """Publish a sync of Slack statuses; if that fails, the job does it."""
        self._send_or_log("the status sync is left to its job", STATUS_SYNC_TASK)

    def publish_home_refresh(self, link_id: str, *, countdown: float) -> None:
        """Publish a refresh of a Home in `countdown` seconds; if that fails, the sweep does it."""
        self._send_or_log(
            f"the home of {link_id} is left to the sweep",
            HOME_TASK,
            countdown=countdown,
            link_id=link_id,
        )

    def send(
        self,
        task: str,
        ticket_id: str | None = None,
        *,
        countdown: float | None = None,
        queue: str = FRESH_QUEUE,
        **kwargs: str,
    ) -> None:
        """Publish a task. Raises `PublishFailed`, within about four seconds.

        Only a ticket's id is passed by position: the worker logs the first argument as such.
        """
        args = [] if ticket_id is None else [ticket_id]
        self._send(task, args, kwargs, message_headers(), countdown=countdown, queue=queue)

    def send_tickets(self, tickets: Mapping[str, str | None]) -> None:
        """Publish several tickets, each with the id of its request, in one message. Raises
        `PublishFailed` like `send`."""
        headers = message_headers(tickets.values())
        self._send(NOTIFY_TASK, [list(tickets)], {}, headers, queue=FRESH_QUEUE)

    def waiting_tasks(self) -> WaitingTasks:
        """Read which tasks wait for a worker. Raises `PublishFailed` like `send`."""
        try:
            return read_waiting(self._celery)
        except _BROKER_ERRORS as error:
            raise PublishFailed(type(error).__name__) from error

    def _send_or_log(self, failure: str, task: str, *args: str, **kwargs: Any) -> None:
        with _logged(task, failure):
            self.send(task, *args, **kwargs)

    def _send(
        self,
        task: str,
        args: list[Any],
        kwargs: dict[str, str],
        headers: dict[str, Any],
        **options: Any,
    ) -> None:
        try:
            self._celery.send_task(
                task, args=args, kwargs=kwargs, headers=headers, retry=False, **options
            )
        except _BROKER_ERRORS as error:
            raise PublishFailed(type(error).__name__) from error


@contextmanager
def _logged(task: str, failure: str) -> Iterator[None]:
    try:
        yield
        logger.info("%s is published", task)
    except PublishFailed as error:
        logger.warning("%s: %s", failure, error)


class _Ticket(NamedTuple):
    id: str
    request_id: str | None


_Call = tuple[Context, Callable[[], None]]


class BackgroundPublisher:
    """Calls another publisher in a thread, in the order of its own calls.

    A ticket is published at once, unless something was within the last `GATHER_SECONDS`: to publish
    costs a third of filing, so under load tickets share a message.
    """

    def __init__(self, publisher: CeleryPublisher, *, max_size: int = MAX_QUEUE_SIZE) -> None:
        self._publisher = publisher
        self._queue: queue.Queue[_Ticket | _Call | None] = queue.Queue(max_size)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish_ticket(self, ticket_id: str) -> None:
        request_id = core_context.current_ids().get(core_context.REQUEST_ID)
        self._enqueue(_Ticket(ticket_id, request_id))

    def publish_email(self, email_id: str) -> None:
        self._call(partial(self._publisher.publish_email, email_id))

    def publish_reply(self, reply_id: str) -> None:
        self._call(partial(self._publisher.publish_reply, reply_id))

    def publish_availability_check(self) -> None:
        self._call(self._publisher.publish_availability_check)

    def stop(self) -> None:
        """Stop the thread. There must be no further calls."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)
            self._thread.join(STOP_TIMEOUT_SECONDS)

    def _call(self, send: Callable[[], None]) -> None:
        self._enqueue((copy_context(), send))  # with the request's id

    def _enqueue(self, item: _Ticket | _Call) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            logger.warning("a task is left to the sweep: the queue is full")

    def _run(self) -> None:
        is_stopped = False
        while not is_stopped:
            waiting = [self._queue.get()]
            with suppress(queue.Empty):
                while True:
                    waiting.append(self._queue.get_nowait())
            is_stopped = waiting[-1] is None
            for send in _messages(waiting, self._publisher):
                try:
                    send()
                except Exception:  # must not end the thread
                    logger.exception("a task is left to the sweep")
            if not is_stopped:
                time.sleep(GATHER_SECONDS)


def _messages(
    waiting: Sequence[_Ticket | _Call | None], publisher: CeleryPublisher
) -> Iterator[Callable[[], None]]:
    """Yield the calls that publish what waits: for tickets in a row one for every
    `MAX_TICKETS_PER_MESSAGE`, without duplicates."""
    for is_ticket, group in itertools.groupby(waiting, key=lambda item: isinstance(item, _Ticket)):
        if is_ticket:
            tickets = list(dict(item for item in group if isinstance(item, _Ticket)).items())
            for start in range(0, len(tickets), MAX_TICKETS_PER_MESSAGE):
                message = dict(tickets[start : start + MAX_TICKETS_PER_MESSAGE])
                yield partial(publisher.publish_tickets, message)
        else:
            calls = [item for item in group if item and not isinstance(item, _Ticket)]
            yield from (partial(context.run, send) for context, send in calls)
