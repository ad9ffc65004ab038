"""The escalation steps of a ticket and their times, from the table in
services/models/escalation_track.py. Pure.

Until a ticket is accepted: its assignee is reminded, then the next candidate gets it, then the
triage channel is notified, then the admins. Until it is resolved: its assignee is reminded when a
quarter of the time is left and when the due time has passed, then the triage channel is notified,
then the admins. While it waits for its requester: they are asked once more, then it is closed. A
question or resolution in the thread of a request channel to which the requester has not reacted is
sent to them once more, in a direct message.

Times are working time, as the targets are (services/sla/policy.py). A status change pauses or ends
the tracks. Another assignment, priority or due time restarts its steps.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from operator import attrgetter
from types import MappingProxyType

from services.calendar.work_week import ZERO_DURATION, WorkWeek
from services.core.clock import truncate
from services.core.coerce import as_datetime
from services.models.conversation import requester_conversation
from services.models.escalation_track import (
    EscalationStep,
    EscalationTrack,
    ScheduledStep,
    StepCondition,
    StepDelay,
    TrackState,
    TrackStates,
)
from services.models.events import EventType, NewEvent
from services.models.ticket import Priority, Status, Ticket
from services.sla.policy import SlaPolicy

# The stored field of the next step, and the `field` of events that record a step; `to` is the step.
NEXT_STEP_FIELD = "alarm"
# The `field` of events that record a comment.
COMMENTS_FIELD = "comments"
DUE_SOON_FRACTION = 0.25
# Between a missed due time and the triage channel, and between that and the admins.
URGENT_ESCALATION_DELAY, ESCALATION_DELAY = timedelta(minutes=15), timedelta(hours=1)
# Between a question or resolution in a request channel and the direct message about it.
ANSWER_TIME = timedelta(hours=4)
MAX_WORKING_TIME_RANGE = timedelta(days=366)

_NOTHING_POSTPONED: Mapping[EscalationTrack, datetime] = MappingProxyType({})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP_TIME = attrgetter("at")
_IN_WORK = frozenset({Status.IN_PROGRESS, Status.REOPENED})


@dataclass(frozen=True, slots=True)
class EscalationSchedule:
    """The escalation fields to store in a ticket."""

    next_step: ScheduledStep | None
    tracks: TrackStates


NO_SCHEDULE = EscalationSchedule(None, MappingProxyType({}))


def build_schedule(
    ticket: Ticket,
    *,
    policy: SlaPolicy,
    now: datetime,
    events: Sequence[NewEvent] = (),
    is_recalculation: bool = False,
) -> EscalationSchedule:
    """Return the schedule for a ticket with its new values and its previous tracks.

    `events` are those of the change; any event by the assignee counts as accepting the ticket.
    `is_recalculation`: nothing has changed, the ticket gets its first schedule or one by another
    policy. Then no one is notified of a time that had passed before.
    """
    taken = {EscalationStep(str(event.to)) for event in events if event.field == NEXT_STEP_FIELD}
    answer = _answer_state(ticket, now=now, taken=taken, events=events)
    if ticket.status is Status.COMPLETED:
        tracks = {EscalationTrack.ANSWER: answer} if answer else {}
        return EscalationSchedule(_earliest_of(ticket, tracks, policy), tracks)
    by_assignee = any(event.by == ticket.assigned_to for event in events)
    found = {
        EscalationTrack.ACCEPT: _accept_state(
            ticket, now=now, taken=taken, is_accepted=by_assignee, is_recalculation=is_recalculation
        ),
        EscalationTrack.DUE: _due_state(
            ticket, now=now, taken=taken, is_recalculation=is_recalculation
        ),
        EscalationTrack.WAITING: _waiting_state(ticket, now=now, taken=taken, events=events),
        EscalationTrack.ANSWER: answer,
    }
    tracks = {track: state for track, state in found.items() if state}
    return EscalationSchedule(_earliest_of(ticket, tracks, policy), tracks)


def _earliest_of(ticket: Ticket, tracks: TrackStates, policy: SlaPolicy) -> ScheduledStep | None:
    return _earliest(_first_step(ticket, tracks, track, policy) for track in tracks)


def next_scheduled_step(
    ticket: Ticket,
    *,
    policy: SlaPolicy,
    postponed: Mapping[EscalationTrack, datetime] = _NOTHING_POSTPONED,
) -> ScheduledStep | None:
    """Return the next step of a ticket with tracks that are up to date. The next step of a track in
    `postponed` is not taken before that time."""
    firsts = (
        _first_step(ticket, ticket.escalation_tracks, track, policy)
        for track in ticket.escalation_tracks
    )
    return _earliest(
        replace(step, at=max(step.at, postponed.get(step.step.track, step.at)))
        for step in firsts
        if step
    )


def due_steps(ticket: Ticket, *, policy: SlaPolicy, now: datetime) -> list[ScheduledStep]:
    """Return the step of each track to take now, the longest overdue first. If several steps of a
    track are overdue, after a pause of the jobs, it is the last one, to notify no one twice."""
    due = []
    for track, state in ticket.escalation_tracks.items():
        steps = remaining_steps(ticket, state, track, policy)
        due += list(takewhile(lambda step: step.at <= now, steps))[-1:]
    return sorted(due, key=_STEP_TIME)


def remaining_steps(
    ticket: Ticket, state: TrackState, track: EscalationTrack, policy: SlaPolicy
) -> Iterator[ScheduledStep]:
    """Yield the pending steps of a track that have a known time, in their order."""
    is_paused = ticket.status is Status.WAITING and not track.is_of_the_requester
    if state.counted_from is None or is_paused:
        return
    # Sequential: only the next step's time is known. DUE: later steps count from the taken ones.
    previous: datetime | None = None
    for step in track.steps:
        if track.is_sequential and not state.is_pending(step):
            continue
        if step.rule.condition is StepCondition.IS_ASSIGNED and not ticket.assigned_to:
            continue
        at = _step_at(step.rule.after, ticket, state.counted_from, previous, policy)
        if at is None:
            continue
        if state.is_pending(step):
            yield ScheduledStep(truncate(at), step, state.subject)
        if track.is_sequential:
            return
        previous = at


def is_current_step(ticket: Ticket, step: EscalationStep) -> bool:
    """Whether the ticket is unchanged since the step was taken: no step followed, and it was not
    accepted, resolved, reassigned or given another due time."""
    state = ticket.escalation_tracks.get(step.track)
    is_paused = ticket.status is Status.WAITING and not step.track.is_of_the_requester
    return state is not None and state.last_step is step and not state.is_ended and not is_paused


def _accept_state(
    ticket: Ticket,
    *,
    now: datetime,
    taken: set[EscalationStep],
    is_accepted: bool,
    is_recalculation: bool,
) -> TrackState | None:
    """State of the accept track after a change; None if nothing is to be accepted."""
    known = ticket.escalation_tracks.get(EscalationTrack.ACCEPT)
    if ticket.status is Status.WAITING and known:  # paused: starts to count when it is back
        return replace(known, counted_from=None, is_ended=known.is_ended or is_accepted)
    at = as_datetime(ticket.assignment.get("at"))
    if ticket.status not in _IN_WORK or not ticket.assigned_to or ticket.accepted_at or not at:
        return None  # nothing to accept
    assignment = f"{ticket.assigned_to}@{_milliseconds(at)}"
    about = f"{assignment}/{_priority_value(ticket)}"
    if known is None or known.subject.partition("/")[0] != assignment:
        # A new assignment starts now; it is ended if recalculated or accepted.
        reassign = EscalationStep.ACCEPT_REASSIGN
        return TrackState(
            subject=about,
            counted_from=now,
            last_step=reassign if reassign in taken else None,
            is_ended=is_recalculation or is_accepted,
        )
    if known.is_ended or is_accepted:  # accepted
        return replace(known, subject=about, is_ended=True)
    if known.subject != about:  # another priority: start again
        return TrackState(subject=about, counted_from=now)
    done = _last_taken(taken, EscalationTrack.ACCEPT)
    if done or not known.counted_from:  # a step was taken, or it is back from waiting
        return replace(known, counted_from=now, last_step=done or known.last_step)
    return known


def _due_state(
    ticket: Ticket, *, now: datetime, taken: set[EscalationStep], is_recalculation: bool
) -> TrackState | None:
    known = ticket.escalation_tracks.get(EscalationTrack.DUE)
    if ticket.status is Status.WAITING:
        return known
    if ticket.due_at is None:
        return None
    about = f"{_milliseconds(ticket.due_at)}/{_priority_value(ticket)}"
    if known is None or known.subject != about:
        is_ended = is_recalculation and ticket.due_at <= now
        return TrackState(subject=about, counted_from=now, is_ended=is_ended)
    return replace(known, last_step=_last_taken(taken, EscalationTrack.DUE) or known.last_step)


def _waiting_state(
    ticket: Ticket, *, now: datetime, taken: set[EscalationStep], events: Sequence[NewEvent]
) -> TrackState | None:
    """A further comment gives the requester the whole time again."""
    if ticket.status is not Status.WAITING:
        return None
    if any(event.field == COMMENTS_FIELD for event in events):
        return TrackState(subject="", counted_from=now)
    known = ticket.escalation_tracks.get(EscalationTrack.WAITING)
    done = _last_taken(taken, EscalationTrack.WAITING)
    if known and not done:
        return known
    return TrackState(subject="", counted_from=now, last_step=done)


def _answer_state(
    ticket: Ticket, *, now: datetime, taken: set[EscalationStep], events: Sequence[NewEvent]
) -> TrackState | None:
    """State until the requester reacts to a question or resolution in a request channel, by
    anything that they do with the ticket."""
    if ticket.status not in (Status.WAITING, Status.COMPLETED):
        return None
    said = (EventType.WAITING, EventType.RESOLVED)
    is_said = any(event.type in said and event.by != ticket.created_by for event in events)
    if is_said and requester_conversation(ticket):
        return TrackState(subject="", counted_from=now)
    known = ticket.escalation_tracks.get(EscalationTrack.ANSWER)
    if known is None or any(
        event.by == ticket.created_by or event.field in ("createdBy", "private") for event in events
    ):
        return None
    done = _last_taken(taken, EscalationTrack.ANSWER)
    return replace(known, last_step=done or known.last_step)


def _first_step(
    ticket: Ticket, tracks: TrackStates, track: EscalationTrack, policy: SlaPolicy
) -> ScheduledStep | None:
    return next(remaining_steps(ticket, tracks[track], track, policy), None)


def _earliest(steps: Iterable[ScheduledStep | None]) -> ScheduledStep | None:
    return min((step for step in steps if step), key=_STEP_TIME, default=None)


def _last_taken(taken: set[EscalationStep], track: EscalationTrack) -> EscalationStep | None:
    return next((step for step in reversed(track.steps) if step in taken), None)


def _priority_value(ticket: Ticket) -> str:
    return ticket.priority.value if ticket.priority else ""


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _step_at(
    delay: StepDelay,
    ticket: Ticket,
    since: datetime,
    previous: datetime | None,
    policy: SlaPolicy,
) -> datetime | None:
    """Return when a step is due on a track counted from `since`; `previous` is the time of the step
    before it. None if it is not taken."""
    match delay:
        case StepDelay.BEFORE_DUE:
            return _due_soon_at(ticket, since, policy)
        case StepDelay.DUE:
            return _missed_at(ticket, since)
        case StepDelay.ESCALATION_DELAY:
            return _after_escalation_delay(ticket, since, previous, policy)
    return _after(policy, since, _wait(delay, ticket, policy))


def _wait(delay: StepDelay, ticket: Ticket, policy: SlaPolicy) -> timedelta:
    """Return the delay as working time."""
    targets = policy.targets
    match delay:
        case StepDelay.ACCEPTANCE_TIME:
            return targets.acceptance_time(ticket.priority)
        case StepDelay.HALF_ACCEPTANCE_TIME:
            return targets.acceptance_time(ticket.priority) / 2
        case StepDelay.WAITING_DAYS:
            return targets.waiting_days * _day(policy.work_week)
        case StepDelay.AUTO_COMPLETE_DAYS:
            return targets.auto_complete_days * _day(policy.work_week)
        case _:
            return ANSWER_TIME


def _missed_at(ticket: Ticket, since: datetime) -> datetime | None:
    """A due time that had passed when it was set counts as missed from then on."""
    return max(ticket.due_at, since) if ticket.due_at else None


def _after_escalation_delay(
    ticket: Ticket, since: datetime, previous: datetime | None, policy: SlaPolicy
) -> datetime | None:
    if previous is None:  # the ticket is unassigned, so no one was reminded
        return _missed_at(ticket, since)
    is_urgent = ticket.priority is Priority.URGENT
    return _after(policy, previous, URGENT_ESCALATION_DELAY if is_urgent else ESCALATION_DELAY)


def _due_soon_at(ticket: Ticket, since: datetime, policy: SlaPolicy) -> datetime | None:
    """When a quarter of the time is left: of the whole target, even after a pause, or of the time
    since a user set the deadline. None if less than that was left from the start."""
    due = ticket.due_at
    if due is None:
        return None
    left = policy.work_week.working_time_between(since, min(due, since + MAX_WORKING_TIME_RANGE))
    # Outside business hours, or too far in the future to count each day.
    if left <= ZERO_DURATION or due - since > MAX_WORKING_TIME_RANGE:
        return since + (due - since) * (1 - DUE_SOON_FRACTION) if due > since else None
    total = left if due == ticket.deadline else policy.targets.resolution_time(ticket.priority)
    wait = left - total * DUE_SOON_FRACTION
    return _after(policy, since, wait) if wait > ZERO_DURATION else None


def _after(policy: SlaPolicy, start: datetime, wait: timedelta) -> datetime:
    """After that much working time, or elapsed time if the team never works."""
    try:
        return policy.work_week.add_working_time(start, wait) or start + wait
    except OverflowError:
        return start + wait


def _day(week: WorkWeek) -> timedelta:
    """The length of a working day."""
    start, end = (timedelta(hours=at.hour, minutes=at.minute) for at in (week.start, week.end))
    return end - start if end > start else end - start + timedelta(days=1)
