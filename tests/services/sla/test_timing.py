"""Due times as they are stored: with every change, in the same update, and by the sweep."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.analysis.model_answer import Analysis
from services.assignment.assignment_service import AssignmentService
from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits
from services.linking.links import LinkService
from services.models.assignee_choice import AnalysisSource, AssigneeChoice, ChoiceReason
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.sla import policy as sla_policy
from services.sla.policy import load_policy
from services.sla.queue_key import queue_key
from services.sla.recompute import recompute_stale
from services.sla.targets import TargetFields, Targets
from services.team_settings.settings_service import TargetStore
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from tasks.processes.scheduler import Scheduler
from tests.conftest import FixedClock, People, RecordingPublisher, at_once, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def monday(clock: FixedClock) -> None:
    clock.now = MONDAY


@pytest.fixture
def boss(people: People) -> Actor:
    return Actor.from_user(people.add(Role.MODERATOR))


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


def at(text: str) -> datetime:
    """A day and a time of that March, in UTC, as the team's hours are."""
    return datetime.fromisoformat(f"2026-03-{text}").replace(tzinfo=UTC)


def due(db: Mongo, ticket: Ticket) -> datetime | None:
    """As stored; the queue's order goes by it."""
    stored = reload(db, ticket)
    assert stored.queue_key == queue_key(stored)
    assert stored.sla_clock
    assert stored.sla_clock.policy_fingerprint == load_policy(db).fingerprint
    return stored.due_at


def set_hours(db: Mongo, **changes: str) -> Targets:
    fields = replace(TargetFields.from_targets(TargetStore(db).read()), **changes)
    return TargetStore(db).write(actor=OPERATOR, submitted=fields)


def test_a_tickets_life(
    db: Mongo,
    tickets: TicketService,
    ticket_actions: TicketActions,
    comments: CommentService,
    employee: User,
    boss: Actor,
    clock: FixedClock,
) -> None:
    ticket = file_ticket(tickets, employee, priority="high")
    about: dict[str, Any] = {"actor": boss, "ticket_id": str(ticket.id)}
    assert due(db, ticket) == at("02 17:00")
    clock.now = at("02 12:00")
    ticket_actions.take(**about)
    assert due(db, ticket) == at("02 17:00")
    ticket_actions.ask_requester(**about, question="Which office?")  # after three hours of eight
    assert due(db, ticket) is None
    clock.now = at("04 10:00")
    comments.add(actor=Actor.from_user(employee), ticket_id=str(ticket.id), text="Berlin")
    assert due(db, ticket) == at("04 15:00")
    clock.now = at("04 11:00")
    ticket_actions.resolve(**about, resolution="Done.")
    done = reload(db, ticket)
    assert (done.due_at, done.queue_key) == (at("04 15:00"), None)
    clock.now = at("05 16:00")
    ticket_actions.reopen(**about)
    assert due(db, ticket) == at("06 16:00")


def test_reopened_a_deadline_of_before_makes_it_late_no_more(
    db: Mongo,
    tickets: TicketService,
    ticket_actions: TicketActions,
    ticket_edits: TicketEdits,
    employee: User,
    boss: Actor,
    clock: FixedClock,
) -> None:
    ticket = file_ticket(tickets, employee, priority="high")
    about: dict[str, Any] = {"actor": boss, "ticket_id": str(ticket.id)}
    ticket_edits.update(**about, expected_seq=ticket.seq, changes={"deadline": at("02 12:00")})
    assert due(db, ticket) == at("02 12:00")
    ticket_actions.resolve(**about, resolution="Done.")
    ticket_actions.reopen(**about)
    assert due(db, ticket) == at("02 12:00")  # it is still to come
    ticket_actions.resolve(**about, resolution="Done.")
    clock.now = at("09 11:00")
    ticket_actions.reopen(**about)
    assert due(db, ticket) == at("10 11:00")
    ticket_actions.take(**about)
    ticket_actions.ask_requester(**about, question="Which office?")
    assert due(db, ticket) is None
    assert reload(db, ticket).deadline == at("02 12:00")


def test_what_the_previous_version_computed_is_computed_again(
    db: Mongo,
    tickets: TicketService,
    ticket_actions: TicketActions,
    ticket_edits: TicketEdits,
    employee: User,
    boss: Actor,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reopened then, it counts as late by the deadline of before."""
    passed = at("02 12:00")
    ticket = file_ticket(tickets, employee, priority="high")
    about: dict[str, Any] = {"actor": boss, "ticket_id": str(ticket.id)}
    ticket_edits.update(**about, expected_seq=ticket.seq, changes={"deadline": passed})
    ticket_actions.resolve(**about, resolution="Done.")
    clock.now = at("09 11:00")
    ticket_actions.reopen(**about)
    with monkeypatch.context() as before:
        before.setattr(sla_policy, "_POLICY_VERSION", 1)
        stale = {"dueAt": passed, "target.rules": load_policy(db).fingerprint}
    db.tickets.update_one({"_id": ticket.id}, {"$set": stale})
    assert recompute_stale(db, now=clock()) == 1
    assert due(db, ticket) == at("10 11:00")


def test_priority_and_deadline_move_it_and_nothing_else_does(
    db: Mongo,
    tickets: TicketService,
    ticket_edits: TicketEdits,
    employee: User,
    boss: Actor,
    clock: FixedClock,
) -> None:
    ticket = file_ticket(tickets, employee)
    assert due(db, ticket) == at("04 17:00")  # as medium

    def edit(**changes: Any) -> datetime | None:
        now = reload(db, ticket)
        ticket_edits.update(
            actor=boss, ticket_id=str(ticket.id), expected_seq=now.seq, changes=changes
        )
        return due(db, ticket)

    assert edit(priority="urgent") == at("02 13:00")
    assert edit(title="Another") == at("02 13:00")
    assert edit(deadline=at("02 10:00")) == at("02 10:00")
    clock.now = at("02 11:00")
    assert edit(priority="low") == at("02 10:00")  # a deadline is never moved
    assert edit(deadline=None) == at("06 17:00")
    assert edit(deadline=at("20 10:00")) == at("06 17:00")
    assert reload(db, ticket).deadline == at("20 10:00")


def test_the_analysis_sets_it_with_the_priority(
    db: Mongo, tickets: TicketService, links: LinkService, employee: User, clock: FixedClock
) -> None:
    ticket, store = file_ticket(tickets, employee), AssignmentService(db, links)
    found = Analysis("Short.", Priority.HIGH, (), None, 0.9, AnalysisSource.GEMINI)
    analysed = store.store_analysis(ticket, found, now=clock())
    assert analysed
    assert due(db, ticket) == at("02 17:00")
    chosen = AssigneeChoice(ObjectId(), ChoiceReason.SKILLS, "knows VPN", 1.0, {})
    clock.advance(hours=1)
    assert store.assign(analysed, chosen, source=AnalysisSource.ROUTER, now=clock())
    assert due(db, ticket) == at("02 17:00")
    assert (reload(db, ticket).queue_key or "").startswith("1-")


def test_a_deadline_given_with_a_new_ticket_counts(
    tickets: TicketService, employee: User, db: Mongo
) -> None:
    filed = tickets.create(
        actor=Actor.from_user(employee),
        team_id=TEAM_ID,
        request_id="V1",
        title="VPN drops",
        description="Daily.",
        deadline=at("02 12:00"),
    )
    assert due(db, filed.ticket) == filed.ticket.due_at == at("02 12:00")


def test_new_targets_count_at_once_for_changes_and_by_the_sweep_for_the_rest(
    db: Mongo, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    old = [file_ticket(tickets, employee, priority="high") for _ in range(5)]
    set_hours(db, hours_high="2", hours_urgent="1")
    new = file_ticket(tickets, employee, priority="high")
    assert due(db, new) == at("02 11:00")
    seqs = [reload(db, ticket).seq for ticket in old]
    clock.now = at("03 09:00")
    assert [recompute_stale(db, now=clock(), limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert {due(db, ticket) for ticket in old} == {at("02 11:00")}
    assert [reload(db, ticket).seq for ticket in old] == seqs


def test_business_hours_count_too(
    db: Mongo, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    ticket = file_ticket(tickets, employee, priority="urgent")
    hours = {"zone": "America/New_York", "days": list(range(5)), "start": "08:00", "end": "16:00"}
    db.settings.insert_one({"_id": "office", **hours})
    assert recompute_stale(db, now=clock()) == 1
    assert due(db, ticket) == at("02 17:00")  # noon in New York
    set_hours(db, clock="around")
    assert recompute_stale(db, now=clock()) == 1
    assert due(db, ticket) == at("02 13:00")


def test_tickets_from_before_get_theirs_by_their_history(
    db: Mongo,
    tickets: TicketService,
    ticket_actions: TicketActions,
    comments: CommentService,
    employee: User,
    boss: Actor,
    clock: FixedClock,
) -> None:
    ticket, waits = (file_ticket(tickets, employee, priority="high") for _ in range(2))
    for one in (ticket, waits):
        ticket_actions.take(actor=boss, ticket_id=str(one.id))
        clock.advance(hours=1)
        ticket_actions.ask_requester(actor=boss, ticket_id=str(one.id), question="Which?")
        clock.advance(hours=2)
    comments.add(actor=Actor.from_user(employee), ticket_id=str(ticket.id), text="This.")
    expected = reload(db, ticket)
    db.tickets.update_many({}, {"$unset": {"target": "", "dueAt": ""}})
    assert recompute_stale(db, now=clock()) == 2
    assert due(db, ticket) == expected.due_at
    assert reload(db, ticket).sla_clock == expected.sla_clock
    assert due(db, waits) is None
    assert recompute_stale(db, now=clock()) == 0


def test_of_a_legacy_ticket_only_the_deadline_counts(db: Mongo, clock: FixedClock) -> None:
    legacy = {"title": "Old", "description": "Words.", "createdBy": ObjectId()}
    dated = {**legacy, "status": "IN_PROGRESS", "deadline": at("01 09:00"), "priority": "high"}
    old, bare = (
        db.tickets.insert_one(doc).inserted_id for doc in (dated, {**legacy, "status": "TODO"})
    )
    recompute_stale(db, now=clock())
    docs = {doc["_id"]: doc for doc in db.tickets.find()}
    assert docs[old]["dueAt"] == at("01 09:00")
    assert "dueAt" not in docs[bare]
    assert recompute_stale(db, now=clock()) == 0


def test_what_changes_meanwhile_is_left_for_the_next_run(
    db: Mongo, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    ids = [file_ticket(tickets, employee, priority="low").id for _ in range(10)]
    set_hours(db, hours_low="48")
    at_once(
        *[lambda: recompute_stale(db, now=clock())] * 3,
        lambda: db.tickets.update_one({"_id": ids[0]}, {"$set": {"priority": "high"}}),
    )
    while recompute_stale(db, now=clock()):
        pass
    assert {doc["target"]["rules"] for doc in db.tickets.find()} == {load_policy(db).fingerprint}


def test_what_the_legacy_app_did_to_ours_is_left_to_see(
    db: Mongo, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    ticket = file_ticket(tickets, employee)
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"status": "COMPLETED"}})
    set_hours(db, hours_medium="30")
    recompute_stale(db, now=clock())
    assert reload(db, ticket).queue_key == ticket.queue_key


def test_the_jobs_see_to_it(
    services: Services,
    db: Mongo,
    tickets: TicketService,
    employee: User,
    publisher: RecordingPublisher,
) -> None:
    ticket = file_ticket(tickets, employee)
    set_hours(db, hours_medium="16")
    jobs = Scheduler(services, publisher)
    jobs.renew_leadership()
    jobs.run("upkeep")
    assert due(db, ticket) == at("03 17:00")


def test_the_queue_has_what_is_due_first_at_its_top(
    db: Mongo, tickets: TicketService, employee: User
) -> None:
    filed = {priority: file_ticket(tickets, employee, priority=priority) for priority in Priority}
    keys = {priority: ticket.queue_key for priority, ticket in filed.items()}
    assert sorted(Priority, key=lambda priority: keys[priority] or "") == [
        Priority.URGENT,
        Priority.HIGH,
        Priority.MEDIUM,
        Priority.LOW,
    ]
    assert all(ticket.status is Status.TODO for ticket in filed.values())
    assert MONDAY + timedelta(hours=4) == filed[Priority.URGENT].due_at
