"""Send the daily digests that are due."""

import logging
from datetime import timedelta

from billiard.exceptions import SoftTimeLimitExceeded
from pymongo.errors import PyMongoError

from bot.views.messages.digest import digest_message
from bot.views.text import Message
from services.core.database import Document, record
from services.core.installation import get_installation
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.digest.digest_service import Digest, Digests
from tasks.notifications.slack_delivery import OutcomeKind, post_message
from tasks.queue.celery_app import BACKLOG_QUEUE, DIGEST_LIMIT_SECONDS, DIGEST_TASK, celery
from tasks.queue.job_registry import JobContext, job
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

# Most accounts get no message. The rest is left to the next task.
MAX_BATCHES = 20
MAX_MESSAGES = 100


@celery.task(
    name=DIGEST_TASK, soft_time_limit=DIGEST_LIMIT_SECONDS, time_limit=DIGEST_LIMIT_SECONDS + 10
)
def send_digests() -> None:
    """Send what is due. After a failure, the jobs publish the task again."""
    run(current_runtime())


def run(runtime: Runtime) -> int:
    """Send what is due; return how many were sent. After an error of Slack, retry later."""
    team = get_installation(runtime.db)
    if team is None:
        return 0
    digests, sent = runtime.services.digests, 0
    for _ in range(MAX_BATCHES):
        accounts = digests.due()
        for account in accounts:
            made = _build(digests, account)
            if made is None:
                continue
            kind = _send(runtime, digests, *made, team.team_id)
            if kind not in (OutcomeKind.SENT, OutcomeKind.PERMANENT, OutcomeKind.BLOCKED):
                return sent  # Slack should get no more calls now
            sent += kind is OutcomeKind.SENT
        if not accounts or sent >= MAX_MESSAGES:
            break
    return sent


@job("digest", every=timedelta(seconds=30))
def enqueue_due(context: JobContext) -> None:
    """Publish the task if digests are due."""
    is_due = context.services.digests.has_due()
    if is_due and not context.publisher.waiting_tasks().has(DIGEST_TASK):
        context.publisher.send(DIGEST_TASK, queue=BACKLOG_QUEUE)


def _build(digests: Digests, account: Document) -> tuple[Digest, Message] | None:
    """Return None if there is nothing to send."""
    try:
        digest = digests.claim(account)
        return (digest, digest_message(digest)) if digest else None
    except (PyMongoError, SoftTimeLimitExceeded):  # not the account's fault
        raise
    except Exception as error:  # any error would stop the digests of all accounts after it
        logger.exception("the digest of user %s is set aside", account["_id"])
        digests.schedule_retry(account, error)
        return None


def _send(
    runtime: Runtime, digests: Digests, digest: Digest, message: Message, team_id: str
) -> OutcomeKind:
    reader = digest.user.id
    slack_id = runtime.services.links.slack_ids(team_id=team_id, user_ids={reader}).get(reader)
    if slack_id is None:
        digests.mark_done(digest)
        return OutcomeKind.PERMANENT  # not linked
    outcome = post_message(runtime.slack, message, channel=slack_id)
    if outcome.kind is not OutcomeKind.SENT:
        logger.warning("digest to user %s not sent: %s", reader, outcome.error)
    match outcome.kind:
        case OutcomeKind.SENT | OutcomeKind.PERMANENT:
            record(lambda: digests.mark_done(digest))
        case OutcomeKind.BLOCKED:
            digests.retry_later(digest, wait=MAX_DELIVERY_DELAY)
        case OutcomeKind.RATE_LIMITED if outcome.wait:
            digests.retry_later(digest, wait=outcome.wait)
    return outcome.kind
