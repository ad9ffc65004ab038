"""Assign a ticket: read it, find out what it is about, choose somebody, hand it over."""

import logging

from billiard.exceptions import SoftTimeLimitExceeded

from services import router
from services.analysis import Analysis, AnalysisFailed, FailureReason
from services.assigning import analysis_source, declined, is_analysed, needs_assignment
from services.assignment import choose
from services.models import Ticket
from services.tickets import load
from tasks.app import ASSIGN, ASSIGN_SECONDS, celery
from tasks.runtime import Runtime, current

logger = logging.getLogger(__name__)


@celery.task(name=ASSIGN, soft_time_limit=ASSIGN_SECONDS, time_limit=ASSIGN_SECONDS + 30)
def assign_ticket(ticket_id: str) -> None:
    """Assign the ticket if it still needs it. A fault leaves it to the sweep."""
    run(current(), ticket_id)


def run(runtime: Runtime, ticket_id: str) -> None:
    ticket = load(runtime.db, ticket_id)
    if ticket is None or not needs_assignment(ticket):
        return
    claimed = runtime.assignments.claim(ticket.id, now=runtime.clock())
    if claimed is None:  # another task is at it
        return
    try:
        analysed = _analysed(runtime, claimed)
        outcome = _hand_over(runtime, analysed) if analysed else None
    finally:
        # Also when nothing came of it: the next attempt need not wait for the claim to expire.
        runtime.assignments.release(ticket.id)
    if outcome is None:
        logger.info("ticket %s changed during its assignment; it is tried again", ticket_id)
    runtime.publisher.publish(ticket_id)


def _analysed(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    """The ticket with an analysis of its present words, stored before anybody is chosen."""
    if is_analysed(ticket):
        return ticket
    analysis = analyse(runtime, ticket)
    return runtime.assignments.store_analysis(ticket, analysis, now=runtime.clock())


def analyse(runtime: Runtime, ticket: Ticket) -> Analysis:
    """Gemini's reading of it, or the offline router's where there is no key or Gemini fails."""
    skills = runtime.users.team_skills()
    failure: FailureReason | None = None
    if runtime.analyst:
        try:
            return runtime.analyst.analyse(
                title=ticket.title, description=ticket.description, skills=skills
            )
        except AnalysisFailed as error:
            failure = error.reason
        except SoftTimeLimitExceeded:
            failure = FailureReason.TIMEOUT
        logger.warning("ticket %s is routed offline: gemini %s", ticket.id, failure)
    return router.route(
        title=ticket.title, description=ticket.description, skills=skills, failure=failure
    )


def _hand_over(runtime: Runtime, ticket: Ticket) -> Ticket | None:
    """Give it to the best candidate, or keep it for later; None where it changed meanwhile."""
    now = runtime.clock()
    choice = choose(
        candidates=runtime.assignments.candidates(team_id=ticket.team_id or "", now=now),
        skills=ticket.related_skills,
        requester=ticket.created_by,
        now=now,
        declined=declined(ticket),
    )
    if choice is None:
        return runtime.assignments.park(ticket, now=now)
    logger.info("ticket %s goes to user %s", ticket.id, choice.user_id)
    return runtime.assignments.assign(ticket, choice, source=analysis_source(ticket), now=now)
