"""Assign a ticket: analyse it, choose a candidate, assign it.

The first messages about a ticket wait for that at most `FIRST_POST_DELAY`. Before the model is
asked, delivery is published with this countdown: if the model is slow, or the worker is killed,
another worker then sends what is known.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from celery import Task

from services.analysis.analysis_store import (
    analysis_change,
    analysis_source,
    is_analysed,
    store_analysis,
    with_analysis,
)
from services.assignment.assignment_service import claimed_at, needs_assignment
from services.core import request_context
from services.models.set_aside import isolated
from services.models.ticket import Ticket
from services.outbox import pending
from services.tickets.queries import load_several, load_ticket
from services.tickets.transitions import NO_CHANGE, Change
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
    runtime = current_runtime()
    if run(runtime, ticket_id, is_moved=partial(moved_to_backlog, self)):
        runtime.publisher.publish_ticket(ticket_id)


def run(
    runtime: Runtime, ticket_id: str, *, is_moved: Callable[[Ticket], bool] = lambda _: False
) -> bool:
    """Assign the ticket, unless `is_moved`, and return whether to publish its delivery."""
    with isolated(runtime.db, ticket_id, now=runtime.clock()):
        ticket = load_ticket(runtime.db, ticket_id)
        if ticket is None or is_moved(ticket):
            return False
        return assign(runtime, ticket) is not None
    return True  # of what is well-formed in it


def assign(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    """Count the attempt, assign the ticket if it still needs it, and return it with that change, to
    deliver its messages now.

    None if their delivery is published. After a failure the sweep repeats the task.
    """
    with isolated(runtime.db, ticket.id, now=runtime.clock()):
        return _assign(runtime, ticket)
    return ticket  # what is well-formed in it


def _assign(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    if not needs_assignment(ticket):
        pending.back_off(runtime.db, ticket, now=runtime.clock())
        return ticket
    if new := assign_new(runtime, [ticket]):
        return new[0]
    claimed = runtime.services.assignments.claim(ticket, now=runtime.clock())
    if claimed is None:
        pending.back_off(runtime.db, ticket, now=runtime.clock())
        return _has_waited(runtime, str(ticket.id))
    stored = None
    try:
        stored = _analyse_and_assign(runtime, claimed)
    finally:
        # Also after a failure, so that the next attempt need not wait for the claim to expire.
        if stored is None:
            runtime.services.assignments.release_claim(ticket.id)
    if stored is None:
        logger.info("ticket %s changed during its assignment, which is repeated", ticket.id)
        runtime.publisher.publish_ticket(str(ticket.id))
    return stored


def assign_new(runtime: Runtime, tickets: Sequence[Ticket]) -> list[Ticket]:
    """Assign those of the tickets that no task has tried to, and return them with that change.

    They share all reads, and need no claim: without a model, two tasks that assign one ticket cost
    little, and one of them loses. Their attempt counts only if it is not the first: the sweep finds
    their own date in the outbox. Tickets that are left out, as those that have changed or that no
    candidate can take, are to be assigned one by one.
    """
    if runtime.analyst:
        return []
    now = runtime.clock()
    new = [ticket for ticket in tickets if _is_new(ticket, now)]
    ready: list[tuple[Ticket, Ticket, Change, Mapping[ObjectId, float]]] = []
    for ticket in new:
        with _one_of_several(runtime, ticket):
            analysis = analyse(runtime, ticket)
            change = analysis_change(runtime.db, ticket, analysis, now=now)
            history = runtime.services.models.resolver_scores(ticket.text)
            ready.append((ticket, with_analysis(ticket, analysis, now=now), change, history))
    assignments, reread, ids = runtime.services.assignments, set[ObjectId](), []
    for place, (ticket, analysed, change, history) in enumerate(ready):
        reread = reread or assignments.reread_likely(
            [(waiting, scores) for _, waiting, _, scores in ready[place:]], now=now
        )
        with _one_of_several(runtime, ticket):
            choice = assignments.choose(analysed, now=now, history=history, reread=reread)
            source = analysis_source(analysed)
            if choice and assignments.store_assignment(
                ticket, choice, source=source, now=now, analysed=change
            ):
                logger.info("ticket %s is assigned to user %s", ticket.id, choice.user_id)
                ids.append(str(ticket.id))
    return load_several(runtime.db, ids) if ids else []


def _is_new(ticket: Ticket, now: datetime) -> bool:
    """Whether no task has tried to assign the ticket, and the sweep does not look for it yet."""
    is_tried = ticket.attempts or "until" in ticket.assignment or is_analysed(ticket)
    is_untried = ticket.is_in_outbox and not is_tried and needs_assignment(ticket)
    return is_untried and pending.is_waiting(ticket, now=now)


@contextmanager
def _one_of_several(runtime: Runtime, ticket: Ticket) -> Iterator[None]:
    with (
        request_context.bound_ids(ticket_id=str(ticket.id)),
        isolated(runtime.db, ticket.id, now=runtime.clock()),
    ):
        yield


def _has_waited(runtime: Runtime, ticket_id: str) -> Ticket | None:
    """Return the ticket if another task has assigned it, or has tried to for `FIRST_POST_DELAY`.

    If not, publish delivery for then: that task may have been killed before it did.
    """
    ticket = load_ticket(runtime.db, ticket_id)
    if ticket is None or not needs_assignment(ticket):
        return ticket
    now = runtime.clock()
    wait = (claimed_at(ticket) or now) + FIRST_POST_DELAY - now
    if not timedelta() < wait <= FIRST_POST_DELAY:  # longer: the claim of a wrong clock
        return ticket
    runtime.publisher.publish_ticket(ticket_id, countdown=wait.total_seconds())
    return None


def _analyse_and_assign(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    """Analyse the text unless its analysis is stored, and assign; None if it has changed.

    A model's analysis is stored first, so that the model is not asked again after an interruption.
    The router's is stored with the assignment.
    """
    if is_analysed(ticket):
        return _assign_or_queue(runtime, ticket, ticket, NO_CHANGE)
    if runtime.analyst:
        countdown = FIRST_POST_DELAY.total_seconds()
        runtime.publisher.publish_ticket(str(ticket.id), countdown=countdown)
    analysis, now = analyse(runtime, ticket), runtime.clock()
    if runtime.analyst:
        stored = store_analysis(runtime.db, ticket, analysis, now=now)
        return _assign_or_queue(runtime, stored, stored, NO_CHANGE) if stored else None
    change = analysis_change(runtime.db, ticket, analysis, now=now)
    return _assign_or_queue(runtime, ticket, with_analysis(ticket, analysis, now=now), change)


def _assign_or_queue(
    runtime: Runtime, ticket: Ticket, analysed_ticket: Ticket, analysed: Change
) -> Ticket | None:
    """Assign it to the best candidate, or queue it as unassigned; None if it has changed.

    `analysed_ticket` is `ticket` with its analysis, `analysed` what of it is not stored yet.
    """
    assignments, now = runtime.services.assignments, runtime.clock()
    history = runtime.services.models.resolver_scores(ticket.text)
    choice = assignments.choose(analysed_ticket, now=now, history=history)
    if choice is None:
        return assignments.queue_unassigned(ticket, now=now, analysed=analysed)
    logger.info("ticket %s is assigned to user %s", ticket.id, choice.user_id)
    source = analysis_source(analysed_ticket)
    return assignments.assign(ticket, choice, source=source, now=now, analysed=analysed)
