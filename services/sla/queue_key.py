"""The order in which open tickets are to be worked on, as a key stored with each. Pure.

Unassigned ones first, then by due time, by priority, and the oldest before the rest. The key is
a text whose order is that order, so that an index serves the queue and its pages.
"""

import re
from datetime import UTC, datetime, timedelta

from services.models.ticket import OPEN_STATUSES, Priority, Ticket
from services.sla.due import effective_deadline

QUEUE_KEY_FIELD = "queueKey"
QUEUE_KEY_PATTERN = re.compile(r"[01]-[0-9]{15}-[0-9]-[0-9]{15}")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 15  # of milliseconds: enough for the year 9999
_NEVER = "9" * _DIGITS
_RANKS = {Priority.URGENT: 0, Priority.HIGH: 1, Priority.MEDIUM: 2, Priority.LOW: 3, None: 4}


def queue_key(ticket: Ticket) -> str | None:
    """The ticket's place among those that are open; None for one that is done."""
    if ticket.status not in OPEN_STATUSES:
        return None
    is_assigned = int(ticket.assigned_to is not None)
    at = ticket.due_at or effective_deadline(ticket)  # until its due time is worked out
    due = _milliseconds(at) if at else _NEVER
    # The predecessor's tickets without a date are older than all others.
    since = _milliseconds(ticket.created_at) if ticket.created_at else "0" * _DIGITS
    return f"{is_assigned}-{due}-{_RANKS[ticket.priority]}-{since}"


def queue_key_bound(due: datetime | None, *, is_assigned: bool) -> str:
    """Below it are the keys of those with or without an assignee that are due before; None: of all
    that are ever due."""
    return f"{int(is_assigned)}-{_milliseconds(due) if due else _NEVER}"


def _milliseconds(at: datetime) -> str:
    passed = max(at - _EPOCH, timedelta())  # nothing is due before 1970, and nothing was filed
    return f"{passed // timedelta(milliseconds=1):0{_DIGITS}d}"
