"""Deliver the changes of a ticket since the last delivery to its recipients."""

import logging
from time import sleep
from typing import Any

from celery import Task

from services.assignment import feedback
from services.assignment.assignment_service import needs_assignment
from services.models import set_aside
from services.models.ticket import Ticket
from services.outbox import pending
from services.tickets.queries import load_ticket
from tasks.notifications import email_sender, reminders, unassigned_alert
from tasks.notifications.home_refresh import request_refreshes
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.notifications.ticket_sender import TicketSender
from tasks.queue.celery_app import NOTIFY_TASK, celery
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

# A ticket that changes faster is left to the next task or the sweep.
MAX_ROUNDS = 5
# Of two tasks that deliver one ticket concurrently, one has to finish it.
CONTENTION_DELAY_SECONDS = 0.2


@celery.task(name=NOTIFY_TASK, bind=True, max_retries=None)
def notify(self: Task[Any, Any], ticket_id: str) -> None:
    """Send what is due. Wait for Slack's rate limit; leave any other failure to the sweep."""
    try:
        run(current_runtime(), ticket_id)
    except SlackRateLimited as limit:
        logger.info("ticket %s: Slack asks to wait for %s s", ticket_id, limit.seconds)
        limit.retry(self)


def run(runtime: Runtime, ticket_id: str) -> None:
    """Send until the ticket's last change is delivered. A ticket whose data is malformed is set
    aside; what can be sent without the malformed part is sent."""
    with set_aside.isolated(runtime.db, ticket_id, now=runtime.clock()):
        _deliver(runtime, ticket_id)


def _deliver(runtime: Runtime, ticket_id: str) -> None:
    for attempt in range(MAX_ROUNDS):
        ticket = load_ticket(runtime.db, ticket_id)
        if ticket is None or not ticket.is_in_outbox:
            return
        if ticket.defect and attempt == 0:
            set_aside.set_aside(runtime.db, ticket.id, reason=ticket.defect, now=runtime.clock())
        is_unassigned = needs_assignment(ticket)
        if is_unassigned and attempt == 0:
            runtime.publisher.publish_assignment(ticket_id)
        _queue_messages(runtime, ticket)
        sender = TicketSender(runtime, ticket)
        delivered = sender.deliver()
        request_refreshes(runtime, ticket)
        if sender.has_concurrent_sender:
            sleep(CONTENTION_DELAY_SECONDS)
            continue
        if not delivered:
            return
        # A ticket that waits for assignment stays in the outbox. If it was assigned concurrently,
        # that task may have found these messages claimed and left the rest to this one: repeat.
        finish = pending.is_unchanged if is_unassigned else pending.mark_delivered
        if finish(runtime.db, ticket.id, expected_seq=ticket.seq):
            return


def _queue_messages(runtime: Runtime, ticket: Ticket) -> None:
    """Queue before sending anything: Slack may not answer."""
    feedback.record_corrections(runtime.db, ticket, now=runtime.clock())
    email_sender.queue_assignment_email(runtime, ticket)
    reminders.queue_reminders(runtime, ticket)
    unassigned_alert.queue_alerts(runtime, ticket)
