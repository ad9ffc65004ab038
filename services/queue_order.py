"""The order in which open tickets are to be worked on, as a key stored with each. Pure.

Unassigned ones first, then by due date, by priority, and the oldest before the rest. The key is
a text whose order is that order, so that an index serves the queue and its pages.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.models import OPEN_STATUSES, Priority, Status, Ticket

FIELD = "queueKey"
KEY = re.compile(r"[01]-[0-9]{15}-[0-9]-[0-9]{15}")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 15  # of milliseconds: enough for the year 9999
_NEVER = "9" * _DIGITS
_RANKS = {Priority.URGENT: 0, Priority.HIGH: 1, Priority.MEDIUM: 2, Priority.LOW: 3, None: 4}


def queue_key(ticket: Ticket) -> str | None:
    """The ticket's place among those that are open; None for one that is done."""
    if ticket.status not in OPEN_STATUSES:
        return None
    is_assigned = int(ticket.assigned_to is not None)
    due = _milliseconds(ticket.deadline) if ticket.deadline else _NEVER
    # The predecessor's tickets without a date are older than all others.
    since = _milliseconds(ticket.created_at) if ticket.created_at else "0" * _DIGITS
    return f"{is_assigned}-{due}-{_RANKS[ticket.priority]}-{since}"


def key_after(ticket: Ticket, values: Mapping[str, Any], remove: Sequence[str]) -> str | None:
    """`queue_key` of the ticket once `values` are set and `remove` are gone, by stored name."""

    def then(field: str, now: Any) -> Any:
        return None if field in remove else values.get(field, now)

    priority = then("priority", ticket.priority)
    return queue_key(
        replace(
            ticket,
            status=Status(values.get("status", ticket.status)),
            assigned_to=then("assignedTo", ticket.assigned_to),
            deadline=then("deadline", ticket.deadline),
            priority=Priority(priority) if priority else None,
        )
    )


def _milliseconds(at: datetime) -> str:
    passed = max(at - _EPOCH, timedelta())  # nothing is due before 1970, and nothing was filed
    return f"{passed // timedelta(milliseconds=1):0{_DIGITS}d}"
