"""Sending what was claimed for somebody (services/outbox/reminders.py), and what becomes of it."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from services.models.ticket import Ticket
from services.outbox.reminders import Reminder, ReminderClaim, Reminders
from tasks.notifications.slack import busy, error_code, is_permanent
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)

PAUSE = timedelta(seconds=10)
_NOT_READ = dict.fromkeys(("comments", "notices", "cards"), False)


def tickets_of(runtime: Runtime, nudges: Iterable[Reminder]) -> Iterator[Ticket]:
    """The tickets that those lines are about, as they are now, without what no line shows."""
    ids = list({nudge.ticket_id for nudge in nudges})
    return map(Ticket.from_doc, runtime.db.tickets.find({"_id": {"$in": ids}}, _NOT_READ))


def attempt(
    runtime: Runtime, box: Reminders, claim: ReminderClaim, send: Callable[[], SlackResponse]
) -> SlackResponse | None:
    """Slack's answer; None where it took nothing: then the claim is given up, for a while or, where
    Slack will never take it, for good. Raises `SlackBusy`."""
    try:
        return send()
    except SlackApiError as error:
        code = error_code(error)
        if is_permanent(error):
            logger.warning("what %s is to be told is given up: %s", claim.recipient, code)
            box.finish(claim, why=code)
            return None
        wait = busy(error)
        pause = timedelta(seconds=wait.seconds) if wait else PAUSE
        box.release_claim(claim, until=runtime.clock() + pause)
        if wait:
            raise wait from error
        logger.warning("what %s is to be told is tried again: %s", claim.recipient, code)
    except (SlackClientError, OSError) as error:
        # Slack may have taken it: only when the claim has expired is it sent again.
        logger.warning("slack did not answer for %s: %s", claim.recipient, type(error).__name__)
    return None
