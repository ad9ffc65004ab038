"""The Celery worker process: what it makes after a fork, and how it ends in time."""

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

from tasks import runtime, slack_status_sync
from tasks.assignment import assign_ticket
from tasks.notifications import digest, email_sender, home_refresh, notify, reminders
from tasks.queue.shared_metrics import RedisMeter
from tasks.queue.task_instrumentation import TaskInstrumentation

logger = logging.getLogger(__name__)

# Mostly waiting for Gemini and Slack, so more than the machine's cores.
CONCURRENCY = 4
# A task still running so long after SIGTERM is cut short; the outbox brings it back.
SHUTDOWN_GRACE_SECONDS = 6.0
REGISTERED_TASKS = (
    assign_ticket.assign_ticket,
    notify.notify,
    home_refresh.refresh_home,
    email_sender.send_emails,
    slack_status_sync.sync_availability,
    reminders.send_reminders,
    digest.send_digests,
)


def run(celery: Celery, build: Callable[[], runtime.Runtime], meter: RedisMeter) -> None:
    """Work until SIGTERM or SIGINT."""
    runtime.set_runtime_builder(build)
    _connect_signals()
    # At each loss of the broker, of a setting that tasks/queue/celery_app.py makes.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    TaskInstrumentation(meter).connect()
    celery.worker_main(
        [
            "--quiet",
            "worker",
            f"--concurrency={CONCURRENCY}",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=WARNING",
        ]
    )


def _connect_signals() -> None:
    # Logging is ours, set up before the fork.
    setup_logging.connect(_keep_logging, weak=False)
    worker_process_init.connect(_make_runtime, weak=False)
    worker_ready.connect(_log_ready, weak=False)
    worker_shutting_down.connect(_limit_shutdown, weak=False)


def _keep_logging(**_: Any) -> None:
    pass


def _make_runtime(**_: Any) -> None:
    runtime.current_runtime()


def _log_ready(**_: Any) -> None:
    logger.info("the worker is ready")


def _limit_shutdown(**_: Any) -> None:
    """Celery's warm shutdown waits for its tasks however long they take; SIGQUIT ends that."""
    timer = threading.Timer(SHUTDOWN_GRACE_SECONDS, os.kill, (os.getpid(), signal.SIGQUIT))
    timer.daemon = True
    timer.start()
