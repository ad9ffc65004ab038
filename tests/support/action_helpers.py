"""Helpers for the tests of ticket actions."""

from collections.abc import Callable
from typing import Any

import pytest

from services.core.database import Mongo
from services.core.errors import DomainError
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import reload

NOT_FOUND = "There is no such ticket, or you may not see it."


def by(user: User, ticket: Ticket) -> dict[str, Any]:
    """Return the arguments of a service method that say who acts on which ticket."""
    return {"actor": Actor.from_user(user), "ticket_id": str(ticket.id)}


def doc_of(db: Mongo, ticket: Ticket) -> dict[str, Any]:
    found = db.tickets.find_one({"_id": ticket.id})
    assert found is not None
    return found


def put(db: Mongo, ticket: Ticket, **values: Any) -> Ticket:
    db.tickets.update_one({"_id": ticket.id}, {"$set": values})
    return reload(db, ticket)


def in_progress(db: Mongo, ticket: Ticket, assignee: User) -> Ticket:
    return put(db, ticket, status="IN_PROGRESS", assignedTo=assignee.id)


def refusal(kind: type[DomainError], call: Callable[..., Any], *args: Any, **fields: Any) -> str:
    with pytest.raises(kind) as refused:
        call(*args, **fields)
    return str(refused.value)


def last_events(ticket: Ticket, count: int) -> list[tuple[Any, ...]]:
    return [
        (event.type, event.by, event.field, event.from_, event.to, event.note)
        for event in ticket.events[-count:]
    ]
