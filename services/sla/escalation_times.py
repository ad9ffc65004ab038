"""The times of the steps of an escalation track. Pure.

Which tracks a ticket is on is in services/sla/escalation_schedule.py. Times are working time as the
targets' are (services/sla/targets.py).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from services.calendar.work_week import ZERO_DURATION, WorkWeek
from services.models.escalation_track import (
    EscalationStep,
    EscalationTrack,
    ScheduledStep,
    TrackState,
)
from services.models.ticket import Priority, Status, Ticket
from services.sla.policy import SlaPolicy

# Whoever was reminded has half the time once more before the next candidate gets it.
REASSIGN_DELAY_FACTOR = 0.5
DUE_SOON_FRACTION = 0.25
# Between a missed due time and the triage channel, and between that and the admins.
URGENT_ESCALATION_DELAY, ESCALATION_DELAY = timedelta(minutes=15), timedelta(hours=1)
MAX_WORKING_TIME_RANGE = timedelta(days=366)

StepTimes = Iterator[tuple[EscalationStep, datetime]]


def remaining_steps(
    ticket: Ticket, state: TrackState, track: EscalationTrack, policy: SlaPolicy
) -> Iterator[ScheduledStep]:
    """The steps of a track that are left and whose time is known, in their order."""
    is_paused = ticket.status is Status.WAITING and track is not EscalationTrack.WAITING
    if state.counted_from is None or is_paused:
        return
    for kind, at in _step_times(ticket, state, track, state.counted_from, policy):
        if state.is_pending(kind):
            yield ScheduledStep(_as_stored(at), kind, state.subject)


def _step_times(
    ticket: Ticket, state: TrackState, track: EscalationTrack, since: datetime, policy: SlaPolicy
) -> StepTimes:
    if track is EscalationTrack.ACCEPT:
        return _accept_times(ticket.priority, state.last_step, since, policy)
    if track is EscalationTrack.DUE:
        return _due_times(ticket, since, policy)
    return _waiting_times(state.last_step, since, policy)


def _accept_times(
    priority: Priority | None, done: EscalationStep | None, since: datetime, policy: SlaPolicy
) -> StepTimes:
    """One: each is counted from when the one before it was taken."""
    acceptance_time = policy.targets.acceptance_time(priority)
    waits: Mapping[EscalationStep | None, tuple[EscalationStep, timedelta]] = {
        None: (EscalationStep.ACCEPT_REMINDER, acceptance_time),
        EscalationStep.ACCEPT_REMINDER: (
            EscalationStep.ACCEPT_REASSIGN,
            acceptance_time * REASSIGN_DELAY_FACTOR,
        ),
        EscalationStep.ACCEPT_REASSIGN: (EscalationStep.ACCEPT_TRIAGE, acceptance_time),
        EscalationStep.ACCEPT_TRIAGE: (EscalationStep.ACCEPT_ADMINS, acceptance_time),
    }
    if done in waits:
        kind, wait = waits[done]
        yield kind, _after_working_time(policy.work_week, since, wait)


def _due_times(ticket: Ticket, since: datetime, policy: SlaPolicy) -> StepTimes:
    """A due time that had passed when it was set is missed from then on. Where nobody has the
    ticket there is nobody to remind, so that the channel is first."""
    if ticket.due_at is None:
        return
    missed, week = max(ticket.due_at, since), policy.work_week
    delay = URGENT_ESCALATION_DELAY if ticket.priority is Priority.URGENT else ESCALATION_DELAY
    triage_at = missed
    if ticket.assigned_to:
        if soon := _due_soon_at(ticket, ticket.due_at, since, policy):
            yield EscalationStep.DUE_SOON, soon
        yield EscalationStep.DUE_MISSED, missed
        triage_at = _after_working_time(week, missed, delay)
    yield EscalationStep.DUE_TRIAGE, triage_at
    yield EscalationStep.DUE_ADMINS, _after_working_time(week, triage_at, delay)


def _due_soon_at(
    ticket: Ticket, due: datetime, since: datetime, policy: SlaPolicy
) -> datetime | None:
    """When a quarter of the time is left: of the target's whole, also after a pause, or else of
    the time since a person set the deadline. None where less was left from the beginning."""
    left = policy.work_week.working_time_between(since, min(due, since + MAX_WORKING_TIME_RANGE))
    # At night or at a weekend; or so far away that nobody counts its days.
    if left <= ZERO_DURATION or due - since > MAX_WORKING_TIME_RANGE:
        return since + (due - since) * (1 - DUE_SOON_FRACTION) if due > since else None
    total = left if due == ticket.deadline else policy.targets.resolution_time(ticket.priority)
    wait = left - total * DUE_SOON_FRACTION
    return _after_working_time(policy.work_week, since, wait) if wait > ZERO_DURATION else None


def _waiting_times(done: EscalationStep | None, since: datetime, policy: SlaPolicy) -> StepTimes:
    day = _day(policy.work_week)
    if done is None:
        yield (
            EscalationStep.WAITING_REMINDER,
            _after_working_time(policy.work_week, since, policy.targets.waiting_days * day),
        )
    else:
        wait = policy.targets.auto_complete_days * day
        yield EscalationStep.WAITING_CLOSE, _after_working_time(policy.work_week, since, wait)


def _after_working_time(week: WorkWeek, start: datetime, wait: timedelta) -> datetime:
    """After so much working time; by the clock on the wall where nobody ever works."""
    try:
        return week.add_working_time(start, wait) or start + wait
    except OverflowError:
        return start + wait


def _as_stored(at: datetime) -> datetime:
    """To the millisecond."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _day(week: WorkWeek) -> timedelta:
    """How long a working day is."""
    start, end = (timedelta(hours=at.hour, minutes=at.minute) for at in (week.start, week.end))
    return end - start if end > start else end - start + timedelta(days=1)
