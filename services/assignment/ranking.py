"""Who gets a ticket, and why. Pure: the same input always gives the same choice.

First comes who knows at least one of the skills, then a moderator who has solved similar tickets,
then an admin. Where no skill was recognised, any moderator may have it, and an admin only where
there is none. Within each of these the score decides (services/assignment/scoring.py); among those
who were taken for want of a skill fairness counts only between equals, so that load decides.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TypedDict

from bson import ObjectId

from services.assignment.candidate import Candidate, Obstacle, find_obstacle
from services.assignment.reasons import describe_candidate
from services.assignment.scoring import NO_SCORES, WEIGHTS, ScoringContext
from services.models.assignee_choice import AssigneeChoice, ChoiceReason
from services.models.user import Role

# From this share of what resembles a ticket on, somebody is said to have solved such tickets.
MIN_HISTORY_SHARE = 0.2
_SCORE_DECIMALS = 6


class Tier(IntEnum):
    """In which order people are considered; the last two are not."""

    KNOWS_SKILL = 0
    HAS_SOLVED = 1
    HAS_CAPACITY = 2
    ADMIN = 3
    NO_MATCH = 4
    UNAVAILABLE = 5


class Criteria(TypedDict):
    """What a choice depends on besides the candidates: arguments of `choose_assignee` and
    `rate_candidates`."""

    skills: Sequence[str]
    requester: ObjectId | None
    now: datetime
    declined: Set[ObjectId]
    history: Mapping[ObjectId, float]
    corrections: Mapping[ObjectId, float]


@dataclass(frozen=True, slots=True)
class Rating:
    """How one candidate ranks for one ticket. `unrounded_score` is the score before it is
    rounded."""

    candidate: Candidate
    tier: Tier
    obstacle: Obstacle | None
    known_skills: tuple[str, ...]
    has_solved: bool
    parts: dict[str, float]
    unrounded_score: float

    @property
    def score(self) -> float:
        return round(sum(self.rounded_parts.values()), _SCORE_DECIMALS)

    @property
    def rounded_parts(self) -> dict[str, float]:
        return {name: round(value, _SCORE_DECIMALS) for name, value in self.parts.items()}


def choose_assignee(
    *,
    candidates: Sequence[Candidate],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
    history: Mapping[ObjectId, float] = NO_SCORES,
    corrections: Mapping[ObjectId, float] = NO_SCORES,
    skill_counts: Mapping[str, int] | None = None,
) -> AssigneeChoice | None:
    """The assignee for a ticket that needs `skills`; None if no candidate is available.

    `declined` have declined it, or it was reassigned from them; `history` is how much of what
    resembles the ticket each has solved (0 to 1), `corrections` how people have corrected such
    choices (-1 to 1). `skill_counts` is how many know each skill (casefolded), if `candidates` are
    not all of them.
    """
    context = ScoringContext.build(
        candidates,
        skills=skills,
        now=now,
        history=history,
        corrections=corrections,
        skill_counts=skill_counts,
    )
    ratings = (_rate(c, context, requester, declined) for c in candidates)
    best = min((r for r in ratings if r.tier < Tier.NO_MATCH), key=_rank_key, default=None)
    return _choice(best, context) if best else None


def rate_candidates(
    *,
    candidates: Sequence[Candidate],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
    history: Mapping[ObjectId, float] = NO_SCORES,
    corrections: Mapping[ObjectId, float] = NO_SCORES,
    skill_counts: Mapping[str, int] | None = None,
) -> list[Rating]:
    """All candidates, for a person to choose from or to see why: the one whom `choose_assignee`
    would take first, then the others who are available, then the rest, the least loaded first."""
    context = ScoringContext.build(
        candidates,
        skills=skills,
        now=now,
        history=history,
        corrections=corrections,
        skill_counts=skill_counts,
    )
    return sorted((_rate(c, context, requester, declined) for c in candidates), key=_rank_key)


def _rate(
    candidate: Candidate,
    context: ScoringContext,
    requester: ObjectId | None,
    declined: Set[ObjectId],
) -> Rating:
    found = find_obstacle(candidate, requester=requester, now=context.now, declined=declined)
    known = tuple(context.known_skills(candidate))
    parts = context.score_parts(candidate)
    has_solved = parts["history"] >= MIN_HISTORY_SHARE * WEIGHTS["history"]
    return Rating(
        candidate=candidate,
        tier=Tier.UNAVAILABLE if found else _tier(candidate, context, bool(known), has_solved),
        obstacle=found,
        known_skills=known,
        has_solved=has_solved,
        parts=parts,
        unrounded_score=sum(parts.values()),
    )


def _tier(candidate: Candidate, context: ScoringContext, knows: bool, has_solved: bool) -> Tier:
    if candidate.role is Role.ADMIN:
        return Tier.ADMIN
    if candidate.role is not Role.MODERATOR:
        return Tier.NO_MATCH
    if not context.needed_skills:
        return Tier.HAS_CAPACITY
    if knows:
        return Tier.KNOWS_SKILL
    return Tier.HAS_SOLVED if has_solved else Tier.NO_MATCH


def _rank_key(rating: Rating) -> tuple[Tier, bool, float, float, ObjectId]:
    """The smallest is the best. The id last: a tie has one answer whatever the order."""
    who, score = rating.candidate, round(rating.unrounded_score, 12)
    if rating.tier is Tier.UNAVAILABLE:
        return rating.tier, False, who.effective_load, 0.0, who.user_id
    for_room = rating.tier in (Tier.HAS_CAPACITY, Tier.ADMIN) and not rating.known_skills
    before_fairness = (
        round(rating.unrounded_score - rating.parts["fairness"], 12) if for_room else score
    )
    return rating.tier, not rating.known_skills, -before_fairness, -score, who.user_id


def _choice(rating: Rating, context: ScoringContext) -> AssigneeChoice:
    why = _reason(rating, context)
    return AssigneeChoice(
        user_id=rating.candidate.user_id,
        main_reason=why,
        reason_text=_describe(rating, context, why),
        score=rating.score,
        score_parts=rating.rounded_parts,
    )


def describe_reason(rating: Rating, context: ScoringContext) -> str:
    """What speaks for somebody, as their card would say it."""
    return _describe(rating, context, _reason(rating, context))


def strengths(rating: Rating, context: ScoringContext) -> str:
    """What speaks for them among others who could have it: no more than their load, perhaps."""
    why = _reason(rating, context)
    return _describe(
        rating, context, why if why in (ChoiceReason.SKILLS, ChoiceReason.HISTORY) else None
    )


def _describe(rating: Rating, context: ScoringContext, why: ChoiceReason | None) -> str:
    who = rating.candidate
    return describe_candidate(
        who,
        why=why,
        known_skills=rating.known_skills,
        needed_skills=list(context.needed_skills.values()),
        has_solved=rating.has_solved,
        presence=context.presence(who.week) if who.week else None,
        end=context.work_end(who.week) if who.week else None,
        now=context.now,
        has_several_zones=context.has_several_zones,
    )


def _reason(rating: Rating, context: ScoringContext) -> ChoiceReason:
    if rating.known_skills:
        return ChoiceReason.SKILLS
    if rating.has_solved:
        return ChoiceReason.HISTORY
    return ChoiceReason.NO_SKILL_MATCH if context.needed_skills else ChoiceReason.LEAST_LOADED
