"""Load the tickets of claimed reminders, send them, and record the outcome."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from services.models.ticket import Ticket
from services.outbox.reminders import Reminder, ReminderClaim, Reminders
from tasks.notifications.slack_delivery import error_code, is_permanent, rate_limit_error
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)

RETRY_DELAY = timedelta(seconds=10)
_EXCLUDED_FIELDS = dict.fromkeys(("comments", "notices", "cards"), False)


def load_tickets(runtime: Runtime, reminders: Iterable[Reminder]) -> Iterator[Ticket]:
    """The tickets of those reminders, as they are now, without fields that no reminder shows."""
    ids = list({reminder.ticket_id for reminder in reminders})
    return map(Ticket.from_doc, runtime.db.tickets.find({"_id": {"$in": ids}}, _EXCLUDED_FIELDS))


def send_claimed(
    runtime: Runtime, reminders: Reminders, claim: ReminderClaim, send: Callable[[], SlackResponse]
) -> SlackResponse | None:
    """Slack's answer; None where it took nothing: then the claim is given up, for a while or, where
    Slack will never take it, for good. Raises `SlackRateLimited`."""
    try:
        return send()
    except SlackApiError as error:
        code = error_code(error)
        if is_permanent(error):
            logger.warning("what %s is to be told is given up: %s", claim.recipient, code)
            reminders.finish(claim, why=code)
            return None
        wait = rate_limit_error(error)
        pause = timedelta(seconds=wait.seconds) if wait else RETRY_DELAY
        reminders.release_claim(claim, until=runtime.clock() + pause)
        if wait:
            raise wait from error
        logger.warning("what %s is to be told is tried again: %s", claim.recipient, code)
    except (SlackClientError, OSError) as error:
        # Slack may have taken it: only when the claim has expired is it sent again.
        logger.warning("slack did not answer for %s: %s", claim.recipient, type(error).__name__)
    return None
