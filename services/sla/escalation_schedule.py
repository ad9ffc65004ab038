"""When something happens to a ticket by the clock. Pure.

Not accepted in time: its assignee is reminded, then the next candidate gets it, then the triage
channel hears of it, then the admins; each step is counted from the one before, so that everybody
had their chance. Not done in time: its assignee is told when a quarter of the time is left and when
it is missed, then the triage channel, then the admins, each counted from the due time. Waiting for
its requester: they are asked once more, then it is completed.

All of this stands still or ends with the status. Another assignment, priority or due time begins
its steps anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from types import MappingProxyType
from typing import Protocol

from bson import ObjectId

from services.core.coerce import as_datetime
from services.models.escalation_track import (
    EscalationStep,
    EscalationTrack,
    ScheduledStep,
    TrackState,
    TrackStates,
)
from services.models.ticket import Status, Ticket
from services.sla.escalation_times import remaining_steps
from services.sla.policy import SlaPolicy

# An event with this as its field tells of a step, by its kind.
NEXT_STEP_FIELD = "alarm"

# The field of events that tell of what people write to each other about it.
COMMENTS_FIELD = "comments"

_NOTHING_POSTPONED: Mapping[EscalationTrack, datetime] = MappingProxyType({})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IN_WORK = frozenset({Status.IN_PROGRESS, Status.REOPENED})


class EventLike(Protocol):
    """What of an event counts here."""

    @property
    def by(self) -> ObjectId | str: ...
    @property
    def field(self) -> str | None: ...
    @property
    def to(self) -> object: ...


@dataclass(frozen=True, slots=True)
class EscalationSchedule:
    """What a ticket is to keep of it."""

    next_step: ScheduledStep | None
    tracks: TrackStates


NO_SCHEDULE = EscalationSchedule(None, MappingProxyType({}))


def build_schedule(
    ticket: Ticket,
    *,
    policy: SlaPolicy,
    now: datetime,
    events: Sequence[EventLike] = (),
    is_recalculation: bool = False,
) -> EscalationSchedule:
    """The schedule for a ticket with its new values, and with its tracks as they were.

    `events` are those of the change; what its assignee does counts as accepting it.
    `is_recalculation`: nothing has changed, the ticket is looked at for the first time or by
    another policy. Then no one is notified of what was late already.
    """
    if ticket.status is Status.COMPLETED:
        return NO_SCHEDULE
    taken = {EscalationStep(str(event.to)) for event in events if event.field == NEXT_STEP_FIELD}
    by_assignee = any(event.by == ticket.assigned_to for event in events)
    found = {
        EscalationTrack.ACCEPT: _accept_state(
            ticket, now=now, taken=taken, is_accepted=by_assignee, is_recalculation=is_recalculation
        ),
        EscalationTrack.DUE: _due_state(
            ticket, now=now, taken=taken, is_recalculation=is_recalculation
        ),
        EscalationTrack.WAITING: _waiting_state(ticket, now=now, taken=taken, events=events),
    }
    tracks = {track: state for track, state in found.items() if state}
    return EscalationSchedule(_first_step_of_all(ticket, tracks, policy), tracks)


def next_scheduled_step(
    ticket: Ticket,
    *,
    policy: SlaPolicy,
    postponed: Mapping[EscalationTrack, datetime] = _NOTHING_POSTPONED,
) -> ScheduledStep | None:
    """The next step of a ticket whose tracks are up to date. `postponed` are tracks whose next step
    is put off until then."""
    next_step = _first_step_of_all(
        ticket,
        {f: state for f, state in ticket.escalation_tracks.items() if f not in postponed},
        policy,
    )
    put_off = [
        replace(first, at=max(first.at, until))
        for track, until in postponed.items()
        if (first := _first_step(ticket, ticket.escalation_tracks, track, policy))
    ]
    return min([*put_off, *([next_step] if next_step else [])], key=_step_time, default=None)


def due_steps(ticket: Ticket, *, policy: SlaPolicy, now: datetime) -> list[ScheduledStep]:
    """The step of each track to take now, the longest overdue first. If several steps of a track
    are overdue, after a pause of the jobs, it is the last: no one is notified twice at once."""
    due = []
    for track, state in ticket.escalation_tracks.items():
        overdue = list(
            takewhile(lambda a: a.at <= now, remaining_steps(ticket, state, track, policy))
        )
        due += overdue[-1:]
    return sorted(due, key=_step_time)


def is_current_step(ticket: Ticket, step: EscalationStep) -> bool:
    """Whether the ticket is still as it was when that step was taken: no step followed, and it was
    not accepted, done, reassigned or given another due time."""
    state = ticket.escalation_tracks.get(step.track)
    is_paused = ticket.status is Status.WAITING and step.track is not EscalationTrack.WAITING
    return state is not None and state.last_step is step and not state.is_ended and not is_paused


def _accept_state(
    ticket: Ticket,
    *,
    now: datetime,
    taken: set[EscalationStep],
    is_accepted: bool,
    is_recalculation: bool,
) -> TrackState | None:
    known = ticket.escalation_tracks.get(EscalationTrack.ACCEPT)
    if ticket.status is Status.WAITING and known:  # and counted anew when it is back
        return TrackState(known.subject, None, known.last_step, known.is_ended or is_accepted)
    at = as_datetime(ticket.assignment.get("at"))
    if ticket.status not in _IN_WORK or not ticket.assigned_to or ticket.accepted_at or not at:
        return None
    assignment = f"{ticket.assigned_to}@{_milliseconds(at)}"
    about = f"{assignment}/{_priority_value(ticket)}"
    if known is None or known.subject.partition("/")[0] != assignment:
        last_step = (
            EscalationStep.ACCEPT_REASSIGN if EscalationStep.ACCEPT_REASSIGN in taken else None
        )
        return TrackState(about, now, last_step, is_ended=is_recalculation or is_accepted)
    if known.is_ended or is_accepted:
        return TrackState(about, known.counted_from, known.last_step, is_ended=True)
    if known.subject != about:
        return TrackState(about, now)
    done = _last_taken(taken, EscalationTrack.ACCEPT)
    return TrackState(
        about,
        now if done or not known.counted_from else known.counted_from,
        done or known.last_step,
    )


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
        return TrackState(about, now, is_ended=is_recalculation and ticket.due_at <= now)
    return TrackState(
        about,
        known.counted_from,
        _last_taken(taken, EscalationTrack.DUE) or known.last_step,
        known.is_ended,
    )


def _waiting_state(
    ticket: Ticket, *, now: datetime, taken: set[EscalationStep], events: Sequence[EventLike]
) -> TrackState | None:
    """Who is written to again has all the time again."""
    if ticket.status is not Status.WAITING:
        return None
    if any(event.field == COMMENTS_FIELD for event in events):
        return TrackState("", now)
    known = ticket.escalation_tracks.get(EscalationTrack.WAITING) or TrackState("", now)
    done = _last_taken(taken, EscalationTrack.WAITING)
    return TrackState("", now, done) if done else known


def _first_step_of_all(
    ticket: Ticket, tracks: TrackStates, policy: SlaPolicy
) -> ScheduledStep | None:
    """The first step of all tracks."""
    firsts = (_first_step(ticket, tracks, track, policy) for track in tracks)
    return min((step for step in firsts if step), key=_step_time, default=None)


def _first_step(
    ticket: Ticket, tracks: TrackStates, track: EscalationTrack, policy: SlaPolicy
) -> ScheduledStep | None:
    state = tracks.get(track)
    return next(remaining_steps(ticket, state, track, policy), None) if state else None


def _step_time(step: ScheduledStep) -> datetime:
    return step.at


def _last_taken(taken: set[EscalationStep], track: EscalationTrack) -> EscalationStep | None:
    return next((kind for kind in reversed(track.steps) if kind in taken), None)


def _priority_value(ticket: Ticket) -> str:
    return ticket.priority.value if ticket.priority else ""


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
