"""Whom assignment chooses. Pure, so any case can be written down, and Hypothesis invents more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.assignment import Candidate, Choice, Reason, choose
from services.models import Role

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
REQUESTER = ObjectId("65f0c0ffee65f0c0ffee0000")


def person(number: int, *skills: str, load: int = 0, **fields: Any) -> Candidate:
    return Candidate(
        **{
            "user_id": ObjectId(f"65f0c0ffee65f0c0ffee{number:04}"),
            "role": Role.MODERATOR,
            "skills": skills,
            "open_tickets": load,
            "capacity": 8,
            **fields,
        }
    )


def choice(*candidates: Candidate, skills: tuple[str, ...] = ()) -> Choice | None:
    return choose(candidates=candidates, skills=skills, requester=REQUESTER, now=NOW)


def chosen(*candidates: Candidate, skills: tuple[str, ...] = ()) -> Choice:
    found = choice(*candidates, skills=skills)
    assert found is not None
    return found


VPN, DNS = person(1, "VPN"), person(2, "DNS")
ADMIN = person(9, role=Role.ADMIN)


def test_who_handed_it_back_is_not_chosen_again() -> None:
    candidates = [VPN, person(3, "VPN", load=7), ADMIN]
    ask: dict[str, Any] = {"skills": ("VPN",), "requester": REQUESTER, "now": NOW}
    gone: set[ObjectId] = set()
    for expected in candidates:
        found = choose(candidates=candidates, **ask, declined=gone)
        assert found is not None
        assert found.user_id == expected.user_id
        gone.add(expected.user_id)
    assert choose(candidates=candidates, **ask, declined=gone) is None


@pytest.mark.parametrize(
    ("candidates", "skills", "who", "why", "reason"),
    [
        ([VPN, DNS], ("VPN",), VPN, Reason.SKILLS, "knows VPN · 0 of 8 open"),
        ([person(1, "vpn", load=3)], ("VPN",), VPN, Reason.SKILLS, "knows VPN · 3 of 8 open"),
        (
            [person(1, "SAP", "DNS", "VPN"), DNS],
            ("VPN", "DNS", "SAP"),
            VPN,
            Reason.SKILLS,
            "knows VPN, DNS and SAP · 0 of 8 open",
        ),
        (
            [person(1, "DNS", "VPN")],
            ("VPN", "DNS"),
            VPN,
            Reason.SKILLS,
            "knows VPN and DNS · 0 of 8 open",
        ),
        (
            [person(1, load=2), DNS],
            (),
            DNS,
            Reason.LEAST_LOADED,
            "no skill was recognised, so it goes to whoever has room · 0 of 8 open",
        ),
        (
            [ADMIN],
            (),
            ADMIN,
            Reason.LEAST_LOADED,
            "no skill was recognised, so it goes to whoever has room · 0 of 8 open",
        ),
        (
            [VPN, ADMIN],
            ("DNS",),
            ADMIN,
            Reason.NOBODY_KNOWS,
            "nobody available knows DNS, so it goes to an admin · 0 of 8 open",
        ),
        (
            [ADMIN, person(1, "DNS", load=8)],
            ("VPN", "DNS", "SAP"),
            ADMIN,
            Reason.NOBODY_KNOWS,
            "nobody available knows VPN, DNS or SAP, so it goes to an admin · 0 of 8 open",
        ),
        (
            [VPN, person(9, "DNS", role=Role.ADMIN, load=5), person(8, role=Role.ADMIN)],
            ("DNS",),
            person(9),
            Reason.SKILLS,
            "knows DNS · 5 of 8 open",
        ),
    ],
)
def test_who_and_why(
    candidates: list[Candidate], skills: tuple[str, ...], who: Candidate, why: Reason, reason: str
) -> None:
    found = chosen(*candidates, skills=skills)
    assert (found.user_id, found.why, found.reason) == (who.user_id, why, reason)


def test_the_rarer_skill_counts_more() -> None:
    common = [person(number, "Windows") for number in (1, 2, 3)]
    rare = person(4, "SAP", load=2)
    assert chosen(*common, rare, skills=("Windows", "SAP")).user_id == rare.user_id


@pytest.mark.parametrize("skills", [(), ("VPN",)])
def test_load_is_measured_by_capacity(skills: tuple[str, ...]) -> None:
    part_time = person(1, "VPN", load=1, capacity=2)
    full_time = person(2, "VPN", load=2)
    assert chosen(part_time, full_time, skills=skills).user_id == full_time.user_id


@pytest.mark.parametrize("skills", [(), ("VPN",)])
def test_of_the_equally_loaded_the_one_with_the_quieter_week(skills: tuple[str, ...]) -> None:
    busy, quiet = person(1, "VPN", recent=5), person(2, "VPN", recent=4)
    assert chosen(busy, quiet, skills=skills).user_id == quiet.user_id


def test_without_a_skill_a_quiet_week_does_not_outweigh_load() -> None:
    room, quiet = person(1, load=1, recent=20), person(2, load=2)
    assert chosen(room, quiet).user_id == room.user_id


def test_a_score_is_the_sum_of_its_parts() -> None:
    found = chosen(person(1, "VPN", load=2, recent=5), skills=("VPN", "DNS"))
    assert found.parts == {"skills": 0.3, "load": 0.225, "fairness": 0.075}
    assert found.score == 0.6
    assert chosen(VPN, skills=("VPN",)).score == 1


@pytest.mark.parametrize(
    "candidates",
    [
        [],
        [VPN],  # no admin for a skill that nobody has
        [person(1, "DNS", load=8)],
        [person(1, "DNS", load=9)],
        [person(1, "DNS", capacity=0)],
        [person(1, "DNS", linked=False)],
        [person(1, "DNS", user_id=REQUESTER)],
        [person(1, "DNS", away_until=NOW + timedelta(milliseconds=1))],
        [person(1, "DNS", role=Role.USER)],
        [person(1, "DNS", role=Role.ADMIN, load=8)],
    ],
)
def test_nobody(candidates: list[Candidate]) -> None:
    assert choice(*candidates, skills=("DNS",)) is None


def test_whoever_is_back_is_available_again() -> None:
    assert chosen(person(1, away_until=NOW)).user_id == person(1).user_id


SKILLS = ("VPN", "DNS", "SAP", "Printer")


def people(**fields: Any) -> st.SearchStrategy[Candidate]:
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "user_id": st.integers(0, 99).map(lambda number: person(number).user_id),
        "role": st.sampled_from(Role),
        "skills": st.lists(st.sampled_from([*SKILLS, "vpn"]), max_size=3).map(tuple),
        "open_tickets": st.integers(0, 10),
        "capacity": st.integers(0, 10),
        "recent": st.integers(0, 40),
        "linked": st.booleans(),
        "away_until": st.sampled_from([None, NOW, NOW + timedelta(hours=1)]),
    }
    return st.builds(Candidate, **{**drawn, **fields})


teams = st.lists(people(), max_size=8, unique_by=lambda who: who.user_id)
asked = st.lists(st.sampled_from(SKILLS), max_size=3, unique=True).map(tuple)


@given(teams, asked, st.randoms(use_true_random=False))
def test_the_order_of_candidates_changes_nothing(
    team: list[Candidate], skills: tuple[str, ...], random: Any
) -> None:
    first = choice(*team, skills=skills)
    random.shuffle(team)
    assert choice(*team, skills=skills) == first


@given(teams, asked)
def test_nobody_is_chosen_who_cannot_take_it(
    team: list[Candidate], skills: tuple[str, ...]
) -> None:
    found = choice(*team, skills=skills)
    if found is None:
        return
    (who,) = [candidate for candidate in team if candidate.user_id == found.user_id]
    assert who.role in (Role.MODERATOR, Role.ADMIN)
    assert who.linked
    assert who.open_tickets < who.capacity
    assert who.user_id != REQUESTER
    assert who.away_until is None or who.away_until <= NOW
    assert 0 <= found.score <= 1


@given(teams, asked.filter(bool))
def test_a_moderator_chosen_for_skills_knows_one_of_them(
    team: list[Candidate], skills: tuple[str, ...]
) -> None:
    found = choice(*team, skills=skills)
    if found is None:
        return
    (who,) = [candidate for candidate in team if candidate.user_id == found.user_id]
    knows = {skill.casefold() for skill in who.skills} & {skill.casefold() for skill in skills}
    assert who.role is Role.ADMIN or knows
    assert (found.why is Reason.SKILLS) == bool(knows)


@given(teams, asked)
def test_a_moderator_who_fits_is_never_passed_over(
    team: list[Candidate], skills: tuple[str, ...]
) -> None:
    fit = person(100, *skills)
    found = chosen(*team, fit, skills=skills)
    (who,) = [candidate for candidate in [*team, fit] if candidate.user_id == found.user_id]
    assert who.role is Role.MODERATOR


@given(people(role=st.just(Role.MODERATOR)), asked, st.integers(1, 5))
def test_more_load_never_raises_a_score(who: Candidate, skills: tuple[str, ...], more: int) -> None:
    free = replace(who, linked=True, away_until=None)
    before = choice(free, skills=skills)
    after = choice(replace(free, open_tickets=free.open_tickets + more), skills=skills)
    if after is not None:
        assert before is not None
        assert after.score < before.score


@given(teams)
def test_without_a_skill_nobody_has_more_room_than_the_chosen_one(team: list[Candidate]) -> None:
    found = choice(*team)
    if found is None:
        return
    (who,) = [candidate for candidate in team if candidate.user_id == found.user_id]
    rivals = [other for other in team if other.role is who.role and choice(other) is not None]
    loads = [other.open_tickets / other.capacity for other in rivals]
    assert who.open_tickets / who.capacity == min(loads)
