"""Who could take a ticket, the best fit first, as a list for a person to choose from. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from services.assignment.candidate import Candidate, Obstacle
from services.assignment.ranking import Rating, assess, merits
from services.assignment.reasons import KNOWS_NONE
from services.assignment.scoring import NOBODY, ScoringContext
from services.models.user import User


@dataclass(frozen=True, slots=True)
class AssigneeOption:
    """`known` are those of the ticket's skills they have; `open_tickets` of `capacity`. `reason` is
    what speaks for them. `is_match`: they know a skill it needs or have solved such tickets, or it
    needs none that is known."""

    user: User
    known: tuple[str, ...]
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
    history: Mapping[ObjectId, float] = NOBODY,
    corrections: Mapping[ObjectId, float] = NOBODY,
    holders: Mapping[str, int] | None = None,
    query: str = "",
) -> list[AssigneeOption]:
    """Those whose name or skills hold the query, whatever its capitals; in the order in which
    assignment would choose them."""
    wanted = " ".join(query.split()).casefold()
    ordered = assess(
        candidates=candidates,
        skills=skills,
        requester=requester,
        now=now,
        declined=declined,
        history=history,
        corrections=corrections,
        holders=holders,
    )
    scale = ScoringContext.of(candidates, skills=skills, now=now)
    return [
        _fit(rating, user, scale)
        for rating in ordered
        if (user := users.get(rating.candidate.user_id)) and _is_wanted(user, wanted)
    ]


def _is_wanted(user: User, wanted: str) -> bool:
    return any(wanted in text.casefold() for text in (user.display_name, *user.skills))


def _fit(rating: Rating, user: User, scale: ScoringContext) -> AssigneeOption:
    who, reason = rating.candidate, merits(rating, scale)
    is_match = bool(rating.known) or rating.has_solved or not scale.needed
    return AssigneeOption(
        user=user,
        known=rating.known,
        open_tickets=who.open_tickets,
        capacity=who.capacity,
        obstacle=rating.obstacle,
        reason=reason if is_match else f"{KNOWS_NONE} · {reason}",
        is_match=is_match,
    )
