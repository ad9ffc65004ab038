"""Assign a ticket: analyse it, choose a candidate, assign it.

The first messages about a ticket wait for that at most `FIRST_POST_DELAY`. Before the model is
asked, delivery is published with this countdown: if the model is slow, or the worker is killed,
another worker then sends what is known.
"""

import logging
from datetime import timedelta
from typing import Any

from celery import Task

from services.analysis.analysis_store import analysis_source, is_analysed, store_analysis
from services.assignment.assignment_service import claimed_at, needs_assignment
from services.models.set_aside import isolated
from services.models.ticket import Ticket
from services.tickets.queries import load_ticket
from tasks.assignment.analyse import analyse
from tasks.queue.celery_app import ASSIGN_TASK, NOTIFY_LIMIT_SECONDS, celery
from tasks.runtime import Runtime, current_runtime, moved_to_backlog

logger = logging.getLogger(__name__)

FIRST_POST_DELAY = timedelta(seconds=3)


@celery.task(
    name=ASSIGN_TASK,
    bind=True,
    soft_time_limit=NOTIFY_LIMIT_SECONDS,
    time_limit=NOTIFY_LIMIT_SECONDS + 30,
)
def assign_ticket(self: Task[Any, Any], ticket_id: str) -> None:
    """Work off a message of an earlier release, whose workers assign in a task of its own."""
    if moved_to_backlog(self, ticket_id):
        return
    runtime = current_runtime()
    if run(runtime, ticket_id):
        runtime.publisher.publish_ticket(ticket_id)


def run(runtime: Runtime, ticket_id: str) -> bool:
    """Assign the ticket if it still needs it, and return whether to deliver its messages now.

    If not, their delivery is published. After a failure the sweep repeats the task.
    """
    with isolated(runtime.db, ticket_id, now=runtime.clock()):
        return _assign(runtime, ticket_id)
    return True  # what is well-formed in it


def _assign(runtime: Runtime, ticket_id: str) -> bool:
    ticket = load_ticket(runtime.db, ticket_id)
    if ticket is None or not needs_assignment(ticket):
        return True
    claimed = runtime.services.assignments.claim(ticket.id, now=runtime.clock())
    if claimed is None:
        return _has_waited(runtime, ticket_id)
    try:
        analysed = _ensure_analysed(runtime, claimed)
        outcome = _assign_or_queue(runtime, analysed) if analysed else None
    finally:
        # Also after a failure, so that the next attempt need not wait for the claim to expire.
        runtime.services.assignments.release_claim(ticket.id)
    if outcome is None:
        logger.info("ticket %s changed during its assignment, which is repeated", ticket_id)
        runtime.publisher.publish_ticket(ticket_id)
    return outcome is not None


def _has_waited(runtime: Runtime, ticket_id: str) -> bool:
    """Whether another task has assigned the ticket, or has tried to for `FIRST_POST_DELAY`.

    If not, publish delivery for then: that task may have been killed before it did.
    """
    ticket = load_ticket(runtime.db, ticket_id)
    if ticket is None or not needs_assignment(ticket):
        return True
    now = runtime.clock()
    wait = (claimed_at(ticket) or now) + FIRST_POST_DELAY - now
    if not timedelta() < wait <= FIRST_POST_DELAY:  # longer: the claim of a wrong clock
        return True
    runtime.publisher.publish_ticket(ticket_id, countdown=wait.total_seconds())
    return False


def _ensure_analysed(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    """The ticket with an analysis of its current text, which is stored before it is assigned."""
    if is_analysed(ticket):
        return ticket
    if runtime.analyst:
        countdown = FIRST_POST_DELAY.total_seconds()
        runtime.publisher.publish_ticket(str(ticket.id), countdown=countdown)
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
