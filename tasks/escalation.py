"""The job that takes the escalation steps that are due, and publishes what follows from them."""

import logging
from collections.abc import Callable
from datetime import timedelta

from pymongo.errors import PyMongoError

from services.escalation.escalation_steps import BATCH_SIZE, EscalationSteps, StepOutcome
from services.models.set_aside import is_data_fault
from services.models.ticket import Ticket
from services.outbox.reminders import Reminders
from tasks.queue.celery_app import NOTIFY_TASK, REMINDER_TASK
from tasks.queue.job_registry import JobContext, job
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.waiting_tasks import WaitingTasks

logger = logging.getLogger(__name__)


@job("alarms", every=timedelta(seconds=10))
def run_escalation(context: JobContext) -> None:
    """Take the escalation steps that are due, and publish the reminders."""
    services, publisher = context.services, context.publisher
    take_due_steps(services.escalation_steps, publisher, should_continue=context.should_continue)
    request_due_reminders(services.reminders, publisher)


def take_due_steps(
    steps: EscalationSteps,
    publisher: CeleryPublisher,
    *,
    should_continue: Callable[[], bool],
    limit: int = BATCH_SIZE,
) -> int:
    """Take the steps that are due in batches of `limit`; return how many were taken.

    Raises `PublishFailed`: the sweep then delivers the steps that were taken.
    """
    taken = 0
    while should_continue():
        due = steps.due(limit=limit)
        outcomes = [(ticket, _take(steps, ticket)) for ticket in due]
        done = [ticket for ticket, outcome in outcomes if outcome is StepOutcome.TAKEN]
        for ticket in done:
            publisher.send(NOTIFY_TASK, str(ticket.id))
        taken += len(done)
        # Repeat, because a ticket may have a further step, to be sent together with the first.
        # A ticket that changed concurrently comes back with the next run.
        if all(outcome is StepOutcome.STALE for _, outcome in outcomes):
            break
    return taken


def _take(steps: EscalationSteps, ticket: Ticket) -> StepOutcome:
    try:
        return steps.take(ticket)
    except Exception as error:  # would end every run at the same ticket
        if isinstance(error, PyMongoError) and not is_data_fault(error):
            raise
        logger.exception("an escalation step of ticket %s is set aside", ticket.id)
        steps.schedule_retry(ticket, error)
        return StepOutcome.POSTPONED


def request_due_reminders(reminders: Reminders, publisher: CeleryPublisher) -> None:
    """Publish the reminder task for each recipient with reminders that are due."""
    recipients = reminders.due_recipients()
    waiting = publisher.waiting_tasks() if recipients else WaitingTasks()
    for recipient in recipients:
        if not waiting.has(REMINDER_TASK, recipient):
            publisher.send(REMINDER_TASK, to=recipient)
