"""Sends everybody at the help desk what they read in their morning."""

import logging
from datetime import timedelta

from billiard.exceptions import SoftTimeLimitExceeded
from pymongo.errors import PyMongoError
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.views.messages.digest import digest as digest_message
from bot.views.text import Message
from services.core.clock import Clock
from services.core.database import Document, Mongo
from services.core.installation import get_installation
from services.digest.digest_service import Digest, Digests
from tasks.celery_app import DIGEST, DIGEST_SECONDS, celery
from tasks.notifications.slack import busy, error_code, is_permanent, post_message
from tasks.publisher import CeleryPublisher
from tasks.runtime import Runtime, current

logger = logging.getLogger(__name__)

# Most looks bring no message. What is left by then comes with the next hint.
ROUNDS = 20
AT_ONCE = 100


@celery.task(name=DIGEST, soft_time_limit=DIGEST_SECONDS, time_limit=DIGEST_SECONDS + 10)
def digest() -> None:
    """Send what is due. A fault leaves it to the jobs."""
    run(current())


def run(runtime: Runtime) -> int:
    """How many were sent. What Slack does not take now is sent later in the morning."""
    team = get_installation(runtime.db)
    if team is None:
        return 0
    digests, sent = Digests(runtime.db, clock=runtime.clock), 0
    for _ in range(ROUNDS):
        accounts = digests.due()
        for account in accounts:
            made = _make(digests, account)
            outcome = _send(runtime, digests, *made, team.team_id) if made else False
            if outcome is None:
                return sent
            sent += outcome
        if not accounts or sent >= AT_ONCE:
            break
    return sent


def ask(db: Mongo, publisher: CeleryPublisher, *, clock: Clock) -> None:
    """The job: hint at what is due."""
    if Digests(db, clock=clock).has_due():
        publisher.digest()


def _make(digests: Digests, account: Document) -> tuple[Digest, Message] | None:
    """None where there is nothing to send."""
    try:
        mine = digests.claim(account)
        return (mine, digest_message(mine)) if mine else None
    except (PyMongoError, SoftTimeLimitExceeded):  # it is not the account
        raise
    except Exception as error:  # whatever it is, everybody after them would get none
        logger.exception("the digest of user %s is set aside", account["_id"])
        digests.set_aside(account, error)
        return None


def _send(
    runtime: Runtime, digests: Digests, mine: Digest, message: Message, team_id: str
) -> bool | None:
    """Whether it was sent; None where Slack is not to be asked for more just now."""
    reader = mine.user.id
    slack_id = runtime.links.slack_ids(team_id=team_id, user_ids={reader}).get(reader)
    if slack_id is None:
        digests.done(mine)
        return False
    try:
        post_message(runtime.slack, message, channel=slack_id)
    except SlackApiError as error:
        return _refused(digests, mine, error)
    except (SlackClientError, OSError) as error:
        # Slack may have taken it: only when the claim has expired is it sent again.
        logger.warning("the digest of user %s: %s", reader, type(error).__name__)
        return None
    digests.done(mine)
    return True


def _refused(digests: Digests, mine: Digest, error: SlackApiError) -> bool | None:
    code, wait = error_code(error), busy(error)
    logger.warning("the digest of user %s is not sent: %s", mine.user.id, code)
    if wait:
        digests.later(mine, wait=timedelta(seconds=wait.seconds))
        return None
    if is_permanent(error):
        digests.done(mine)
        return False
    return None
