"""Who gets a ticket, and why. Pure: the same input always gives the same choice.

Moderators who know at least one of the skills are ranked by rarity of those skills, load and
fairness. Where no skill was recognised, the least loaded moderator gets it. Skills nobody
available knows go to the least loaded admin. Among the equally loaded fairness decides.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.models import Role

# The share each part has in a score of at most 1.
SKILL_WEIGHT, LOAD_WEIGHT, FAIRNESS_WEIGHT = 0.6, 0.3, 0.1
# So many tickets within the last week count as a full share.
FULL_WEEK = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """An active moderator or admin. `recent` counts tickets assigned to them in the last week."""

    user_id: ObjectId
    role: Role
    skills: tuple[str, ...]
    open_tickets: int
    capacity: int
    recent: int = 0
    linked: bool = True
    away_until: datetime | None = None


class Reason(StrEnum):
    SKILLS = "skills"
    LEAST_LOADED = "least_loaded"
    NOBODY_KNOWS = "nobody_knows"


@dataclass(frozen=True, slots=True)
class Choice:
    """`reason` is a phrase for the assignee; `parts` add up to `score` (0 to 1)."""

    user_id: ObjectId
    why: Reason
    reason: str
    score: float
    parts: dict[str, float]


def choose(
    *,
    candidates: Sequence[Candidate],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
) -> Choice | None:
    """The person for a ticket that needs `skills`; None where nobody is available.

    `declined` have had it and handed it back.
    """
    available = [
        c for c in candidates if _is_available(c, requester, now) and c.user_id not in declined
    ]
    moderators = [c for c in available if c.role is Role.MODERATOR]
    admins = [c for c in available if c.role is Role.ADMIN]
    holders = _holders(candidates)
    needed = {skill.casefold(): skill for skill in skills}
    if not needed:
        return _best(moderators, needed, holders, Reason.LEAST_LOADED) or _best(
            admins, needed, holders, Reason.LEAST_LOADED
        )
    fits = [c for c in moderators if _known(c, needed)]
    return _best(fits, needed, holders, Reason.SKILLS) or _best(
        admins, needed, holders, Reason.NOBODY_KNOWS
    )


def ranked(
    *,
    candidates: Sequence[Candidate],
    skills: Sequence[str],
    requester: ObjectId | None,
    now: datetime,
) -> list[Candidate]:
    """Everybody, for a person to choose from: whom `choose` would take first, then who else is
    available, then the others, the least loaded first."""
    holders = _holders(candidates)
    needed = {skill.casefold(): skill for skill in skills}

    def place(candidate: Candidate) -> tuple[int, tuple[Any, ...]]:
        if not _is_available(candidate, requester, now):
            return 3, (candidate.open_tickets, candidate.user_id)
        is_admin = candidate.role is Role.ADMIN
        if needed and _known(candidate, needed) and not is_admin:
            group, why = 0, Reason.SKILLS
        elif needed and is_admin:
            group, why = 1, Reason.NOBODY_KNOWS
        else:
            group, why = 2 if needed or is_admin else 0, Reason.LEAST_LOADED
        return group, _rank(_rated(candidate, needed, holders, why))

    return sorted(candidates, key=place)


def known_skills(candidate: Candidate, skills: Sequence[str]) -> list[str]:
    """Those of the skills the candidate has, in the order and spelling given."""
    return _known(candidate, {skill.casefold(): skill for skill in skills})


def _is_available(candidate: Candidate, requester: ObjectId | None, now: datetime) -> bool:
    away = candidate.away_until is not None and candidate.away_until > now
    return (
        candidate.linked
        and candidate.user_id != requester
        and not away
        and candidate.open_tickets < candidate.capacity
    )


def _holders(candidates: Sequence[Candidate]) -> dict[str, int]:
    """How many people know each skill; the fewer, the more it counts."""
    holders: dict[str, int] = {}
    for candidate in candidates:
        for skill in {skill.casefold() for skill in candidate.skills}:
            holders[skill] = holders.get(skill, 0) + 1
    return holders


def _known(candidate: Candidate, needed: dict[str, str]) -> list[str]:
    """The needed skills the candidate has, in the order and spelling of the ticket."""
    own = {skill.casefold() for skill in candidate.skills}
    return [spelling for key, spelling in needed.items() if key in own]


def _best(
    candidates: Sequence[Candidate],
    needed: dict[str, str],
    holders: dict[str, int],
    why: Reason,
) -> Choice | None:
    choices = [_rated(c, needed, holders, why) for c in candidates]
    return min(choices, key=_rank, default=None)


def _rank(choice: Choice) -> tuple[bool, float, float, ObjectId]:
    """The smallest is the best. The id last: a tie has one answer whatever the order."""
    fits = choice.why is Reason.SKILLS
    by_load = 0.0 if fits else -choice.parts["load"]
    return not fits, by_load, -choice.score, choice.user_id


def _rated(
    candidate: Candidate, needed: dict[str, str], holders: dict[str, int], why: Reason
) -> Choice:
    weights = {key: 1 / max(holders.get(key, 0), 1) for key in needed}
    known = _known(candidate, needed)
    covered = sum(weights[skill.casefold()] for skill in known)
    parts = {
        "skills": SKILL_WEIGHT * covered / sum(weights.values()) if weights else 0.0,
        "load": LOAD_WEIGHT * (1 - candidate.open_tickets / candidate.capacity),
        "fairness": FAIRNESS_WEIGHT * (1 - min(candidate.recent, FULL_WEEK) / FULL_WEEK),
    }
    if known and why is Reason.NOBODY_KNOWS:
        why = Reason.SKILLS  # an admin who knows it is a fit after all
    return Choice(
        user_id=candidate.user_id,
        why=why,
        reason=_sentence(candidate, known, list(needed.values()), why),
        score=round(sum(parts.values()), 6),
        parts={name: round(value, 6) for name, value in parts.items()},
    )


def _sentence(candidate: Candidate, known: list[str], needed: list[str], why: Reason) -> str:
    load = f"{candidate.open_tickets} of {candidate.capacity} open"
    if why is Reason.SKILLS:
        return f"knows {_listed(known)} · {load}"
    if why is Reason.NOBODY_KNOWS:
        return f"nobody available knows {_listed(needed, 'or')}, so it goes to an admin · {load}"
    return f"no skill was recognised, so it goes to whoever has room · {load}"


def _listed(words: list[str], joint: str = "and") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"
