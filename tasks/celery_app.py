"""The Celery application: names, limits and what happens at a shutdown. Connects to nothing."""

from typing import Any

from celery import Celery, Task
from pymongo.errors import PyMongoError

NOTIFY = "tasks.notify"
ASSIGN = "tasks.assign_ticket"
HOME = "tasks.refresh_home"
MAIL = "tasks.mail"
AVAILABILITY = "tasks.availability"
NUDGE = "tasks.nudge"
DIGEST = "tasks.digest"
# The outer bound of one analysis: a model that drips outlives every timeout of its connection.
ASSIGN_SECONDS = 40
MAIL_SECONDS = 30
AVAILABILITY_SECONDS = 60
DIGEST_SECONDS = 120
BROKER_TIMEOUT = 1.0


class _Task(Task[Any, Any]):
    # Celery leaves out their tracebacks, of the driver's insides; tasks/instrumentation.py says a
    # line.
    throws = (PyMongoError,)


celery: Celery[Task[Any, Any]] = Celery("tickets", task_cls=_Task)
celery.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,  # every task looks first whether there is anything left to do
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a worker outlives any absence of Redis
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_timeout": BROKER_TIMEOUT,
        "socket_connect_timeout": BROKER_TIMEOUT,
        "max_retries": 1,
    },
)


def configure(*, redis_url: str) -> Celery:
    celery.conf.update(broker_url=redis_url)
    return celery
