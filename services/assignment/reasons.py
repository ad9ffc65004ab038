"""The reason for a choice of assignee, as text for the assignee and the help desk. Pure.

Times are in the assignee's time zone. If the candidates are in several zones, the text names it:
"at work until 18:00 (Tokyo time)".
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.assignment.candidate import Candidate
from services.assignment.scoring import Presence
from services.calendar.work_week import WorkWeek
from services.models.ticket import ChoiceReason

SOLVED_SIMILAR = "solved similar tickets"
KNOWS_NO_SKILL = "knows none of its skills"
AT_WORK = "at work"
DO_NOT_DISTURB = "does not want to be disturbed now"
_DAYS_IN_WEEK = 7


def describe_candidate(
    candidate: Candidate,
    *,
    why: ChoiceReason | None,
    known_skills: Sequence[str],
    needed_skills: Sequence[str],
    has_solved: bool,
    presence: Presence | None,
    end: datetime | None,
    now: datetime,
    has_several_zones: bool = False,
) -> str:
    """For example "knows VPN and DNS · 2 of 8 open · at work until 18:00".

    `end` is when the current working time ends, None if it never does; `has_several_zones` is as in
    `services.assignment.scoring.ScoringContext`.
    """
    parts = [
        _why(why, known_skills, needed_skills) if why else "",
        SOLVED_SIMILAR if has_solved and why is not ChoiceReason.HISTORY else "",
        f"{candidate.open_tickets} of {candidate.capacity} open",
        _hours(candidate, presence, end, now, has_several_zones=has_several_zones),
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
                f"nobody who could take it knows {join_words(needed, 'or')}, so it goes to an admin"
            )
        case ChoiceReason.LEAST_LOADED:
            return "no skill was recognised, so it goes to whoever has room"


def _hours(
    candidate: Candidate,
    presence: Presence | None,
    end: datetime | None,
    now: datetime,
    *,
    has_several_zones: bool,
) -> str:
    text, week = _when(candidate, presence, end, now), candidate.week
    has_time = text not in ("", AT_WORK)
    return (
        f"{text} ({zone_name(week.zone, now)})" if week and has_time and has_several_zones else text
    )


def zone_name(zone: ZoneInfo, now: datetime) -> str:
    """Return for example "New York time", "CET" or "UTC-05"."""
    area, _, city = zone.key.rpartition("/")
    if area and area != "Etc":
        return f"{city.replace('_', ' ')} time"
    short = now.astimezone(zone).tzname() or zone.key
    return short if short[0].isalpha() else f"UTC{short}"


def _when(
    candidate: Candidate, presence: Presence | None, end: datetime | None, now: datetime
) -> str:
    paused_until, week = candidate.do_not_disturb_until, candidate.week
    if paused_until and paused_until > now and (presence is None or presence.is_at_work):
        return (
            f"do not disturb until {_ending(paused_until, now, week)}" if week else DO_NOT_DISTURB
        )
    if week is None or presence is None:
        return ""
    if presence.is_at_work:
        return f"at work until {_ending(end, now, week)}" if end else AT_WORK
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


def join_words(words: Sequence[str], joint: str = "and") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"
