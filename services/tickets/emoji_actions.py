"""Emoji on a ticket's messages: accept, take or withdraw it, or ask whether to resolve it."""

from dataclasses import dataclass
from enum import StrEnum

from services.core.database import Mongo
from services.core.errors import DomainError
from services.models.permissions import Actor
from services.models.resolution import NOT_A_REQUEST_RESOLUTION
from services.models.ticket import Ticket
from services.tickets.access import visible_to
from services.tickets.actions import TicketActions
from services.tickets.lifecycle import TicketAction, allowed_actions, completed_by, state_token
from services.tickets.queries import load_ticket


class TicketEmoji(StrEnum):
    """The values are Slack's names, without a skin tone."""

    ACCEPT = "eyes"
    RESOLVE = "white_check_mark"
    WITHDRAW = "no_entry_sign"


@dataclass(frozen=True, slots=True)
class EmojiOutcome:
    """The ticket, and what was done or is to be asked."""

    ticket: Ticket
    action: TicketAction


class EmojiActions:
    def __init__(self, db: Mongo, actions: TicketActions) -> None:
        self._db = db
        self._actions = actions

    def apply(self, *, actor: Actor, ticket_id: str, emoji: TicketEmoji) -> EmojiOutcome | None:
        """Accept the actor's ticket, take one without an assignee, or withdraw it. RESOLVE changes
        nothing: the actor is asked first. Idempotent.

        Return None if the actor may not do that, or not now. An emoji may mean something else to
        who adds it, so this is neither an error nor a recorded denial.
        """
        ticket = load_ticket(self._db, ticket_id)
        if ticket is None or not visible_to(actor).covers(ticket):
            return None
        action = _action(actor, ticket, emoji)
        if action is None:
            return None
        if action is TicketAction.RESOLVE or ticket.resolution == NOT_A_REQUEST_RESOLUTION:
            return EmojiOutcome(ticket, action)
        change = {
            TicketAction.ACCEPT: self._actions.accept,
            TicketAction.TAKE: self._actions.take,
            TicketAction.WITHDRAW: self._actions.withdraw,
        }[action]
        try:
            changed = change(
                actor=actor, ticket_id=ticket_id, expected_state=state_token(ticket, action)
            )
        except DomainError:  # another user was first, or the requester does not want this assignee
            return None
        return EmojiOutcome(changed, action)


def _action(actor: Actor, ticket: Ticket, emoji: TicketEmoji) -> TicketAction | None:
    """Return what the emoji means for this ticket now, None if nothing."""
    allowed = allowed_actions(actor, ticket)
    if emoji is TicketEmoji.ACCEPT:
        if TicketAction.ACCEPT in allowed:
            return TicketAction.ACCEPT
        is_free = ticket.assigned_to is None and TicketAction.TAKE in allowed
        return TicketAction.TAKE if is_free else None
    if emoji is TicketEmoji.RESOLVE:
        return TicketAction.RESOLVE if TicketAction.RESOLVE in allowed else None
    # The event is repeated if its answer could not be stored.
    is_done = ticket.resolution == NOT_A_REQUEST_RESOLUTION and (
        completed_by(ticket) == actor.user_id
    )
    return TicketAction.WITHDRAW if is_done or TicketAction.WITHDRAW in allowed else None
