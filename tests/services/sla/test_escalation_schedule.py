"""When something happens to a ticket by the clock: the rules, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.calendar.office_hours import Office
from services.calendar.work_week import WorkWeek, zone_of
from services.models.escalation_track import (
    EscalationStep,
    EscalationTrack,
    ScheduledStep,
    TrackState,
    ladders_of,
)
from services.models.events import EventType, NewEvent
from services.models.ticket import Priority, Status, Ticket
from services.sla.escalation_schedule import (
    NEXT_STEP_FIELD,
    NO_SCHEDULE,
    next_alarm,
    schedule,
    stands,
    steps_due,
)
from services.sla.policy import SlaPolicy
from services.sla.targets import Hours, Targets
from tests.conftest import sample_ticket

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
JO, AL = ObjectId("65f0c0ffee65f0c0ffee0002"), ObjectId("65f0c0ffee65f0c0ffee0003")
RULES = SlaPolicy.of(Targets(), Office(is_set=True))  # Monday to Friday, 9 to 17 in UTC
AROUND = SlaPolicy.of(replace(Targets(), clock=Hours.AROUND), Office())


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Of March 2026, whose second day is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def assigned(**fields: Any) -> Ticket:
    """Jo's since Monday at nine, not accepted, and due at no time."""
    given_to = {"status": Status.IN_PROGRESS, "assigned_to": JO, "assignment": {"at": MONDAY}}
    return sample_ticket(**{"priority": Priority.HIGH, **given_to, **fields})


def planned(
    ticket: Ticket, *, now: datetime = MONDAY, rules: SlaPolicy = RULES, **how: Any
) -> Ticket:
    """The ticket as it is kept after that change."""
    made = schedule(ticket, rules=rules, now=now, **how)
    return replace(ticket, alarm=made.alarm, ladders=made.ladders)


def step(kind: EscalationStep) -> NewEvent:
    return NewEvent(EventType.REMINDED, by="system", field=NEXT_STEP_FIELD, to=kind.value)


def walked(ticket: Ticket, rules: SlaPolicy = RULES) -> list[tuple[EscalationStep, datetime]]:
    """Every step, taken the moment it is due."""
    taken = []
    while alarm := ticket.alarm:
        assert steps_due(ticket, rules=rules, now=alarm.at - timedelta(milliseconds=1)) == []
        assert alarm in steps_due(ticket, rules=rules, now=alarm.at)
        taken.append((alarm.kind, alarm.at))
        ticket = planned(ticket, now=alarm.at, rules=rules, events=[step(alarm.kind)])
    return taken


@pytest.mark.parametrize(
    ("priority", "times"),
    [
        (Priority.URGENT, [at(2, 9, 15), at(2, 9, 22), at(2, 9, 37), at(2, 9, 52)]),
        (Priority.HIGH, [at(2, 10), at(2, 10, 30), at(2, 11, 30), at(2, 12, 30)]),
        (Priority.MEDIUM, [at(2, 13), at(2, 15), at(3, 11), at(3, 15)]),
        (None, [at(2, 13), at(2, 15), at(3, 11), at(3, 15)]),
        (Priority.LOW, [at(2, 17), at(3, 13), at(4, 13), at(5, 13)]),
    ],
)
def test_the_steps_until_it_is_accepted(priority: Priority | None, times: list[datetime]) -> None:
    kinds = EscalationTrack.ACCEPT.steps
    found = walked(planned(assigned(priority=priority)))
    assert [kind for kind, _ in found] == list(kinds)
    assert [moment.replace(second=0) for _, moment in found] == times


def test_working_time_counts_or_all_of_it() -> None:
    friday = at(6, 16, 30)
    ticket = assigned(assignment={"at": friday})
    assert walked(planned(ticket, now=friday))[0][1] == at(9, 9, 30)
    assert walked(planned(ticket, now=friday, rules=AROUND), AROUND)[0][1] == at(6, 17, 30)


def test_the_steps_by_the_due_time() -> None:
    due = at(3, 9)
    found = walked(planned(assigned(accepted_at=MONDAY, due_at=due)))
    assert found == [
        (EscalationStep.DUE_SOON, at(2, 15)),  # of the eight hours two are left
        (EscalationStep.DUE_MISSED, due),
        (EscalationStep.DUE_TRIAGE, at(3, 10)),
        (EscalationStep.DUE_ADMINS, at(3, 11)),
    ]


def test_what_is_urgent_escalates_sooner() -> None:
    ticket = assigned(priority=Priority.URGENT, accepted_at=MONDAY, due_at=at(2, 13))
    assert walked(planned(ticket)) == [
        (EscalationStep.DUE_SOON, at(2, 12)),
        (EscalationStep.DUE_MISSED, at(2, 13)),
        (EscalationStep.DUE_TRIAGE, at(2, 13, 15)),
        (EscalationStep.DUE_ADMINS, at(2, 13, 30)),
    ]


def test_of_a_deadline_a_quarter_of_the_time_since_it_was_set() -> None:
    deadline = at(4, 9)
    ticket = assigned(accepted_at=MONDAY, deadline=deadline, due_at=deadline)
    assert walked(planned(ticket))[0] == (EscalationStep.DUE_SOON, at(3, 13))


@pytest.mark.parametrize(
    "deadline",
    [
        datetime(2026, 3, 7, 12, tzinfo=UTC),  # a Saturday
        datetime(2036, 3, 7, tzinfo=UTC),
        datetime(9999, 12, 31, 23, tzinfo=UTC),
    ],
    ids=["at a weekend", "in ten years", "the last day"],
)
def test_a_quarter_where_working_time_says_nothing(deadline: datetime) -> None:
    saturday = at(7, 0)
    ticket = assigned(accepted_at=MONDAY, deadline=deadline, due_at=deadline)
    soon = saturday + (deadline - saturday) * 0.75
    about = f"{ms(deadline)}/high"
    assert planned(ticket, now=saturday).alarm == ScheduledStep(
        soon, EscalationStep.DUE_SOON, about
    )


def test_where_less_than_a_quarter_is_left_it_is_not_said() -> None:
    ticket = planned(assigned(accepted_at=MONDAY, due_at=at(2, 10)))
    assert ticket.alarm == ScheduledStep(
        at(2, 10), EscalationStep.DUE_MISSED, f"{ms(at(2, 10))}/high"
    )


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_where_nobody_has_it_the_channel_is_told_at_once() -> None:
    ticket = planned(sample_ticket(due_at=at(2, 12)))
    assert walked(ticket) == [
        (EscalationStep.DUE_TRIAGE, at(2, 12)),
        (EscalationStep.DUE_ADMINS, at(2, 13)),
    ]


def test_a_time_that_has_passed_when_it_is_set_is_missed_from_then_on() -> None:
    """Somebody made it urgent: by that target it should have been done yesterday."""
    late = assigned(accepted_at=MONDAY, due_at=MONDAY - timedelta(days=1))
    assert walked(planned(late)) == [
        (EscalationStep.DUE_MISSED, MONDAY),
        (EscalationStep.DUE_TRIAGE, at(2, 10)),
        (EscalationStep.DUE_ADMINS, at(2, 11)),
    ]


def test_what_was_late_before_anybody_looked_is_told_to_nobody() -> None:
    """The predecessor's tickets, and all of them when an admin sets other targets."""
    late = assigned(due_at=MONDAY - timedelta(days=900))
    assert planned(late, is_found=True).alarm is None
    still_to_come = planned(assigned(due_at=at(2, 16)), is_found=True)
    assert still_to_come.alarm is not None
    assert still_to_come.alarm.kind is EscalationStep.DUE_SOON
    assert planned(assigned(), is_found=True).alarm is None


def test_after_a_pause_of_the_jobs_only_the_last_step_counts() -> None:
    ticket = planned(assigned(accepted_at=MONDAY, due_at=at(2, 12)))
    assert [alarm.kind for alarm in steps_due(ticket, rules=RULES, now=at(2, 12, 30))] == [
        EscalationStep.DUE_MISSED
    ]
    assert [alarm.kind for alarm in steps_due(ticket, rules=RULES, now=at(3, 12))] == [
        EscalationStep.DUE_ADMINS
    ]


def test_nobody_loses_a_ticket_who_was_not_reminded() -> None:
    ticket = planned(assigned())
    (due,) = steps_due(ticket, rules=RULES, now=at(9, 9))
    assert due.kind is EscalationStep.ACCEPT_REMINDER
    reminded = planned(ticket, now=at(9, 9), events=[step(due.kind)])
    assert reminded.alarm == ScheduledStep(at(9, 9, 30), EscalationStep.ACCEPT_NEXT, due.about)


def test_both_ladders_at_once() -> None:
    ticket = planned(assigned(due_at=at(2, 10)))
    assert [alarm.kind for alarm in steps_due(ticket, rules=RULES, now=at(2, 10))] == [
        EscalationStep.ACCEPT_REMINDER,
        EscalationStep.DUE_MISSED,
    ]


def test_a_ladder_that_is_put_off_does_not_hold_up_the_other() -> None:
    ticket = planned(assigned(due_at=at(2, 11)))
    held = {EscalationTrack.ACCEPT: at(3, 9)}
    alarm = next_alarm(ticket, rules=RULES, held=held)
    assert alarm is not None
    assert (alarm.kind, alarm.at) == (EscalationStep.DUE_MISSED, at(2, 11))
    missed = planned(ticket, now=at(2, 11), events=[step(EscalationStep.DUE_MISSED)])
    later = next_alarm(missed, rules=RULES, held={**held, EscalationTrack.DUE: at(4, 9)})
    assert later is not None
    assert (later.kind, later.at) == (EscalationStep.ACCEPT_REMINDER, at(3, 9))


BEGUN = planned(assigned(due_at=at(3, 9)))


@pytest.mark.parametrize(
    "event",
    [
        NewEvent(EventType.COMMENTED, by=JO, field="comments", to=ObjectId()),
        NewEvent(EventType.NOTED, by=JO, field="notes", to=ObjectId()),
        NewEvent(EventType.EDITED, by=JO, field="title", from_="a", to="b"),
    ],
    ids=["a comment", "a note", "an edit"],
)
def test_what_its_assignee_does_is_as_good_as_accepting_it(event: NewEvent) -> None:
    ticket = planned(BEGUN, now=at(2, 9, 30), events=[event])
    assert ticket.ladders[EscalationTrack.ACCEPT].ended
    assert ticket.alarm is not None
    assert ticket.alarm.kind is EscalationStep.DUE_SOON
    # Also after another priority: it is still the same assignment.
    urgent = planned(replace(ticket, priority=Priority.URGENT), now=at(2, 9, 40))
    assert urgent.ladders[EscalationTrack.ACCEPT].ended


def test_what_others_do_is_not() -> None:
    event = NewEvent(EventType.COMMENTED, by=AL, field="comments", to=ObjectId())
    ticket = planned(BEGUN, now=at(2, 9, 30), events=[event])
    assert ticket.ladders == BEGUN.ladders
    assert ticket.alarm == BEGUN.alarm


def test_once_accepted_only_the_due_time_counts() -> None:
    ticket = planned(replace(BEGUN, accepted_at=at(2, 9, 30)), now=at(2, 9, 30))
    assert set(ticket.ladders) == {EscalationTrack.DUE}


@pytest.mark.parametrize("passed", [0, 90], ids=["at once", "after the reminder"])
def test_who_gets_it_from_a_person_has_all_the_time(passed: int) -> None:
    now = MONDAY + timedelta(minutes=passed)
    had = planned(BEGUN, now=at(2, 10), events=[step(EscalationStep.ACCEPT_REMINDER)])
    als = planned(replace(had, assigned_to=AL, assignment={"at": now}), now=now)
    assert als.alarm is not None
    assert als.alarm.kind is EscalationStep.ACCEPT_REMINDER
    assert als.alarm.at == now + timedelta(hours=1)


def test_who_gets_it_by_the_clock_goes_on_with_the_next_step() -> None:
    now = at(2, 10, 30)
    had = planned(BEGUN, now=at(2, 10), events=[step(EscalationStep.ACCEPT_REMINDER)])
    als = replace(had, assigned_to=AL, assignment={"at": now})
    als = planned(als, now=now, events=[step(EscalationStep.ACCEPT_NEXT)])
    assert als.alarm is not None
    assert als.alarm.kind is EscalationStep.ACCEPT_TRIAGE
    assert als.alarm.at == at(2, 11, 30)


@pytest.mark.parametrize(
    "change",
    [{"priority": Priority.MEDIUM}, {"due_at": at(4, 9)}],
    ids=["another priority", "another due time"],
)
def test_the_steps_begin_anew_with(change: dict[str, Any]) -> None:
    due = [step(kind) for kind in EscalationTrack.DUE.steps]
    over = planned(BEGUN, now=at(3, 11), events=[*due, step(EscalationStep.ACCEPT_ADMINS)])
    assert over.alarm is None
    again = planned(replace(over, **change), now=at(3, 12))
    assert again.ladders[EscalationTrack.DUE].done is None
    assert again.alarm is not None
    assert (again.ladders[EscalationTrack.ACCEPT].done is None) == ("priority" in change)


def test_a_step_once_a_due_time_whatever_else_changes() -> None:
    told = planned(BEGUN, now=at(3, 9), events=[step(EscalationStep.DUE_MISSED)])
    again = planned(replace(told, title="Other words"), now=at(3, 9, 30))
    assert again.ladders == told.ladders
    assert again.alarm == told.alarm


def test_while_it_waits_nothing_of_this_comes() -> None:
    asked = NewEvent(EventType.WAITING, by=AL, field="status", to="WAITING")
    waits = replace(BEGUN, status=Status.WAITING, due_at=None)
    waits = planned(waits, now=at(2, 9, 30), events=[asked])
    assert waits.alarm is not None
    assert waits.alarm.kind is EscalationStep.WAITING_ASK
    assert steps_due(waits, rules=RULES, now=at(3, 9)) == []
    back = replace(waits, status=Status.IN_PROGRESS, due_at=at(4, 9))
    back = planned(back, now=at(3, 9), events=[])
    assert back.alarm is not None
    assert (back.alarm.kind, back.alarm.at) == (EscalationStep.ACCEPT_REMINDER, at(3, 10))
    assert EscalationTrack.WAITING not in back.ladders


def test_who_asked_the_requester_has_accepted() -> None:
    asked = NewEvent(EventType.WAITING, by=JO, field="status", to="WAITING")
    waits = planned(replace(BEGUN, status=Status.WAITING), now=at(2, 9, 30), events=[asked])
    back = planned(replace(waits, status=Status.IN_PROGRESS), now=at(3, 8))
    assert back.ladders[EscalationTrack.ACCEPT].ended


def test_a_deadline_goes_on_after_the_wait_and_is_told_once() -> None:
    soon = planned(BEGUN, now=at(2, 15), events=[step(EscalationStep.DUE_SOON)])
    waits = planned(replace(soon, status=Status.WAITING), now=at(2, 16))
    back = planned(replace(waits, status=Status.IN_PROGRESS), now=at(2, 16, 30))
    assert back.ladders[EscalationTrack.DUE].done is EscalationStep.DUE_SOON


def test_waiting_is_counted_in_working_days() -> None:
    waits = planned(assigned(status=Status.WAITING), now=at(2, 12))
    assert walked(waits) == [
        (EscalationStep.WAITING_ASK, at(5, 12)),
        (EscalationStep.WAITING_CLOSE, at(11, 12)),  # a weekend between
    ]


def test_what_is_done_has_nothing_left_and_begins_anew_when_reopened() -> None:
    done = replace(BEGUN, status=Status.COMPLETED)
    assert schedule(done, rules=RULES, now=at(2, 10)) == NO_SCHEDULE
    done = planned(done, now=at(2, 10))
    opened = planned(replace(done, status=Status.REOPENED), now=at(4, 9))
    assert opened.alarm is not None
    assert (opened.alarm.kind, opened.alarm.at) == (EscalationStep.DUE_MISSED, at(4, 9))
    assert opened.ladders[EscalationTrack.ACCEPT].since == at(4, 9)


def test_the_predecessors_assignments_are_nobodys_to_accept() -> None:
    assert planned(assigned(assignment={})).alarm is None


def test_a_step_stands_until_something_else_happens() -> None:
    told = planned(BEGUN, now=at(3, 9), events=[step(EscalationStep.DUE_MISSED)])
    assert stands(told, EscalationStep.DUE_MISSED)
    assert not stands(told, EscalationStep.DUE_SOON)
    moved = planned(replace(told, due_at=at(5, 9)), now=at(3, 9, 5))
    assert not stands(moved, EscalationStep.DUE_MISSED)
    assert not stands(replace(told, status=Status.WAITING), EscalationStep.DUE_MISSED)
    done = planned(replace(told, status=Status.COMPLETED), now=at(3, 9, 5))
    assert not stands(done, EscalationStep.DUE_MISSED)
    reminded = planned(BEGUN, now=at(2, 10), events=[step(EscalationStep.ACCEPT_REMINDER)])
    deed = NewEvent(EventType.NOTED, by=JO, field="notes", to=ObjectId())
    assert stands(reminded, EscalationStep.ACCEPT_REMINDER)
    assert not stands(
        planned(reminded, now=at(2, 10, 5), events=[deed]), EscalationStep.ACCEPT_REMINDER
    )


@pytest.mark.parametrize(
    "doc",
    [None, "x", {"due": "x"}, {"due": {"about": 3}}, {"other": {"about": "a"}}],
    ids=["nothing", "a text", "no ladder", "an odd one", "an unknown one"],
)
def test_what_cannot_be_read_is_not_there(doc: Any) -> None:
    assert ladders_of(doc) == {}


def test_it_is_read_as_it_was_written() -> None:
    ladder = TrackState("a", MONDAY, EscalationStep.DUE_SOON, ended=True)
    assert ladders_of({"due": ladder.to_doc()}) == {EscalationTrack.DUE: ladder}
    alarm = ScheduledStep(MONDAY, EscalationStep.DUE_SOON, "a")
    assert ScheduledStep.from_doc(alarm.to_doc()) == alarm
    assert ScheduledStep.from_doc({"kind": "unknown", "at": MONDAY}) is None
    assert ScheduledStep.from_doc({"kind": "due_soon", "at": "today"}) is None


ZONES = [zone_of(name) for name in ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Sydney")]


@given(
    days=st.floats(0, 400),
    priority=st.sampled_from(list(Priority)),
    hours=st.floats(0.01, 300),
    zone=st.sampled_from(ZONES),
    is_around=st.booleans(),
)
def test_steps_come_in_order_and_never_early(
    days: float, priority: Priority, hours: float, zone: Any, is_around: bool
) -> None:
    start = at(1, 0) + timedelta(seconds=int(days * 86_400))
    due = start + timedelta(seconds=int(hours * 3_600))
    clock = Hours.AROUND if is_around else Hours.BUSINESS
    rules = SlaPolicy.of(
        replace(Targets(), clock=clock), Office(zone=str(zone), country="US", is_set=True)
    )
    assert isinstance(rules.week, WorkWeek)
    ticket = assigned(priority=priority, assignment={"at": start}, deadline=due, due_at=due)
    found = walked(planned(ticket, now=start, rules=rules), rules)
    kinds, times = [kind for kind, _ in found], [moment for _, moment in found]
    assert times == sorted(times)
    assert times[0] >= start
    for family in (EscalationTrack.ACCEPT, EscalationTrack.DUE):
        mine = [kind for kind in kinds if kind.family is family]
        assert mine == [kind for kind in family.steps if kind in mine]
    assert dict(found)[EscalationStep.DUE_MISSED] == due
    assert len(found) == len(set(kinds))
