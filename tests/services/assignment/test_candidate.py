from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from services.analysis.model_exchange import SkillSources
from services.assignment.candidate import (
    CORRECTIONS_WEIGHT,
    WEIGHTS,
    Candidate,
    Obstacle,
    Presence,
    ScoringContext,
    find_obstacle,
    ticket_load,
)
from services.calendar.work_week import WorkWeek
from services.models.ticket import Priority, Status
from services.models.user import Role

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
WHO = Candidate(ObjectId("65f0c0ffee65f0c0ffee0001"), Role.MODERATOR, ("VPN",), 2, 8)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, None),
        ({"open_tickets": 7, "load": 14.0}, None),  # room is a matter of count
        ({"open_tickets": 8}, Obstacle.FULL),
        ({"open_tickets": 8, "load": 0.5}, Obstacle.FULL),
        ({"capacity": 0}, Obstacle.FULL),
        ({"away_until": NOW}, None),
        ({"away_until": NOW + timedelta(milliseconds=1)}, Obstacle.AWAY),
        ({"linked": False}, Obstacle.UNLINKED),
        ({"active": False}, Obstacle.INACTIVE),
        ({"active": False, "linked": False, "open_tickets": 9}, Obstacle.INACTIVE),
    ],
)
def test_what_stands_in_the_way(change: dict[str, Any], found: Obstacle | None) -> None:
    assert find_obstacle(replace(WHO, **change), requester=None, now=NOW) is found


def test_the_requester_and_who_declined_it() -> None:
    assert find_obstacle(WHO, requester=WHO.user_id, now=NOW) is Obstacle.REQUESTER
    declined = {WHO.user_id}
    assert find_obstacle(WHO, requester=None, now=NOW, declined=declined) is Obstacle.DECLINED


@pytest.mark.parametrize(
    ("priority", "status", "weight"),
    [
        (Priority.URGENT, Status.IN_PROGRESS, 2),
        (Priority.HIGH, Status.REOPENED, 1.5),
        (Priority.MEDIUM, Status.TODO, 1),
        (None, Status.IN_PROGRESS, 1),
        (Priority.LOW, Status.IN_PROGRESS, 0.5),
        (Priority.URGENT, Status.WAITING, 1),
        (Priority.LOW, Status.WAITING, 0.25),
    ],
)
def test_what_a_ticket_weighs(priority: Priority | None, status: Status, weight: float) -> None:
    assert ticket_load(priority, status) == weight


def test_where_the_weight_is_not_known_each_ticket_counts_one() -> None:
    assert WHO.effective_load == 2
    assert replace(WHO, load=0.5).effective_load == 0.5
    assert replace(WHO, load=0.0).effective_load == 0


MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
WEEK = WorkWeek(ZoneInfo("UTC"))


def share(part: str, who: Candidate = WHO, *others: Candidate, **asked: Any) -> float:
    """The share of a part's weight."""
    question: dict[str, Any] = {"skills": (), "now": MONDAY, **asked}
    context = ScoringContext.build([who, *others], **question)
    parts = context.score_parts(who, context.known_skills(who))
    return parts[part] / {**WEIGHTS, "corrections": CORRECTIONS_WEIGHT}[part]


def test_the_weights_leave_room_for_corrections_below_one() -> None:
    assert sum(WEIGHTS.values()) + CORRECTIONS_WEIGHT == pytest.approx(1)


@pytest.mark.parametrize(
    ("skills", "expected"),
    [
        ((), 0),
        (("VPN",), 1),
        (("vpn",), 1),
        (("DNS",), 0),
        (("VPN", "DNS"), 3 / 4),  # three know DNS, one knows VPN
        (("VPN", "SAP"), 1 / 2),  # a skill that no one has counts like one that one user has
    ],
)
def test_the_rarer_a_skill_the_more_it_counts(skills: tuple[str, ...], expected: float) -> None:
    others = [replace(WHO, user_id=ObjectId(), skills=("DNS", "dns")) for _ in range(3)]
    assert share("skills", WHO, *others, skills=skills) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("suggested", "expected"),
    [
        (("VPN",), 1),
        ((), 1),
        (("SAP",), 0.5 / 0.75),  # named only; SAP counts half as much
        (("VPN", "SAP", "DNS"), 1 / 1.5),  # both together, as each knows one of them
        (("SAP", "DNS"), 0.5 / 0.75),
    ],
)
def test_skills_that_only_a_model_suggests_count_less_than_those_of_the_text(
    suggested: tuple[str, ...], expected: float
) -> None:
    skills = tuple(dict.fromkeys(["VPN", *suggested]))
    found = share("skills", WHO, skills=skills, sources=SkillSources(("VPN",), suggested))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 7 / 8),
        ({"open_tickets": 0}, 1),
        ({"load": 4.0}, 3 / 4),
        ({"load": 16.0}, 0),
        ({"load": 99.0}, 0),
        ({"capacity": 4}, 3 / 4),
        ({"capacity": 0}, 0),
    ],
)
def test_load_is_measured_by_capacity(change: dict[str, Any], expected: float) -> None:
    assert share("load", replace(WHO, **change)) == pytest.approx(expected)


@pytest.mark.parametrize(("recent", "expected"), [(0, 1), (5, 3 / 4), (20, 0), (99, 0)])
def test_a_busy_week_counts_up_to_twenty_tickets(recent: int, expected: float) -> None:
    assert share("fairness", replace(WHO, recent_assignments=recent)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("week", "at", "expected"),
    [
        (None, MONDAY, 1),
        (WEEK, MONDAY, 1),
        (WEEK, MONDAY - timedelta(hours=8), 1 / 2),
        (WEEK, MONDAY - timedelta(hours=24), 1 / 4),
        (WEEK, MONDAY - timedelta(milliseconds=1), pytest.approx(1, abs=1e-6)),
        (replace(WEEK, days=frozenset()), MONDAY, 0),
    ],
)
def test_the_sooner_a_candidate_is_back_the_better(
    week: WorkWeek | None, at: datetime, expected: float
) -> None:
    assert share("hours", replace(WHO, week=week), now=at) == expected


@pytest.mark.parametrize(
    ("zones", "is_spread"),
    [
        ((), False),
        (("Europe/Berlin",), False),
        (("Europe/Berlin", "Europe/Madrid"), False),
        (("Europe/Berlin", "Europe/London"), True),
        # Equal only in winter.
        (("Europe/London", "Atlantic/Reykjavik"), False),
    ],
)
def test_a_team_is_spread_where_its_clocks_differ(zones: tuple[str, ...], is_spread: bool) -> None:
    weeks = [None, *(WorkWeek(ZoneInfo(zone)) for zone in zones)]
    team = [replace(WHO, week=week) for week in weeks]
    assert ScoringContext.build(team, skills=(), now=MONDAY).has_several_zones is is_spread


def test_who_shares_a_week_shares_the_answer() -> None:
    scale = ScoringContext.build([], skills=(), now=MONDAY)
    found = scale.presence(WEEK)
    assert found == Presence(is_at_work=True, ends_at=MONDAY.replace(hour=17))
    assert scale.presence(WorkWeek(ZoneInfo("UTC"))) is found
    later = scale.presence(replace(WEEK, start=time(10)))
    assert later == Presence(is_at_work=False, back_at=MONDAY + timedelta(hours=1))


def test_history_and_corrections_are_of_the_person() -> None:
    shares = {WHO.user_id: 0.4, ObjectId(): 1.0}
    assert share("history", history=shares) == pytest.approx(0.4)
    assert share("corrections", corrections={WHO.user_id: -0.4}) == pytest.approx(-0.4)
    assert share("history") == share("corrections") == 0


@pytest.mark.parametrize(
    ("week", "quiet", "expected"),
    [
        (None, None, 1),
        (None, MONDAY, 1),  # it is over
        (None, MONDAY + timedelta(hours=8), 1 / 2),
        (WEEK, MONDAY + timedelta(hours=8), 1 / 2),
        # Not at work before tomorrow: the later time counts.
        (replace(WEEK, start=time(17), end=time(18)), MONDAY + timedelta(hours=1), 1 / 2),
        (replace(WEEK, start=time(10)), MONDAY + timedelta(hours=8), 1 / 2),
    ],
)
def test_do_not_disturb_lowers_a_score(
    week: WorkWeek | None, quiet: datetime | None, expected: float
) -> None:
    who = replace(WHO, week=week, do_not_disturb_until=quiet)
    assert share("hours", who) == pytest.approx(expected)
