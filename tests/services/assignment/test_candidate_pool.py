"""Candidates from the database: all of a small team, a shortlist of a large one."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.assignment.assignment_service import AssignmentService
from services.assignment.candidate import Candidate
from services.assignment.candidate_pool import (
    LARGE_TEAM_SIZE,
    LARGE_TEAM_TTL,
    CandidateLoader,
    Shortlist,
)
from services.assignment.candidate_pool import SHORTLIST_SIZE as SHORTLIST
from services.calendar.work_week import WorkWeek, parse_time_zone
from services.core.database import Mongo
from services.linking.links import LinkService
from services.models.permissions import OPERATOR
from services.models.ticket import AnalysisSource, AssigneeChoice, Ticket
from services.models.user import Role
from services.team_settings.settings_service import TeamSettings
from services.tickets.filing import TicketService
from tests.conftest import Commands, FixedClock, People, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID

BERLIN = parse_time_zone("Europe/Berlin")


@pytest.fixture
def staff(db: Mongo, links: LinkService) -> CandidateLoader:
    return CandidateLoader(db, links)


def candidates(staff: CandidateLoader, clock: FixedClock) -> dict[ObjectId, Candidate]:
    return {who.user_id: who for who in staff.load_all(team_id=TEAM_ID, now=clock())}


def test_candidates_are_the_active_moderators_and_admins(
    staff: CandidateLoader, people: People, clock: FixedClock
) -> None:
    people.add()
    people.add(Role.MODERATOR, active=False)
    moderator = people.add(Role.MODERATOR, " VPN", capacity=3)
    admin = people.add(Role.ADMIN, linked=False)
    assert candidates(staff, clock) == {
        moderator.id: Candidate(moderator.id, Role.MODERATOR, ("VPN",), 0, 3, load=0),
        admin.id: Candidate(admin.id, Role.ADMIN, (), 0, 8, linked=False, load=0),
    }
    elsewhere = staff.load_all(team_id="T0OTHER", now=clock())
    assert [who.linked for who in elsewhere] == [False, False]


def test_load_weighs_what_is_open_and_fairness_counts_what_was_given_this_week(
    staff: CandidateLoader, db: Mongo, people: People, clock: FixedClock
) -> None:
    busy, idle = people.add(Role.MODERATOR), people.add(Role.MODERATOR)
    given = [
        ("IN_PROGRESS", "urgent", timedelta(days=1)),
        ("WAITING", "high", timedelta(days=6)),
        ("REOPENED", "low", timedelta(days=8)),
        ("IN_PROGRESS", None, timedelta(days=9)),
        ("COMPLETED", "urgent", timedelta(days=2)),
        ("COMPLETED", "urgent", timedelta(days=7)),
    ]
    db.tickets.insert_many(
        [
            {
                "assignedTo": busy.id,
                "queueKey": "" if status == "COMPLETED" else "1-",
                "status": status,
                "priority": priority,
                "assignment": {"at": clock() - age},
            }
            for status, priority, age in given
        ]
    )
    found = candidates(staff, clock)
    assert (found[busy.id].open_tickets, found[busy.id].recent_assignments) == (4, 3)
    assert found[busy.id].load == 2 + 0.75 + 0.5 + 1
    assert (
        found[idle.id].open_tickets,
        found[idle.id].recent_assignments,
        found[idle.id].load,
    ) == (0, 0, 0)


@pytest.mark.parametrize("odd", [None, "tomorrow", {}, {"until": None}, {"until": "tomorrow"}])
def test_nobodys_odd_account_stops_the_others_tickets(
    staff: CandidateLoader, people: People, clock: FixedClock, odd: Any
) -> None:
    fields = {"away": odd, "workHours": odd, "country": odd, "timezone": odd}
    who = people.add(Role.MODERATOR, **fields, skills=None, capacity="many")
    assert candidates(staff, clock) == {who.id: Candidate(who.id, Role.MODERATOR, (), 0, 8, load=0)}


def test_it_knows_until_when_a_candidate_is_away(
    staff: CandidateLoader, people: People, clock: FixedClock
) -> None:
    until = clock() + timedelta(days=3)
    who = people.add(Role.MODERATOR, away={"until": until, "source": "manual"})
    assert candidates(staff, clock)[who.id].away_until == until


def test_working_hours_are_the_candidates_own_or_the_teams(
    staff: CandidateLoader, db: Mongo, people: People, clock: FixedClock
) -> None:
    told = people.add(Role.MODERATOR, timezone="Europe/Berlin", country="DE")
    untold = people.add(Role.MODERATOR)
    assert BERLIN
    found = candidates(staff, clock)
    assert (found[told.id].week, found[untold.id].week) == (WorkWeek(BERLIN, country="DE"), None)
    hours = TeamSettings(db).write_business_hours(
        actor=OPERATOR, zone="UTC", days=frozenset({0}), start="09:00", end="12:00"
    )
    assert candidates(staff, clock)[untold.id].week == hours.work_week


def hire(db: Mongo, count: int, *skills: str, **fields: Any) -> list[ObjectId]:
    """Insert linked moderators; return their ids in order."""
    ids = [ObjectId() for _ in range(count)]
    about = {"role": "moderator", "skills": list(skills), **fields}
    db.users.insert_many([{"_id": who, **about} for who in ids])
    db.links.insert_many(
        [
            {"_id": str(who), "teamId": TEAM_ID, "slackUserId": str(who), "userId": who}
            for who in ids
        ]
    )
    return ids


@pytest.fixture
def large(db: Mongo) -> list[ObjectId]:
    """More moderators without the skill than are read at a time."""
    return hire(db, LARGE_TEAM_SIZE)


def needing(
    db: Mongo, tickets: TicketService, people: People, skills: Sequence[str] = ("VPN",)
) -> Ticket:
    filed = file_ticket(tickets, people.add())
    db.tickets.update_one({"_id": filed.id}, {"$set": {"relatedSkills": list(skills)}})
    return reload(db, filed)


@pytest.fixture
def ticket(db: Mongo, tickets: TicketService, people: People) -> Ticket:
    return needing(db, tickets, people)


def choose(
    assignments: AssignmentService, ticket: Ticket, clock: FixedClock, **asked: Any
) -> AssigneeChoice:
    found = assignments.choose(ticket, now=clock(), **asked)
    assert found is not None
    return found


def asked(commands: Commands) -> list[str]:
    """The queries, without getMore."""
    return [name for name, _ in commands.sent if name != "getMore"]


@pytest.mark.parametrize(
    ("team", "sent"),
    [
        # corrections; staff; hours, links, open tickets, recent ones
        (3, ["aggregate", "find", "find", "find", "aggregate", "aggregate"]),
        (LARGE_TEAM_SIZE, ["aggregate", "find", "find", "find", "aggregate", "aggregate"]),
        # and for a large team: those with the skill, and their accounts
        (
            LARGE_TEAM_SIZE + 1,
            ["aggregate", "find", "aggregate", "find", "find", "find"] + ["aggregate"] * 2,
        ),
        (
            LARGE_TEAM_SIZE * 3,
            ["aggregate", "find", "aggregate", "find", "find", "find"] + ["aggregate"] * 2,
        ),
    ],
)
def test_the_queries_of_a_choice_do_not_grow_with_the_team(
    watched_db: Mongo, commands: Commands, db: Mongo, ticket: Ticket, clock: FixedClock,
    team: int, sent: list[str],
) -> None:  # fmt: skip
    hire(db, team, "VPN")
    assignments = AssignmentService(watched_db, LinkService(watched_db, UserService(watched_db)))
    choose(assignments, ticket, clock)
    assert asked(commands) == sent
    commands.sent.clear()
    choose(assignments, ticket, clock)  # a team known to be large is not counted again
    assert asked(commands) == sent[:1] + sent[2 if team > LARGE_TEAM_SIZE else 1 :]


def test_of_a_large_team_a_shortlist_is_read(
    staff: CandidateLoader, db: Mongo, large: list[ObjectId], clock: FixedClock
) -> None:
    experts = hire(db, SHORTLIST + 20, "VPN")
    pool = staff.load_pool(team_id=TEAM_ID, skills=["VPN"], favoured={large[7]}, now=clock())
    assert not pool.is_complete
    assert pool.skill_counts == {"vpn": SHORTLIST + 20}
    assert {who.user_id for who in pool.candidates} == {*experts[:SHORTLIST], large[7]}


def test_the_shortlist_prefers_most_skills_then_the_least_recently_assigned(
    staff: CandidateLoader, db: Mongo, large: list[ObjectId], clock: FixedClock
) -> None:
    common = hire(db, SHORTLIST, "VPN", lastAssignedAt=clock() - timedelta(days=9))
    rare = hire(db, 2, "sap", lastAssignedAt=clock())
    both = hire(db, 1, "VPN", "SAP", lastAssignedAt=clock())
    new = hire(db, 3, "vpn")
    pool = staff.load_pool(team_id=TEAM_ID, skills=["VPN", "SAP"], favoured=set(), now=clock())
    found = {who.user_id for who in pool.candidates}
    assert found == {*both, *rare, *new, *common[: SHORTLIST - 6]}
    assert pool.skill_counts == {"vpn": SHORTLIST + 4, "sap": 3}


@pytest.mark.parametrize("skill", ["$$x", "$100 refunds", "$skills", "$$ROOT", "$$REMOVE"])
def test_a_skill_that_looks_like_an_expression_is_text(
    staff: CandidateLoader, db: Mongo, large: list[ObjectId], clock: FixedClock, skill: str
) -> None:
    """MongoDB reads a text that begins with $ as a field or a variable within an expression."""
    experts = hire(db, 3, skill, "VPN")
    pool = staff.load_pool(team_id=TEAM_ID, skills=[skill], favoured=set(), now=clock())
    assert pool.skill_counts == {skill.casefold(): 3}
    assert {who.user_id for who in pool.candidates} == {*experts}


def test_an_absent_candidate_takes_no_place_on_it(
    staff: CandidateLoader, db: Mongo, large: list[ObjectId], clock: FixedClock
) -> None:
    hire(db, SHORTLIST, "VPN", away={"until": clock() + timedelta(days=1)})
    hire(db, 1, "VPN", active=False)
    back = hire(db, 1, "VPN", away={"until": clock()})
    db.users.update_one({"_id": large[0]}, {"$set": {"skills": "VPN"}})  # a string, not a list
    pool = staff.load_pool(team_id=TEAM_ID, skills=["VPN"], favoured=set(), now=clock())
    assert {who.user_id for who in pool.candidates} == {*back, large[0]}


def test_a_large_teams_tickets_go_round(
    assignments: AssignmentService, db: Mongo, tickets: TicketService, people: People,
    large: list[ObjectId], clock: FixedClock,
) -> None:  # fmt: skip
    experts = hire(db, SHORTLIST * 2, "VPN")
    chosen = []
    for _ in range(5):
        clock.advance(seconds=1)
        ticket = needing(db, tickets, people)
        choice = choose(assignments, ticket, clock)
        assert assignments.assign(ticket, choice, source=AnalysisSource.ROUTER, now=clock())
        chosen.append(choice.user_id)
    assert chosen == experts[:5]
    assert db.users.count_documents({"lastAssignedAt": {"$ne": None}}) == 5


@pytest.mark.parametrize("skills", [["VPN"], []])
def test_where_nobody_on_the_shortlist_can_take_it_everybody_is_looked_at(
    assignments: AssignmentService,
    db: Mongo,
    tickets: TicketService,
    people: People,
    clock: FixedClock,
    skills: list[str],
) -> None:
    hire(db, LARGE_TEAM_SIZE + SHORTLIST, "VPN", capacity=0)
    (free,) = hire(db, 1, "VPN", lastAssignedAt=clock())
    ticket = needing(db, tickets, people, skills)
    assert choose(assignments, ticket, clock).user_id == free


def test_in_a_large_team_too_the_skill_that_the_text_names_comes_first(
    assignments: AssignmentService,
    db: Mongo,
    tickets: TicketService,
    people: People,
    clock: FixedClock,
    large: list[ObjectId],
) -> None:
    """Enough others know a skill that only the model suggests to fill the shortlist."""
    hire(db, SHORTLIST, "Mail")
    hire(db, SHORTLIST * 2, "VPN", capacity=0)
    (free,) = hire(db, 1, "VPN", lastAssignedAt=clock())
    db.users.update_one({"_id": large[0]}, {"$set": {"skills": ["Mail"]}})
    ticket = needing(db, tickets, people, ["Mail", "VPN"])
    sources = {"namedSkills": ["VPN"], "suggestedSkills": ["Mail"]}
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignment.analysis": sources}})
    choice = choose(assignments, reload(db, ticket), clock, history={large[0]: 1.0})
    assert choice.user_id == free
    assert choice.reason_text == (
        "knows VPN · 1 of 8 tickets with this one · the text names VPN, Gemini suggests Mail"
    )


def test_in_a_large_team_too_an_admin_has_what_nobody_knows(
    assignments: AssignmentService, people: People, ticket: Ticket, large: list[ObjectId],
    clock: FixedClock,
) -> None:  # fmt: skip
    admin = people.add(Role.ADMIN)
    assert choose(assignments, ticket, clock).user_id == admin.id


def test_solvers_of_similar_tickets_are_considered_in_a_large_team_too(
    assignments: AssignmentService, db: Mongo, tickets: TicketService, people: People,
    large: list[ObjectId], clock: FixedClock,
) -> None:  # fmt: skip
    veteran = large[-1]
    ticket = needing(db, tickets, people, [])
    assert choose(assignments, ticket, clock, history={veteran: 0.5}).user_id == veteran


def test_a_team_that_shrank_is_read_whole_again(
    staff: CandidateLoader, db: Mongo, large: list[ObjectId], clock: FixedClock
) -> None:
    hire(db, 1, "VPN")
    ask: dict[str, Any] = {"team_id": TEAM_ID, "skills": ["VPN"], "favoured": frozenset()}
    assert len(staff.load_pool(**ask, now=clock()).candidates) == 1
    db.users.delete_many({"_id": {"$in": large[10:]}})
    clock.advance(seconds=LARGE_TEAM_TTL.total_seconds() - 1)
    assert not staff.load_pool(**ask, now=clock()).is_complete
    clock.advance(seconds=1)
    assert len(staff.load_pool(**ask, now=clock()).candidates) == 11


def test_a_small_teams_accounts_are_left_as_they_are(
    assignments: AssignmentService, db: Mongo, people: People, ticket: Ticket, clock: FixedClock
) -> None:
    people.add(Role.MODERATOR, "VPN")
    before = list(db.users.find())
    choice = choose(assignments, ticket, clock)
    assert assignments.assign(ticket, choice, source=AnalysisSource.ROUTER, now=clock())
    assert list(db.users.find()) == before


def test_without_a_needed_skill_the_least_recently_assigned_come_first(
    watched_db: Mongo, commands: Commands, db: Mongo, clock: FixedClock
) -> None:
    shortlist = Shortlist(watched_db)
    shortlist.mark_large(clock())
    turns = hire(db, LARGE_TEAM_SIZE * 2)
    for hours, who in enumerate(turns):
        at = clock() - timedelta(hours=1_000 - hours)
        db.users.update_one({"_id": who}, {"$set": {"lastAssignedAt": at}})
    (new,) = hire(db, 1)
    hire(db, 1, away={"until": clock() + timedelta(days=1)})
    chosen = []
    for _ in range(LARGE_TEAM_SIZE + 20):
        clock.advance(seconds=1)
        first, *others = shortlist.least_recently_assigned(now=clock())
        assert len(others) == SHORTLIST - 1
        shortlist.record_chosen(first, now=clock())
        chosen.append(first)
    assert chosen == [new, *turns[: LARGE_TEAM_SIZE + 19]]
    # Most rounds read only the beginning of the order; all of it is read when that is used up.
    rounds = [name for name, _ in commands.sent if name == "aggregate"]
    assert len(rounds) < (LARGE_TEAM_SIZE + 20) * 2 + 10
    matched = [command["pipeline"][0]["$match"] for name, command in commands.sent
               if name == "aggregate"]  # fmt: skip
    assert sum("$lte" not in (match["lastAssignedAt"] or {"$lte": 0}) for match in matched) == 2


def test_of_a_long_queue_the_rest_is_counted_for_those_below_capacity(
    watched_db: Mongo, commands: Commands, db: Mongo, people: People, clock: FixedClock
) -> None:
    full, late, idle = (people.add(Role.MODERATOR, capacity=3) for _ in range(3))
    order = [full] * 30 + [late] * 2
    db.tickets.insert_many(
        {
            "assignedTo": who.id,
            "status": "IN_PROGRESS",
            "priority": "low",
            "queueKey": f"1-{place:015d}-3-",
        }
        for place, who in enumerate(order)
    )
    loader = CandidateLoader(watched_db, LinkService(watched_db, UserService(watched_db)))

    def load() -> dict[ObjectId, tuple[int, float | None]]:
        commands.sent.clear()
        pool = loader.load_pool(team_id=TEAM_ID, skills=(), favoured=frozenset(), now=clock())
        return {one.user_id: (one.open_tickets, one.load) for one in pool.candidates}

    def counted() -> list[dict[str, Any]]:
        pipelines = [c["pipeline"] for name, c in commands.sent if name == "aggregate"]
        return [stages[0]["$match"] for stages in pipelines if "queueKey" in stages[0]["$match"]]

    assert load() == {full.id: (30, 15.0), late.id: (2, 1.0), idle.id: (0, 0.0)}
    assert counted() == [{"queueKey": {"$gt": "", "$gte": "1"}}]
    end = "1-000000000000024-3-"  # twice the capacities
    assert load() == {full.id: (24, 12.0), late.id: (2, 1.0), idle.id: (0, 0.0)}
    assert counted() == [
        {"queueKey": {"$gt": "", "$gte": "1", "$lt": end}},
        {"assignedTo": late.id, "queueKey": {"$gt": "", "$gte": end}},
        {"assignedTo": idle.id, "queueKey": {"$gt": "", "$gte": end}},
    ]
    everyone = loader.load_all(team_id=TEAM_ID, now=clock())
    assert {one.user_id: one.open_tickets for one in everyone}[full.id] == 30
    clock.advance(minutes=5)
    assert load()[full.id] == (30, 15.0)
