"""The ranking of the candidates, and the reason for a choice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.analysis.model_exchange import SkillSources
from services.assignment.candidate import (
    CORRECTIONS_WEIGHT,
    WEIGHTS,
    Candidate,
    Obstacle,
    ScoringContext,
)
from services.assignment.ranking import (
    AssigneeOption,
    Rating,
    Tier,
    choose_assignee,
    describe_reason,
    rank_options,
    rate_candidates,
    zone_name,
)
from services.calendar.work_week import WorkWeek
from services.models.ticket import AssigneeChoice, ChoiceReason
from services.models.user import Role, User

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


def choice(
    *candidates: Candidate, skills: tuple[str, ...] = (), **shares: Any
) -> AssigneeChoice | None:
    return choose_assignee(
        candidates=candidates, skills=skills, requester=REQUESTER, now=NOW, **shares
    )


def chosen(*candidates: Candidate, skills: tuple[str, ...] = (), **shares: Any) -> AssigneeChoice:
    found = choice(*candidates, skills=skills, **shares)
    assert found is not None
    return found


VPN, DNS = person(1, "VPN"), person(2, "DNS")
ADMIN = person(9, role=Role.ADMIN)
SOLVED_BY_DNS = {DNS.user_id: 0.6}
AGAINST_1 = {VPN.user_id: -0.5}
WEEK = WorkWeek(ZoneInfo("Europe/London"))


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        (SkillSources(("VPN",), ("VPN",)), ""),
        (SkillSources(("VPN",), ("DNS",)), " · the text names VPN, Gemini suggests DNS"),
        (SkillSources(("VPN",)), " · the text names VPN, Gemini suggests no skill"),
        (
            SkillSources(("VPN",), ("A", "B", "C", "D", "E")),
            " · the text names VPN, Gemini suggests A, B, C and 2 more",
        ),
    ],
)
def test_the_skill_that_the_text_names_decides_first(sources: SkillSources, reason: str) -> None:
    skills = tuple(dict.fromkeys([*sources.named, *sources.suggested]))
    busy = replace(VPN, open_tickets=7)
    solved = {DNS.user_id: 1.0}
    found = chosen(busy, DNS, skills=skills, sources=sources, history=solved)
    assert (found.user_id, found.reason_text) == (
        busy.user_id,
        f"knows VPN · 8 of 8 tickets with this one{reason}",
    )


def test_who_declined_it_is_not_chosen_again() -> None:
    candidates = [VPN, person(3, "VPN", load=7), ADMIN]
    ask: dict[str, Any] = {"skills": ("VPN",), "requester": REQUESTER, "now": NOW}
    gone: set[ObjectId] = set()
    for expected in candidates:
        found = choose_assignee(candidates=candidates, **ask, declined=gone)
        assert found is not None
        assert found.user_id == expected.user_id
        gone.add(expected.user_id)
    assert choose_assignee(candidates=candidates, **ask, declined=gone) is None


@pytest.mark.parametrize(
    ("candidates", "skills", "who", "why", "reason"),
    [
        (
            [VPN, DNS],
            ("VPN",),
            VPN,
            ChoiceReason.SKILLS,
            "knows VPN · 1 of 8 tickets with this one",
        ),
        (
            [person(1, "vpn", load=3)],
            ("VPN",),
            VPN,
            ChoiceReason.SKILLS,
            "knows VPN · 4 of 8 tickets with this one",
        ),
        (
            [person(1, "SAP", "DNS", "VPN"), DNS],
            ("VPN", "DNS", "SAP"),
            VPN,
            ChoiceReason.SKILLS,
            "knows VPN, DNS and SAP · 1 of 8 tickets with this one",
        ),
        (
            [person(1, "DNS", "VPN")],
            ("VPN", "DNS"),
            VPN,
            ChoiceReason.SKILLS,
            "knows VPN and DNS · 1 of 8 tickets with this one",
        ),
        (
            [person(1, load=2), DNS],
            (),
            DNS,
            ChoiceReason.LEAST_LOADED,
            "no skill was recognised, so it goes to someone with room"
            " · 1 of 8 tickets with this one",
        ),
        (
            [ADMIN],
            (),
            ADMIN,
            ChoiceReason.LEAST_LOADED,
            "no skill was recognised, so it goes to someone with room"
            " · 1 of 8 tickets with this one",
        ),
        (
            [VPN, ADMIN],
            ("DNS",),
            ADMIN,
            ChoiceReason.NO_SKILL_MATCH,
            "no one who could take it knows DNS, so it goes to an admin"
            " · 1 of 8 tickets with this one",
        ),
        (
            [ADMIN, person(1, "DNS", load=8)],
            ("VPN", "DNS", "SAP"),
            ADMIN,
            ChoiceReason.NO_SKILL_MATCH,
            "no one who could take it knows VPN, DNS or SAP, so it goes to an admin · "
            "1 of 8 tickets with this one",
        ),
        (
            [VPN, person(9, "DNS", role=Role.ADMIN, load=5), person(8, role=Role.ADMIN)],
            ("DNS",),
            person(9),
            ChoiceReason.SKILLS,
            "knows DNS · 6 of 8 tickets with this one",
        ),
    ],
)
def test_who_and_why(
    candidates: list[Candidate],
    skills: tuple[str, ...],
    who: Candidate,
    why: ChoiceReason,
    reason: str,
) -> None:
    found = chosen(*candidates, skills=skills)
    assert (found.user_id, found.main_reason, found.reason_text) == (who.user_id, why, reason)


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
    busy, quiet = person(1, "VPN", recent_assignments=5), person(2, "VPN", recent_assignments=4)
    assert chosen(busy, quiet, skills=skills).user_id == quiet.user_id


def test_without_a_skill_a_quiet_week_does_not_outweigh_load() -> None:
    room, quiet = person(1, load=1, recent_assignments=20), person(2, load=2)
    assert chosen(room, quiet).user_id == room.user_id


def test_a_score_is_the_sum_of_its_parts() -> None:
    found = chosen(person(1, "VPN", load=2, recent_assignments=5), skills=("VPN", "DNS"))
    assert found.score_parts == {
        "skills": 0.2,
        "history": 0.0,
        "load": 0.175,
        "hours": 0.1,
        "fairness": 0.0375,
        "corrections": 0.0,
    }
    assert found.score == 0.5125


def test_the_best_possible_candidate_scores_one() -> None:
    ideal = {VPN.user_id: 1.0}
    found = chosen(VPN, skills=("VPN",), history=ideal, corrections=ideal)
    assert found.score == 1


def test_who_has_solved_such_tickets_comes_first_among_the_knowing() -> None:
    new, old = person(1, "VPN"), person(2, "VPN", load=2)
    found = chosen(new, old, skills=("VPN",), history={old.user_id: 0.6, new.user_id: 0.1})
    assert found.user_id == old.user_id
    assert found.reason_text == "knows VPN · solved similar tickets · 3 of 8 tickets with this one"


def test_but_to_know_a_skill_counts_more_than_to_have_solved_such_tickets() -> None:
    found = chosen(VPN, DNS, ADMIN, skills=("VPN",), history={DNS.user_id: 1.0})
    assert found.user_id == VPN.user_id


def test_without_the_skill_a_solver_of_similar_tickets_comes_before_an_admin() -> None:
    found = chosen(person(1, "VPN", load=8), DNS, ADMIN, skills=("VPN",), history=SOLVED_BY_DNS)
    assert (found.user_id, found.main_reason) == (DNS.user_id, ChoiceReason.HISTORY)
    assert found.reason_text == "solved similar tickets · 1 of 8 tickets with this one"
    hardly = {DNS.user_id: 0.19}
    assert chosen(DNS, ADMIN, skills=("VPN",), history=hardly).user_id == ADMIN.user_id


def test_where_no_skill_was_recognised_such_a_history_outweighs_a_few_tickets() -> None:
    busy = replace(DNS, open_tickets=3)
    found = chosen(VPN, busy, history=SOLVED_BY_DNS)
    assert (found.user_id, found.main_reason) == (DNS.user_id, ChoiceReason.HISTORY)
    full = replace(DNS, open_tickets=8)
    assert chosen(VPN, full, history=SOLVED_BY_DNS).user_id == VPN.user_id


def test_a_candidate_at_work_comes_before_one_back_on_monday() -> None:
    here = person(1, "VPN", load=3, week=WEEK)
    asleep = person(2, "VPN", week=replace(WEEK, zone=ZoneInfo("Pacific/Auckland")))
    assert chosen(here, asleep, skills=("VPN",)).reason_text == (
        "knows VPN · 4 of 8 tickets with this one · at work until 17:00 (London time)"
    )
    assert chosen(asleep, skills=("VPN",)).reason_text == (
        "knows VPN · 1 of 8 tickets with this one · back at 09:00 tomorrow"
    )


def test_a_holiday_is_no_day_at_work_and_excludes_nobody() -> None:
    christmas = datetime(2026, 12, 25, 10, tzinfo=UTC)
    here, at_home = person(2, "VPN", week=WEEK), person(1, "VPN", week=replace(WEEK, country="DE"))
    ask: dict[str, Any] = {"skills": ("VPN",), "requester": None, "now": christmas}
    first = choose_assignee(candidates=[at_home, here], **ask)
    alone = choose_assignee(candidates=[at_home], **ask)
    assert first is not None
    assert first.user_id == here.user_id
    assert alone is not None
    assert alone.reason_text == "knows VPN · 1 of 8 tickets with this one · back on Monday at 09:00"


def test_an_urgent_ticket_weighs_more_than_a_waiting_one() -> None:
    urgent = replace(person(1, "VPN", load=1), load=2.0)
    waiting = replace(person(2, "VPN", load=1), load=0.5)
    assert chosen(urgent, waiting, skills=("VPN",)).user_id == waiting.user_id


def test_a_correction_tips_the_scales_between_equals() -> None:
    found = chosen(person(1, "VPN"), person(2, "VPN"), skills=("VPN",), corrections=AGAINST_1)
    assert found.user_id == person(2).user_id
    alone = chosen(person(1, "VPN"), skills=("VPN",), corrections=AGAINST_1)
    assert alone.score_parts["corrections"] == -0.05  # shown, and no exclusion


@pytest.mark.parametrize("odd", [7.0, -7.0, float("nan"), float("inf")])
def test_odd_shares_keep_within_bounds(odd: float) -> None:
    spoken = {VPN.user_id: odd}
    found = chosen(VPN, skills=("VPN",), history=spoken, corrections=spoken)
    assert_within_bounds(found)


def test_how_many_know_a_skill_may_be_said_of_more_people_than_the_candidates() -> None:
    one, other = person(1, "VPN"), person(2, "DNS")
    skills = ("VPN", "DNS")
    for holders, first in (({"vpn": 9, "dns": 1}, other), ({"vpn": 1, "dns": 9}, one)):
        assert chosen(one, other, skills=skills, skill_counts=holders).user_id == first.user_id


@pytest.mark.parametrize(
    "candidates",
    [
        [],
        [VPN],  # no admin for a skill that no one has
        [person(1, "DNS", load=8)],
        [person(1, "DNS", load=9)],
        [person(1, "DNS", capacity=0)],
        [person(1, "DNS", linked=False)],
        [person(1, "DNS", user_id=REQUESTER)],
        [person(1, "DNS", away_until=NOW + timedelta(milliseconds=1))],
        [person(1, "DNS", role=Role.USER)],
        [person(1, "DNS", active=False)],
        [person(1, "DNS", role=Role.ADMIN, load=8)],
    ],
)
def test_nobody(candidates: list[Candidate]) -> None:
    assert choice(*candidates, skills=("DNS",)) is None


def test_a_candidate_who_is_back_is_available_again() -> None:
    assert chosen(person(1, away_until=NOW)).user_id == person(1).user_id


def assert_within_bounds(found: AssigneeChoice | Rating) -> None:
    parts = found.score_parts if isinstance(found, AssigneeChoice) else found.rounded_parts
    assert parts.keys() == {*WEIGHTS, "corrections"}
    assert all(0 <= parts[name] <= weight for name, weight in WEIGHTS.items())
    assert abs(parts["corrections"]) <= CORRECTIONS_WEIGHT
    assert found.score == pytest.approx(sum(parts.values()), abs=1e-9)
    assert -CORRECTIONS_WEIGHT <= found.score <= 1


# Properties of every team that Hypothesis generates.
SKILLS = ("VPN", "DNS", "SAP", "Printer")
IDS = [person(number).user_id for number in range(12)]
WEEKS = [
    None,
    WEEK,
    replace(WEEK, zone=ZoneInfo("Pacific/Auckland")),
    replace(WEEK, days=frozenset({5, 6})),
    replace(WEEK, days=frozenset()),
]


def people(**fields: Any) -> st.SearchStrategy[Candidate]:
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "user_id": st.sampled_from(IDS),
        "role": st.sampled_from(Role),
        "skills": st.lists(st.sampled_from([*SKILLS, "vpn"]), max_size=3).map(tuple),
        "open_tickets": st.integers(0, 10),
        "capacity": st.integers(0, 10),
        "recent_assignments": st.integers(0, 40),
        "linked": st.booleans(),
        "away_until": st.sampled_from([None, NOW, NOW + timedelta(hours=1)]),
        "active": st.booleans(),
        "load": st.one_of(st.none(), st.integers(0, 40).map(lambda quarters: quarters / 4)),
        "week": st.sampled_from(WEEKS),
    }
    return st.builds(Candidate, **{**drawn, **fields})


AVAILABLE: dict[str, st.SearchStrategy[Any]] = {
    "role": st.sampled_from([Role.MODERATOR, Role.MODERATOR, Role.ADMIN]),
    "open_tickets": st.integers(0, 4),
    "capacity": st.integers(5, 10),
    "linked": st.just(True),
    "away_until": st.none(),
    "active": st.just(True),
}


def teams(least: int = 0, **fields: Any) -> st.SearchStrategy[list[Candidate]]:
    everybody = st.one_of(people(**fields), people(**AVAILABLE | fields))
    return st.lists(everybody, min_size=least, max_size=8, unique_by=lambda who: who.user_id)


def shares(least: float) -> st.SearchStrategy[dict[ObjectId, float]]:
    return st.dictionaries(st.sampled_from(IDS), st.floats(least, 1), max_size=6)


asked = st.lists(st.sampled_from(SKILLS), max_size=3, unique=True).map(tuple)
histories, corrected = shares(0), shares(-1)
declining = st.frozensets(st.sampled_from(IDS), max_size=3)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """The criteria of a choice."""
    return {
        "skills": draw(asked),
        "requester": draw(st.sampled_from([REQUESTER, *IDS[:3]])),
        "now": NOW,
        "declined": draw(declining),
        "history": draw(histories),
        "corrections": draw(corrected),
    }


def standing(team: list[Candidate], who: Candidate, question: dict[str, Any]) -> int:
    """The candidate's position."""
    order = [rating.candidate.user_id for rating in rate_candidates(candidates=team, **question)]
    return order.index(who.user_id)


@given(teams(), questions(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_changes_nothing(
    team: list[Candidate], question: dict[str, Any], random: Any
) -> None:
    first, order = (
        choose_assignee(candidates=team, **question),
        rate_candidates(candidates=team, **question),
    )
    assert choose_assignee(candidates=team, **question) == first  # nor does a repeated call
    random.shuffle(team)
    assert choose_assignee(candidates=team, **question) == first
    assert rate_candidates(candidates=team, **question) == order


@given(teams(), questions())
def test_nobody_is_chosen_who_cannot_take_it(
    team: list[Candidate], question: dict[str, Any]
) -> None:
    found = choose_assignee(candidates=team, **question)
    if found is None:
        return
    (who,) = [candidate for candidate in team if candidate.user_id == found.user_id]
    assert who.role in (Role.MODERATOR, Role.ADMIN)
    assert who.linked
    assert who.active
    assert who.open_tickets < who.capacity
    assert who.user_id != question["requester"]
    assert who.user_id not in question["declined"]
    assert who.away_until is None or who.away_until <= NOW


@given(teams(1), questions())
def test_whom_it_chooses_is_the_first_of_all(
    team: list[Candidate], question: dict[str, Any]
) -> None:
    found, ratings = (
        choose_assignee(candidates=team, **question),
        rate_candidates(candidates=team, **question),
    )
    assert {rating.candidate.user_id for rating in ratings} == {who.user_id for who in team}
    if found is None:
        assert all(rating.tier >= Tier.NO_MATCH for rating in ratings)
    else:
        best = ratings[0]
        assert (found.user_id, found.score) == (best.candidate.user_id, best.score)
        assert (found.score_parts, best.obstacle) == (best.rounded_parts, None)


@given(teams(), questions())
def test_parts_add_up_and_keep_within_bounds(
    team: list[Candidate], question: dict[str, Any]
) -> None:
    for rating in rate_candidates(candidates=team, **question):
        assert_within_bounds(rating)
    if found := choose_assignee(candidates=team, **question):
        assert_within_bounds(found)


@given(teams(), asked.filter(bool), corrected)
def test_a_moderator_chosen_for_skills_knows_one_of_them(
    team: list[Candidate], skills: tuple[str, ...], corrections: dict[ObjectId, float]
) -> None:
    found = choice(*team, skills=skills, corrections=corrections)
    if found is None:
        return
    (who,) = [candidate for candidate in team if candidate.user_id == found.user_id]
    knows = {skill.casefold() for skill in who.skills} & {skill.casefold() for skill in skills}
    assert who.role is Role.ADMIN or knows
    assert (found.main_reason is ChoiceReason.SKILLS) == bool(knows)


@given(teams(), questions())
def test_a_moderator_with_the_skills_is_never_passed_over(
    team: list[Candidate], question: dict[str, Any]
) -> None:
    fit = person(100, *question["skills"])
    found = choose_assignee(candidates=[*team, fit], **question)
    assert found is not None
    (who,) = [candidate for candidate in [*team, fit] if candidate.user_id == found.user_id]
    assert who.role is Role.MODERATOR


@given(teams(1), questions(), st.data())
def test_an_absent_candidate_is_never_chosen_while_another_fits(
    team: list[Candidate], question: dict[str, Any], data: st.DataObject
) -> None:
    before = choose_assignee(candidates=team, **question)
    assume(before is not None)
    gone = data.draw(st.sampled_from(team))
    away = replace(gone, away_until=NOW + timedelta(hours=1))
    found = choose_assignee(candidates=[away if who is gone else who for who in team], **question)
    assert found is None or found.user_id != gone.user_id
    if before and before.user_id != gone.user_id:
        assert found is not None
        assert found.user_id == before.user_id


@given(teams(1), questions(), st.data(), st.integers(1, 5), st.booleans())
def test_more_load_never_raises_a_score_or_a_rank(
    team: list[Candidate],
    question: dict[str, Any],
    data: st.DataObject,
    more: int,
    is_known: bool,
) -> None:
    who = data.draw(st.sampled_from(team))
    load = who.effective_load if is_known else None
    before = replace(who, load=load)
    heavier = None if load is None else load + more / 2
    after = replace(before, open_tickets=who.open_tickets + more, load=heavier)
    others = [other for other in team if other is not who]
    scores = [
        next(
            r.score
            for r in rate_candidates(candidates=[*others, one], **question)
            if r.candidate == one
        )
        for one in (before, after)
    ]
    assert scores[1] <= scores[0]
    earlier, later = (standing([*others, one], one, question) for one in (before, after))
    assert later >= earlier


@given(people(**AVAILABLE), asked, st.integers(1, 5))
def test_more_load_lowers_the_score_of_a_candidate_with_capacity(
    who: Candidate, skills: tuple[str, ...], more: int
) -> None:
    free = replace(who, load=None)
    before = choice(free, skills=skills)
    after = choice(replace(free, open_tickets=free.open_tickets + more), skills=skills)
    if before and after:
        assert after.score < before.score


@given(teams(1), questions(), st.data())
def test_a_needed_skill_more_never_lowers_a_rank(
    team: list[Candidate], question: dict[str, Any], data: st.DataObject
) -> None:
    assume(question["skills"])
    who, skill = data.draw(st.sampled_from(team)), data.draw(st.sampled_from(question["skills"]))
    learned = replace(who, skills=(*who.skills, skill))
    others = [other for other in team if other is not who]
    before, after = (standing([*others, one], one, question) for one in (who, learned))
    assert after <= before


@given(teams(1), questions(), st.data(), st.floats(0, 1))
def test_a_worse_correction_never_raises_a_rank_and_a_longer_history_never_lowers_it(
    team: list[Candidate], question: dict[str, Any], data: st.DataObject, by: float
) -> None:
    who = data.draw(st.sampled_from(team))
    now = standing(team, who, question)
    for name, change, sign in (("corrections", -by, -1), ("history", by, 1)):
        share = question[name].get(who.user_id, 0.0) + change
        changed = {**question, name: {**question[name], who.user_id: share}}
        assert (now - standing(team, who, changed)) * sign >= 0


@given(teams(1), questions(), st.data())
def test_a_candidate_who_starts_work_never_falls_behind(
    team: list[Candidate], question: dict[str, Any], data: st.DataObject
) -> None:
    who = data.draw(st.sampled_from(team))
    here = replace(who, week=WEEK)
    assert WEEK.is_working_time(NOW)
    others = [other for other in team if other is not who]
    before, after = (standing([*others, one], one, question) for one in (who, here))
    assert after <= before


@given(teams(week=st.none()))
def test_without_a_skill_nobody_has_more_room_than_the_chosen_one(team: list[Candidate]) -> None:
    found = choice(*team)
    if found is None:
        return
    (who,) = [candidate for candidate in team if candidate.user_id == found.user_id]
    rivals = [other for other in team if other.role is who.role and choice(other) is not None]
    loads = [min(other.effective_load / other.capacity, 2) for other in rivals]
    assert min(who.effective_load / who.capacity, 2) == min(loads)


# Options for a person to choose from


def candidate(*skills: str, **fields: Any) -> Candidate:
    return person(0, *skills, **{"user_id": ObjectId(), **fields})


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
def test_it_says_why_assignment_would_not_choose_a_candidate(
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


def test_a_deleted_account_is_left_out() -> None:
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


YORK = WorkWeek(ZoneInfo("America/New_York"), end=time(18))
WHO = Candidate(ObjectId("65f0c0ffee65f0c0ffee0001"), Role.MODERATOR, (), 2, 8, week=YORK)
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)  # a Monday, noon in New York
NEEDED = ("VPN", "DNS")


def said(
    who: Candidate = WHO,
    now: datetime = NOON,
    *,
    known_skills: tuple[str, ...] = NEEDED,
    needed_skills: tuple[str, ...] = NEEDED,
    has_solved: bool = False,
    has_several_zones: bool = False,
) -> str:
    rating = Rating(who, Tier.KNOWS_SKILL, None, known_skills, has_solved, {}, 0.0)
    context = ScoringContext.build([who], skills=needed_skills, now=now)
    return describe_reason(rating, replace(context, has_several_zones=has_several_zones))


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({}, "knows VPN and DNS · 3 of 8 tickets with this one · at work until 18:00"),
        (
            {"has_solved": True},
            "knows VPN and DNS · solved similar tickets · 3 of 8 tickets with this one · "
            "at work until 18:00",
        ),
        (
            {"known_skills": (), "has_solved": True},
            "solved similar tickets · 3 of 8 tickets with this one · at work until 18:00",
        ),
        (
            {"known_skills": ()},
            "no one who could take it knows VPN or DNS, so it goes to an admin · "
            "3 of 8 tickets with this one · at work until 18:00",
        ),
        (
            {"known_skills": (), "needed_skills": ()},
            "no skill was recognised, so it goes to someone with room"
            " · 3 of 8 tickets with this one"
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
    assert (
        said(replace(WHO, week=week), now)
        == f"knows VPN and DNS · 3 of 8 tickets with this one · {hours}"
    )


@pytest.mark.parametrize("week", [None, replace(YORK, days=frozenset())])
def test_of_hours_that_nobody_knows_nothing_is_said(week: WorkWeek | None) -> None:
    assert said(replace(WHO, week=week)) == "knows VPN and DNS · 3 of 8 tickets with this one"


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
    assert told == f"knows VPN and DNS · 3 of 8 tickets with this one · {hours}"


@pytest.mark.parametrize("week", [None, replace(YORK, days=frozenset())])
def test_where_no_time_is_told_it_is_nobodys(week: WorkWeek | None) -> None:
    assert (
        said(replace(WHO, week=week), has_several_zones=True)
        == "knows VPN and DNS · 3 of 8 tickets with this one"
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
    assert said(who) == f"knows VPN and DNS · 3 of 8 tickets with this one · {words}"
