"""The Celery application, with its queues and the names and time limits of the tasks.

Connects to nothing.
"""

from typing import Any

from celery import Celery, Task
from kombu import Exchange, Queue
from pymongo.errors import PyMongoError

NOTIFY_TASK = "tasks.notify"
ASSIGN_TASK = "tasks.assign_ticket"
HOME_TASK = "tasks.refresh_home"
EMAIL_TASK = "tasks.mail"
STATUS_SYNC_TASK = "tasks.availability"
REMINDER_TASK = "tasks.nudge"
DIGEST_TASK = "tasks.digest"
REPLY_TASK = "tasks.reply"
CHANNELS_TASK = "tasks.channels"
# Workers take from the second queue only while the first is empty. The names and the prefix keep
# the product apart from another Celery application on the same Redis database.
FRESH_QUEUE, BACKLOG_QUEUE = QUEUES = "helpdesk.fresh", "helpdesk.backlog"
KEY_PREFIX = "helpdesk:"
# For an analysis and its delivery: a slow response can outlast every timeout of its connection.
NOTIFY_LIMIT_SECONDS = 40
EMAIL_LIMIT_SECONDS = 30
STATUS_SYNC_LIMIT_SECONDS = 60
DIGEST_LIMIT_SECONDS = 120
BROKER_TIMEOUT_SECONDS = 1.0


class _Task(Task[Any, Any]):
    # Celery logs no traceback of these; tasks/queue/task_instrumentation.py logs one line.
    throws = (PyMongoError,)


celery: Celery[Task[Any, Any]] = Celery("tickets", task_cls=_Task)
celery.conf.update(
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
    task_default_queue=FRESH_QUEUE,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,  # every task first checks if there is anything left to do
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # For a new child to start. After Celery's 4 s a busy machine would kill child after child.
    worker_proc_alive_timeout=60.0,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a worker survives any outage of Redis
    broker_channel_error_retry=True,  # and any error that it answers, for example of a replica
    broker_transport_options={
        "global_keyprefix": KEY_PREFIX,
        "queue_order_strategy": "priority",
        "visibility_timeout": 600,
        "socket_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
        "max_retries": 1,
    },
)


def configure_celery(*, redis_url: str) -> Celery:
    celery.conf.update(broker_url=redis_url)
    return celery
