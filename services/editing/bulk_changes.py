"""Changes of several tickets at once: assign them, set their priority, resolve them.

`review` says what a change will do to each ticket, and `apply` makes it to one of them, by the
service of single changes: its permission, state, events and notices are the same. A ticket that has
changed since the review is left as it is, as by an outdated button.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue
from services.editing.ticket_edits import EditConflict, TicketEdits
from services.linking.links import Directory, LinkService, referenced_user_ids
from services.models.permissions import Actor, require_permission
from services.models.ticket import Priority, Status, Ticket
from services.models.user import User
from services.tickets.access import visible_to
from services.tickets.actions import TicketActions, check_new_assignee
from services.tickets.lifecycle import (
    ACTION_PERMISSIONS,
    TicketAction,
    allowed_actions,
    describe_state,
    state_token,
)
from services.tickets.queries import load_several

MAX_TICKETS = 10
PRIORITY_CHANGED = (
    "Someone else has changed its priority, so this was not done. Look at it again, then decide."
)
NOT_FOR_ACTOR = "You may read it, but not change it."


class BulkAction(StrEnum):
    ASSIGN = "assign"
    SET_PRIORITY = "priority"
    RESOLVE = "resolve"


# The action on each of the tickets.
_TICKET_ACTIONS = {
    BulkAction.ASSIGN: TicketAction.REASSIGN,
    BulkAction.SET_PRIORITY: TicketAction.UPDATE,
    BulkAction.RESOLVE: TicketAction.RESOLVE,
}


@dataclass(frozen=True, slots=True)
class BulkChange:
    """`value` is the new assignee's id or the priority; "" for tickets to resolve."""

    action: BulkAction
    value: str = ""


@dataclass(frozen=True, slots=True)
class ReviewedTicket:
    """A ticket that will be changed, in the version that the review showed."""

    ticket_id: str
    number: int
    seq: int
    state: str

    @classmethod
    def of(cls, ticket: Ticket) -> "ReviewedTicket":
        return cls(str(ticket.id), ticket.number or 0, ticket.seq, state_token(ticket))


@dataclass(frozen=True, slots=True)
class BulkReview:
    """What a change will do: `tickets` are to be changed, `refused` not, each with the sentence
    that says why. `hidden_count` tickets do not exist, or the actor may not see them.

    `assignee` is the one that tickets will be assigned to.
    """

    change: BulkChange
    tickets: tuple[Ticket, ...]
    refused: tuple[tuple[Ticket, str], ...]
    hidden_count: int
    assignee: User | None
    people: Directory
    now: datetime


class BulkChanges:
    def __init__(
        self,
        db: Mongo,
        links: LinkService,
        ticket_actions: TicketActions,
        ticket_edits: TicketEdits,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._links = links
        self._ticket_actions = ticket_actions
        self._ticket_edits = ticket_edits
        self._clock = clock

    def review(
        self, *, actor: Actor, team_id: str, change: BulkChange, ticket_ids: Collection[str]
    ) -> BulkReview:
        """Return what the change would do now. Raises `InvalidValue` for the field `tickets`,
        `assignedTo` or `priority`."""
        require_permission(actor, ACTION_PERMISSIONS[_TICKET_ACTIONS[change.action]])
        ids = list(dict.fromkeys(ticket_ids))
        if not 1 <= len(ids) <= MAX_TICKETS:
            raise InvalidValue("tickets", f"Choose up to {MAX_TICKETS} tickets.")
        assignee = None
        if change.action is BulkAction.ASSIGN:
            assignee = self._ticket_actions.assignable(change.value)
        elif change.action is BulkAction.SET_PRIORITY and change.value not in set(Priority):
            raise InvalidValue("priority", "Choose a priority.")
        sight = visible_to(actor)
        loaded = {str(ticket.id): ticket for ticket in load_several(self._db, ids)}
        found = [loaded[one] for one in ids if one in loaded and sight.covers(loaded[one])]
        refusals = [self._refusal(actor, ticket, change, assignee) for ticket in found]
        named = {user_id for ticket in found for user_id in referenced_user_ids(ticket)}
        checked = tuple(zip(found, refusals, strict=True))
        return BulkReview(
            change=change,
            tickets=tuple(ticket for ticket, refusal in checked if not refusal),
            refused=tuple((ticket, refusal) for ticket, refusal in checked if refusal),
            hidden_count=len(ids) - len(found),
            assignee=assignee,
            people=self._links.resolve_people(team_id=team_id, user_ids=named),
            now=self._clock(),
        )

    def apply(
        self, *, actor: Actor, change: BulkChange, reviewed: ReviewedTicket, note: str = ""
    ) -> Ticket:
        """Change one ticket, and return it. Idempotent. `note` is the resolution.

        Raises what the single change raises: `NotFound`, `PermissionDenied`, `InvalidValue`, and
        `Conflict` if the ticket has changed since the review.
        """
        require_permission(actor, ACTION_PERMISSIONS[_TICKET_ACTIONS[change.action]])
        if change.action is BulkAction.ASSIGN:
            return self._ticket_actions.reassign(
                actor=actor,
                ticket_id=reviewed.ticket_id,
                assignee_id=change.value,
                expected_state=reviewed.state,
            )
        if change.action is BulkAction.RESOLVE:
            return self._ticket_actions.resolve(
                actor=actor,
                ticket_id=reviewed.ticket_id,
                resolution=note,
                expected_state=reviewed.state,
            )
        try:
            return self._ticket_edits.update(
                actor=actor,
                ticket_id=reviewed.ticket_id,
                expected_seq=reviewed.seq,
                changes={"priority": change.value},
            )
        except EditConflict as conflict:
            raise Conflict(PRIORITY_CHANGED) from conflict

    def _refusal(
        self, actor: Actor, ticket: Ticket, change: BulkChange, assignee: User | None
    ) -> str:
        """Return why the ticket stays as it is, "" if it does not."""
        if _TICKET_ACTIONS[change.action] not in allowed_actions(actor, ticket):
            if ticket.status is not Status.COMPLETED:
                return NOT_FOR_ACTOR
            state = describe_state(replace(ticket, number=None))
            return f"{state[0].upper()}{state[1:]}."
        if change.action is BulkAction.SET_PRIORITY and ticket.priority == change.value:
            return "It has this priority already."
        try:
            if assignee:
                check_new_assignee(ticket, assignee)
        except InvalidValue as refusal:
            return str(refusal)
        return ""
