"""Trigger delivery of the emails that a request queued, before the next run of the jobs."""

import logging
from contextvars import copy_context
from functools import partial

import pymongo
from flask import Response
from pymongo.errors import PyMongoError

from services.outbox.emails import Emails
from services.outbox.pending import Publisher

logger = logging.getLogger(__name__)

QUERY_TIMEOUT_SECONDS = 2.0


def trigger_email_delivery(response: Response, emails: Emails, publisher: Publisher) -> None:
    """Trigger it after the response is sent; if it fails, the jobs do it."""
    # Run in a copy of the request's context, so that the task carries the request's id.
    response.call_on_close(partial(copy_context().run, _publish_due_email, emails, publisher))


def _publish_due_email(emails: Emails, publisher: Publisher) -> None:
    try:
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            email_id = emails.next_due_id()
    except PyMongoError as error:
        logger.warning("an email is left to the jobs: %s", type(error).__name__)
        return
    if email_id:  # its task sends all due emails
        publisher.publish_email(email_id)
