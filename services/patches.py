"""Changes of a ticket by programs, which see no form: what they leave unsaid is filled in."""

from collections.abc import Mapping
from typing import Any

from services.clashes import Clashing
from services.database import Mongo
from services.edits import BUSY, TicketEdits
from services.errors import Conflict
from services.models import Status, Ticket
from services.permissions import Actor, Permission, require, require_sight
from services.tickets import load

TRIES = 5
# What the requester reads where a program says no more than the status.
MESSAGES = {
    Status.COMPLETED: "Marked as completed.",
    Status.WAITING: "The help desk needs to know more. Please write a comment.",
}


class Patches:
    def __init__(self, db: Mongo, edits: TicketEdits) -> None:
        self._db = db
        self._edits = edits

    def apply(self, *, actor: Actor, ticket_id: str, changes: Mapping[str, Any]) -> Ticket:
        """`TicketEdits.update` of the ticket as it is now: of two who write at once the later
        counts. Raises `NotFound` before `Denied`, because a requester knows of their own.

        A status alone does, too. Whoever puts a ticket that nobody has in progress has it.
        """
        for _ in range(TRIES):
            ticket = require_sight(actor, load(self._db, ticket_id))
            require(actor, Permission.WORK_ON_TICKETS)
            try:
                return self._edits.update(
                    actor=actor,
                    ticket_id=ticket_id,
                    seen_seq=ticket.seq,
                    changes=_filled_in(actor, ticket, changes),
                )
            except Clashing:  # changed since it was read
                continue
        raise Conflict(BUSY)


def _filled_in(actor: Actor, ticket: Ticket, changes: Mapping[str, Any]) -> dict[str, Any]:
    filled, status = dict(changes), changes.get("status")
    if status == ticket.status:
        return filled
    if status in MESSAGES:
        filled.setdefault("message", MESSAGES[Status(status)])
    waits = ticket.status in (Status.TODO, Status.REOPENED) and ticket.assigned_to is None
    if status == Status.IN_PROGRESS and waits:
        filled.setdefault("assignedTo", actor.user_id)
    return filled
