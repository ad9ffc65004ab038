"""Sending what was claimed for somebody (services/nudges.py), and what becomes of it."""

import logging
from collections.abc import Callable
from datetime import timedelta

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from services.nudges import Claim, Nudges
from tasks.runtime import Runtime
from tasks.slack import busy, error_code, is_permanent

logger = logging.getLogger(__name__)

PAUSE = timedelta(seconds=10)


def attempt(
    runtime: Runtime, box: Nudges, claim: Claim, send: Callable[[], SlackResponse]
) -> SlackResponse | None:
    """Slack's answer; None where it took nothing: then the claim is given up, for a while or, where
    Slack will never take it, for good. Raises `SlackBusy`."""
    try:
        return send()
    except SlackApiError as error:
        code = error_code(error)
        if is_permanent(error):
            logger.warning("what %s is to be told is given up: %s", claim.to, code)
            box.end(claim, why=code)
            return None
        wait = busy(error)
        pause = timedelta(seconds=wait.seconds) if wait else PAUSE
        box.release(claim, until=runtime.clock() + pause)
        if wait:
            raise wait from error
        logger.warning("what %s is to be told is tried again: %s", claim.to, code)
    except (SlackClientError, OSError) as error:
        # Slack may have taken it: only when the claim has expired is it sent again.
        logger.warning("slack did not answer for %s: %s", claim.to, type(error).__name__)
    return None
