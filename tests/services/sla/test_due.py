"""When a ticket is due, across clock changes, holidays, year ends and zones."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.calendar.work_week import WorkWeek
from services.models.events import Event
from services.models.sla_clock import SlaClock
from services.models.ticket import Priority, Status, Ticket
from services.sla.due import clock_after_change, clock_from_events, due_at
from services.sla.policy import AROUND_THE_CLOCK
from services.sla.targets import PRIORITIES_BY_URGENCY, Targets
from tests.conftest import sample_ticket

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
# Year ends, changes of the clocks and holidays among them.
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
        (
            BERLIN_WEEK,
            "2026-03-27 16:00",
            Priority.URGENT,
            "2026-03-30 12:00",
        ),  # the clocks went on
        (BERLIN_WEEK, "2026-10-23 16:00", Priority.URGENT, "2026-10-26 12:00"),  # and back
        (
            AROUND_THE_CLOCK,
            "2026-03-28 12:00",
            Priority.MEDIUM,
            "2026-03-29 13:00",
        ),  # 24 hours all the same
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
    assume(all(found))  # a week of a minute may never come to an end
    times = [at for at in found if at]
    assert times == sorted(times)
    assert times[0] > filed
    assert of(None) == of(Priority.MEDIUM)
    assert [
        of(priority, filed.astimezone(ZoneInfo(zone))) for priority in PRIORITIES_BY_URGENCY
    ] == found
    # So much work lies before it, and all of it counts.
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
def test_what_was_missed_stays_missed(
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


def test_what_is_done_keeps_its_due_time() -> None:
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


def test_where_nobody_ever_works_there_is_no_target() -> None:
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
def test_what_makes_no_sense_is_no_clock(odd: Any) -> None:
    assert SlaClock.from_doc(odd) in (None, SlaClock())
