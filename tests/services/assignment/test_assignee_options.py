"""Who could take a ticket, as a list to choose from."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.assignee_options import AssigneeOption, rank_options
from services.assignment.candidate import Candidate, Obstacle
from services.assignment.ranking import choose_assignee
from services.models.user import Role, User

NOW = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
REQUESTER = ObjectId()


def candidate(*skills: str, role: Role = Role.MODERATOR, **fields: Any) -> Candidate:
    about = {"user_id": ObjectId(), "open_tickets": 0, "capacity": 8, **fields}
    return Candidate(role=role, skills=skills, **about)


def ranked(
    *candidates: Candidate, skills: Sequence[str] = (), query: str = ""
) -> list[AssigneeOption]:
    users = {
        c.user_id: User(c.user_id, f"p{n}@example.com", c.role, c.skills, name=f"Person {n}")
        for n, c in enumerate(candidates)
    }
    return rank_options(
        candidates=candidates,
        users=users,
        skills=skills,
        requester=REQUESTER,
        now=NOW,
        query=query,
    )


def named(found: list[AssigneeOption]) -> list[str]:
    return [fit.user.display_name for fit in found]


def test_who_knows_it_comes_first_then_admins_then_the_others_then_who_is_not_available() -> None:
    found = ranked(
        candidate("Printer"),
        candidate(role=Role.ADMIN),
        candidate("VPN", open_tickets=8),
        candidate("VPN", open_tickets=3),
        candidate("VPN"),
        skills=["VPN"],
    )
    assert named(found) == ["Person 4", "Person 3", "Person 1", "Person 0", "Person 2"]


def test_without_skills_the_least_loaded_moderator_comes_first_and_admins_after_all() -> None:
    found = ranked(candidate(role=Role.ADMIN), candidate(open_tickets=2), candidate(open_tickets=1))
    assert named(found) == ["Person 2", "Person 1", "Person 0"]


def test_it_says_what_they_know_in_the_ticket_s_spelling_and_how_much_they_have() -> None:
    [fit] = ranked(candidate("vpn", "DNS", open_tickets=2), skills=["VPN", "SAP"])
    assert (fit.known_skills, fit.open_tickets, fit.capacity, fit.obstacle) == (
        ("VPN",),
        2,
        8,
        None,
    )


@pytest.mark.parametrize(
    ("about", "obstacle"),
    [
        ({"user_id": REQUESTER}, Obstacle.REQUESTER),
        ({"away_until": NOW + timedelta(days=1)}, Obstacle.AWAY),
        ({"away_until": NOW}, None),
        ({"linked": False}, Obstacle.UNLINKED),
        ({"open_tickets": 8}, Obstacle.FULL),
        ({"capacity": 0}, Obstacle.FULL),
    ],
)
def test_it_says_why_assignment_would_not_choose_somebody(
    about: dict[str, Any], obstacle: Obstacle | None
) -> None:
    [fit] = ranked(candidate("VPN", **about), skills=["VPN"])
    assert fit.obstacle == obstacle


@pytest.mark.parametrize("query", ["person 1", " PERSON  1 ", "wi-fi", "I-F"])
def test_a_query_finds_names_and_skills_whatever_their_capitals(query: str) -> None:
    assert named(ranked(candidate("VPN"), candidate("Wi-Fi"), query=query)) == ["Person 1"]


@pytest.mark.parametrize("query", [".*", "$ne", "<", "&amp;"])
def test_a_query_is_no_pattern(query: str) -> None:
    assert ranked(candidate("VPN"), query=query) == []


def test_whoever_was_deleted_meanwhile_is_left_out() -> None:
    gone = candidate("VPN")
    assert rank_options(candidates=[gone], users={}, skills=(), requester=None, now=NOW) == []


_SKILLS = st.lists(st.sampled_from(["VPN", "DNS", "SAP"]), unique=True)
_CANDIDATES = st.builds(
    lambda role, skills, taken, capacity, linked, away: candidate(
        *skills,
        role=role,
        open_tickets=taken,
        capacity=capacity,
        linked=linked,
        away_until=NOW + timedelta(hours=away),
    ),
    st.sampled_from([Role.MODERATOR, Role.ADMIN]),
    _SKILLS,
    st.integers(0, 4),
    st.integers(0, 4),
    st.booleans(),
    st.integers(-1, 1),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_CANDIDATES, max_size=8), _SKILLS)
def test_the_first_is_whom_assignment_would_choose(
    candidates: list[Candidate], skills: list[str]
) -> None:
    found = ranked(*candidates, skills=skills)
    choice = choose_assignee(candidates=candidates, skills=skills, requester=REQUESTER, now=NOW)
    assert len(found) == len(candidates)
    if choice:
        assert found[0].user.id == choice.user_id
