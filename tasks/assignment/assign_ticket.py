"""The task that assigns a ticket: analyse it, choose a candidate, assign it."""

import logging
from typing import Any

from celery import Task

from services.analysis.analysis_store import analysis_source, is_analysed, store_analysis
from services.assignment.assignment_service import needs_assignment
from services.models.set_aside import isolated
from services.models.ticket import Ticket
from services.tickets.queries import load_ticket
from tasks.assignment.analyse import analyse
from tasks.queue.celery_app import ASSIGN_LIMIT_SECONDS, ASSIGN_TASK, celery
from tasks.runtime import Runtime, current_runtime, moved_to_backlog

logger = logging.getLogger(__name__)


@celery.task(
    name=ASSIGN_TASK,
    bind=True,
    soft_time_limit=ASSIGN_LIMIT_SECONDS,
    time_limit=ASSIGN_LIMIT_SECONDS + 30,
)
def assign_ticket(self: Task[Any, Any], ticket_id: str) -> None:
    """Assign the ticket if it still needs it. After a failure the sweep repeats the task."""
    if not moved_to_backlog(self, ticket_id):
        run(current_runtime(), ticket_id)


def run(runtime: Runtime, ticket_id: str) -> None:
    with isolated(runtime.db, ticket_id, now=runtime.clock()):
        _assign(runtime, ticket_id)


def _assign(runtime: Runtime, ticket_id: str) -> None:
    ticket = load_ticket(runtime.db, ticket_id)
    if ticket is None or not needs_assignment(ticket):
        return
    claimed = runtime.services.assignments.claim(ticket.id, now=runtime.clock())
    if claimed is None:  # another task is assigning it
        return
    try:
        analysed = _ensure_analysed(runtime, claimed)
        outcome = _assign_or_queue(runtime, analysed) if analysed else None
    finally:
        # Also after a failure, so that the next attempt need not wait for the claim to expire.
        runtime.services.assignments.release_claim(ticket.id)
    if outcome is None:
        logger.info("ticket %s changed during its assignment, which is repeated", ticket_id)
    runtime.publisher.publish_ticket(ticket_id)


def _ensure_analysed(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    """The ticket with an analysis of its current text, which is stored before it is assigned."""
    if is_analysed(ticket):
        return ticket
    analysis = analyse(runtime, ticket)
    return store_analysis(runtime.db, ticket, analysis, now=runtime.clock())


def _assign_or_queue(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    """Assign it to the best candidate, or queue it as unassigned; None if it has changed."""
    now = runtime.clock()
    history = runtime.services.models.resolver_scores(ticket.text)
    choice = runtime.services.assignments.choose(ticket, now=now, history=history)
    if choice is None:
        return runtime.services.assignments.queue_unassigned(ticket, now=now)
    logger.info("ticket %s is assigned to user %s", ticket.id, choice.user_id)
    return runtime.services.assignments.assign(
        ticket, choice, source=analysis_source(ticket), now=now
    )
