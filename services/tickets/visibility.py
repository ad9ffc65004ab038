"""What a requester may read of their ticket: what the table of fields allows, and nothing else."""

from collections.abc import Iterable
from dataclasses import MISSING, fields, replace
from typing import Any

from services.models.events import Event, EventType, is_next_of_change
from services.models.ticket import Ticket
from services.tickets.fields import FIELDS, Access
from services.tickets.transitions import is_queued_unassigned

_NAMES = {name for name, field in FIELDS.items() if field.seen_by is Access.ALL}
_ATTRIBUTES = {FIELDS[name].attribute for name in _NAMES} - {""}
# Escalation, internal notes, and who declined the ticket are for the staff.
_EVENT_TYPES = frozenset(
    {
        EventType.FILED,
        EventType.EDITED,
        EventType.ANALYSED,
        EventType.ASSIGNED,
        EventType.NOBODY_AVAILABLE,
        EventType.STATUS_CHANGED,
        EventType.RESOLVED,
        EventType.ACCEPTED,
        EventType.WAITING,
        EventType.ANSWERED,
        EventType.CANCELLED,
        EventType.REOPENED,
        EventType.COMMENTED,
        EventType.COMMENT_EDITED,
        EventType.COMMENT_DELETED,
        EventType.UNANSWERED,
    }
)


_DEFAULTS = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(Ticket)
}


def hidden_from_requester(attributes: Iterable[str]) -> dict[str, Any]:
    """Return those of the attributes that a requester may not read, with their defaults."""
    return {name: _DEFAULTS[name] for name in attributes if name not in _ATTRIBUTES}


def for_requester(ticket: Ticket) -> Ticket:
    """Return the ticket with what its requester may read; every other field has its default."""
    visible: dict[str, Any] = {name: getattr(ticket, name) for name in _ATTRIBUTES}
    visible["assignment"] = {
        key: value for key, value in ticket.assignment.items() if f"assignment.{key}" in _NAMES
    }
    visible["comments"] = tuple(comment for comment in ticket.comments if not comment.internal)
    visible["events"] = tuple(
        replace(event, note=None) for event in ticket.events if _is_visible(ticket, event)
    )
    return Ticket(**visible)


def _is_visible(ticket: Ticket, event: Event) -> bool:
    if event.type not in _EVENT_TYPES or (event.field and event.field not in _NAMES):
        return False
    if event.type == EventType.STATUS_CHANGED:  # shown by its assignment
        before = (past for past in ticket.events if is_next_of_change(past, event))
        assigned = next((past for past in before if past.type == EventType.ASSIGNED), None)
        return assigned is None or _is_visible(ticket, assigned)
    if event.type == EventType.ASSIGNED:  # earlier assignees may have declined
        assignments = [past for past in ticket.events if past.type == EventType.ASSIGNED]
        return event == assignments[-1] and event.to == ticket.assigned_to
    return event.type != EventType.NOBODY_AVAILABLE or is_queued_unassigned(ticket)
