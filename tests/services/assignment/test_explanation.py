"""The explanation of each candidate, by the code that chooses, and the dry run of an assignment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from bot.views.explain.terminal import explanation_lines
from demo.binaries import ROOT
from services.accounts.users import UserService
from services.analysis.analysis_store import store_analysis
from services.analysis.model_exchange import Analysis, FailureReason, SkillMatch
from services.analysis.urgency import UrgencySignal
from services.assignment import explanation
from services.assignment.assignment_service import AssignmentService
from services.assignment.candidate import Candidate, Obstacle
from services.assignment.candidate_pool import LARGE_TEAM_SIZE
from services.assignment.explanation import (
    CandidateExclusion,
    CandidateScore,
    DryRun,
    ExplainService,
    Explanation,
    LastAssignment,
    explain,
    last_assignment,
)
from services.assignment.feedback import CorrectionKind, record_corrections
from services.assignment.ranking import Criteria, choose_assignee, rate_candidates
from services.assignment.reassign import Reassignment
from services.core.database import Mongo
from services.core.errors import InvalidValue, NotFound, PermissionDenied
from services.core.installation import claim_installation
from services.editing.ticket_edits import TicketEdits
from services.linking.links import LinkService
from services.models.events import Event, EventType
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import AnalysisSource, Priority, Ticket
from services.models.user import Role, User
from services.routing.learned_model import Example
from services.routing.model_store import ModelKind as Learned
from services.routing.model_store import ModelStore, StoredModelInfo
from services.routing.trainer import Trainer
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.assignment import assign_ticket
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, file_ticket, reload, sample_ticket
from tests.services.assignment.test_ranking import ADMIN, NOW, REQUESTER, person, questions, teams
from tests.support.slack_workspace import TEAM_ID

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
        "knows VPN · 1 of 8 tickets with this one",
        "an admin · 1 of 8 tickets with this one",
    ]
    assert reasons(explained(ADMIN, second, skills=("VPN",)).eligible) == [
        "no one who could take it knows VPN, so it goes to an admin · 1 of 8 tickets with this one",
        "an admin · 2 of 8 tickets with this one",
    ]
    assert reasons(explained(person(1), person(2, load=1)).eligible) == [
        "no skill was recognised, so it goes to someone with room · 1 of 8 tickets with this one",
        "2 of 8 tickets with this one",
    ]


def test_of_a_large_team_only_those_who_were_looked_at_could_be_chosen() -> None:
    seen, better = person(1, "VPN", load=2), person(2, "VPN")
    found = explained(
        better, seen, skills=("VPN",), listed=frozenset({seen.user_id}), holders={"vpn": 70}
    )
    assert found.chosen is not None
    assert found.chosen.candidate == seen
    assert found.chosen.reason == "knows VPN · 3 of 8 tickets with this one"
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
            # The legacy backend, which ran at the same time, has assigned it.
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


MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
READ = Analysis(
    summary="No tunnel.",
    priority=Priority.HIGH,
    related_skills=("VPN", "DNS"),
    helpful_notes="Check the client.",
    confidence=0.92,
    source=AnalysisSource.GEMINI,
    model="gemini-flash-lite-latest",
    model_version="gemini-3.1-flash-lite",
)
NO_NUMBER = (
    "There is no ticket {}. A ticket of the legacy backend gets its number from the jobs; until "
    "then, type its id."
)


@pytest.fixture
def service(db: Mongo, users: UserService, links: LinkService, clock: FixedClock) -> ExplainService:
    clock.now = MONDAY
    claim_installation(db, team_id=TEAM_ID, clock=clock)
    return ExplainService(db, users, links, ModelStore(db, clock=clock), clock=clock)


@pytest.fixture
def nils(service: ExplainService, people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "DNS", name="Nils Holm", timezone="Europe/Berlin")


@pytest.fixture
def ticket(nils: User, people: People, tickets: TicketService) -> Ticket:
    return file_ticket(tickets, people.add(name="Emma Lund"), "VPN drops", "Every hour.")


def lines(service: ExplainService, called: str = "1") -> list[str]:
    return explanation_lines(service.explain_reference(actor=OPERATOR, reference=called))


def section(said: list[str], heading: str) -> list[str]:
    """The lines below that heading, up to the next."""
    after = said[said.index(heading) + 1 :]
    return after[: after.index("")] if "" in after else after


def documented() -> str:
    """The lines below the command in the example of docs/troubleshooting.md."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    return text.partition("$ python app.py explain 12\n")[2].partition("\n```")[0]


@pytest.fixture
def story(
    db: Mongo,
    runtime: Runtime,
    people: People,
    ticket: Ticket,
    nils: User,
) -> Ticket:
    """Assigned to Nils; the others are eligible, or excluded for various reasons."""
    people.add(Role.MODERATOR, "VPN", name="Olga Sand", timezone="Asia/Tokyo")
    people.add(Role.ADMIN, name="Anna Berg")
    people.add(Role.MODERATOR, "Printers", name="Lars Vik")
    back = {"until": MONDAY + timedelta(days=4), "source": "self"}
    people.add(Role.MODERATOR, "VPN", name="Per Dahl", away=back)
    ida = people.add(Role.MODERATOR, "VPN", name="Ida Moe", capacity=1)
    people.add(Role.MODERATOR, "VPN", name="Ulf Ek", linked=False)
    people.add(Role.ADMIN, name="Eva Lind", active=False)
    busy = {"status": "IN_PROGRESS", "priority": "low", "queueKey": "1-"}
    db.tickets.insert_many([{**busy, "assignedTo": who} for who in (ida.id, nils.id, nils.id)])
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"number": 12}})
    assert store_analysis(db, reload(db, ticket), READ, now=MONDAY)
    assign_ticket.run(runtime, str(ticket.id))
    return reload(db, ticket)


def contents(db: Mongo) -> dict[str, Any]:
    names = db.list_collection_names()
    return {name: list(db[name].find().sort("_id")) for name in sorted(names)}


def test_the_readmes_example_is_true(service: ExplainService, story: Ticket) -> None:
    assert "\n".join(lines(service, "12")) == documented()


def test_it_changes_nothing_and_publishes_nothing(
    service: ExplainService, db: Mongo, story: Ticket, clock: FixedClock
) -> None:
    db.tickets.insert_one({"_id": (old := ObjectId()), "title": "The predecessor's"})
    clock.advance(hours=1)
    before, indexes = contents(db), db.tickets.index_information()
    for called in ("12", str(story.id), str(old)):
        assert lines(service, called)
    assert service.explain(actor=OPERATOR, ticket_id=str(old)).ticket.number is None
    assert (contents(db), db.tickets.index_information()) == (before, indexes)


def test_it_says_what_assignment_then_does(
    service: ExplainService, runtime: Runtime, db: Mongo, ticket: Ticket, people: People, nils: User
) -> None:
    people.add(Role.MODERATOR, "VPN", name="Olga Sand")
    told = service.explain_reference(actor=OPERATOR, reference="1").explanation.chosen
    assert told is not None
    assign_ticket.run(runtime, str(ticket.id))
    done = reload(db, ticket)
    assert (done.assigned_to, told.user_id) == (nils.id, nils.id)
    assert done.assignment["parts"] == told.parts
    assert (done.assignment["score"], done.assignment["reason"]) == (told.score, told.reason)
    # Afterwards the ticket does not count towards its assignee's load.
    again = service.explain_reference(actor=OPERATOR, reference="1")
    assert again.explanation.chosen == told
    assert again.last_assignment is not None
    assert again.last_assignment.parts == told.parts


def test_an_unread_ticket_is_read_offline_in_memory(
    service: ExplainService, db: Mongo, ticket: Ticket
) -> None:
    said = lines(service)
    assert said[:2] == [
        "Ticket 1 (Open)",
        "No one has it yet. It is about to be assigned as below.",
    ]
    assert section(said, "Analysis") == [
        "  Done by     The offline router, just now and without storing it, because it is not "
        "analysed yet",
        "  Skills      VPN (named in the text)",
        "  Confidence  Only Gemini gives one",
        "  Priority    Not set yet",
        "  Secrets     None seen in its text",
    ]
    assert "Then" not in said
    assert reload(db, ticket).assignment == {}


def test_words_that_have_changed_are_read_again(
    service: ExplainService, db: Mongo, ticket: Ticket
) -> None:
    assert store_analysis(db, ticket, READ, now=MONDAY)
    words = {"title": "DNS is slow", "description": "My password: hunter2-secret"}
    db.tickets.update_one({"_id": ticket.id}, {"$set": words})
    said = section(lines(service), "Analysis")
    assert said == [
        "  Done by     The offline router, just now and without storing it, because its text "
        "has changed since",
        "  Skills      DNS (named in the text)",
        "  Confidence  Only Gemini gives one",
        "  Priority    High",
        "  Secrets     Seen in its text; masked before anything leaves this machine",
    ]
    assert "hunter2" not in "\n".join(lines(service))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"source": AnalysisSource.ROUTER, "failure": "timeout", "confidence": None},
            ["The offline router, because Gemini did not answer in time", "VPN and DNS", "Only"],
        ),
        (
            {
                "source": AnalysisSource.ROUTER,
                "failure": FailureReason.REFUSED_KEY,
                "confidence": None,
            },
            [
                "The offline router, because Gemini refused the configured key",
                "VPN and DNS",
                "Only",
            ],
        ),
        (
            {"source": AnalysisSource.ROUTER, "confidence": None, "basis": SkillMatch.LEARNED},
            ["The offline router", "VPN and DNS (needed by similar resolved tickets)", "Only"],
        ),
        (
            {"confidence": 0.3, "related_skills": ()},
            ["Gemini (gemini-3.1-flash-lite)", "None recognised", "30% (too low to rely on)"],
        ),
    ],
)
def test_the_analysis(
    db: Mongo,
    service: ExplainService,
    ticket: Ticket,
    fields: dict[str, Any],
    told: list[str],
) -> None:
    assert store_analysis(db, ticket, replace(READ, **fields), now=MONDAY)
    said = [line[14:] for line in section(lines(service), "Analysis")]
    assert said[1] == "2 Mar 2026, 09:00 UTC"
    assert said[:1] + said[2:3] == told[:2]
    assert said[3].startswith(told[2])


@pytest.mark.parametrize(
    ("signal", "told"),
    [
        (UrgencySignal.OUTAGE, "Urgent, because it speaks of an outage."),
        (
            None,
            "Gemini called this urgent, but nothing else in the ticket says so. Its priority is "
            "high; set it to Urgent if it is.",
        ),
    ],
)
def test_why_it_is_as_urgent_as_it_is(
    service: ExplainService,
    ticket_edits: TicketEdits,
    db: Mongo,
    nils: User,
    ticket: Ticket,
    signal: UrgencySignal | None,
    told: str,
) -> None:
    claimed = replace(READ, priority=Priority.URGENT, signal=signal)
    assert store_analysis(db, ticket, claimed, now=MONDAY)
    assert f"  Priority    {told}" in lines(service)
    ticket_edits.update(
        actor=Actor.from_user(nils),
        ticket_id=str(ticket.id),
        expected_seq=reload(db, ticket).seq,
        changes={"priority": "low"},
    )
    assert "  Priority    Low (set by hand)" in lines(service)


def test_skills_set_by_a_person_stay(
    service: ExplainService, ticket_edits: TicketEdits, nils: User, ticket: Ticket
) -> None:
    ticket_edits.update(
        actor=Actor.from_user(nils),
        ticket_id=str(ticket.id),
        expected_seq=ticket.seq,
        changes={"relatedSkills": ["DNS"]},
    )
    assert "  Skills      DNS (set by hand)" in lines(service)


def test_what_was_learned_counts(
    service: ExplainService, db: Mongo, people: People, ticket: Ticket, nils: User
) -> None:
    olga = people.add(Role.MODERATOR, "VPN", "DNS", name="Olga Sand")
    solved = [Example("the vpn drops every hour", (str(olga.id),))] * 8
    others = [Example("the printer jams on paper", (str(nils.id),))] * 8
    model = Trainer().train([*solved, *others])
    ModelStore(db).replace(Learned.PEOPLE, model, expected=StoredModelInfo(), now=MONDAY)
    able = service.explain_reference(actor=OPERATOR, reference="1").explanation.eligible
    assert [one.user_id for one in able] == [olga.id, nils.id]
    assert able[0].parts["history"] > able[1].parts["history"]


def test_an_unassigned_ticket(
    service: ExplainService, runtime: Runtime, db: Mongo, ticket: Ticket, nils: User
) -> None:
    db.users.update_one({"_id": nils.id}, {"$set": {"capacity": 0}})
    assign_ticket.run(runtime, str(ticket.id))
    said = lines(service)
    assert said[1:3] == [
        "No one could take it. The next try is 2 Mar 2026, 09:05 UTC, or earlier if someone is",
        "available.",
    ]
    assert section(said, "Now")[0] == "  No one is available for it."
    assert section(said, "Who could have it, the best first") == ["  No one."]
    assert section(said, "Who is left out") == [
        "             score",
        "  Nils Holm  0.750  takes no tickets",
    ]


def test_a_resolved_ticket(
    service: ExplainService, ticket_actions: TicketActions, story: Ticket, nils: User
) -> None:
    ticket_actions.resolve(
        actor=Actor.from_user(nils), ticket_id=str(story.id), resolution="A new certificate."
    )
    said = lines(service, "12")
    assert said[:2] == [
        "Ticket 12 (Resolved)",
        "Resolved, so it is not assigned again. Below is who would get it.",
    ]
    assert section(said, "Now")[0] == "  Nils Holm, as then."
    assert "certificate" not in "\n".join(said)


def test_a_legacy_one_is_found_by_its_id(service: ExplainService, db: Mongo, nils: User) -> None:
    old = {"title": "VPN", "description": "Slow", "status": "TODO", "createdAt": MONDAY}
    ticket_id = db.tickets.insert_one(old).inserted_id
    said = lines(service, str(ticket_id))
    assert said[:4] == [
        "Ticket (Open)",
        "No one has it. It was filed before this help desk was installed, so it is not assigned",
        "automatically. Below is who would get it.",
        "",
    ]
    assert section(said, "Now")[0] == "  Nils Holm."
    db.tickets.update_one({"_id": ticket_id}, {"$set": {"assignedTo": nils.id}})
    said = lines(service, str(ticket_id))
    assert said[1].startswith("Nils Holm has it.")
    assert section(said, "Then") == ["  Nils Holm got it elsewhere."]


def test_corrections_stand_below_and_in_the_parts(
    service: ExplainService,
    db: Mongo,
    users: UserService,
    links: LinkService,
    ticket_actions: TicketActions,
    clock: FixedClock,
    story: Ticket,
    nils: User,
) -> None:
    on = Reassignment(db, users, links, ticket_actions, ModelStore(db, clock=clock), clock=clock)
    clock.advance(minutes=5)
    on.decline(actor=Actor.from_user(nils), ticket_id=str(story.id), details="Ask <Olga>")
    (anna,) = db.users.find({"name": "Anna Berg"})
    boss, to = Actor(anna["_id"], Role.ADMIN), str(anna["_id"])
    clock.advance(minutes=5)
    ticket_actions.reassign(
        actor=boss, ticket_id=str(story.id), assignee_id=to, reason="I know why"
    )
    record_corrections(db, reload(db, story), now=clock())
    said = lines(service, "12")
    assert section(said, "Corrections") == [
        "  Nils Holm declined it · 2 Mar 2026, 09:05 UTC",
        "  Anna Berg moved it from Olga Sand to Anna Berg · 2 Mar 2026, 09:10 UTC",
    ]
    assert section(said, "Then") == [
        "  Anna Berg took it · 2 Mar 2026, 09:10 UTC",
        "  I know why",
    ]
    (declined,) = [line for line in said if line.endswith("declined it")]
    assert declined.split() == ["Nils", "Holm", "0.688", "declined", "it"]
    run = service.explain_reference(actor=OPERATOR, reference="12")
    assert [made.kind for made in run.corrections] == [
        CorrectionKind.NOT_MINE,
        CorrectionKind.REASSIGNED,
    ]
    parts = {one.user_id: one.parts["corrections"] for one in run.explanation.excluded}
    assert parts[nils.id] == pytest.approx(-0.05, abs=1e-3)


def test_names_do_not_move_the_cursor_and_namesakes_are_told_apart(
    service: ExplainService, people: People, ticket: Ticket
) -> None:
    people.add(Role.MODERATOR, "VPN", name="\x1b[2JÅsa\nBerg")
    people.add(Role.MODERATOR, "VPN", name="井上 太郎")
    people.add(Role.MODERATOR, "VPN", name="Nils Holm")
    table = section(lines(service), "Who could have it, the best first")
    assert [row.partition("  0.")[0].split(maxsplit=1)[1].strip() for row in table[1:-1]] == [
        "Nils Holm (moderator1@example.com)",
        "[2JÅsa Berg",
        "井上 太郎",
        "Nils Holm (moderator5@example.com)",
    ]
    # Wide letters take two cells: all scores are in one column.
    assert {row.index(" 0.") + row.count("井上 太郎") * 4 for row in table[1:-1]} == {40}


@pytest.mark.parametrize("called", ["99", "#99", str(ObjectId("65f0c0ffee65f0c0ffee0012"))])
def test_there_is_no_such_ticket(service: ExplainService, ticket: Ticket, called: str) -> None:
    with pytest.raises(NotFound) as refused:
        service.explain_reference(actor=OPERATOR, reference=called)
    assert str(refused.value) == NO_NUMBER.format(called)


@pytest.mark.parametrize("called", ["", "twelve", "-1", "12345678901", "1 2"])
def test_what_is_no_number(service: ExplainService, called: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        service.explain_reference(actor=OPERATOR, reference=called)
    assert str(refused.value) == "Write a ticket's number, for example 12, or its id."


def test_before_any_bot_was_started_there_are_no_numbers(
    db: Mongo, users: UserService, links: LinkService
) -> None:
    service = ExplainService(db, users, links, ModelStore(db))
    ticket_id = db.tickets.insert_one({"title": "VPN", "description": "Slow"}).inserted_id
    with pytest.raises(NotFound):
        service.explain_reference(actor=OPERATOR, reference="1")
    run: DryRun = service.explain_reference(actor=OPERATOR, reference=str(ticket_id))
    assert run.explanation.chosen is None


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_it_is_for_admins(
    service: ExplainService, people: People, ticket: Ticket, role: Role
) -> None:
    actor = Actor.from_user(people.add(role))
    said = "Your role does not allow you to manage people. Ask an admin if it should."
    with pytest.raises(PermissionDenied) as refused:
        service.explain(actor=actor, ticket_id=str(ticket.id))
    assert str(refused.value) == said
    for called in ("1", "99", "twelve"):  # nor do they learn which tickets exist
        with pytest.raises(PermissionDenied) as refused:
            service.explain_reference(actor=actor, reference=called)
        assert str(refused.value) == said


@pytest.mark.parametrize("ticket_id", ["", "x", str(ObjectId("65f0c0ffee65f0c0ffee0012"))])
def test_a_button_of_a_ticket_that_is_gone(service: ExplainService, ticket_id: str) -> None:
    with pytest.raises(NotFound) as refused:
        service.explain(actor=OPERATOR, ticket_id=ticket_id)
    assert str(refused.value) == "There is no such ticket."


@pytest.fixture
def large(db: Mongo, nils: User) -> int:
    """Insert moderators."""
    team = [
        {"_id": ObjectId(), "role": "moderator", "skills": ["VPN"], "capacity": 8}
        for _ in range(LARGE_TEAM_SIZE + 20)
    ]
    db.users.insert_many(team)
    db.links.insert_many(
        [
            {"_id": str(one["_id"]), "teamId": TEAM_ID, "slackUserId": "U", "userId": one["_id"]}
            for one in team
        ]
    )
    return len(team) + 1


def test_of_a_large_team_everybody_is_shown_and_the_shortlist_chosen_from(
    service: ExplainService, assignments: AssignmentService, ticket: Ticket, large: int
) -> None:
    run = service.explain(actor=OPERATOR, ticket_id=str(ticket.id), limit=20)
    assert (len(run.explanation.eligible), len(run.explanation.excluded)) == (20, 20)
    shown = 20 + run.more_eligible + 20 + run.more_excluded
    assert shown == large
    assert run.more_eligible == 20  # those on the shortlist
    assert len(run.people.users) < 50
    chosen = assignments.choose(run.ticket, now=MONDAY)
    assert chosen is not None
    assert run.explanation.chosen is not None
    assert run.explanation.chosen.user_id == chosen.user_id
    whole = lines(service)
    assert sum("not on the shortlist" in line for line in whole) == run.more_excluded + 20


def test_an_interactive_caller_gets_the_shortlist_of_a_very_large_team(
    service: ExplainService, ticket: Ticket, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = service.explain(actor=OPERATOR, ticket_id=str(ticket.id), limit=20)
    monkeypatch.setattr(explanation, "MAX_CANDIDATES_READ", large - 1)
    quick = service.explain(actor=OPERATOR, ticket_id=str(ticket.id), limit=20)
    assert quick.explanation.eligible == whole.explanation.eligible
    assert quick.more_eligible == whole.more_eligible
    assert quick.explanation.excluded == ()
    assert quick.more_excluded == 20 + whole.more_excluded
    # A terminal gets all of them.
    everybody = service.explain_reference(actor=OPERATOR, reference="1").explanation
    assert len(everybody.eligible) + len(everybody.excluded) == large
