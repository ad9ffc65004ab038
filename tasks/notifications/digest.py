"""Sends the daily digests that are due."""

import logging
from datetime import timedelta

from billiard.exceptions import SoftTimeLimitExceeded
from pymongo.errors import PyMongoError
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.views.messages.digest import digest_message
from bot.views.text import Message
from services.core.database import Document
from services.core.installation import get_installation
from services.digest.digest_service import Digest, Digests
from tasks.notifications.slack_delivery import (
    error_code,
    is_permanent,
    post_message,
    rate_limit_error,
)
from tasks.queue.celery_app import DIGEST_LIMIT_SECONDS, DIGEST_TASK, celery
from tasks.queue.job_registry import JobContext, job
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

# Most accounts get no message. What is left then comes with the next task.
MAX_BATCHES = 20
MAX_MESSAGES = 100


@celery.task(
    name=DIGEST_TASK, soft_time_limit=DIGEST_LIMIT_SECONDS, time_limit=DIGEST_LIMIT_SECONDS + 10
)
def send_digests() -> None:
    """Send what is due. A fault leaves it to the jobs."""
    run(current_runtime())


def run(runtime: Runtime) -> int:
    """Return how many were sent. What Slack does not take now is sent later in the morning."""
    team = get_installation(runtime.db)
    if team is None:
        return 0
    digests, sent = runtime.services.digests, 0
    for _ in range(MAX_BATCHES):
        accounts = digests.due()
        for account in accounts:
            made = _build(digests, account)
            outcome = _send(runtime, digests, *made, team.team_id) if made else False
            if outcome is None:
                return sent
            sent += outcome
        if not accounts or sent >= MAX_MESSAGES:
            break
    return sent


@job("digest", every=timedelta(seconds=30))
def enqueue_due(context: JobContext) -> None:
    """Publish the task if digests are due."""
    if context.services.digests.has_due():
        context.publisher.send(DIGEST_TASK)


def _build(digests: Digests, account: Document) -> tuple[Digest, Message] | None:
    """None where there is nothing to send."""
    try:
        digest = digests.claim(account)
        return (digest, digest_message(digest)) if digest else None
    except (PyMongoError, SoftTimeLimitExceeded):  # it is not the account
        raise
    except Exception as error:  # whatever it is, everybody after them would get none
        logger.exception("the digest of user %s is set aside", account["_id"])
        digests.schedule_retry(account, error)
        return None


def _send(
    runtime: Runtime, digests: Digests, digest: Digest, message: Message, team_id: str
) -> bool | None:
    """Whether it was sent; None where Slack is not to be asked for more just now."""
    reader = digest.user.id
    slack_id = runtime.services.links.slack_ids(team_id=team_id, user_ids={reader}).get(reader)
    if slack_id is None:
        digests.mark_done(digest)
        return False
    try:
        post_message(runtime.slack, message, channel=slack_id)
    except SlackApiError as error:
        return _handle_error(digests, digest, error)
    except (SlackClientError, OSError) as error:
        # Slack may have taken it: only when the claim has expired is it sent again.
        logger.warning("the digest of user %s: %s", reader, type(error).__name__)
        return None
    digests.mark_done(digest)
    return True


def _handle_error(digests: Digests, digest: Digest, error: SlackApiError) -> bool | None:
    code, wait = error_code(error), rate_limit_error(error)
    logger.warning("the digest of user %s is not sent: %s", digest.user.id, code)
    if wait:
        digests.retry_later(digest, wait=timedelta(seconds=wait.seconds))
        return None
    if is_permanent(error):
        digests.mark_done(digest)
        return False
    return None
