"""Why a ticket has its assignee: every candidate's score parts, and who is excluded and why. Pure.

Nothing is scored here: the scores are those of the choice (services/assignment/ranking.py).
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
from services.models.events import EventType
from services.models.ticket import MANUAL_SOURCE, Ticket


class CandidateExclusion(StrEnum):
    """Why a candidate without an `Obstacle` is excluded."""

    NO_MATCH = "no_fit"
    NOT_SHORTLISTED = "not_listed"  # only a part of a large team is considered at a time


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """How a candidate ranks for a ticket. `reason` says what speaks for them; the first one's is
    that of their card. `exclusion` is None if they could be chosen."""

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
    """The ticket's last assignment, as stored at that time.

    `by` is a person's id, "system" for assignment, or "" for another program. A person's choice has
    no score: `score` is None and `parts` are empty.
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
    criteria: Criteria,
) -> Explanation:
    """Return how all candidates rank. The first eligible one is whom `choose_assignee` would choose
    from those who are `shortlisted`, by the same criteria."""
    considered = [who for who in candidates if who.user_id in shortlisted]
    # Users who have left are shown, but do not make a skill less rare.
    context = ScoringContext.build(
        considered,
        skills=criteria["skills"],
        now=criteria["now"],
        skill_counts=criteria.get("skill_counts"),
    )
    criteria = {**criteria, "skill_counts": context.skill_counts}
    ratings = rate_candidates(candidates=candidates, **criteria)
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
    """Return None for a ticket that never had an assignee."""
    given = [event for event in ticket.events if event.type == EventType.ASSIGNED]
    last = given[-1] if given else None
    to = last.to if last and isinstance(last.to, ObjectId) else ticket.assigned_to
    if to is None:
        return None
    assignment = ticket.assignment
    score = _number(assignment.get("score"))
    # "system" and MANUAL_SOURCE: another program assigned it.
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
    """Read stored parts; another version may have other names."""
    parts = stored if isinstance(stored, Mapping) else {}
    read = {str(name): _number(value) for name, value in parts.items()}
    return {name: value for name, value in read.items() if value is not None}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
