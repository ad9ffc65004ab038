"""Tell people what has happened to a ticket since they were last told."""

import logging
from time import sleep
from typing import Any

from celery import Task

from services.assignment import feedback
from services.assignment.assignment_service import needs_assignment
from services.models.ticket import Ticket
from services.outbox import pending
from services.tickets.queries import load_ticket
from tasks.celery_app import NOTIFY, celery
from tasks.notifications import assignment_email, reminders, unassigned_alert
from tasks.notifications.home_refresh import refresh_soon
from tasks.notifications.slack import LONGEST_COUNTDOWN, SlackBusy
from tasks.notifications.ticket_sender import TicketSender
from tasks.runtime import Runtime, current

logger = logging.getLogger(__name__)

# A ticket that changes faster than this is left to the next hint or the sweep.
ROUNDS = 5
# Two that meet in the middle of a ticket must not both leave the rest to the sweep.
LOOK_AGAIN_SECONDS = 0.2


@celery.task(name=NOTIFY, bind=True, max_retries=None)
def notify(self: Task[Any, Any], ticket_id: str) -> None:
    """Send what is due. Slack's rate limit is waited for; any other fault is left to the sweep."""
    try:
        run(current(), ticket_id)
    except SlackBusy as busy:
        if busy.seconds > LONGEST_COUNTDOWN:
            return
        logger.info("slack is busy: ticket %s again in %s s", ticket_id, busy.seconds)
        raise self.retry(countdown=busy.seconds) from busy


def run(runtime: Runtime, ticket_id: str) -> None:
    """Send until nobody is behind the ticket's last change."""
    for attempt in range(ROUNDS):
        ticket = load_ticket(runtime.db, ticket_id)
        if ticket is None or not ticket.is_in_outbox:
            return
        awaited = needs_assignment(ticket)
        if awaited and attempt == 0:
            runtime.publisher.request_assignment(ticket_id)
        _post(runtime, ticket)
        courier = TicketSender(runtime, ticket)
        delivered = courier.deliver()
        refresh_soon(runtime, ticket)
        if courier.met_another:
            sleep(LOOK_AGAIN_SECONDS)
            continue
        if not delivered:
            return
        # What waits for assignment stays in the outbox. But whoever assigned it meanwhile may have
        # found these messages in our hands, and left what followed from it to us.
        finish = pending.is_unchanged if awaited else pending.mark_delivered
        if finish(runtime.db, ticket.id, expected_seq=ticket.seq):
            return


def _post(runtime: Runtime, ticket: Ticket) -> None:
    """First: these wait for no answer, and Slack may be away."""
    feedback.keep(runtime.db, ticket, now=runtime.clock())
    assignment_email.post(runtime, ticket)
    reminders.post(runtime, ticket)
    unassigned_alert.post(runtime, ticket)
