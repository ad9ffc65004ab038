"""Candidates for a ticket: the obstacles to assigning it to them, and their scores. Pure.

Each part of a score lies between 0 and its weight, corrections between the negative weight and the
weight. The sum is the score: at most 1, and below 0 only if corrections outweigh everything else.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from bson import ObjectId

from services.analysis.model_exchange import NO_SOURCES, SkillSources
from services.calendar.work_week import WorkWeek
from services.models.ticket import Priority, Status
from services.models.user import Role

# The load of an open ticket, relative to a medium one.
PRIORITY_LOAD: Mapping[Priority, float] = {
    Priority.URGENT: 2.0,
    Priority.HIGH: 1.5,
    Priority.MEDIUM: 1.0,
    Priority.LOW: 0.5,
}
WAITING_LOAD = 0.5  # the requester has to answer first
WEIGHTS: Mapping[str, float] = {
    "skills": 0.4,
    "history": 0.15,
    "load": 0.2,
    "hours": 0.1,
    "fairness": 0.05,
}
CORRECTIONS_WEIGHT = 0.1
# A ticket weighs at most twice as much as a medium one.
MAX_LOAD_PER_TICKET = 2
# From this many tickets within the last week on, the fairness part is 0.
MAX_WEEKLY_TICKETS = 20
# A candidate who is back after this time counts half as much as one at work.
AVAILABILITY_HALF_LIFE = timedelta(hours=8)
# Of different combinations of a person's skills.
MAX_SKILL_SETS = 10_000
NO_SCORES: Mapping[ObjectId, float] = {}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A moderator or admin.

    `load` is `open_tickets` weighed by `ticket_load`; None: each counts 1. `recent_assignments`
    counts tickets assigned in the last week. `week` is None if no working hours are set. Do not
    disturb (`do_not_disturb_until`) is not an absence.
    """

    user_id: ObjectId
    role: Role
    skills: tuple[str, ...]
    open_tickets: int
    capacity: int
    recent_assignments: int = 0
    linked: bool = True
    away_until: datetime | None = None
    active: bool = True
    load: float | None = None
    week: WorkWeek | None = None
    do_not_disturb_until: datetime | None = None

    @property
    def load_phrase(self) -> str:
        return describe_load(self.open_tickets, self.capacity)

    @property
    def effective_load(self) -> float:
        return self.open_tickets if self.load is None else self.load


def describe_load(open_tickets: int, capacity: int) -> str:
    """Return the open tickets out of the capacity: with the ticket in question, or, if there is no
    room for it, without."""
    if open_tickets < capacity:
        return f"{open_tickets + 1} of {capacity} tickets with this one"
    return full_phrase(open_tickets, capacity)


def full_phrase(open_tickets: int, capacity: int) -> str:
    return f"has {open_tickets} of {capacity} open tickets" if capacity > 0 else "takes no tickets"


class Obstacle(StrEnum):
    """Why assignment would not choose a candidate. A person still can."""

    REQUESTER = "requester"
    INACTIVE = "inactive"
    AWAY = "away"
    UNLINKED = "unlinked"
    FULL = "full"
    DECLINED = "declined"


def find_obstacle(
    candidate: Candidate,
    *,
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
) -> Obstacle | None:
    """Return the first obstacle. Time outside business hours and holidays are none: they lower the
    score. `declined` are the users who declined it or from whom it was reassigned."""
    away = candidate.away_until is not None and candidate.away_until > now
    for name, applies in (
        (Obstacle.REQUESTER, candidate.user_id == requester),
        (Obstacle.INACTIVE, not candidate.active),
        (Obstacle.AWAY, away),
        (Obstacle.UNLINKED, not candidate.linked),
        (Obstacle.FULL, candidate.open_tickets >= candidate.capacity),
        (Obstacle.DECLINED, candidate.user_id in declined),
    ):
        if applies:
            return name
    return None


def ticket_load(priority: Priority | None, status: Status) -> float:
    weight = PRIORITY_LOAD[priority or Priority.MEDIUM]
    return weight * WAITING_LOAD if status is Status.WAITING else weight


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a candidate is at work, and until when, else when they are back. None: not within a
    year."""

    is_at_work: bool
    ends_at: datetime | None = None
    back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ScoringContext:
    """What the scores of all candidates for one ticket have in common.

    `needed_skills` are its skills by casefolded name; for the others see
    `services.assignment.ranking.Criteria`. `has_several_zones`: the candidates' clocks show
    different times, so a time needs its zone.
    """

    needed_skills: Mapping[str, str]
    skill_counts: Mapping[str, int]
    now: datetime
    sources: SkillSources = NO_SOURCES
    history: Mapping[ObjectId, float] = field(default_factory=dict)
    corrections: Mapping[ObjectId, float] = field(default_factory=dict)
    has_several_zones: bool = False
    _presences: dict[WorkWeek, Presence] = field(default_factory=dict)
    _coverages: dict[tuple[str, ...], float] = field(default_factory=dict)  # by known skills
    _first_choices: dict[tuple[str, ...], bool] = field(default_factory=dict)  # the same

    @classmethod
    def build(
        cls,
        candidates: Collection[Candidate],
        *,
        skills: Sequence[str],
        now: datetime,
        history: Mapping[ObjectId, float] = NO_SCORES,
        corrections: Mapping[ObjectId, float] = NO_SCORES,
        skill_counts: Mapping[str, int] | None = None,
        sources: SkillSources = NO_SOURCES,
    ) -> "ScoringContext":
        """Skills are counted among the candidates if `skill_counts` is None."""
        needed = skills_by_key(skills)
        counted = dict.fromkeys(needed, 0)
        if needed and skill_counts is None:
            for candidate in candidates:
                for key in counted.keys() & _keys(candidate.skills):
                    counted[key] += 1
        zones = {candidate.week.zone for candidate in candidates if candidate.week}
        return cls(
            needed,
            counted if skill_counts is None else skill_counts,
            now,
            sources,
            history,
            corrections,
            has_several_zones=len({now.astimezone(zone).utcoffset() for zone in zones}) > 1,
        )

    def known_skills(self, candidate: Candidate) -> tuple[str, ...]:
        """Return the needed skills the candidate has, in the ticket's order and spelling."""
        if not self.needed_skills:
            return ()
        own = _keys(candidate.skills)
        if self.needed_skills.keys().isdisjoint(own):
            return ()
        return tuple(spelling for key, spelling in self.needed_skills.items() if key in own)

    def is_first_choice(self, known_skills: tuple[str, ...]) -> bool:
        """Whether a skill that the text names is among them; any skill if it names none."""
        if known_skills not in self._first_choices:
            named = skills_by_key(self.sources.named).keys()
            is_named = not named.isdisjoint(skills_by_key(known_skills))
            self._first_choices[known_skills] = not named or is_named
        return self._first_choices[known_skills]

    def score_parts(self, candidate: Candidate, known_skills: tuple[str, ...]) -> dict[str, float]:
        """`known_skills` are those of the candidate."""
        if known_skills not in self._coverages:
            self._coverages[known_skills] = self._skill_coverage(known_skills)
        shares = {
            "skills": self._coverages[known_skills],
            "history": _clamp(self.history.get(candidate.user_id, 0.0), 0.0),
            "load": 1
            - min(
                candidate.effective_load / (MAX_LOAD_PER_TICKET * max(candidate.capacity, 1)), 1.0
            ),
            "hours": self._availability(candidate),
            "fairness": 1
            - min(candidate.recent_assignments, MAX_WEEKLY_TICKETS) / MAX_WEEKLY_TICKETS,
        }
        corrected = _clamp(self.corrections.get(candidate.user_id, 0.0), -1.0)
        return {
            **{name: weight * shares[name] for name, weight in WEIGHTS.items()},
            "corrections": CORRECTIONS_WEIGHT * corrected,
        }

    def presence(self, week: WorkWeek | None) -> Presence | None:
        """Cached per `WorkWeek`; None without working hours."""
        if week is None:
            return None
        if week not in self._presences:
            self._presences[week] = (
                Presence(True, ends_at=week.current_work_end(self.now))
                if week.is_working_time(self.now)
                else Presence(False, back_at=week.next_start(self.now))
            )
        return self._presences[week]

    def _skill_coverage(self, known_skills: Sequence[str]) -> float:
        """Return the share of the needed skills; rarer skills count more.

        Skills that the text names count half if the model does not suggest them. All others
        together count at most half as much as the least of those, so that a model which obeys an
        order in a ticket does not outweigh the text.
        """
        known = skills_by_key(known_skills)
        if not known:
            return 0.0
        weights = {key: 1 / max(self.skill_counts.get(key, 0), 1) for key in self.needed_skills}
        named = skills_by_key(self.sources.named).keys() & weights.keys()
        if named:
            for key in named - skills_by_key(self.sources.suggested).keys():
                weights[key] /= 2
            others = [key for key in weights if key not in named]
            limit = min(weights[key] for key in named) / 2
            factor = min(limit / max(sum(weights[key] for key in others), limit), 1.0)
            weights |= {key: weights[key] * factor for key in others}
        return sum(weights[key] for key in known) / sum(weights.values())

    def _availability(self, candidate: Candidate) -> float:
        """A candidate without working hours counts as at work, except in do-not-disturb time."""
        paused_until = candidate.do_not_disturb_until
        share = (
            self._return_share(paused_until) if paused_until and paused_until > self.now else 1.0
        )
        presence = self.presence(candidate.week)
        if presence is None or presence.is_at_work:
            return share
        return 0.0 if presence.back_at is None else min(share, self._return_share(presence.back_at))

    def _return_share(self, back: datetime) -> float:
        return 1 / (1 + (back - self.now) / AVAILABILITY_HALF_LIFE)


@lru_cache(maxsize=MAX_SKILL_SETS)
def _keys(skills: tuple[str, ...]) -> frozenset[str]:
    """Return the casefolded names. A worker asks for those of its candidates at each ticket."""
    return frozenset(skills_by_key(skills))


def skills_by_key(skills: Iterable[str]) -> dict[str, str]:
    """Return the skills by casefolded name."""
    return {skill.casefold(): skill for skill in skills}


def _clamp(share: float, least: float) -> float:
    """Clamp the share to `least`..1; 0 for NaN."""
    return 0.0 if math.isnan(share) else min(max(share, least), 1.0)
