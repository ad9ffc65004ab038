"""The Celery worker process: set-up after a fork, and shutdown in time."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import billiard
from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import (
    setup_logging,
    worker_before_create_process,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)

from services.core import garbage
from tasks import runtime
from tasks.assignment import assign_ticket
from tasks.notifications import email_sender, home_refresh, notify, reminders, reply_sender
from tasks.processes import consumer, jobs
from tasks.queue.shared_metrics import RedisMeter
from tasks.queue.task_instrumentation import TaskInstrumentation

logger = logging.getLogger(__name__)

# More than the machine's cores: tasks mostly wait for Gemini and Slack.
CONCURRENCY = 4
# After SIGTERM; a task that runs longer is killed, and the outbox publishes it again.
SHUTDOWN_GRACE_SECONDS = 6.0
# After SIGTERM. Celery waits for a Redis that does not answer again and again.
EXIT_SECONDS = 8.5
# Importing a module registers its Celery tasks.
TASK_MODULES = (
    assign_ticket,
    notify,
    home_refresh,
    email_sender,
    reminders,
    reply_sender,
    *jobs.MODULES,
)


def run(celery: Celery, build: Callable[[], runtime.Runtime], meter: RedisMeter) -> bool:
    """Work until SIGTERM or SIGINT. Return False if the worker ended by itself."""
    runtime.set_runtime_builder(build)
    stopping = threading.Event()
    _connect_signals(stopping)
    consumer.install()
    # Celery warns about a setting of tasks/queue/celery_app.py at each loss of the broker.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    TaskInstrumentation(meter).connect()
    worker = celery.Worker(
        consumer_cls=consumer.ResilientConsumer,
        concurrency=CONCURRENCY,
        without_gossip=True,
        without_mingle=True,
        loglevel="WARNING",
        quiet=True,
    )
    worker.start()
    return stopping.is_set()


def _connect_signals(stopping: threading.Event) -> None:
    # Keep our logging, which is configured before the fork.
    setup_logging.connect(lambda **_: None, weak=False)
    worker_before_create_process.connect(lambda **_: garbage.settle(), weak=False)
    worker_process_init.connect(lambda **_: runtime.current_runtime(), weak=False)
    worker_ready.connect(lambda **_: logger.info("the worker is ready"), weak=False)
    worker_shutting_down.connect(lambda **_: stopping.set(), weak=False)
    worker_shutting_down.connect(_limit_shutdown, weak=False)


def _limit_shutdown(**_: Any) -> None:
    """End Celery's warm shutdown by SIGQUIT: it would wait for its tasks without a limit. If that
    does not end it either, exit."""
    for seconds, end in (
        (SHUTDOWN_GRACE_SECONDS, partial(os.kill, os.getpid(), signal.SIGQUIT)),
        (EXIT_SECONDS, _exit),
    ):
        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()


def _exit() -> None:
    logger.warning("the worker exits before its shutdown has ended")
    for child in billiard.active_children():
        if child.pid:
            os.kill(child.pid, signal.SIGKILL)
    os._exit(0)
