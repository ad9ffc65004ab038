"""What a ticket keeps by the clock, worked out anew with every change of it: the clock of its
target, its due time, and its place in the queue. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.core.database import Document
from services.models.sla_clock import SlaClock
from services.models.ticket import Priority, Status, Ticket
from services.sla.due import clock_after_change, clock_from_events, due_at
from services.sla.escalation_schedule import EventLike, build_schedule
from services.sla.policy import SlaPolicy
from services.sla.queue_key import QUEUE_KEY_FIELD, queue_key

DUE_AT_FIELD, SLA_CLOCK_FIELD, SCHEDULED_STEP_FIELD, TRACKS_FIELD = (
    "dueAt",
    "target",
    "alarm",
    "ladders",
)
# All of these are set or taken away together.
TIMING_FIELDS = (DUE_AT_FIELD, SLA_CLOCK_FIELD, SCHEDULED_STEP_FIELD, TRACKS_FIELD, QUEUE_KEY_FIELD)


@dataclass(frozen=True, slots=True)
class Timing:
    """`values` to set and fields that are `removed`; nothing else may change any of
    `TIMING_FIELDS`."""

    values: Document
    removed: tuple[str, ...]


def compute_timing(
    ticket: Ticket,
    *,
    values: Mapping[str, Any],
    remove: Sequence[str],
    policy: SlaPolicy,
    now: datetime,
    events: Sequence[EventLike] = (),
) -> Timing:
    """For a ticket that gets those `values` and loses those fields, by stored name; `events` tell
    of that."""
    return _timing(_ticket_with(ticket, values, remove), ticket.status, policy, now, events)


def timing_for_new_ticket(ticket: Ticket, *, policy: SlaPolicy, now: datetime) -> Timing:
    """For one that is filed at `now`."""
    return _timing(ticket, None, policy, now)


def recompute_timing(ticket: Ticket, *, policy: SlaPolicy, now: datetime) -> Timing:
    """For one that has not changed, with its history: by other rules, or for the first time."""
    known = ticket.sla_clock or clock_from_events(ticket.events)
    return _timing(
        replace(ticket, sla_clock=known), ticket.status, policy, now, is_recalculation=True
    )


def _timing(
    ticket: Ticket,
    before: Status | None,
    policy: SlaPolicy,
    now: datetime,
    events: Sequence[EventLike] = (),
    *,
    is_recalculation: bool = False,
) -> Timing:
    """`ticket` as it will be, but for what this says."""
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
        SCHEDULED_STEP_FIELD: escalation.next_step.to_doc() if escalation.next_step else None,
        TRACKS_FIELD: tracks or None,
        QUEUE_KEY_FIELD: queue_key(ticket),
    }
    present = {field: value for field, value in fields.items() if value is not None}
    return Timing(present, tuple(field for field in TIMING_FIELDS if field not in present))


def _known_clock(ticket: Ticket) -> SlaClock | None:
    """None where it was never kept, and the ticket was read without its history: the jobs' sweep
    will work it out (services/sla/recompute.py)."""
    if ticket.sla_clock or ticket.events or not ticket.seq:
        return ticket.sla_clock or clock_from_events(ticket.events)
    return None


def _ticket_with(ticket: Ticket, values: Mapping[str, Any], remove: Sequence[str]) -> Ticket:
    def then(field: str, now: Any) -> Any:
        return None if field in remove else values.get(field, now)

    priority = then("priority", ticket.priority)
    return replace(
        ticket,
        status=Status(values.get("status", ticket.status)),
        assigned_to=then("assignedTo", ticket.assigned_to),
        accepted_at=then("acceptedAt", ticket.accepted_at),
        deadline=then("deadline", ticket.deadline),
        priority=Priority(priority) if priority else None,
        assignment={**ticket.assignment, **_assigned(values)},
    )


def _assigned(values: Mapping[str, Any]) -> Document:
    at = values.get("assignment.at")
    return {"at": at} if at else {}
