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
from services.assignment.ranking import Criteria, Rating, Tier, assess, merits, phrase
from services.assignment.scoring import ScoringContext
from services.core.coerce import as_datetime, as_str
from services.models.assignee_choice import MANUAL_SOURCE
from services.models.events import EventType
from services.models.ticket import Ticket


class Gap(StrEnum):
    """Why somebody is left out in whose way nothing stands."""

    NO_FIT = "no_fit"
    NOT_LISTED = "not_listed"  # of a large team some are looked at at a time


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """How somebody stands for a ticket. `reason` is what speaks for them, for the first in the
    words of their card; `left_out` None: they could be chosen."""

    candidate: Candidate
    score: float
    parts: Mapping[str, float]
    reason: str
    left_out: Obstacle | Gap | None = None

    @property
    def user_id(self) -> ObjectId:
        return self.candidate.user_id


@dataclass(frozen=True, slots=True)
class Explanation:
    """`able` are those who could be chosen, the first of them first; the others are `left_out`."""

    able: tuple[CandidateScore, ...]
    left_out: tuple[CandidateScore, ...]

    @property
    def chosen(self) -> CandidateScore | None:
        return self.able[0] if self.able else None


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
    listed: Set[ObjectId],
    holders: Mapping[str, int] | None,
    grounds: Criteria,
) -> Explanation:
    """How all of these stand; whom `choose` would choose, from those who are `listed` and by the
    same grounds and holders, is the first who is able."""
    looked_at = [who for who in candidates if who.user_id in listed]
    # Whoever has left is shown, but makes no skill less rare.
    scale = ScoringContext.of(
        looked_at, skills=grounds["skills"], now=grounds["now"], holders=holders
    )
    ratings = assess(candidates=candidates, **grounds, holders=scale.holders)
    why_not = [(rating, _why_not(rating, listed)) for rating in ratings]
    able = [rating for rating, reason in why_not if reason is None]
    return Explanation(
        able=tuple(_standing(rating, scale, first=rating is able[0]) for rating in able),
        left_out=tuple(
            _standing(rating, scale, left_out=reason) for rating, reason in why_not if reason
        ),
    )


def then(ticket: Ticket) -> LastAssignment | None:
    """None for a ticket that nobody has had."""
    given = [event for event in ticket.events if event.type == EventType.ASSIGNED]
    last = given[-1] if given else None
    to = last.to if last and isinstance(last.to, ObjectId) else ticket.assigned_to
    if to is None:
        return None
    kept = ticket.assignment
    score = _number(kept.get("score"))
    # Somebody may also have been found to have it, given by another program.
    is_ours = last is not None and (last.by != "system" or kept.get("source") != MANUAL_SOURCE)
    return LastAssignment(
        to=to,
        by=last.by if last and is_ours else "",
        at=last.at if last else as_datetime(kept.get("at")),
        reason=as_str(kept.get("reason")),
        score=score,
        parts=_parts(kept.get("parts")),
    )


def _standing(
    rating: Rating,
    scale: ScoringContext,
    *,
    first: bool = False,
    left_out: Obstacle | Gap | None = None,
) -> CandidateScore:
    return CandidateScore(
        candidate=rating.candidate,
        score=rating.score,
        parts=rating.rounded,
        reason=phrase(rating, scale) if first else _merits(rating, scale),
        left_out=left_out,
    )


def _merits(rating: Rating, scale: ScoringContext) -> str:
    found = merits(rating, scale)
    return f"an admin · {found}" if rating.tier is Tier.ADMIN else found


def _why_not(rating: Rating, listed: Set[ObjectId]) -> Obstacle | Gap | None:
    if rating.obstacle:
        return rating.obstacle
    if rating.tier >= Tier.NO_FIT:
        return Gap.NO_FIT
    return None if rating.candidate.user_id in listed else Gap.NOT_LISTED


def _parts(stored: Any) -> dict[str, float]:
    """Perhaps another version's, by other names."""
    held = stored if isinstance(stored, Mapping) else {}
    read = {str(name): _number(value) for name, value in held.items()}
    return {name: value for name, value in read.items() if value is not None}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
