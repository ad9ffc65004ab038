"""When a ticket is due: the earlier of its deadline and its priority's target. Pure.

The deadline is set by people and never moves. The target's clock starts when the ticket is filed,
stops while it waits for its requester, and starts again when it is reopened; a deadline that had
passed by then was of the work that was done. A completed ticket keeps its due time.
"""

from collections.abc import Iterable
from datetime import datetime

from services.calendar.work_week import WorkWeek
from services.models.events import Event
from services.models.sla_clock import SlaClock
from services.models.ticket import Status, Ticket
from services.sla.targets import Targets


def clock_after_change(
    clock: SlaClock, before: Status | None, after: Status, *, now: datetime
) -> SlaClock:
    """The clock once the ticket has gone from one status to another at `now`; `before` is None for
    one that is filed. The predecessor's tickets have none until they are reopened."""
    if before is None or (after is Status.REOPENED and before is not Status.REOPENED):
        return SlaClock(running_since=now)
    if after in (Status.WAITING, Status.COMPLETED):
        return clock.stop(now)
    return clock.start(now) if clock.has_started else clock


def clock_from_events(events: Iterable[Event]) -> SlaClock:
    """The clock as the ticket's history tells it, for one that was filed without."""
    clock, status = SlaClock(), Status.TODO
    for event in events:
        if event.type == "filed":
            clock = clock_after_change(clock, None, status, now=event.at)
        elif event.field == "status" and event.to in set(Status):
            before, status = status, Status(event.to)
            clock = clock_after_change(clock, before, status, now=event.at)
    return clock


def due_at(ticket: Ticket, *, targets: Targets, week: WorkWeek) -> datetime | None:
    """When a ticket is due that has this clock (`target`), status, priority and deadline.

    None where nothing says so: it waits for its requester, or there is neither deadline nor
    target. Of one that waits only the deadline counts, also where its target was missed before.
    """
    if ticket.status is Status.COMPLETED:
        return ticket.due_at
    clock, target = ticket.sla_clock, None
    if clock and clock.running_since:
        target = clock.reaches_at(targets.resolution_time(ticket.priority), week)
    known = [at for at in (effective_deadline(ticket), target) if at]
    return min(known) if known else None


def effective_deadline(ticket: Ticket) -> datetime | None:
    """The deadline as far as it counts: else whoever reopens a ticket would make it days late."""
    begun = ticket.sla_clock.started_at if ticket.sla_clock else None
    passed = begun and ticket.deadline and ticket.deadline <= begun
    return None if passed else ticket.deadline
