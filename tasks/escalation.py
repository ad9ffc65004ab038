"""The job that takes the escalation steps that are due, and publishes what follows from them."""

import logging
from collections.abc import Callable

from pymongo.errors import PyMongoError

from services.escalation.escalation_steps import BATCH_SIZE, EscalationSteps, StepOutcome
from services.models.ticket import Ticket
from services.outbox.reminders import Reminders
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.queue.publisher import CeleryPublisher

logger = logging.getLogger(__name__)


def take_due_steps(
    steps: EscalationSteps,
    publisher: CeleryPublisher,
    *,
    should_continue: Callable[[], bool],
    limit: int = BATCH_SIZE,
) -> int:
    """Take the steps that are due, `limit` at once, while `should_continue` says so; return how
    many.

    Raises `PublishFailed`: what was taken until then is delivered by the outbox's sweep.
    """
    taken = 0
    while should_continue():
        due = steps.due(limit=limit)
        outcomes = [(ticket, _take(steps, ticket)) for ticket in due]
        done = [ticket for ticket, outcome in outcomes if outcome is StepOutcome.TAKEN]
        for ticket in done:
            publisher.send(NOTIFY_TASK, str(ticket.id))
        taken += len(done)
        # Until nothing is left: a ticket may have another step, to be sent together with the first.
        # What changed concurrently comes back with the next sweep.
        if all(outcome is StepOutcome.STALE for _, outcome in outcomes):
            break
    return taken


def _take(steps: EscalationSteps, ticket: Ticket) -> StepOutcome:
    try:
        return steps.take(ticket)
    except PyMongoError:  # it is not the ticket
        raise
    except Exception as error:  # whatever it is, it would stop every sweep at the same ticket
        logger.exception("a step of ticket %s is set aside", ticket.id)
        steps.schedule_retry(ticket, error)
        return StepOutcome.POSTPONED


def request_due_reminders(reminders: Reminders, publisher: CeleryPublisher) -> None:
    """Publish the reminder task for each recipient with reminders that are due."""
    for recipient in reminders.due_recipients():
        publisher.publish_reminders(recipient)
