"""Why a ticket is somebody's, or would be: everybody's parts, and who is left out. Pure.

Nothing is scored here: how people stand is asked of what chooses (services/assignment/ranking.py).
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.assignment.candidate import Candidate, Obstacle
from services.assignment.ranking import (
    Criteria,
    Rating,
    Tier,
    describe_reason,
    rate_candidates,
    strengths,
)
from services.assignment.scoring import ScoringContext
from services.core.coerce import as_datetime, as_str
from services.models.assignee_choice import MANUAL_SOURCE
from services.models.events import EventType
from services.models.ticket import Ticket


class CandidateExclusion(StrEnum):
    """Why somebody is left out in whose way nothing stands."""

    NO_MATCH = "no_fit"
    NOT_SHORTLISTED = "not_listed"  # of a large team some are looked at at a time


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """How a candidate ranks for a ticket. `reason` is what speaks for them, for the first in the
    words of their card; `exclusion` None: they could be chosen."""

    candidate: Candidate
    score: float
    parts: Mapping[str, float]
    reason: str
    exclusion: Obstacle | CandidateExclusion | None = None

    @property
    def user_id(self) -> ObjectId:
        return self.candidate.user_id


@dataclass(frozen=True, slots=True)
class Explanation:
    """`eligible` are those who could be chosen, the best first; the others are `excluded`."""

    eligible: tuple[CandidateScore, ...]
    excluded: tuple[CandidateScore, ...]

    @property
    def chosen(self) -> CandidateScore | None:
        return self.eligible[0] if self.eligible else None


@dataclass(frozen=True, slots=True)
class LastAssignment:
    """How the ticket came to whom it was assigned last, as stored at that time.

    `by` is who did it: a person's id, "system" for assignment, or "" for nobody here. What was not
    assignment's choice was not scored: `score` is None and `parts` are empty.
    """

    to: ObjectId
    by: ObjectId | str
    at: datetime | None
    reason: str
    score: float | None
    parts: Mapping[str, float]


def explain(
    candidates: Sequence[Candidate],
    *,
    shortlisted: Set[ObjectId],
    skill_counts: Mapping[str, int] | None,
    criteria: Criteria,
) -> Explanation:
    """How all of these rank; the one whom `choose_assignee` would choose, from those who are
    `shortlisted` and by the same criteria and skill counts, is the first who is eligible."""
    considered = [who for who in candidates if who.user_id in shortlisted]
    # Whoever has left is shown, but makes no skill less rare.
    context = ScoringContext.build(
        considered, skills=criteria["skills"], now=criteria["now"], skill_counts=skill_counts
    )
    ratings = rate_candidates(candidates=candidates, **criteria, skill_counts=context.skill_counts)
    why_not = [(rating, _exclusion(rating, shortlisted)) for rating in ratings]
    eligible = [rating for rating, reason in why_not if reason is None]
    return Explanation(
        eligible=tuple(
            _candidate_score(rating, context, first=rating is eligible[0]) for rating in eligible
        ),
        excluded=tuple(
            _candidate_score(rating, context, exclusion=reason)
            for rating, reason in why_not
            if reason
        ),
    )


def last_assignment(ticket: Ticket) -> LastAssignment | None:
    """None for a ticket that nobody has had."""
    given = [event for event in ticket.events if event.type == EventType.ASSIGNED]
    last = given[-1] if given else None
    to = last.to if last and isinstance(last.to, ObjectId) else ticket.assigned_to
    if to is None:
        return None
    assignment = ticket.assignment
    score = _number(assignment.get("score"))
    # Somebody may also have been found to have it, given by another program.
    is_ours = last is not None and (
        last.by != "system" or assignment.get("source") != MANUAL_SOURCE
    )
    return LastAssignment(
        to=to,
        by=last.by if last and is_ours else "",
        at=last.at if last else as_datetime(assignment.get("at")),
        reason=as_str(assignment.get("reason")),
        score=score,
        parts=_parts(assignment.get("parts")),
    )


def _candidate_score(
    rating: Rating,
    context: ScoringContext,
    *,
    first: bool = False,
    exclusion: Obstacle | CandidateExclusion | None = None,
) -> CandidateScore:
    return CandidateScore(
        candidate=rating.candidate,
        score=rating.score,
        parts=rating.rounded_parts,
        reason=describe_reason(rating, context) if first else _strengths(rating, context),
        exclusion=exclusion,
    )


def _strengths(rating: Rating, context: ScoringContext) -> str:
    found = strengths(rating, context)
    return f"an admin · {found}" if rating.tier is Tier.ADMIN else found


def _exclusion(rating: Rating, shortlisted: Set[ObjectId]) -> Obstacle | CandidateExclusion | None:
    if rating.obstacle:
        return rating.obstacle
    if rating.tier >= Tier.NO_MATCH:
        return CandidateExclusion.NO_MATCH
    return None if rating.candidate.user_id in shortlisted else CandidateExclusion.NOT_SHORTLISTED


def _parts(stored: Any) -> dict[str, float]:
    """Perhaps another version's, by other names."""
    parts = stored if isinstance(stored, Mapping) else {}
    read = {str(name): _number(value) for name, value in parts.items()}
    return {name: value for name, value in read.items() if value is not None}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
