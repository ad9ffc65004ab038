"""What a ticket keeps by the clock, worked out anew with every change of it: the clock of its
target, its due time, and its place in the queue. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.core.database import Document
from services.models.sla_clock import TargetClock
from services.models.ticket import Priority, Status, Ticket
from services.sla.due import clock_after, clock_of, due_at
from services.sla.escalation_schedule import Told, schedule
from services.sla.policy import SlaPolicy
from services.sla.queue_key import QUEUE_KEY_FIELD, queue_key

DUE_AT, TARGET, ALARM, LADDERS = "dueAt", "target", "alarm", "ladders"
# All of these are set or taken away together.
FIELDS = (DUE_AT, TARGET, ALARM, LADDERS, QUEUE_KEY_FIELD)


@dataclass(frozen=True, slots=True)
class Timing:
    """`values` to set and fields that are `gone`; nothing else is to change any of `FIELDS`."""

    values: Document
    gone: tuple[str, ...]


def timing(
    ticket: Ticket,
    *,
    values: Mapping[str, Any],
    remove: Sequence[str],
    rules: SlaPolicy,
    now: datetime,
    events: Sequence[Told] = (),
) -> Timing:
    """For a ticket that gets those `values` and loses those fields, by stored name; `events` tell
    of that."""
    return _timing(_after(ticket, values, remove), ticket.status, rules, now, events)


def timing_of_new(ticket: Ticket, *, rules: SlaPolicy, now: datetime) -> Timing:
    """For one that is filed at `now`."""
    return _timing(ticket, None, rules, now)


def timing_again(ticket: Ticket, *, rules: SlaPolicy, now: datetime) -> Timing:
    """For one that has not changed, with its history: by other rules, or for the first time."""
    known = ticket.target or clock_of(ticket.events)
    return _timing(replace(ticket, target=known), ticket.status, rules, now, is_found=True)


def _timing(
    ticket: Ticket,
    before: Status | None,
    rules: SlaPolicy,
    now: datetime,
    events: Sequence[Told] = (),
    *,
    is_found: bool = False,
) -> Timing:
    """`ticket` as it will be, but for what this says."""
    known = _known_clock(ticket)
    if known or before is None:
        clock = clock_after(known or TargetClock(), before, ticket.status, now=now)
        ticket = replace(ticket, target=replace(clock, rules=rules.mark))
    ticket = replace(ticket, due_at=due_at(ticket, targets=rules.targets, week=rules.week))
    planned = schedule(ticket, rules=rules, now=now, events=events, is_found=is_found)
    ladders = {family.value: ladder.to_doc() for family, ladder in planned.ladders.items()}
    kept: Document = {
        DUE_AT: ticket.due_at,
        TARGET: ticket.target.to_doc() if ticket.target else None,
        ALARM: planned.alarm.to_doc() if planned.alarm else None,
        LADDERS: ladders or None,
        QUEUE_KEY_FIELD: queue_key(ticket),
    }
    held = {field: value for field, value in kept.items() if value is not None}
    return Timing(held, tuple(field for field in FIELDS if field not in held))


def _known_clock(ticket: Ticket) -> TargetClock | None:
    """None where it was never kept, and the ticket was read without its history: the jobs' sweep
    will work it out (services/sla/recompute.py)."""
    if ticket.target or ticket.events or not ticket.seq:
        return ticket.target or clock_of(ticket.events)
    return None


def _after(ticket: Ticket, values: Mapping[str, Any], remove: Sequence[str]) -> Ticket:
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
