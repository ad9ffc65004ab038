"""Rank the candidates for a ticket, and say why. Pure: the same input always gives the same choice.

Moderators who know at least one of the skills come first, then moderators who have solved similar
tickets, then admins. If no skill was recognised, any moderator is eligible, and an admin only if no
moderator is. Within each tier those who know a skill that the text names precede those who know
only skills that a model adds; then the score decides (services/assignment/candidate.py). Among
candidates without a needed skill, fairness only breaks ties, so that load decides.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NotRequired, TypedDict, Unpack
from zoneinfo import ZoneInfo

from bson import ObjectId

from services.analysis.model_exchange import NO_SOURCES, SkillSources
from services.assignment.candidate import (
    NO_SCORES,
    WEIGHTS,
    Candidate,
    Obstacle,
    ScoringContext,
    find_obstacle,
)
from services.calendar.work_week import WorkWeek
from services.core.text import join_words
from services.models.ticket import AssigneeChoice, ChoiceReason
from services.models.user import Role, User

# From this share of similar tickets on, a candidate counts as having solved such tickets.
MIN_HISTORY_SHARE = 0.2
_SCORE_DECIMALS = 6
# Of each source, if text and model differ.
MAX_NAMED_SKILLS = 3
SOLVED_SIMILAR = "solved similar tickets"
KNOWS_NO_SKILL = "knows none of its skills"
AT_WORK = "at work"
DO_NOT_DISTURB = "does not want to be disturbed now"
_DAYS_IN_WEEK = 7


class Tier(IntEnum):
    """The order in which candidates are considered; those of the last two are not chosen."""

    KNOWS_SKILL = 0
    HAS_SOLVED = 1
    HAS_CAPACITY = 2
    ADMIN = 3
    NO_MATCH = 4
    UNAVAILABLE = 5


class Criteria(TypedDict):
    """What a choice depends on, apart from the candidates.

    `declined` have declined the ticket, or it was reassigned from them; `history` is how much of
    what resembles the ticket each has solved (0 to 1), `corrections` how people have corrected such
    choices (-1 to 1). `skill_counts` is how many know each skill (casefolded), needed if the
    candidates are not the whole team. `sources` is where the skills come from.
    """

    skills: Sequence[str]
    requester: ObjectId | None
    now: datetime
    declined: NotRequired[Set[ObjectId]]
    history: NotRequired[Mapping[ObjectId, float]]
    corrections: NotRequired[Mapping[ObjectId, float]]
    skill_counts: NotRequired[Mapping[str, int] | None]
    sources: NotRequired[SkillSources]


@dataclass(frozen=True, slots=True)
class Rating:
    """How one candidate ranks for one ticket."""

    candidate: Candidate
    tier: Tier
    obstacle: Obstacle | None
    known_skills: tuple[str, ...]
    has_solved: bool
    parts: dict[str, float]
    unrounded_score: float
    is_first_choice: bool = True

    @property
    def score(self) -> float:
        return round(sum(self.rounded_parts.values()), _SCORE_DECIMALS)

    @property
    def rounded_parts(self) -> dict[str, float]:
        return {name: round(value, _SCORE_DECIMALS) for name, value in self.parts.items()}


def choose_assignee(
    *, candidates: Sequence[Candidate], **criteria: Unpack[Criteria]
) -> AssigneeChoice | None:
    """Return the assignee for a ticket; None if no candidate is available."""
    context = _context(candidates, criteria)
    ratings = (_rate(c, context) for c in candidates if _obstacle(c, criteria) is None)
    best = min((r for r in ratings if r.tier < Tier.NO_MATCH), key=_rank_key, default=None)
    return _choice(best, context) if best else None


def rate_candidates(
    *, candidates: Sequence[Candidate], **criteria: Unpack[Criteria]
) -> list[Rating]:
    """Return the ratings of all candidates: first the choice of `choose_assignee`, then the other
    available ones, then the rest, the least loaded first."""
    context = _context(candidates, criteria)
    ratings = (_rate(c, context, obstacle=_obstacle(c, criteria)) for c in candidates)
    return sorted(ratings, key=_rank_key)


@dataclass(frozen=True, slots=True)
class AssigneeOption:
    """A candidate for a person to choose.

    `known_skills` are those of the ticket's skills they have; `open_tickets` is out of `capacity`.
    `reason` is what counts in their favour. `is_match`: they know a skill it needs or have solved
    such tickets, or no needed skill is known. `away_until` is in their time zone, if it is known.
    """

    user: User
    known_skills: tuple[str, ...]
    open_tickets: int
    capacity: int
    obstacle: Obstacle | None
    reason: str = ""
    is_match: bool = True
    away_until: datetime | None = None


def rank_options(
    *,
    candidates: Sequence[Candidate],
    users: Mapping[ObjectId, User],
    query: str = "",
    **criteria: Unpack[Criteria],
) -> list[AssigneeOption]:
    """Return the candidates with `query` in their name or skills, in any case, in the order in
    which assignment would choose them."""
    wanted = " ".join(query.split()).casefold()
    context = ScoringContext.build(candidates, skills=criteria["skills"], now=criteria["now"])
    return [
        _to_option(rating, user, context)
        for rating in rate_candidates(candidates=candidates, **criteria)
        if (user := users.get(rating.candidate.user_id))
        and any(wanted in text.casefold() for text in (user.display_name, *user.skills))
    ]


def _to_option(rating: Rating, user: User, context: ScoringContext) -> AssigneeOption:
    who, reason = rating.candidate, strengths(rating, context)
    away = who.away_until
    is_match = bool(rating.known_skills) or rating.has_solved or not context.needed_skills
    return AssigneeOption(
        user=user,
        known_skills=rating.known_skills,
        open_tickets=who.open_tickets,
        capacity=who.capacity,
        obstacle=rating.obstacle,
        reason=reason if is_match else f"{KNOWS_NO_SKILL} · {reason}",
        is_match=is_match,
        away_until=away.astimezone(who.week.zone) if away and who.week else away,
    )


def _context(candidates: Sequence[Candidate], criteria: Criteria) -> ScoringContext:
    return ScoringContext.build(
        candidates,
        skills=criteria["skills"],
        now=criteria["now"],
        history=criteria.get("history", NO_SCORES),
        corrections=criteria.get("corrections", NO_SCORES),
        skill_counts=criteria.get("skill_counts"),
        sources=criteria.get("sources", NO_SOURCES),
    )


def _obstacle(candidate: Candidate, criteria: Criteria) -> Obstacle | None:
    return find_obstacle(
        candidate,
        requester=criteria["requester"],
        now=criteria["now"],
        declined=criteria.get("declined", frozenset()),
    )


def _rate(
    candidate: Candidate, context: ScoringContext, *, obstacle: Obstacle | None = None
) -> Rating:
    known = context.known_skills(candidate)
    parts = context.score_parts(candidate, known)
    has_solved = parts["history"] >= MIN_HISTORY_SHARE * WEIGHTS["history"]
    return Rating(
        candidate=candidate,
        tier=Tier.UNAVAILABLE if obstacle else _tier(candidate, context, bool(known), has_solved),
        obstacle=obstacle,
        known_skills=known,
        has_solved=has_solved,
        parts=parts,
        unrounded_score=sum(parts.values()),
        is_first_choice=context.is_first_choice(known),
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


def _rank_key(rating: Rating) -> tuple[Tier, bool, bool, float, float, ObjectId]:
    """The smallest key is the best. The id breaks ties, so that input order plays no part."""
    who, score = rating.candidate, round(rating.unrounded_score, 12)
    if rating.tier is Tier.UNAVAILABLE:
        return rating.tier, False, False, who.effective_load, 0.0, who.user_id
    by_load = rating.tier in (Tier.HAS_CAPACITY, Tier.ADMIN) and not rating.known_skills
    before_fairness = (
        round(rating.unrounded_score - rating.parts["fairness"], 12) if by_load else score
    )
    knows_none, is_second = not rating.known_skills, not rating.is_first_choice
    return rating.tier, knows_none, is_second, -before_fairness, -score, who.user_id


def _choice(rating: Rating, context: ScoringContext) -> AssigneeChoice:
    return AssigneeChoice(
        user_id=rating.candidate.user_id,
        main_reason=_reason(rating, context),
        reason_text=describe_reason(rating, context),
        score=rating.score,
        score_parts=rating.rounded_parts,
    )


def describe_reason(rating: Rating, context: ScoringContext) -> str:
    """Return what counts in the candidate's favour, as their card would say it, and how text and
    model differ about the skills."""
    reason, sources = _describe(rating, context, _reason(rating, context)), context.sources
    if not sources.differ:
        return reason
    suggested = _first(sources.suggested) or "no skill"
    return f"{reason} · the text names {_first(sources.named)}, Gemini suggests {suggested}"


def _first(skills: Sequence[str]) -> str:
    more = len(skills) - MAX_NAMED_SKILLS
    return join_words([*skills[:MAX_NAMED_SKILLS], *([f"{more} more"] if more > 0 else [])])


def strengths(rating: Rating, context: ScoringContext) -> str:
    """Return what counts in the candidate's favour, for a list; it may be only their load."""
    why = _reason(rating, context)
    return _describe(
        rating, context, why if why in (ChoiceReason.SKILLS, ChoiceReason.HISTORY) else None
    )


def _reason(rating: Rating, context: ScoringContext) -> ChoiceReason:
    if rating.known_skills:
        return ChoiceReason.SKILLS
    if rating.has_solved:
        return ChoiceReason.HISTORY
    return ChoiceReason.NO_SKILL_MATCH if context.needed_skills else ChoiceReason.LEAST_LOADED


def _describe(rating: Rating, context: ScoringContext, why: ChoiceReason | None) -> str:
    """For example "knows VPN and DNS · 3 of 8 tickets with this one · at work until 18:00 (Tokyo
    time)".

    Times are in the candidate's time zone, which is named if the candidates are in several.
    """
    who = rating.candidate
    parts = [
        _why(why, rating.known_skills, list(context.needed_skills.values())) if why else "",
        SOLVED_SIMILAR if rating.has_solved and why is not ChoiceReason.HISTORY else "",
        who.load_phrase,
        _hours(who, context),
    ]
    return " · ".join(filter(None, parts))


def _why(why: ChoiceReason, known: Sequence[str], needed: Sequence[str]) -> str:
    match why:
        case ChoiceReason.SKILLS:
            return f"knows {join_words(known)}"
        case ChoiceReason.HISTORY:
            return SOLVED_SIMILAR
        case ChoiceReason.NO_SKILL_MATCH:
            return (
                f"no one who could take it knows {join_words(needed, 'or')}, so it goes to an admin"
            )
        case ChoiceReason.LEAST_LOADED:
            return "no skill was recognised, so it goes to someone with room"


def _hours(candidate: Candidate, context: ScoringContext) -> str:
    text, week = _when(candidate, context), candidate.week
    has_time = text not in ("", AT_WORK)
    if week and has_time and context.has_several_zones:
        return f"{text} ({zone_name(week.zone, context.now)})"
    return text


def _when(candidate: Candidate, context: ScoringContext) -> str:
    paused_until, week, now = candidate.do_not_disturb_until, candidate.week, context.now
    presence = context.presence(week)
    if paused_until and paused_until > now and (presence is None or presence.is_at_work):
        return (
            f"do not disturb until {_ending(paused_until, now, week)}" if week else DO_NOT_DISTURB
        )
    if week is None or presence is None:
        return ""
    if presence.is_at_work:
        return (
            f"at work until {_ending(presence.ends_at, now, week)}" if presence.ends_at else AT_WORK
        )
    if presence.back_at is None:
        return ""
    back, local_now = presence.back_at.astimezone(week.zone), now.astimezone(week.zone)
    days = (back.date() - local_now.date()) // timedelta(days=1)
    if days == 0:
        return f"back at {back:%H:%M}"
    if days == 1:
        return f"back at {back:%H:%M} tomorrow"
    if days < _DAYS_IN_WEEK:
        return f"back on {back:%A} at {back:%H:%M}"
    return f"back on {back.day} {back:%B} at {back:%H:%M}"


def _ending(end: datetime, now: datetime, week: WorkWeek) -> str:
    """Return the time, with a day only if the time alone would be ambiguous."""
    at = end.astimezone(week.zone)
    if end - now <= timedelta(days=1):
        return f"{at:%H:%M}"
    if end - now < timedelta(days=_DAYS_IN_WEEK):
        return f"{at:%A} at {at:%H:%M}"
    return f"{at.day} {at:%B} at {at:%H:%M}"


def zone_name(zone: ZoneInfo, now: datetime) -> str:
    """Return for example "New York time", "CET" or "UTC-05"."""
    area, _, city = zone.key.rpartition("/")
    if area and area != "Etc":
        return f"{city.replace('_', ' ')} time"
    short = now.astimezone(zone).tzname() or zone.key
    return short if short[0].isalpha() else f"UTC{short}"
