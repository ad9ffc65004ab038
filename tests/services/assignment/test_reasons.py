from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from services.assignment.candidate import Candidate
from services.assignment.reasons import describe_candidate, join_words, zone_name
from services.assignment.scoring import ScoringContext
from services.calendar.work_week import WorkWeek
from services.models.ticket import ChoiceReason
from services.models.user import Role

YORK = WorkWeek(ZoneInfo("America/New_York"), end=time(18))
WHO = Candidate(ObjectId("65f0c0ffee65f0c0ffee0001"), Role.MODERATOR, (), 2, 8, week=YORK)
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)  # a Monday, noon in New York
NEEDED = ("VPN", "DNS")


def said(who: Candidate = WHO, now: datetime = NOON, **about: Any) -> str:
    asked = {
        "why": ChoiceReason.SKILLS,
        "known_skills": NEEDED,
        "needed_skills": NEEDED,
        "has_solved": False,
        **about,
    }
    scale = ScoringContext.build([who], skills=(), now=now)
    presence = scale.presence(who.week) if who.week else None
    end = scale.work_end(who.week) if who.week else None
    return describe_candidate(who, presence=presence, end=end, now=now, **asked)


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({}, "knows VPN and DNS · 2 of 8 open · at work until 18:00"),
        (
            {"has_solved": True},
            "knows VPN and DNS · solved similar tickets · 2 of 8 open · at work until 18:00",
        ),
        (
            {"why": ChoiceReason.HISTORY, "known_skills": (), "has_solved": True},
            "solved similar tickets · 2 of 8 open · at work until 18:00",
        ),
        (
            {"why": ChoiceReason.NO_SKILL_MATCH, "known_skills": ()},
            "nobody who could take it knows VPN or DNS, so it goes to an admin · 2 of 8 open"
            " · at work until 18:00",
        ),
        (
            {"why": ChoiceReason.LEAST_LOADED, "known_skills": (), "needed_skills": ()},
            "no skill was recognised, so it goes to whoever has room · 2 of 8 open"
            " · at work until 18:00",
        ),
    ],
)
def test_why(about: dict[str, Any], expected: str) -> None:
    assert said(**about) == expected


@pytest.mark.parametrize(
    ("at", "week", "hours"),
    [
        # In UTC; New York is five hours behind, from 8 March on four.
        ("2026-03-02 22:59", YORK, "at work until 18:00"),
        ("2026-03-02 13:59", YORK, "back at 09:00"),
        ("2026-03-02 23:00", YORK, "back at 09:00 tomorrow"),
        ("2026-03-03 04:59", YORK, "back at 09:00 tomorrow"),
        ("2026-03-03 05:00", YORK, "back at 09:00"),
        ("2026-03-06 23:00", YORK, "back on Monday at 09:00"),
        ("2026-03-09 13:30", YORK, "at work until 18:00"),
        ("2026-07-02 23:00", replace(YORK, country="US"), "back on Monday at 09:00"),
        ("2026-12-24 23:00", replace(YORK, days=frozenset({4}), country="US"),
         "back on 8 January at 09:00"),
        ("2026-03-02 17:00", replace(YORK, days=frozenset({0}), start=time(18), end=time(17)),
         "back at 18:00"),
        ("2026-03-02 17:00", replace(YORK, days=frozenset(range(7)), start=time(0), end=time(0)),
         "at work"),
        # Until the end of Friday; on Friday the time is enough.
        ("2026-03-02 17:00", replace(YORK, start=time(0), end=time(0)),
         "at work until Saturday at 00:00"),
        ("2026-03-06 17:00", replace(YORK, start=time(0), end=time(0)), "at work until 00:00"),
        ("2026-06-22 17:00", replace(
            YORK, days=frozenset(range(7)), start=time(0), end=time(0), country="US"
        ), "at work until 3 July at 00:00"),
    ],
)  # fmt: skip
def test_hours_are_told_in_the_assignees_zone(at: str, week: WorkWeek, hours: str) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert said(replace(WHO, week=week), now) == f"knows VPN and DNS · 2 of 8 open · {hours}"


@pytest.mark.parametrize("week", [None, replace(YORK, days=frozenset())])
def test_of_hours_that_nobody_knows_nothing_is_said(week: WorkWeek | None) -> None:
    assert said(replace(WHO, week=week)) == "knows VPN and DNS · 2 of 8 open"


@pytest.mark.parametrize(
    ("at", "week", "hours"),
    [
        ("2026-03-02 17:00", YORK, "at work until 18:00 (New York time)"),
        ("2026-03-02 23:00", YORK, "back at 09:00 tomorrow (New York time)"),
        ("2026-03-06 23:00", YORK, "back on Monday at 09:00 (New York time)"),
        ("2026-03-02 17:00", replace(YORK, days=frozenset(range(7)), start=time(0), end=time(0)),
         "at work"),
    ],
)  # fmt: skip
def test_where_the_team_has_several_times_it_says_whose(
    at: str, week: WorkWeek, hours: str
) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    told = said(replace(WHO, week=week), now, has_several_zones=True)
    assert told == f"knows VPN and DNS · 2 of 8 open · {hours}"


@pytest.mark.parametrize("week", [None, replace(YORK, days=frozenset())])
def test_where_no_time_is_told_it_is_nobodys(week: WorkWeek | None) -> None:
    assert (
        said(replace(WHO, week=week), has_several_zones=True) == "knows VPN and DNS · 2 of 8 open"
    )
    quiet = replace(WHO, week=None, do_not_disturb_until=NOON.replace(hour=18))
    assert said(quiet, has_several_zones=True).endswith(" · does not want to be disturbed now")


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Europe/Berlin", "Berlin time"),
        ("America/Argentina/Buenos_Aires", "Buenos Aires time"),
        ("UTC", "UTC"),
        ("CET", "CET"),
        ("Etc/UTC", "UTC"),
        ("Etc/GMT+5", "UTC-05"),  # the sign in that name is reversed
    ],
)
def test_what_a_zone_is_called(zone: str, name: str) -> None:
    assert zone_name(ZoneInfo(zone), NOON) == name


def test_a_list_in_words() -> None:
    assert [join_words(list("abc")[:count]) for count in range(4)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert join_words("ab", "or") == "a or b"


@pytest.mark.parametrize(
    ("week", "quiet", "words"),
    [
        (YORK, "2026-03-02 18:30", "do not disturb until 13:30"),
        (YORK, "2026-03-03 18:30", "do not disturb until Tuesday at 13:30"),
        (YORK, "2026-03-20 12:00", "do not disturb until 20 March at 08:00"),
        (YORK, "2026-03-02 17:00", "at work until 18:00"),
        (None, "2026-03-02 18:30", "does not want to be disturbed now"),
        # Outside working hours do-not-disturb is not mentioned.
        (replace(YORK, start=time(13)), "2026-03-02 18:30", "back at 13:00"),
    ],
)
def test_do_not_disturb_is_said(week: WorkWeek | None, quiet: str, words: str) -> None:
    who = replace(WHO, week=week, do_not_disturb_until=datetime.fromisoformat(f"{quiet}+00:00"))
    assert said(who) == f"knows VPN and DNS · 2 of 8 open · {words}"
