"""The times of the escalation steps, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.calendar.business_hours import BusinessHours
from services.calendar.work_week import WorkWeek, parse_time_zone
from services.models.escalation_track import (
    EscalationStep,
    EscalationTrack,
    ScheduledStep,
    TrackState,
    track_states_from_doc,
)
from services.models.events import EventType, NewEvent
from services.models.ticket import Priority, Status, Ticket
from services.sla.escalation_schedule import (
    NEXT_STEP_FIELD,
    NO_SCHEDULE,
    build_schedule,
    due_steps,
    is_current_step,
    next_scheduled_step,
)
from services.sla.policy import CountedHours, SlaPolicy, Targets
from tests.conftest import sample_ticket

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
JO, AL = ObjectId("65f0c0ffee65f0c0ffee0002"), ObjectId("65f0c0ffee65f0c0ffee0003")
RULES = SlaPolicy.build(
    Targets(), BusinessHours(is_configured=True)
)  # Monday to Friday, 9 to 17 in UTC
AROUND = SlaPolicy.build(
    replace(Targets(), counted_hours=CountedHours.AROUND_THE_CLOCK), BusinessHours()
)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of March 2026; the 2nd is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def assigned(**fields: Any) -> Ticket:
    """A ticket assigned to Jo on Monday at nine, not accepted, without a due time."""
    given_to = {"status": Status.IN_PROGRESS, "assigned_to": JO, "assignment": {"at": MONDAY}}
    return sample_ticket(**{"priority": Priority.HIGH, **given_to, **fields})


def planned(
    ticket: Ticket, *, now: datetime = MONDAY, rules: SlaPolicy = RULES, **how: Any
) -> Ticket:
    """The ticket as it is stored after the change."""
    made = build_schedule(ticket, policy=rules, now=now, **how)
    return replace(ticket, next_step=made.next_step, escalation_tracks=made.tracks)


def step(kind: EscalationStep) -> NewEvent:
    return NewEvent(EventType.REMINDED, by="system", field=NEXT_STEP_FIELD, to=kind.value)


def walked(ticket: Ticket, rules: SlaPolicy = RULES) -> list[tuple[EscalationStep, datetime]]:
    """Every step, each taken at the moment it is due."""
    taken = []
    while next_step := ticket.next_step:
        assert due_steps(ticket, policy=rules, now=next_step.at - timedelta(milliseconds=1)) == []
        assert next_step in due_steps(ticket, policy=rules, now=next_step.at)
        taken.append((next_step.step, next_step.at))
        ticket = planned(ticket, now=next_step.at, rules=rules, events=[step(next_step.step)])
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
        (EscalationStep.DUE_SOON, at(2, 15)),  # two of the eight hours are left
        (EscalationStep.DUE_MISSED, due),
        (EscalationStep.DUE_TRIAGE, at(3, 10)),
        (EscalationStep.DUE_ADMINS, at(3, 11)),
    ]


def test_urgent_ticket_escalates_sooner() -> None:
    ticket = assigned(priority=Priority.URGENT, accepted_at=MONDAY, due_at=at(2, 13))
    assert walked(planned(ticket)) == [
        (EscalationStep.DUE_SOON, at(2, 12)),
        (EscalationStep.DUE_MISSED, at(2, 13)),
        (EscalationStep.DUE_TRIAGE, at(2, 13, 15)),
        (EscalationStep.DUE_ADMINS, at(2, 13, 30)),
    ]


def test_due_soon_of_a_deadline_counts_from_when_it_was_set() -> None:
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
    assert planned(ticket, now=saturday).next_step == ScheduledStep(
        soon, EscalationStep.DUE_SOON, about
    )


def test_due_soon_is_skipped_if_less_than_a_quarter_is_left() -> None:
    ticket = planned(assigned(accepted_at=MONDAY, due_at=at(2, 10)))
    assert ticket.next_step == ScheduledStep(
        at(2, 10), EscalationStep.DUE_MISSED, f"{ms(at(2, 10))}/high"
    )


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_unassigned_ticket_notifies_the_channel_when_due() -> None:
    ticket = planned(sample_ticket(due_at=at(2, 12)))
    assert walked(ticket) == [
        (EscalationStep.DUE_TRIAGE, at(2, 12)),
        (EscalationStep.DUE_ADMINS, at(2, 13)),
    ]


def test_a_time_that_has_passed_when_it_is_set_is_missed_from_then_on() -> None:
    """Its priority was raised, so by the new target it was due yesterday."""
    late = assigned(accepted_at=MONDAY, due_at=MONDAY - timedelta(days=1))
    assert walked(planned(late)) == [
        (EscalationStep.DUE_MISSED, MONDAY),
        (EscalationStep.DUE_TRIAGE, at(2, 10)),
        (EscalationStep.DUE_ADMINS, at(2, 11)),
    ]


def test_recalculation_notifies_no_one_of_an_overdue_ticket() -> None:
    """Legacy tickets, and all tickets after an admin changed the targets."""
    late = assigned(due_at=MONDAY - timedelta(days=900))
    assert planned(late, is_recalculation=True).next_step is None
    still_to_come = planned(assigned(due_at=at(2, 16)), is_recalculation=True)
    assert still_to_come.next_step is not None
    assert still_to_come.next_step.step is EscalationStep.DUE_SOON
    assert planned(assigned(), is_recalculation=True).next_step is None


def test_after_a_pause_of_the_jobs_only_the_last_step_counts() -> None:
    ticket = planned(assigned(accepted_at=MONDAY, due_at=at(2, 12)))
    assert [next_step.step for next_step in due_steps(ticket, policy=RULES, now=at(2, 12, 30))] == [
        EscalationStep.DUE_MISSED
    ]
    assert [next_step.step for next_step in due_steps(ticket, policy=RULES, now=at(3, 12))] == [
        EscalationStep.DUE_ADMINS
    ]


def test_nobody_loses_a_ticket_who_was_not_reminded() -> None:
    ticket = planned(assigned())
    (due,) = due_steps(ticket, policy=RULES, now=at(9, 9))
    assert due.step is EscalationStep.ACCEPT_REMINDER
    reminded = planned(ticket, now=at(9, 9), events=[step(due.step)])
    assert reminded.next_step == ScheduledStep(
        at(9, 9, 30), EscalationStep.ACCEPT_REASSIGN, due.subject
    )


def test_both_tracks_at_once() -> None:
    ticket = planned(assigned(due_at=at(2, 10)))
    assert [next_step.step for next_step in due_steps(ticket, policy=RULES, now=at(2, 10))] == [
        EscalationStep.ACCEPT_REMINDER,
        EscalationStep.DUE_MISSED,
    ]


def test_a_postponed_track_does_not_delay_the_other() -> None:
    ticket = planned(assigned(due_at=at(2, 11)))
    held = {EscalationTrack.ACCEPT: at(3, 9)}
    next_step = next_scheduled_step(ticket, policy=RULES, postponed=held)
    assert next_step is not None
    assert (next_step.step, next_step.at) == (EscalationStep.DUE_MISSED, at(2, 11))
    missed = planned(ticket, now=at(2, 11), events=[step(EscalationStep.DUE_MISSED)])
    later = next_scheduled_step(
        missed, policy=RULES, postponed={**held, EscalationTrack.DUE: at(4, 9)}
    )
    assert later is not None
    assert (later.step, later.at) == (EscalationStep.ACCEPT_REMINDER, at(3, 9))


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
def test_any_event_by_the_assignee_accepts_the_ticket(event: NewEvent) -> None:
    ticket = planned(BEGUN, now=at(2, 9, 30), events=[event])
    assert ticket.escalation_tracks[EscalationTrack.ACCEPT].is_ended
    assert ticket.next_step is not None
    assert ticket.next_step.step is EscalationStep.DUE_SOON
    # Another priority changes nothing: it is still the same assignment.
    urgent = planned(replace(ticket, priority=Priority.URGENT), now=at(2, 9, 40))
    assert urgent.escalation_tracks[EscalationTrack.ACCEPT].is_ended


def test_event_by_another_user_accepts_nothing() -> None:
    event = NewEvent(EventType.COMMENTED, by=AL, field="comments", to=ObjectId())
    ticket = planned(BEGUN, now=at(2, 9, 30), events=[event])
    assert ticket.escalation_tracks == BEGUN.escalation_tracks
    assert ticket.next_step == BEGUN.next_step


def test_once_accepted_only_the_due_time_counts() -> None:
    ticket = planned(replace(BEGUN, accepted_at=at(2, 9, 30)), now=at(2, 9, 30))
    assert set(ticket.escalation_tracks) == {EscalationTrack.DUE}


@pytest.mark.parametrize("passed", [0, 90], ids=["at once", "after the reminder"])
def test_manual_reassignment_restarts_the_accept_track(passed: int) -> None:
    now = MONDAY + timedelta(minutes=passed)
    had = planned(BEGUN, now=at(2, 10), events=[step(EscalationStep.ACCEPT_REMINDER)])
    als = planned(replace(had, assigned_to=AL, assignment={"at": now}), now=now)
    assert als.next_step is not None
    assert als.next_step.step is EscalationStep.ACCEPT_REMINDER
    assert als.next_step.at == now + timedelta(hours=1)


def test_escalated_reassignment_continues_the_accept_track() -> None:
    now = at(2, 10, 30)
    had = planned(BEGUN, now=at(2, 10), events=[step(EscalationStep.ACCEPT_REMINDER)])
    als = replace(had, assigned_to=AL, assignment={"at": now})
    als = planned(als, now=now, events=[step(EscalationStep.ACCEPT_REASSIGN)])
    assert als.next_step is not None
    assert als.next_step.step is EscalationStep.ACCEPT_TRIAGE
    assert als.next_step.at == at(2, 11, 30)


@pytest.mark.parametrize(
    "change",
    [{"priority": Priority.MEDIUM}, {"due_at": at(4, 9)}],
    ids=["another priority", "another due time"],
)
def test_the_steps_start_again_with(change: dict[str, Any]) -> None:
    due = [step(kind) for kind in EscalationTrack.DUE.steps]
    over = planned(BEGUN, now=at(3, 11), events=[*due, step(EscalationStep.ACCEPT_ADMINS)])
    assert over.next_step is None
    again = planned(replace(over, **change), now=at(3, 12))
    assert again.escalation_tracks[EscalationTrack.DUE].last_step is None
    assert again.next_step is not None
    assert (again.escalation_tracks[EscalationTrack.ACCEPT].last_step is None) == (
        "priority" in change
    )


def test_a_step_once_a_due_time_whatever_else_changes() -> None:
    told = planned(BEGUN, now=at(3, 9), events=[step(EscalationStep.DUE_MISSED)])
    again = planned(replace(told, title="Other words"), now=at(3, 9, 30))
    assert again.escalation_tracks == told.escalation_tracks
    assert again.next_step == told.next_step


def test_while_it_waits_nothing_of_this_comes() -> None:
    asked = NewEvent(EventType.WAITING, by=AL, field="status", to="WAITING")
    waits = replace(BEGUN, status=Status.WAITING, due_at=None)
    waits = planned(waits, now=at(2, 9, 30), events=[asked])
    assert waits.next_step is not None
    assert waits.next_step.step is EscalationStep.WAITING_REMINDER
    assert due_steps(waits, policy=RULES, now=at(3, 9)) == []
    back = replace(waits, status=Status.IN_PROGRESS, due_at=at(4, 9))
    back = planned(back, now=at(3, 9), events=[])
    assert back.next_step is not None
    assert (back.next_step.step, back.next_step.at) == (EscalationStep.ACCEPT_REMINDER, at(3, 10))
    assert EscalationTrack.WAITING not in back.escalation_tracks


def test_question_to_the_requester_accepts_the_ticket() -> None:
    asked = NewEvent(EventType.WAITING, by=JO, field="status", to="WAITING")
    waits = planned(replace(BEGUN, status=Status.WAITING), now=at(2, 9, 30), events=[asked])
    back = planned(replace(waits, status=Status.IN_PROGRESS), now=at(3, 8))
    assert back.escalation_tracks[EscalationTrack.ACCEPT].is_ended


def test_a_deadline_goes_on_after_the_wait_and_is_notified_once() -> None:
    soon = planned(BEGUN, now=at(2, 15), events=[step(EscalationStep.DUE_SOON)])
    waits = planned(replace(soon, status=Status.WAITING), now=at(2, 16))
    back = planned(replace(waits, status=Status.IN_PROGRESS), now=at(2, 16, 30))
    assert back.escalation_tracks[EscalationTrack.DUE].last_step is EscalationStep.DUE_SOON


def test_waiting_is_counted_in_working_days() -> None:
    waits = planned(assigned(status=Status.WAITING), now=at(2, 12))
    assert walked(waits) == [
        (EscalationStep.WAITING_REMINDER, at(5, 12)),
        (EscalationStep.WAITING_CLOSE, at(11, 12)),  # a weekend between
    ]


def test_completed_ticket_has_no_schedule_until_it_is_reopened() -> None:
    done = replace(BEGUN, status=Status.COMPLETED)
    assert build_schedule(done, policy=RULES, now=at(2, 10)) == NO_SCHEDULE
    done = planned(done, now=at(2, 10))
    opened = planned(replace(done, status=Status.REOPENED), now=at(4, 9))
    assert opened.next_step is not None
    assert (opened.next_step.step, opened.next_step.at) == (EscalationStep.DUE_MISSED, at(4, 9))
    assert opened.escalation_tracks[EscalationTrack.ACCEPT].counted_from == at(4, 9)


def test_legacy_assignments_need_no_acceptance() -> None:
    assert planned(assigned(assignment={})).next_step is None


def test_step_is_current_until_ticket_changes() -> None:
    told = planned(BEGUN, now=at(3, 9), events=[step(EscalationStep.DUE_MISSED)])
    assert is_current_step(told, EscalationStep.DUE_MISSED)
    assert not is_current_step(told, EscalationStep.DUE_SOON)
    moved = planned(replace(told, due_at=at(5, 9)), now=at(3, 9, 5))
    assert not is_current_step(moved, EscalationStep.DUE_MISSED)
    assert not is_current_step(replace(told, status=Status.WAITING), EscalationStep.DUE_MISSED)
    done = planned(replace(told, status=Status.COMPLETED), now=at(3, 9, 5))
    assert not is_current_step(done, EscalationStep.DUE_MISSED)
    reminded = planned(BEGUN, now=at(2, 10), events=[step(EscalationStep.ACCEPT_REMINDER)])
    deed = NewEvent(EventType.NOTED, by=JO, field="notes", to=ObjectId())
    assert is_current_step(reminded, EscalationStep.ACCEPT_REMINDER)
    assert not is_current_step(
        planned(reminded, now=at(2, 10, 5), events=[deed]), EscalationStep.ACCEPT_REMINDER
    )


@pytest.mark.parametrize(
    "doc",
    [None, "x", {"due": "x"}, {"due": {"about": 3}}, {"other": {"about": "a"}}],
    ids=["nothing", "a text", "no ladder", "an odd one", "an unknown one"],
)
def test_malformed_tracks_are_skipped(doc: Any) -> None:
    assert track_states_from_doc(doc) == {}


def test_it_is_read_as_it_was_written() -> None:
    track_state = TrackState("a", MONDAY, EscalationStep.DUE_SOON, is_ended=True)
    assert track_states_from_doc({"due": track_state.to_doc()}) == {
        EscalationTrack.DUE: track_state
    }
    next_step = ScheduledStep(MONDAY, EscalationStep.DUE_SOON, "a")
    assert ScheduledStep.from_doc(next_step.to_doc()) == next_step
    assert ScheduledStep.from_doc({"kind": "unknown", "at": MONDAY}) is None
    assert ScheduledStep.from_doc({"kind": "due_soon", "at": "today"}) is None


ZONES = [
    parse_time_zone(name)
    for name in ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Sydney")
]


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
    clock = CountedHours.AROUND_THE_CLOCK if is_around else CountedHours.BUSINESS
    rules = SlaPolicy.build(
        replace(Targets(), counted_hours=clock),
        BusinessHours(zone=str(zone), country="US", is_configured=True),
    )
    assert isinstance(rules.work_week, WorkWeek)
    ticket = assigned(priority=priority, assignment={"at": start}, deadline=due, due_at=due)
    found = walked(planned(ticket, now=start, rules=rules), rules)
    kinds, times = [kind for kind, _ in found], [moment for _, moment in found]
    assert times == sorted(times)
    assert times[0] >= start
    for family in (EscalationTrack.ACCEPT, EscalationTrack.DUE):
        mine = [kind for kind in kinds if kind.track is family]
        assert mine == [kind for kind in family.steps if kind in mine]
    assert dict(found)[EscalationStep.DUE_MISSED] == due
    assert len(found) == len(set(kinds))
