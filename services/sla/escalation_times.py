"""When each step of a ladder comes. Pure; which ladders a ticket is on is in
services/sla/escalation_schedule.py.

Times are working time as the targets' are (services/sla/targets.py).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from services.calendar.work_week import NOTHING, WorkWeek
from services.models.escalation_track import (
    EscalationStep,
    EscalationTrack,
    ScheduledStep,
    TrackState,
)
from services.models.ticket import Priority, Status, Ticket
from services.sla.policy import SlaPolicy

# Whoever was reminded has half the time once more before the next candidate gets it.
LAST_CHANCE = 0.5
QUARTER = 0.25
# Between a missed due time and the triage channel, and between that and the admins.
URGENT_DELAY, DELAY = timedelta(minutes=15), timedelta(hours=1)
FAR = timedelta(days=366)

Times = Iterator[tuple[EscalationStep, datetime]]


def steps(
    ticket: Ticket, ladder: TrackState, family: EscalationTrack, rules: SlaPolicy
) -> Iterator[ScheduledStep]:
    """The steps of a ladder that are left and whose time is known, in their order."""
    is_paused = ticket.status is Status.WAITING and family is not EscalationTrack.WAITING
    if ladder.since is None or is_paused:
        return
    for kind, at in _times(ticket, ladder, family, ladder.since, rules):
        if ladder.is_left(kind):
            yield ScheduledStep(_as_stored(at), kind, ladder.about)


def _times(
    ticket: Ticket, ladder: TrackState, family: EscalationTrack, since: datetime, rules: SlaPolicy
) -> Times:
    if family is EscalationTrack.ACCEPT:
        return _times_to_accept(ticket.priority, ladder.done, since, rules)
    if family is EscalationTrack.DUE:
        return _times_to_do(ticket, since, rules)
    return _times_to_answer(ladder.done, since, rules)


def _times_to_accept(
    priority: Priority | None, done: EscalationStep | None, since: datetime, rules: SlaPolicy
) -> Times:
    """One: each is counted from when the one before it was taken."""
    whole = rules.targets.time_to_accept(priority)
    waits: Mapping[EscalationStep | None, tuple[EscalationStep, timedelta]] = {
        None: (EscalationStep.ACCEPT_REMINDER, whole),
        EscalationStep.ACCEPT_REMINDER: (EscalationStep.ACCEPT_NEXT, whole * LAST_CHANCE),
        EscalationStep.ACCEPT_NEXT: (EscalationStep.ACCEPT_TRIAGE, whole),
        EscalationStep.ACCEPT_TRIAGE: (EscalationStep.ACCEPT_ADMINS, whole),
    }
    if done in waits:
        kind, wait = waits[done]
        yield kind, _later(rules.week, since, wait)


def _times_to_do(ticket: Ticket, since: datetime, rules: SlaPolicy) -> Times:
    """A due time that had passed when it was set is missed from then on. Where nobody has the
    ticket there is nobody to remind, so that the channel is first."""
    if ticket.due_at is None:
        return
    missed, week = max(ticket.due_at, since), rules.week
    delay = URGENT_DELAY if ticket.priority is Priority.URGENT else DELAY
    told = missed
    if ticket.assigned_to:
        if soon := _soon(ticket, ticket.due_at, since, rules):
            yield EscalationStep.DUE_SOON, soon
        yield EscalationStep.DUE_MISSED, missed
        told = _later(week, missed, delay)
    yield EscalationStep.DUE_TRIAGE, told
    yield EscalationStep.DUE_ADMINS, _later(week, told, delay)


def _soon(ticket: Ticket, due: datetime, since: datetime, rules: SlaPolicy) -> datetime | None:
    """When a quarter of the time is left: of the target's whole, also after a pause, or else of
    the time since a person set the deadline. None where less was left from the beginning."""
    left = rules.week.working_time_between(since, min(due, since + FAR))
    # At night or at a weekend; or so far away that nobody counts its days.
    if left <= NOTHING or due - since > FAR:
        return since + (due - since) * (1 - QUARTER) if due > since else None
    whole = left if due == ticket.deadline else rules.targets.time_for(ticket.priority)
    wait = left - whole * QUARTER
    return _later(rules.week, since, wait) if wait > NOTHING else None


def _times_to_answer(done: EscalationStep | None, since: datetime, rules: SlaPolicy) -> Times:
    day = _day(rules.week)
    if done is None:
        yield (
            EscalationStep.WAITING_ASK,
            _later(rules.week, since, rules.targets.waiting_days * day),
        )
    else:
        wait = rules.targets.auto_complete_days * day
        yield EscalationStep.WAITING_CLOSE, _later(rules.week, since, wait)


def _later(week: WorkWeek, start: datetime, wait: timedelta) -> datetime:
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
