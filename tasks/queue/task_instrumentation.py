"""Instrumentation of tasks: ids for the log lines, duration and outcome."""

import itertools
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Task
from celery.signals import task_failure, task_postrun, task_prerun, worker_process_shutdown
from pymongo.errors import PyMongoError

from services.core import request_context
from services.core.metrics import TASK_RUNS, TASK_SECONDS
from tasks.queue.shared_metrics import RedisMeter

logger = logging.getLogger(__name__)

OUTCOMES: Mapping[str, str] = {"SUCCESS": "ok", "RETRY": "retried", "FAILURE": "failed"}


# Of a message with several tickets: the ids of their requests, in the same order.
REQUEST_IDS = "request_ids"


def message_headers(request_ids: Collection[str | None] = ()) -> dict[str, Any]:
    """The headers of a task message: the id of the request that published it, or those of the
    requests of its tickets."""
    if request_ids:
        return {REQUEST_IDS: list(request_ids)}
    request_id = request_context.current_ids().get(request_context.REQUEST_ID)
    return {request_context.REQUEST_ID: request_id} if request_id else {}


def tickets_of_message(task: Task[Any, Any], ticket_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the tickets of a message, each with the id of its request."""
    sent = (task.request.headers or {}).get(REQUEST_IDS) or ()
    return dict(itertools.zip_longest(ticket_ids, sent[: len(ticket_ids)]))


class TaskInstrumentation:
    """One per process; a worker process runs one task at a time."""

    def __init__(self, meter: RedisMeter) -> None:
        self._meter = meter
        self._began = 0.0

    def connect(self) -> None:
        # Signals, not a wrapper of the task's function: Celery logs a failure outside of the
        # function, and that line needs the ids, too.
        task_prerun.connect(self.on_prerun, weak=False)
        task_postrun.connect(self.on_postrun, weak=False)
        task_failure.connect(self.on_failure, weak=False)
        worker_process_shutdown.connect(self.on_shutdown, weak=False)

    def on_prerun(self, task_id: str, task: Any, args: Sequence[Any], **_: Any) -> None:
        sent = task.request.headers or {}
        request_context.reset_ids(
            request_id=sent.get(request_context.REQUEST_ID),
            task_id=task_id,
            ticket_id=args[0] if args and isinstance(args[0], str) else None,
        )
        self._began = time.monotonic()

    def on_postrun(self, task: Any, state: str | None, **_: Any) -> None:
        seconds, outcome = time.monotonic() - self._began, OUTCOMES.get(state or "", "other")
        self._meter.count(TASK_RUNS, task.name, outcome)
        self._meter.observe(TASK_SECONDS, seconds, task.name)
        logger.info("%s %s after %.0f ms", task.name, outcome, seconds * 1_000)
        request_context.reset_ids()

    def on_failure(self, sender: Any, exception: BaseException, **_: Any) -> None:
        """Count tasks whose process was killed, for which there is no postrun signal."""
        if isinstance(exception, (TimeLimitExceeded, WorkerLostError)):
            self._meter.count(TASK_RUNS, sender.name, "killed")
        if isinstance(exception, PyMongoError):
            kind = type(exception).__name__
            logger.error("%s is left to the sweep (database: %s)", sender.name, kind)

    def on_shutdown(self, **_: Any) -> None:
        self._meter.flush()
