"""Load the tickets of claimed reminders, and record the outcome of sending them."""

import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta

from slack_sdk.web import SlackResponse

from services.models.ticket import Ticket
from services.outbox.reminders import Reminder, ReminderClaim, Reminders
from tasks.notifications.slack_delivery import SlackOutcome
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)

RETRY_DELAY = timedelta(seconds=10)
_EXCLUDED_FIELDS = dict.fromkeys(("comments", "notices", "cards"), False)


def load_tickets(runtime: Runtime, reminders: Iterable[Reminder]) -> Iterator[Ticket]:
    """Load the tickets of those reminders, without fields that no reminder shows."""
    ids = list({reminder.ticket_id for reminder in reminders})
    return map(Ticket.from_doc, runtime.db.tickets.find({"_id": {"$in": ids}}, _EXCLUDED_FIELDS))


def record_outcome(
    runtime: Runtime, reminders: Reminders, claim: ReminderClaim, outcome: SlackOutcome
) -> SlackResponse | None:
    """Return Slack's answer. If there is none, release the claim, or finish it if Slack will never
    accept the message. Raises `SlackRateLimited`."""
    if outcome.answer:
        return outcome.answer
    logger.warning("reminders to %s not sent: %s", claim.recipient, outcome.error)
    if outcome.is_permanent:
        reminders.finish(claim, why=outcome.error)
    elif outcome.is_answered:
        reminders.release_claim(claim, until=runtime.clock() + (outcome.wait or RETRY_DELAY))
    if outcome.rate_limit:
        raise outcome.rate_limit
    return None
