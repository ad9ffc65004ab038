"""The order of the queue of open tickets, as a sort key stored in each ticket. Pure.

Unassigned tickets come first, then the order is by due time, by priority, and by age. The key is a
text that sorts in this order, so that an index serves the queue and its pages. Other orders
(`Sort`) are computed from the key.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from services.core.database import Document
from services.models.ticket import OPEN_STATUSES, Priority, Ticket

QUEUE_KEY_FIELD = "queueKey"
QUEUE_KEY_PATTERN = re.compile(r"[01]-[0-9]{15}-[0-9]-[0-9]{15}")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 15  # of milliseconds: enough for the year 9999
_NEVER = "9" * _DIGITS


class Sort(StrEnum):
    """An order of open tickets."""

    DUE = "due"
    PRIORITY = "priority"
    AGE = "age"


# Where the parts of a key begin and end.
_DUE, _RANK, _SINCE = (2, 17), (18, 19), (20, 35)
# The parts that decide, the first one first. Equal parts leave tickets in the order of their ids.
_SORT_PARTS: Mapping[Sort, tuple[tuple[int, int], ...]] = {
    Sort.DUE: (_DUE, _RANK, _SINCE),
    Sort.PRIORITY: (_RANK, _DUE, _SINCE),
    Sort.AGE: (_SINCE,),
}
_RANKS = {Priority.URGENT: 0, Priority.HIGH: 1, Priority.MEDIUM: 2, Priority.LOW: 3, None: 4}


def queue_key(ticket: Ticket) -> str | None:
    """Return the ticket's sort key, None for a completed ticket."""
    if ticket.status not in OPEN_STATUSES:
        return None
    is_assigned = int(ticket.assigned_to is not None)
    at = ticket.due_at or effective_deadline(ticket)  # the deadline until the due time is computed
    due = _milliseconds(at) if at else _NEVER
    # A legacy ticket without a creation date counts as the oldest.
    since = _milliseconds(ticket.created_at) if ticket.created_at else "0" * _DIGITS
    return f"{is_assigned}-{due}-{_RANKS[ticket.priority]}-{since}"


def sort_key(key: str, sort: Sort) -> str:
    """Return the text by which a ticket with that queue key is sorted."""
    return "".join(key[begin:end] for begin, end in _SORT_PARTS[sort])


def sort_key_expression(sort: Sort) -> Document:
    """Return `sort_key` as an expression of an aggregation."""
    parts = _SORT_PARTS[sort]
    field = f"${QUEUE_KEY_FIELD}"
    return {"$concat": [{"$substrCP": [field, begin, end - begin]} for begin, end in parts]}


def queue_key_bound(due: datetime | None, *, is_assigned: bool) -> str:
    """Upper bound of the keys of tickets due before `due`; if None, of all with a due time."""
    return f"{int(is_assigned)}-{_milliseconds(due) if due else _NEVER}"


def effective_deadline(ticket: Ticket) -> datetime | None:
    """Return the deadline, or None if it had passed when the target's clock last started: a ticket
    that is reopened after its deadline would be days late immediately."""
    begun = ticket.sla_clock.started_at if ticket.sla_clock else None
    passed = begun and ticket.deadline and ticket.deadline <= begun
    return None if passed else ticket.deadline


def _milliseconds(at: datetime) -> str:
    passed = max(at - _EPOCH, timedelta())  # earlier dates sort as 1970
    return f"{passed // timedelta(milliseconds=1):0{_DIGITS}d}"
