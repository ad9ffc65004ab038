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
    Ladders,
    ScheduledStep,
    TrackState,
)
from services.models.ticket import Status, Ticket
from services.sla.escalation_times import steps
from services.sla.policy import SlaPolicy

# An event with this as its field tells of a step, by its kind.
NEXT_STEP_FIELD = "alarm"

# The field of events that tell of what people write to each other about it.
CONVERSATION = "comments"

_NOTHING_HELD: Mapping[EscalationTrack, datetime] = MappingProxyType({})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IN_WORK = frozenset({Status.IN_PROGRESS, Status.REOPENED})


class Told(Protocol):
    """What of an event counts here."""

    @property
    def by(self) -> ObjectId | str: ...
    @property
    def field(self) -> str | None: ...
    @property
    def to(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a ticket is to keep of it."""

    alarm: ScheduledStep | None
    ladders: Ladders


NO_SCHEDULE = Schedule(None, MappingProxyType({}))


def schedule(
    ticket: Ticket,
    *,
    rules: SlaPolicy,
    now: datetime,
    events: Sequence[Told] = (),
    is_found: bool = False,
) -> Schedule:
    """For a ticket as it will be but for this, with its ladders as they were.

    `events` are those of the change; what its assignee does is as good as accepting it.
    `is_found`: nothing has changed, it is looked at for the first time or by other rules. Then
    nobody is told of what was late already.
    """
    if ticket.status is Status.COMPLETED:
        return NO_SCHEDULE
    taken = {EscalationStep(str(event.to)) for event in events if event.field == NEXT_STEP_FIELD}
    by_assignee = any(event.by == ticket.assigned_to for event in events)
    found = {
        EscalationTrack.ACCEPT: _to_accept(
            ticket, now=now, taken=taken, is_accepted=by_assignee, is_found=is_found
        ),
        EscalationTrack.DUE: _to_do(ticket, now=now, taken=taken, is_found=is_found),
        EscalationTrack.WAITING: _to_answer(ticket, now=now, taken=taken, events=events),
    }
    ladders = {family: ladder for family, ladder in found.items() if ladder}
    return Schedule(_next(ticket, ladders, rules), ladders)


def next_alarm(
    ticket: Ticket, *, rules: SlaPolicy, held: Mapping[EscalationTrack, datetime] = _NOTHING_HELD
) -> ScheduledStep | None:
    """The next step of a ticket whose ladders are up to date. `held` are ladders whose next step
    is put off until then."""
    alarm = _next(
        ticket, {f: ladder for f, ladder in ticket.ladders.items() if f not in held}, rules
    )
    put_off = [
        replace(first, at=max(first.at, until))
        for family, until in held.items()
        if (first := _first(ticket, ticket.ladders, family, rules))
    ]
    return min([*put_off, *([alarm] if alarm else [])], key=_at, default=None)


def steps_due(ticket: Ticket, *, rules: SlaPolicy, now: datetime) -> list[ScheduledStep]:
    """The step of each ladder to take now, the longest overdue first. Of several steps of one that
    are overdue, after a pause of the jobs, it is the last: nobody is told twice at once."""
    due = []
    for family, ladder in ticket.ladders.items():
        overdue = list(takewhile(lambda a: a.at <= now, steps(ticket, ladder, family, rules)))
        due += overdue[-1:]
    return sorted(due, key=_at)


def stands(ticket: Ticket, kind: EscalationStep) -> bool:
    """Whether it is still so as it was when that step was taken: none followed, and it was not
    accepted, done, given to somebody else or moved to another time."""
    ladder = ticket.ladders.get(kind.family)
    is_paused = ticket.status is Status.WAITING and kind.family is not EscalationTrack.WAITING
    return ladder is not None and ladder.done is kind and not ladder.ended and not is_paused


def _to_accept(
    ticket: Ticket, *, now: datetime, taken: set[EscalationStep], is_accepted: bool, is_found: bool
) -> TrackState | None:
    known = ticket.ladders.get(EscalationTrack.ACCEPT)
    if ticket.status is Status.WAITING and known:  # and counted anew when it is back
        return TrackState(known.about, None, known.done, known.ended or is_accepted)
    at = as_datetime(ticket.assignment.get("at"))
    if ticket.status not in _IN_WORK or not ticket.assigned_to or ticket.accepted_at or not at:
        return None
    assignment = f"{ticket.assigned_to}@{_milliseconds(at)}"
    about = f"{assignment}/{_word(ticket)}"
    if known is None or known.about.partition("/")[0] != assignment:
        given_on = EscalationStep.ACCEPT_NEXT if EscalationStep.ACCEPT_NEXT in taken else None
        return TrackState(about, now, given_on, ended=is_found or is_accepted)
    if known.ended or is_accepted:
        return TrackState(about, known.since, known.done, ended=True)
    if known.about != about:
        return TrackState(about, now)
    done = _last(taken, EscalationTrack.ACCEPT)
    return TrackState(about, now if done or not known.since else known.since, done or known.done)


def _to_do(
    ticket: Ticket, *, now: datetime, taken: set[EscalationStep], is_found: bool
) -> TrackState | None:
    known = ticket.ladders.get(EscalationTrack.DUE)
    if ticket.status is Status.WAITING:
        return known
    if ticket.due_at is None:
        return None
    about = f"{_milliseconds(ticket.due_at)}/{_word(ticket)}"
    if known is None or known.about != about:
        return TrackState(about, now, ended=is_found and ticket.due_at <= now)
    return TrackState(
        about, known.since, _last(taken, EscalationTrack.DUE) or known.done, known.ended
    )


def _to_answer(
    ticket: Ticket, *, now: datetime, taken: set[EscalationStep], events: Sequence[Told]
) -> TrackState | None:
    """Who is written to again has all the time again."""
    if ticket.status is not Status.WAITING:
        return None
    if any(event.field == CONVERSATION for event in events):
        return TrackState("", now)
    known = ticket.ladders.get(EscalationTrack.WAITING) or TrackState("", now)
    done = _last(taken, EscalationTrack.WAITING)
    return TrackState("", now, done) if done else known


def _next(ticket: Ticket, ladders: Ladders, rules: SlaPolicy) -> ScheduledStep | None:
    """The first step of all ladders."""
    firsts = (_first(ticket, ladders, family, rules) for family in ladders)
    return min((alarm for alarm in firsts if alarm), key=_at, default=None)


def _first(
    ticket: Ticket, ladders: Ladders, family: EscalationTrack, rules: SlaPolicy
) -> ScheduledStep | None:
    ladder = ladders.get(family)
    return next(steps(ticket, ladder, family, rules), None) if ladder else None


def _at(alarm: ScheduledStep) -> datetime:
    return alarm.at


def _last(taken: set[EscalationStep], family: EscalationTrack) -> EscalationStep | None:
    return next((kind for kind in reversed(family.steps) if kind in taken), None)


def _word(ticket: Ticket) -> str:
    return ticket.priority.value if ticket.priority else ""


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
