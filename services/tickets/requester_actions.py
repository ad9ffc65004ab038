"""What a requester says of a ticket that has waited for them: it is solved, or it is not."""

from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import Conflict, PermissionDenied
from services.core.optimistic_retry import retry_on_conflict
from services.models.events import EventType
from services.models.permissions import Actor, Permission, require_permission, require_visible
from services.models.ticket import Status, Ticket
from services.outbox import pending
from services.tickets import ticket_store, transitions
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.lifecycle import completed_by, stale_message
from services.tickets.queries import load_ticket

SOLVED_BY_REQUESTER = "Its requester says that it is solved."
STILL_A_PROBLEM = "It is still a problem."


class RequesterActions:
    """Neither is refused if the ticket has changed since the question was sent: both are true
    anyway."""

    def __init__(
        self,
        db: Mongo,
        ticket_actions: TicketActions,
        comments: CommentService,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._ticket_actions = ticket_actions
        self._comments = comments
        self._clock = clock

    def confirm_solved(self, *, actor: Actor, ticket_id: str) -> Ticket:
        """Complete it. Raises `Conflict` where somebody else has."""
        require_permission(actor, Permission.SEE_OWN_TICKET)

        def attempt() -> Ticket | None:
            ticket = self._own(actor, ticket_id)
            if ticket.status is Status.COMPLETED:
                if completed_by(ticket) == actor.user_id:
                    return ticket
                raise Conflict(stale_message(ticket))
            now = self._clock()
            change = transitions.complete(
                actor.user_id,
                ticket,
                EventType.RESOLVED,
                resolution=SOLVED_BY_REQUESTER,
                now=now,
                note=SOLVED_BY_REQUESTER,
            )
            stored = ticket_store.apply(self._db, ticket, change, now=now)
            if stored and stored.assigned_to:
                pending.retry_unassigned(self._db, now=now)
            return stored

        return retry_on_conflict(attempt)

    def report_unsolved(self, *, actor: Actor, ticket_id: str, request_id: str) -> Ticket:
        """Continue it, by a comment of the requester, one a `request_id`; reopen it if it was
        completed."""
        require_permission(actor, Permission.SEE_OWN_TICKET)
        ticket = self._own(actor, ticket_id)
        if ticket.status is Status.COMPLETED:
            return self._ticket_actions.reopen(actor=actor, ticket_id=ticket_id)
        written = self._comments.add(
            actor=actor, ticket_id=ticket_id, text=STILL_A_PROBLEM, request_id=request_id
        )
        return written.ticket

    def _own(self, actor: Actor, ticket_id: str) -> Ticket:
        ticket = require_visible(actor, load_ticket(self._db, ticket_id))
        if ticket.created_by != actor.user_id:
            raise PermissionDenied("Only its requester can say that.")
        return ticket
