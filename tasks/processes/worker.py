"""The Celery worker process: set-up after a fork, and shutdown in time."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import setup_logging, worker_process_init, worker_ready, worker_shutting_down

from tasks import runtime
from tasks.assignment import assign_ticket
from tasks.notifications import email_sender, home_refresh, notify, reminders
from tasks.processes import consumer, jobs
from tasks.queue.shared_metrics import RedisMeter
from tasks.queue.task_instrumentation import TaskInstrumentation

logger = logging.getLogger(__name__)

# More than the machine's cores: tasks mostly wait for Gemini and Slack.
CONCURRENCY = 4
# After SIGTERM; a task that runs longer is killed, and the outbox publishes it again.
SHUTDOWN_GRACE_SECONDS = 6.0
# Importing a module registers its Celery tasks.
TASK_MODULES = (assign_ticket, notify, home_refresh, email_sender, reminders, *jobs.MODULES)


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
    worker_process_init.connect(lambda **_: runtime.current_runtime(), weak=False)
    worker_ready.connect(lambda **_: logger.info("the worker is ready"), weak=False)
    worker_shutting_down.connect(lambda **_: stopping.set(), weak=False)
    worker_shutting_down.connect(_limit_shutdown, weak=False)


def _limit_shutdown(**_: Any) -> None:
    """End Celery's warm shutdown by SIGQUIT: it would wait for its tasks without a limit."""
    timer = threading.Timer(SHUTDOWN_GRACE_SECONDS, os.kill, (os.getpid(), signal.SIGQUIT))
    timer.daemon = True
    timer.start()
