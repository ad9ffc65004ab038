"""Analyse a ticket with the model, and in code if the model's answer is not enough."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from billiard.exceptions import SoftTimeLimitExceeded

from services.analysis import urgency
from services.analysis.analysis_store import requested_priority
from services.analysis.model_exchange import (
    NO_SOURCES,
    Analysis,
    AnalysisFailed,
    Analyst,
    FailureReason,
    Precedent,
    SkillSources,
    is_low_confidence,
)
from services.analysis.urgency import UrgencySignal
from services.models.ticket import Priority, Ticket
from services.routing import router, similar_tickets
from services.routing.skill_matching import match_skills
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)

# So many other requesters with the same problem make it an outage.
MIN_REPORTERS = 2


def analyse(runtime: Runtime, ticket: Ticket) -> Analysis:
    """Return Gemini's analysis, or the offline router's without a key or if Gemini fails."""
    skills = runtime.services.users.team_skills()
    found: Analysis | FailureReason | None = None
    if runtime.analyst:
        found = _ask_model(runtime, runtime.analyst, ticket, skills)
    if isinstance(found, Analysis):
        analysis = _with_named_skills(runtime, ticket, found, skills)
    else:
        analysis = _route_offline(runtime, ticket, skills, failure=found)
    return replace(analysis, signal=_signal(runtime, ticket, analysis))


def _ask_model(
    runtime: Runtime, analyst: Analyst, ticket: Ticket, skills: Sequence[str]
) -> Analysis | FailureReason:
    try:
        likely = router.rank_skills(ticket.text, skills, runtime.services.models.skill_model())
        precedents = similar_tickets.find_precedents(
            runtime.db, text=ticket.text, likely=likely, team_skills=skills
        )
        return _call_model(analyst, ticket, skills, precedents)
    except AnalysisFailed as error:
        failure = error.reason
    except SoftTimeLimitExceeded:
        failure = FailureReason.TIMEOUT
    logger.warning("ticket %s is routed offline: gemini %s", ticket.id, failure)
    return failure


def _call_model(
    analyst: Analyst, ticket: Ticket, skills: Sequence[str], precedents: Sequence[Precedent]
) -> Analysis:
    """Raises `AnalysisFailed` and Celery's `SoftTimeLimitExceeded`."""
    try:
        return analyst.analyse(
            title=ticket.title, description=ticket.description, skills=skills, precedents=precedents
        )
    except (AnalysisFailed, SoftTimeLimitExceeded):
        raise
    except Exception as error:  # noqa: BLE001  the library is unmaintained, and no fault in it may
        # stop the ticket. The message is not logged, because it may quote the ticket.
        logger.error("gemini's library: %s", type(error).__name__)
    raise AnalysisFailed(FailureReason.UNREADABLE)


def _with_named_skills(
    runtime: Runtime, ticket: Ticket, found: Analysis, skills: Sequence[str]
) -> Analysis:
    """The model's analysis with the skills that the text names; with low confidence, with the
    router's skills alone."""
    if not is_low_confidence(found.confidence):
        named, suggested = match_skills(ticket.text, skills), found.related_skills
        return replace(
            found,
            related_skills=tuple(dict.fromkeys([*suggested, *named])),
            skill_sources=SkillSources(named, suggested) if named else NO_SOURCES,
        )
    offline = _route_offline(runtime, ticket, skills)
    if not offline.related_skills:
        return found
    return replace(found, related_skills=offline.related_skills, basis=offline.basis)


def _route_offline(
    runtime: Runtime, ticket: Ticket, skills: Sequence[str], failure: FailureReason | None = None
) -> Analysis:
    return router.route(
        title=ticket.title,
        description=ticket.description,
        skills=skills,
        failure=failure,
        learned=runtime.services.models.skill_model(),
    )


def _signal(runtime: Runtime, ticket: Ticket, analysis: Analysis) -> UrgencySignal | None:
    """Evidence for a ticket that is claimed to be urgent; None if it is not claimed."""
    if Priority.URGENT not in (requested_priority(ticket), analysis.priority):
        return None
    found = urgency.find_signal(ticket.text)
    if found is None:
        others = similar_tickets.count_reporters(runtime.db, ticket, now=runtime.clock())
        found = UrgencySignal.REPORTS if others >= MIN_REPORTERS else None
    return found
