"""What a ticket stores about its time, computed again with every change: the clock of its target,
its due time, its escalation schedule and its place in the queue. Pure.

A ticket is due at the earlier of its deadline and its priority's target. Users set the deadline,
and it never moves. The target's clock starts when the ticket is filed, stops while it waits for its
requester, and starts again from zero when it is reopened. A completed ticket keeps its due time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.calendar.work_week import WorkWeek
from services.core.database import Document
from services.models.events import Event, NewEvent
from services.models.sla_clock import SlaClock
from services.models.ticket import Priority, Status, Ticket
from services.sla.escalation_schedule import NEXT_STEP_FIELD, build_schedule
from services.sla.policy import SlaPolicy, Targets
from services.sla.queue_key import QUEUE_KEY_FIELD, effective_deadline, queue_key

# The stored names are older than the attributes.
DUE_AT_FIELD = "dueAt"
SLA_CLOCK_FIELD = "target"
TRACKS_FIELD = "ladders"
# These are all written together, by `Timing` only.
TIMING_FIELDS = (DUE_AT_FIELD, SLA_CLOCK_FIELD, NEXT_STEP_FIELD, TRACKS_FIELD, QUEUE_KEY_FIELD)


@dataclass(frozen=True, slots=True)
class Timing:
    """The values of `TIMING_FIELDS` to set, and those of the fields to unset."""

    values: Document
    removed: tuple[str, ...]


def clock_after_change(
    clock: SlaClock, before: Status | None, after: Status, *, now: datetime
) -> SlaClock:
    """Return the clock after a status change at `now`; `before` is None for a new ticket.

    A legacy ticket has no running clock until it is reopened.
    """
    if before is None or (after is Status.REOPENED and before is not Status.REOPENED):
        return SlaClock(running_since=now)
    if after in (Status.WAITING, Status.COMPLETED):
        return clock.stop(now)
    return clock.start(now) if clock.has_started else clock


def clock_from_events(events: Iterable[Event]) -> SlaClock:
    """Return the clock of a ticket that was stored without one, from its history."""
    clock, status = SlaClock(), Status.TODO
    for event in events:
        if event.type == "filed":
            clock = clock_after_change(clock, None, status, now=event.at)
        elif event.field == "status" and event.to in set(Status):
            before, status = status, Status(event.to)
            clock = clock_after_change(clock, before, status, now=event.at)
    return clock


def due_at(ticket: Ticket, *, targets: Targets, week: WorkWeek) -> datetime | None:
    """Return when the ticket is due, from its clock, status, priority and deadline.

    None without a deadline if the clock is stopped: while the ticket waits for its requester, only
    the deadline counts, even if the target was missed before.
    """
    if ticket.status is Status.COMPLETED:
        return ticket.due_at
    clock, target = ticket.sla_clock, None
    if clock and clock.running_since:
        target = clock.reaches_at(targets.resolution_time(ticket.priority), week)
    known = [at for at in (effective_deadline(ticket), target) if at]
    return min(known) if known else None


def compute_timing(
    ticket: Ticket,
    *,
    values: Mapping[str, Any],
    remove: Sequence[str],
    policy: SlaPolicy,
    now: datetime,
    events: Sequence[NewEvent] = (),
) -> Timing:
    """Return the timing of a ticket after a change: stored fields get `values`, those in `remove`
    are unset. `events` are the events of the change."""
    return _timing(_ticket_with(ticket, values, remove), ticket.status, policy, now, events)


def timing_for_new_ticket(ticket: Ticket, *, policy: SlaPolicy, now: datetime) -> Timing:
    return _timing(ticket, None, policy, now)


def recompute_timing(ticket: Ticket, *, policy: SlaPolicy, now: datetime) -> Timing:
    """Return the timing of an unchanged ticket, read with its events: by a new policy, or for the
    first time."""
    known = ticket.sla_clock or clock_from_events(ticket.events)
    return _timing(
        replace(ticket, sla_clock=known), ticket.status, policy, now, is_recalculation=True
    )


def _timing(
    ticket: Ticket,
    before: Status | None,
    policy: SlaPolicy,
    now: datetime,
    events: Sequence[NewEvent] = (),
    *,
    is_recalculation: bool = False,
) -> Timing:
    """`ticket` has its new values, except for the timing fields."""
    known = _known_clock(ticket)
    if known or before is None:
        clock = clock_after_change(known or SlaClock(), before, ticket.status, now=now)
        ticket = replace(ticket, sla_clock=replace(clock, policy_fingerprint=policy.fingerprint))
    ticket = replace(ticket, due_at=due_at(ticket, targets=policy.targets, week=policy.work_week))
    escalation = build_schedule(
        ticket, policy=policy, now=now, events=events, is_recalculation=is_recalculation
    )
    tracks = {track.value: state.to_doc() for track, state in escalation.tracks.items()}
    fields: Document = {
        DUE_AT_FIELD: ticket.due_at,
        SLA_CLOCK_FIELD: ticket.sla_clock.to_doc() if ticket.sla_clock else None,
        NEXT_STEP_FIELD: escalation.next_step.to_doc() if escalation.next_step else None,
        TRACKS_FIELD: tracks or None,
        QUEUE_KEY_FIELD: queue_key(ticket),
    }
    present = {field: value for field, value in fields.items() if value is not None}
    return Timing(present, tuple(field for field in TIMING_FIELDS if field not in present))


def _known_clock(ticket: Ticket) -> SlaClock | None:
    """Return None if the ticket has no clock and was read without its events: a job computes it
    later (services/sla/recompute.py)."""
    if ticket.sla_clock or ticket.events or not ticket.seq:
        return ticket.sla_clock or clock_from_events(ticket.events)
    return None


def _ticket_with(ticket: Ticket, values: Mapping[str, Any], remove: Sequence[str]) -> Ticket:
    def then(field: str, now: Any) -> Any:
        return None if field in remove else values.get(field, now)

    priority, assigned_at = then("priority", ticket.priority), values.get("assignment.at")
    return replace(
        ticket,
        status=Status(values.get("status", ticket.status)),
        assigned_to=then("assignedTo", ticket.assigned_to),
        accepted_at=then("acceptedAt", ticket.accepted_at),
        deadline=then("deadline", ticket.deadline),
        priority=Priority(priority) if priority else None,
        assignment={**ticket.assignment, **({"at": assigned_at} if assigned_at else {})},
    )
