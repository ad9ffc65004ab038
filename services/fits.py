"""Who could take a ticket, the best fit first, as a list for a person to choose from. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bson import ObjectId

from services.assignment import Candidate, known_skills, ranked
from services.models import User


class Obstacle(StrEnum):
    """Why assignment would not choose somebody by itself. A person may, all the same."""

    REQUESTER = "requester"
    AWAY = "away"
    UNLINKED = "unlinked"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Fit:
    """`known` are those of the ticket's skills they have; `open_tickets` of `capacity`."""

    user: User
    known: tuple[str, ...]
    open_tickets: int
    capacity: int
    obstacle: Obstacle | None


def fits(
    *,
    candidates: Sequence[Candidate],
    users: Mapping[ObjectId, User],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
    query: str = "",
) -> list[Fit]:
    """Those whose name or skills hold the query, whatever its capitals."""
    wanted = " ".join(query.split()).casefold()
    ordered = ranked(candidates=candidates, skills=skills, requester=requester, now=now)
    return [
        _fit(candidate, user, skills, requester, now)
        for candidate in ordered
        if (user := users.get(candidate.user_id)) and _is_wanted(user, wanted)
    ]


def _is_wanted(user: User, wanted: str) -> bool:
    return any(wanted in text.casefold() for text in (user.display_name, *user.skills))


def _fit(
    candidate: Candidate,
    user: User,
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
) -> Fit:
    return Fit(
        user=user,
        known=tuple(known_skills(candidate, skills)),
        open_tickets=candidate.open_tickets,
        capacity=candidate.capacity,
        obstacle=_obstacle(candidate, requester, now),
    )


def _obstacle(candidate: Candidate, requester: ObjectId | None, now: datetime) -> Obstacle | None:
    if candidate.user_id == requester:
        return Obstacle.REQUESTER
    if candidate.away_until is not None and candidate.away_until > now:
        return Obstacle.AWAY
    if not candidate.linked:
        return Obstacle.UNLINKED
    if candidate.open_tickets >= candidate.capacity:
        return Obstacle.FULL
    return None
