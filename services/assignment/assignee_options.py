"""Who could take a ticket, the best fit first, as a list for a person to choose from. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from services.assignment.candidate import Candidate, Obstacle
from services.assignment.ranking import Rating, rate_candidates, strengths
from services.assignment.reasons import KNOWS_NO_SKILL
from services.assignment.scoring import NO_SCORES, ScoringContext
from services.models.user import User


@dataclass(frozen=True, slots=True)
class AssigneeOption:
    """`known_skills` are those of the ticket's skills they have; `open_tickets` of `capacity`.
    `reason` is what speaks for them. `is_match`: they know a skill it needs or have solved such
    tickets, or it needs none that is known."""

    user: User
    known_skills: tuple[str, ...]
    open_tickets: int
    capacity: int
    obstacle: Obstacle | None
    reason: str = ""
    is_match: bool = True


def rank_options(
    *,
    candidates: Sequence[Candidate],
    users: Mapping[ObjectId, User],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
    history: Mapping[ObjectId, float] = NO_SCORES,
    corrections: Mapping[ObjectId, float] = NO_SCORES,
    skill_counts: Mapping[str, int] | None = None,
    query: str = "",
) -> list[AssigneeOption]:
    """Those whose name or skills hold the query, whatever its capitals; in the order in which
    assignment would choose them."""
    wanted = " ".join(query.split()).casefold()
    ordered = rate_candidates(
        candidates=candidates,
        skills=skills,
        requester=requester,
        now=now,
        declined=declined,
        history=history,
        corrections=corrections,
        skill_counts=skill_counts,
    )
    context = ScoringContext.build(candidates, skills=skills, now=now)
    return [
        _to_option(rating, user, context)
        for rating in ordered
        if (user := users.get(rating.candidate.user_id)) and _matches_query(user, wanted)
    ]


def _matches_query(user: User, wanted: str) -> bool:
    return any(wanted in text.casefold() for text in (user.display_name, *user.skills))


def _to_option(rating: Rating, user: User, context: ScoringContext) -> AssigneeOption:
    who, reason = rating.candidate, strengths(rating, context)
    is_match = bool(rating.known_skills) or rating.has_solved or not context.needed_skills
    return AssigneeOption(
        user=user,
        known_skills=rating.known_skills,
        open_tickets=who.open_tickets,
        capacity=who.capacity,
        obstacle=rating.obstacle,
        reason=reason if is_match else f"{KNOWS_NO_SKILL} · {reason}",
        is_match=is_match,
    )
