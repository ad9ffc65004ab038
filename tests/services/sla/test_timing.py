"""Due dates across clock changes, holidays and zones, and as they are stored with every change."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.analysis.analysis_store import store_analysis
from services.analysis.model_exchange import Analysis
from services.assignment.assignment_service import AssignmentService
from services.calendar.work_week import WorkWeek
from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits
from services.linking.links import LinkService
from services.models.events import Event
from services.models.permissions import OPERATOR, Actor
from services.models.sla_clock import SlaClock
from services.models.ticket import (
    AnalysisSource,
    AssigneeChoice,
    ChoiceReason,
    Priority,
    Status,
    Ticket,
)
from services.models.user import Role, User
from services.registry.services import Services
from services.sla import policy as sla_policy
from services.sla.policy import (
    AROUND_THE_CLOCK,
    PRIORITIES_BY_URGENCY,
    TargetFields,
    Targets,
    load_policy,
)
from services.sla.queue_key import queue_key
from services.sla.recompute import recompute_stale
from services.sla.timing import clock_after_change, clock_from_events, due_at
from services.team_settings.settings_service import TeamSettings
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from tasks.processes.scheduler import Scheduler
from tests.conftest import (
    FixedClock,
    People,
    RecordingPublisher,
    at_once,
    file_ticket,
    reload,
    sample_ticket,
)
from tests.support.slack_workspace import TEAM_ID

BERLIN = ZoneInfo("Europe/Berlin")
BERLIN_WEEK = WorkWeek(BERLIN)
TODO, IN_PROGRESS, WAITING, COMPLETED, REOPENED = Status
USUAL = Targets()

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia",
         "Australia/Lord_Howe", "America/Sao_Paulo")  # fmt: skip
MINUTES = st.integers(0, 24 * 60 - 1).map(lambda m: time(m // 60, m % 60))
WEEKS = st.builds(
    WorkWeek,
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=MINUTES,
    end=MINUTES,
    country=st.sampled_from(["", "DE", "US"]),
) | st.just(AROUND_THE_CLOCK)
# These include year ends, clock changes and holidays.
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2028, 1, 15, tzinfo=UTC)
MOMENTS = st.integers(0, int((LAST - FIRST).total_seconds())).map(
    lambda seconds: FIRST + timedelta(seconds=seconds)
)
LENGTHS = st.integers(1, 30 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
HOURS = st.lists(st.integers(1, 400), min_size=4, max_size=4).map(
    lambda quarters: Targets(
        resolution_hours=MappingProxyType(
            {of: n / 4 for of, n in zip(PRIORITIES_BY_URGENCY, sorted(quarters), strict=True)}
        )
    )
)


def ticket(clock: SlaClock | None, **fields: Any) -> Ticket:
    return sample_ticket(**{"status": IN_PROGRESS, "sla_clock": clock, **fields})


def since(at: datetime) -> SlaClock:
    return SlaClock(running_since=at)


def due(of: Ticket, week: WorkWeek, targets: Targets = USUAL) -> datetime:
    found = due_at(of, targets=targets, week=week)
    assert found is not None
    return found


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("week", "filed", "priority", "expected"),
    [
        (BERLIN_WEEK, "2026-03-02 10:00", Priority.URGENT, "2026-03-02 14:00"),
        (BERLIN_WEEK, "2026-03-02 16:00", Priority.URGENT, "2026-03-03 12:00"),
        (BERLIN_WEEK, "2026-03-06 16:59", Priority.HIGH, "2026-03-09 16:59"),  # over a weekend
        (BERLIN_WEEK, "2026-03-07 12:00", Priority.URGENT, "2026-03-09 13:00"),
        # Clock changes. Around the clock it is 24 hours all the same.
        (BERLIN_WEEK, "2026-03-27 16:00", Priority.URGENT, "2026-03-30 12:00"),
        (BERLIN_WEEK, "2026-10-23 16:00", Priority.URGENT, "2026-10-26 12:00"),
        (AROUND_THE_CLOCK, "2026-03-28 12:00", Priority.MEDIUM, "2026-03-29 13:00"),
        (AROUND_THE_CLOCK, "2026-10-24 12:00", Priority.MEDIUM, "2026-10-25 11:00"),
        (BERLIN_WEEK, "2026-12-31 16:00", Priority.URGENT, "2027-01-01 12:00"),
        (
            replace(BERLIN_WEEK, country="DE"),
            "2026-12-31 16:00",
            Priority.URGENT,
            "2027-01-04 12:00",
        ),
        (replace(BERLIN_WEEK, country="DE"), "2026-12-24 16:00", Priority.HIGH, "2026-12-28 16:00"),
        (BERLIN_WEEK, "2026-03-02 10:00", None, "2026-03-05 10:00"),  # as medium
        (BERLIN_WEEK, "2026-03-02 09:00", Priority.LOW, "2026-03-06 17:00"),
    ],
)
def test_the_usual_targets(
    week: WorkWeek, filed: str, priority: Priority | None, expected: str
) -> None:
    found = due(ticket(since(berlin(filed)), priority=priority), week)
    assert f"{found.astimezone(BERLIN):%Y-%m-%d %H:%M}" == expected


@given(week=WEEKS, filed=MOMENTS, targets=HOURS, zone=st.sampled_from(ZONES))
@example(BERLIN_WEEK, berlin("2026-03-28 23:00"), USUAL, "America/New_York")
@example(replace(BERLIN_WEEK, country="DE"), berlin("2025-12-31 23:59"), USUAL, "Asia/Kathmandu")
def test_never_before_it_was_filed_nor_later_for_being_more_urgent(
    week: WorkWeek, filed: datetime, targets: Targets, zone: str
) -> None:
    def of(priority: Priority | None, at: datetime = filed) -> datetime | None:
        return due_at(ticket(since(at), priority=priority), targets=targets, week=week)

    found = [of(priority) for priority in PRIORITIES_BY_URGENCY]
    assume(all(found))  # a week of a minute may never add up to it
    times = [at for at in found if at]
    assert times == sorted(times)
    assert times[0] > filed
    assert of(None) == of(Priority.MEDIUM)
    assert [
        of(priority, filed.astimezone(ZoneInfo(zone))) for priority in PRIORITIES_BY_URGENCY
    ] == found
    assert week.working_time_between(filed, times[0]) == targets.resolution_time(Priority.URGENT)


@given(week=WEEKS, filed=MOMENTS, ran=LENGTHS, stood=LENGTHS)
def test_waiting_moves_it_by_just_the_working_time_it_took(
    week: WorkWeek, filed: datetime, ran: timedelta, stood: timedelta
) -> None:
    before = due_at(ticket(since(filed)), targets=USUAL, week=week)
    paused, resumed = filed + ran, filed + ran + stood
    assume(before and paused < before)
    clock = clock_after_change(since(filed), IN_PROGRESS, WAITING, now=paused)
    assert due_at(ticket(clock, status=WAITING), targets=USUAL, week=week) is None
    clock = clock_after_change(clock, WAITING, IN_PROGRESS, now=resumed)
    after = due_at(ticket(clock), targets=USUAL, week=week)
    assert before
    assert after
    assert week.working_time_between(before, after) == week.working_time_between(paused, resumed)
    assert after >= before


@given(week=WEEKS, filed=MOMENTS, ran=LENGTHS, stood=LENGTHS)
def test_missed_target_stays_missed_after_a_pause(
    week: WorkWeek, filed: datetime, ran: timedelta, stood: timedelta
) -> None:
    missed = due_at(ticket(since(filed)), targets=USUAL, week=week)
    assume(missed)
    assert missed
    clock = since(filed).stop(missed + ran).start(missed + ran + stood)
    assert due(ticket(clock), week) == missed


@given(week=WEEKS, filed=MOMENTS, deadline=MOMENTS, targets=HOURS)
def test_the_earlier_of_deadline_and_target(
    week: WorkWeek, filed: datetime, deadline: datetime, targets: Targets
) -> None:
    def of(**fields: Any) -> datetime | None:
        return due_at(ticket(since(filed), **fields), targets=targets, week=week)

    target = of()
    counts = deadline > filed
    known = [at for at in (deadline if counts else None, target) if at]
    assert of(deadline=deadline) == min(known, default=None)
    waits = ticket(since(filed).stop(filed), status=WAITING, deadline=deadline)
    assert due_at(waits, targets=targets, week=week) == (deadline if counts else None)
    assert due(ticket(SlaClock(), deadline=deadline), week, targets) == deadline
    assert due(ticket(None, deadline=deadline), week, targets) == deadline


@given(week=WEEKS, filed=MOMENTS, ran=LENGTHS, later=LENGTHS)
def test_reopened_it_starts_again(
    week: WorkWeek, filed: datetime, ran: timedelta, later: timedelta
) -> None:
    done = clock_after_change(since(filed), IN_PROGRESS, COMPLETED, now=filed + ran)
    again = clock_after_change(done, COMPLETED, REOPENED, now=filed + ran + later)
    assert again == since(filed + ran + later)
    assert clock_after_change(again, REOPENED, IN_PROGRESS, now=LAST) == again


def test_completed_ticket_keeps_its_due_time() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    done = ticket(since(at).stop(at), status=COMPLETED, due_at=at, deadline=at - timedelta(1))
    assert due(done, BERLIN_WEEK) == at


def test_legacy_tickets_have_no_target_until_they_are_reopened() -> None:
    clock, now = SlaClock(), datetime(2026, 3, 2, tzinfo=UTC)
    for before, after in ((TODO, IN_PROGRESS), (IN_PROGRESS, WAITING), (WAITING, IN_PROGRESS)):
        clock = clock_after_change(clock, before, after, now=now)
        assert not clock.has_started
        assert due_at(ticket(clock), targets=USUAL, week=BERLIN_WEEK) is None
    done = clock_after_change(clock, IN_PROGRESS, COMPLETED, now=now)
    assert clock_after_change(done, COMPLETED, REOPENED, now=now).has_started


def test_team_that_never_works_has_no_target() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    assert due_at(ticket(since(at)), targets=USUAL, week=WorkWeek(BERLIN, frozenset())) is None
    end = datetime(9999, 12, 31, tzinfo=UTC)
    assert due_at(ticket(since(end)), targets=USUAL, week=BERLIN_WEEK) is None


STEPS = st.lists(
    st.tuples(st.sampled_from([IN_PROGRESS, WAITING, COMPLETED, REOPENED, TODO]), LENGTHS),
    max_size=8,
)


@given(filed=MOMENTS, steps=STEPS)
def test_the_history_tells_the_clock_and_it_is_read_again(
    filed: datetime, steps: list[tuple[Status, timedelta]]
) -> None:
    events = [Event(1, filed, "x", "filed")]
    clock, status, at = clock_after_change(SlaClock(), None, TODO, now=filed), TODO, filed
    for to, passed in steps:
        at += passed
        clock = clock_after_change(clock, status, to, now=at)
        events.append(Event(1, at, "x", "status_changed", "status", status.value, to.value))
        status = to
    assert clock_from_events(events) == clock
    assert SlaClock.from_doc(clock.to_doc()) == clock
    assert (clock.running_since is None) == (status in (WAITING, COMPLETED))


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "x",
        [],
        {"ran": "x", "since": 3, "rules": 4},
        {"ran": [None, {"from": 1}, {"from": LAST, "to": FIRST}]},
    ],
)
def test_malformed_clock_is_skipped(odd: Any) -> None:
    assert SlaClock.from_doc(odd) in (None, SlaClock())


MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def monday(clock: FixedClock) -> None:
    clock.now = MONDAY


@pytest.fixture
def boss(people: People) -> Actor:
    return Actor.from_user(people.add(Role.MODERATOR))


def at(text: str) -> datetime:
    """A day and time of March 2026 in UTC, as the business hours are."""
    return datetime.fromisoformat(f"2026-03-{text}").replace(tzinfo=UTC)


def stored_due(db: Mongo, ticket: Ticket) -> datetime | None:
    """The stored due time; the queue key and the policy are checked, too."""
    stored = reload(db, ticket)
    assert stored.queue_key == queue_key(stored)
    assert stored.sla_clock
    assert stored.sla_clock.policy_fingerprint == load_policy(db).fingerprint
    return stored.due_at


def set_hours(db: Mongo, **changes: str) -> Targets:
    fields = replace(TargetFields.from_targets(TeamSettings(db).targets()), **changes)
    return TeamSettings(db).write_targets(actor=OPERATOR, submitted=fields)


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
    assert stored_due(db, ticket) == at("02 17:00")
    clock.now = at("02 12:00")
    ticket_actions.take(**about)
    assert stored_due(db, ticket) == at("02 17:00")
    ticket_actions.ask_requester(**about, question="Which office?")  # after three hours of eight
    assert stored_due(db, ticket) is None
    clock.now = at("04 10:00")
    comments.add(actor=Actor.from_user(employee), ticket_id=str(ticket.id), text="Berlin")
    assert stored_due(db, ticket) == at("04 15:00")
    clock.now = at("04 11:00")
    ticket_actions.resolve(**about, resolution="Done.")
    done = reload(db, ticket)
    assert (done.due_at, done.queue_key) == (at("04 15:00"), None)
    clock.now = at("05 16:00")
    ticket_actions.reopen(**about)
    assert stored_due(db, ticket) == at("06 16:00")


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
    assert stored_due(db, ticket) == at("02 12:00")
    ticket_actions.resolve(**about, resolution="Done.")
    ticket_actions.reopen(**about)
    assert stored_due(db, ticket) == at("02 12:00")  # it is still to come
    ticket_actions.resolve(**about, resolution="Done.")
    clock.now = at("09 11:00")
    ticket_actions.reopen(**about)
    assert stored_due(db, ticket) == at("10 11:00")
    ticket_actions.take(**about)
    ticket_actions.ask_requester(**about, question="Which office?")
    assert stored_due(db, ticket) is None
    assert reload(db, ticket).deadline == at("02 12:00")


def test_timing_by_an_earlier_version_is_recomputed(
    db: Mongo,
    tickets: TicketService,
    ticket_actions: TicketActions,
    ticket_edits: TicketEdits,
    employee: User,
    boss: Actor,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Version 1 counted a reopened ticket as late by its old deadline."""
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
    assert stored_due(db, ticket) == at("10 11:00")


def test_priority_and_deadline_move_it_and_nothing_else_does(
    db: Mongo,
    tickets: TicketService,
    ticket_edits: TicketEdits,
    employee: User,
    boss: Actor,
    clock: FixedClock,
) -> None:
    ticket = file_ticket(tickets, employee)
    assert stored_due(db, ticket) == at("04 17:00")  # as medium

    def edit(**changes: Any) -> datetime | None:
        now = reload(db, ticket)
        ticket_edits.update(
            actor=boss, ticket_id=str(ticket.id), expected_seq=now.seq, changes=changes
        )
        return stored_due(db, ticket)

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
    analysed = store_analysis(db, ticket, found, now=clock())
    assert analysed
    assert stored_due(db, ticket) == at("02 17:00")
    chosen = AssigneeChoice(ObjectId(), ChoiceReason.SKILLS, "knows VPN", 1.0, {})
    clock.advance(hours=1)
    assert store.assign(analysed, chosen, source=AnalysisSource.ROUTER, now=clock())
    assert stored_due(db, ticket) == at("02 17:00")
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
    assert stored_due(db, filed.ticket) == filed.ticket.due_at == at("02 12:00")


def test_new_targets_count_at_once_for_changes_and_by_the_sweep_for_the_rest(
    db: Mongo, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    old = [file_ticket(tickets, employee, priority="high") for _ in range(5)]
    set_hours(db, hours_high="2", hours_urgent="1")
    new = file_ticket(tickets, employee, priority="high")
    assert stored_due(db, new) == at("02 11:00")
    seqs = [reload(db, ticket).seq for ticket in old]
    clock.now = at("03 09:00")
    assert [recompute_stale(db, now=clock(), limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert {stored_due(db, ticket) for ticket in old} == {at("02 11:00")}
    assert [reload(db, ticket).seq for ticket in old] == seqs


def test_business_hours_count_too(
    db: Mongo, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    ticket = file_ticket(tickets, employee, priority="urgent")
    hours = {"zone": "America/New_York", "days": list(range(5)), "start": "08:00", "end": "16:00"}
    db.settings.insert_one({"_id": "office", **hours})
    assert recompute_stale(db, now=clock()) == 1
    assert stored_due(db, ticket) == at("02 17:00")  # noon in New York
    set_hours(db, clock="around")
    assert recompute_stale(db, now=clock()) == 1
    assert stored_due(db, ticket) == at("02 13:00")


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
    assert stored_due(db, ticket) == expected.due_at
    assert reload(db, ticket).sla_clock == expected.sla_clock
    assert stored_due(db, waits) is None
    assert recompute_stale(db, now=clock()) == 0


def test_legacy_ticket_is_due_by_its_deadline_only(db: Mongo, clock: FixedClock) -> None:
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


def test_ticket_changed_concurrently_is_left_for_the_next_run(
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


def test_recomputing_keeps_the_stale_key_of_a_legacy_change(
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
    assert stored_due(db, ticket) == at("03 17:00")


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
