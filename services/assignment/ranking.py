"""Who gets a ticket, and why. Pure: the same input always gives the same choice.

First comes who knows at least one of the skills, then a moderator who has solved similar tickets,
then an admin. Where no skill was recognised, any moderator may have it, and an admin only where
there is none. Within each of these the score decides (services/assignment/scoring.py); among those
who were
taken for want of a skill fairness counts only between equals, so that load decides.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TypedDict

from bson import ObjectId

from services.assignment.candidate import Candidate, Obstacle, obstacle
from services.assignment.reasons import sentence
from services.assignment.scoring import NOBODY, WEIGHTS, ScoringContext
from services.models.assignee_choice import AssigneeChoice, ChoiceReason
from services.models.user import Role

# From this share of what resembles a ticket on, somebody is said to have solved such tickets.
EXPERIENCED = 0.2
_PLACES = 6


class Tier(IntEnum):
    """In which order people are considered; the last two are not."""

    KNOWS = 0
    HAS_SOLVED = 1
    HAS_ROOM = 2
    ADMIN = 3
    NO_FIT = 4
    UNAVAILABLE = 5


class Criteria(TypedDict):
    """What a choice goes by besides the candidates: arguments of `choose` and `assess`."""

    skills: Sequence[str]
    requester: ObjectId | None
    now: datetime
    declined: Set[ObjectId]
    history: Mapping[ObjectId, float]
    corrections: Mapping[ObjectId, float]


@dataclass(frozen=True, slots=True)
class Rating:
    """How one candidate stands for one ticket. `total` is the score before it is rounded."""

    candidate: Candidate
    tier: Tier
    obstacle: Obstacle | None
    known: tuple[str, ...]
    has_solved: bool
    parts: dict[str, float]
    total: float

    @property
    def score(self) -> float:
        return round(sum(self.rounded.values()), _PLACES)

    @property
    def rounded(self) -> dict[str, float]:
        return {name: round(value, _PLACES) for name, value in self.parts.items()}


def choose_assignee(
    *,
    candidates: Sequence[Candidate],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
    history: Mapping[ObjectId, float] = NOBODY,
    corrections: Mapping[ObjectId, float] = NOBODY,
    holders: Mapping[str, int] | None = None,
) -> AssigneeChoice | None:
    """The person for a ticket that needs `skills`; None where nobody is available.

    `declined` have had it and handed it back, or it was passed on from them; `history` is how much
    of what resembles the ticket each has solved (0 to 1), `corrections` how people have corrected
    such choices (-1 to 1).
    `holders` is how many know each skill (casefolded), where `candidates` are not everybody.
    """
    scale = ScoringContext.of(
        candidates,
        skills=skills,
        now=now,
        history=history,
        corrections=corrections,
        holders=holders,
    )
    ratings = (_rating(c, scale, requester, declined) for c in candidates)
    best = min((r for r in ratings if r.tier < Tier.NO_FIT), key=_rank, default=None)
    return _choice(best, scale) if best else None


def assess(
    *,
    candidates: Sequence[Candidate],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
    history: Mapping[ObjectId, float] = NOBODY,
    corrections: Mapping[ObjectId, float] = NOBODY,
    holders: Mapping[str, int] | None = None,
) -> list[Rating]:
    """Everybody, for a person to choose from or to see why: whom `choose` would take first, then
    who else is available, then the others, the least loaded first."""
    scale = ScoringContext.of(
        candidates,
        skills=skills,
        now=now,
        history=history,
        corrections=corrections,
        holders=holders,
    )
    return sorted((_rating(c, scale, requester, declined) for c in candidates), key=_rank)


def _rating(
    candidate: Candidate, scale: ScoringContext, requester: ObjectId | None, declined: Set[ObjectId]
) -> Rating:
    found = obstacle(candidate, requester=requester, now=scale.now, declined=declined)
    known = tuple(scale.known(candidate))
    parts = scale.parts(candidate)
    has_solved = parts["history"] >= EXPERIENCED * WEIGHTS["history"]
    return Rating(
        candidate=candidate,
        tier=Tier.UNAVAILABLE if found else _tier(candidate, scale, bool(known), has_solved),
        obstacle=found,
        known=known,
        has_solved=has_solved,
        parts=parts,
        total=sum(parts.values()),
    )


def _tier(candidate: Candidate, scale: ScoringContext, knows: bool, has_solved: bool) -> Tier:
    if candidate.role is Role.ADMIN:
        return Tier.ADMIN
    if candidate.role is not Role.MODERATOR:
        return Tier.NO_FIT
    if not scale.needed:
        return Tier.HAS_ROOM
    if knows:
        return Tier.KNOWS
    return Tier.HAS_SOLVED if has_solved else Tier.NO_FIT


def _rank(rating: Rating) -> tuple[Tier, bool, float, float, ObjectId]:
    """The smallest is the best. The id last: a tie has one answer whatever the order."""
    who, score = rating.candidate, round(rating.total, 12)
    if rating.tier is Tier.UNAVAILABLE:
        return rating.tier, False, who.weighed, 0.0, who.user_id
    for_room = rating.tier in (Tier.HAS_ROOM, Tier.ADMIN) and not rating.known
    before_fairness = round(rating.total - rating.parts["fairness"], 12) if for_room else score
    return rating.tier, not rating.known, -before_fairness, -score, who.user_id


def _choice(rating: Rating, scale: ScoringContext) -> AssigneeChoice:
    why = _reason(rating, scale)
    return AssigneeChoice(
        user_id=rating.candidate.user_id,
        main_reason=why,
        reason_text=_phrase(rating, scale, why),
        score=rating.score,
        score_parts=rating.rounded,
    )


def phrase(rating: Rating, scale: ScoringContext) -> str:
    """What speaks for somebody, as their card would say it."""
    return _phrase(rating, scale, _reason(rating, scale))


def merits(rating: Rating, scale: ScoringContext) -> str:
    """What speaks for them among others who could have it: no more than their load, perhaps."""
    why = _reason(rating, scale)
    return _phrase(
        rating, scale, why if why in (ChoiceReason.SKILLS, ChoiceReason.HISTORY) else None
    )


def _phrase(rating: Rating, scale: ScoringContext, why: ChoiceReason | None) -> str:
    who = rating.candidate
    return sentence(
        who,
        why=why,
        known=rating.known,
        needed=list(scale.needed.values()),
        has_solved=rating.has_solved,
        presence=scale.presence(who.week) if who.week else None,
        end=scale.end(who.week) if who.week else None,
        now=scale.now,
        is_spread=scale.is_spread,
    )


def _reason(rating: Rating, scale: ScoringContext) -> ChoiceReason:
    if rating.known:
        return ChoiceReason.SKILLS
    if rating.has_solved:
        return ChoiceReason.HISTORY
    return ChoiceReason.NO_SKILL_MATCH if scale.needed else ChoiceReason.LEAST_LOADED
