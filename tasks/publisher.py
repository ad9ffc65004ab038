"""Hints to the workers, through Redis."""

import logging
from typing import Any

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from services import trace
from tasks.app import ASSIGN, AVAILABILITY, DIGEST, HOME, MAIL, NOTIFY, NUDGE
from tasks.watching import headers

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

    def mail(self, letter_id: str) -> None:
        """Ask for a letter to be sent now; a lost hint is left to the sweep."""
        try:
            self._send(MAIL, kwargs={"letter_id": letter_id})
        except PublishFailed as error:
            logger.warning("letter %s is left to the sweep: %s", letter_id, error)

    def availability(self) -> None:
        """Ask for Slack to be asked who is here; a lost hint is left to the jobs."""
        try:
            self._send(AVAILABILITY)
        except PublishFailed as error:
            logger.warning("who is here is left to the jobs: %s", error)

    def digest(self) -> None:
        """Ask for the digests that are due; raises as `send`."""
        self._send(DIGEST)

    def nudge(self, to: str) -> None:
        """Ask for a recipient (services/nudges.py) to be told what is due; raises as `send`."""
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
        with trace.working_on(ticket_id=ticket_id):
            try:
                self.send(task, ticket_id)
                logger.info("%s is asked for", task)
            except PublishFailed as error:
                logger.warning("ticket %s is left to the sweep: %s", ticket_id, error)
