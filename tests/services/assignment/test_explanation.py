"""The explanation of each candidate, by the code that chooses, so that both agree."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.assignment.candidate import Candidate, Obstacle
from services.assignment.explanation import (
    CandidateExclusion,
    CandidateScore,
    Explanation,
    LastAssignment,
    explain,
    last_assignment,
)
from services.assignment.ranking import Criteria, choose_assignee, rate_candidates
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from services.models.user import Role
from tests.conftest import sample_ticket
from tests.services.assignment.test_ranking import ADMIN, NOW, REQUESTER, person, questions, teams

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
NILS, OLGA = ObjectId(), ObjectId()


def explained(
    *team: Candidate,
    listed: frozenset[ObjectId] | None = None,
    holders: dict[str, int] | None = None,
    **asked: Any,
) -> Explanation:
    grounds = Criteria(skills=(), requester=REQUESTER, now=NOW, skill_counts=holders)
    grounds.update(cast("Criteria", asked))
    everybody = frozenset(who.user_id for who in team)
    looked_at = everybody if listed is None else listed
    return explain(team, shortlisted=looked_at, criteria=grounds)


def reasons(standings: tuple[CandidateScore, ...]) -> list[str]:
    return [one.reason for one in standings]


@given(teams(), questions(), st.data())
def test_the_first_who_is_able_is_whom_it_chooses(
    team: list[Candidate], question: Any, data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.sampled_from(team), unique=True)) if team else []
    for looked_at in (team, some):
        listed = frozenset(who.user_id for who in looked_at)
        found = explain(team, shortlisted=listed, criteria=question)
        chosen = choose_assignee(candidates=looked_at, **question)
        assert (found.chosen and found.chosen.user_id) == (chosen and chosen.user_id)
        if found.chosen and chosen:
            shown = found.chosen
            assert (shown.score, shown.parts, shown.reason) == (
                chosen.score,
                chosen.score_parts,
                chosen.reason_text,
            )


@given(teams(), questions())
def test_everybody_stands_in_it_once_with_their_own_parts(
    team: list[Candidate], question: Any
) -> None:
    everybody = frozenset(who.user_id for who in team)
    found = explain(team, shortlisted=everybody, criteria=question)
    standings = [*found.eligible, *found.excluded]
    assert [one.candidate for one in standings] == [
        rating.candidate for rating in rate_candidates(candidates=team, **question)
    ]
    assert all(one.exclusion is None for one in found.eligible)
    assert all(one.exclusion for one in found.excluded)


def test_why_a_candidate_is_excluded() -> None:
    team = [
        person(1, "VPN"),
        person(2, "DNS"),
        person(3, "VPN", user_id=REQUESTER),
        person(4, "VPN", active=False, load=1),
        person(5, "VPN", away_until=NOW + timedelta(days=1), load=2),
        person(6, "VPN", linked=False, load=3),
        person(7, "VPN", load=8),
        person(8, "VPN", load=4),
    ]
    declined = frozenset({team[-1].user_id})
    found = explained(*team, ADMIN, skills=("VPN",), declined=declined)
    assert [one.candidate for one in found.eligible] == [team[0], ADMIN]
    assert {one.user_id: one.exclusion for one in found.excluded} == {
        team[1].user_id: CandidateExclusion.NO_MATCH,
        team[2].user_id: Obstacle.REQUESTER,
        team[3].user_id: Obstacle.INACTIVE,
        team[4].user_id: Obstacle.AWAY,
        team[5].user_id: Obstacle.UNLINKED,
        team[6].user_id: Obstacle.FULL,
        team[7].user_id: Obstacle.DECLINED,
    }


def test_that_nobody_knows_better_is_said_of_the_first_alone() -> None:
    second = person(8, role=Role.ADMIN, load=1)
    assert reasons(explained(person(1, "VPN"), ADMIN, skills=("VPN",)).eligible) == [
        "knows VPN · 0 of 8 open",
        "an admin · 0 of 8 open",
    ]
    assert reasons(explained(ADMIN, second, skills=("VPN",)).eligible) == [
        "nobody who could take it knows VPN, so it goes to an admin · 0 of 8 open",
        "an admin · 1 of 8 open",
    ]
    assert reasons(explained(person(1), person(2, load=1)).eligible) == [
        "no skill was recognised, so it goes to whoever has room · 0 of 8 open",
        "1 of 8 open",
    ]


def test_of_a_large_team_only_those_who_were_looked_at_could_be_chosen() -> None:
    seen, better = person(1, "VPN", load=2), person(2, "VPN")
    found = explained(
        better, seen, skills=("VPN",), listed=frozenset({seen.user_id}), holders={"vpn": 70}
    )
    assert found.chosen is not None
    assert found.chosen.candidate == seen
    assert found.chosen.reason == "knows VPN · 2 of 8 open"
    assert [(one.candidate, one.exclusion) for one in found.excluded] == [
        (better, CandidateExclusion.NOT_SHORTLISTED)
    ]


def test_a_former_member_makes_no_skill_less_rare() -> None:
    here, gone = person(1, "VPN"), person(2, "DNS", active=False)
    asked: Any = {"skills": ("VPN", "DNS"), "listed": frozenset({here.user_id})}
    with_them, without = explained(here, gone, **asked), explained(here, **asked)
    assert with_them.chosen == without.chosen


def given_to(to: ObjectId, by: ObjectId | str) -> Event:
    return Event(2, AT, by, EventType.ASSIGNED, field="assignedTo", to=to)


CHOSEN = {"source": "router", "reason": "knows VPN", "score": 0.5, "parts": {"skills": 0.4}}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, None),
        (
            {"assigned_to": NILS, "events": (given_to(NILS, "system"),), "assignment": CHOSEN},
            LastAssignment(NILS, "system", AT, "knows VPN", 0.5, {"skills": 0.4}),
        ),
        (
            # The assignee has declined it.
            {"events": (given_to(NILS, "system"),), "assignment": CHOSEN},
            LastAssignment(NILS, "system", AT, "knows VPN", 0.5, {"skills": 0.4}),
        ),
        (
            {
                "assigned_to": NILS,
                "events": (given_to(OLGA, "system"), given_to(NILS, OLGA)),
                "assignment": {"source": "manual", "reason": "Your subject."},
            },
            LastAssignment(NILS, OLGA, AT, "Your subject.", None, {}),
        ),
        (
            # The predecessor, which ran at the same time, has assigned it.
            {
                "assigned_to": NILS,
                "events": (given_to(NILS, "system"),),
                "assignment": {"source": "manual", "reason": "assigned outside of Slack"},
            },
            LastAssignment(NILS, "", AT, "assigned outside of Slack", None, {}),
        ),
        ({"assigned_to": NILS}, LastAssignment(NILS, "", None, "", None, {})),
        (
            {
                "assigned_to": NILS,
                "assignment": {"score": "high", "parts": {"skills": None, "load": float("nan")}},
            },
            LastAssignment(NILS, "", None, "", None, {}),
        ),
    ],
)
def test_what_is_known_of_the_last_choice(
    fields: dict[str, Any], found: LastAssignment | None
) -> None:
    ticket: Ticket = sample_ticket(**fields)
    assert last_assignment(ticket) == found
