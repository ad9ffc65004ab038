"""Hints to the workers, through Redis."""

import logging

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from tasks.app import ASSIGN, NOTIFY

logger = logging.getLogger(__name__)


class PublishFailed(Exception):
    """The broker did not take it."""


class CeleryPublisher:
    """`services.outbox.Publisher` over Celery."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish(self, ticket_id: str) -> None:
        """Ask for the ticket to be looked at now; a lost hint is left to the sweep."""
        self._hint(NOTIFY, ticket_id)

    def request_assignment(self, ticket_id: str) -> None:
        self._hint(ASSIGN, ticket_id)

    def send(self, task: str, ticket_id: str) -> None:
        """Raises `PublishFailed`, within about two seconds."""
        try:
            self._celery.send_task(task, args=[ticket_id], retry=False)
        except (RedisError, KombuError, CeleryError, OSError) as error:
            raise PublishFailed(type(error).__name__) from error

    def _hint(self, task: str, ticket_id: str) -> None:
        try:
            self.send(task, ticket_id)
        except PublishFailed as error:
            logger.warning("ticket %s is left to the sweep: %s", ticket_id, error)
