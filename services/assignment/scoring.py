"""Score a candidate, part by part. Pure.

Each part lies between 0 and its weight, corrections between the negative weight and the weight. The
sum is the score: at most 1, and below 0 only if corrections outweigh everything else.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bson import ObjectId

from services.assignment.candidate import Candidate
from services.calendar.work_week import WorkWeek

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
NO_SCORES: Mapping[ObjectId, float] = {}


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a candidate is at work, else when they are back; None: not within a year."""

    is_at_work: bool
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
    history: Mapping[ObjectId, float] = field(default_factory=dict)
    corrections: Mapping[ObjectId, float] = field(default_factory=dict)
    has_several_zones: bool = False
    _presences: dict[WorkWeek, Presence] = field(default_factory=dict)
    _ends: dict[WorkWeek, datetime | None] = field(default_factory=dict)

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
    ) -> "ScoringContext":
        """Skills are counted among the candidates if `skill_counts` is None."""
        needed = skills_by_key(skills)
        counted = dict.fromkeys(needed, 0)
        if needed and skill_counts is None:
            for candidate in candidates:
                for key in counted.keys() & skills_by_key(candidate.skills).keys():
                    counted[key] += 1
        zones = {candidate.week.zone for candidate in candidates if candidate.week}
        return cls(
            needed,
            counted if skill_counts is None else skill_counts,
            now,
            history,
            corrections,
            has_several_zones=len({now.astimezone(zone).utcoffset() for zone in zones}) > 1,
        )

    def known_skills(self, candidate: Candidate) -> list[str]:
        """Return the needed skills the candidate has, in the ticket's order and spelling."""
        if not self.needed_skills:
            return []
        own = skills_by_key(candidate.skills)
        return [spelling for key, spelling in self.needed_skills.items() if key in own]

    def score_parts(self, candidate: Candidate) -> dict[str, float]:
        shares = {
            "skills": self._skill_coverage(candidate),
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

    def presence(self, week: WorkWeek) -> Presence:
        """Cached per `WorkWeek`."""
        found = self._presences.get(week)
        if found is None:
            at_work = week.is_working_time(self.now)
            found = Presence(at_work, None if at_work else week.next_start(self.now))
            self._presences[week] = found
        return found

    def work_end(self, week: WorkWeek) -> datetime | None:
        """`WorkWeek.current_work_end`, cached per `WorkWeek`."""
        if week not in self._ends:
            self._ends[week] = week.current_work_end(self.now)
        return self._ends[week]

    def _skill_coverage(self, candidate: Candidate) -> float:
        """Return the share of the needed skills; rarer skills count more."""
        known = skills_by_key(self.known_skills(candidate))
        if not known:
            return 0.0
        weights = {key: 1 / max(self.skill_counts.get(key, 0), 1) for key in self.needed_skills}
        return sum(weights[key] for key in known) / sum(weights.values())

    def _availability(self, candidate: Candidate) -> float:
        """A candidate without working hours counts as at work, except in do-not-disturb time."""
        paused_until = candidate.do_not_disturb_until
        share = (
            self._return_share(paused_until) if paused_until and paused_until > self.now else 1.0
        )
        presence = self.presence(candidate.week) if candidate.week else None
        if presence is None or presence.is_at_work:
            return share
        return 0.0 if presence.back_at is None else min(share, self._return_share(presence.back_at))

    def _return_share(self, back: datetime) -> float:
        return 1 / (1 + (back - self.now) / AVAILABILITY_HALF_LIFE)


def skills_by_key(skills: Iterable[str]) -> dict[str, str]:
    """Return the skills by casefolded name."""
    return {skill.casefold(): skill for skill in skills}


def _clamp(share: float, least: float) -> float:
    """Clamp the share to `least`..1; 0 for NaN."""
    return 0.0 if math.isnan(share) else min(max(share, least), 1.0)
