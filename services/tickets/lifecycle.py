"""Life cycle of a ticket: the status table, and who may take which action. Pure.

Views show buttons by `allowed_actions`; the services check it before they act.
"""

from enum import StrEnum

from bson import ObjectId

from services.core.errors import Conflict, InvalidValue
from services.models.events import Event, EventType
from services.models.permissions import Actor, Permission, require_permission
from services.models.resolution import (
    CANCELLED_RESOLUTION,
    NOT_A_REQUEST_RESOLUTION,
    RESOLUTION_CODES,
)
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.tickets.access import visible_to

STATUS_TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.TODO: frozenset({Status.IN_PROGRESS, Status.COMPLETED}),
    Status.IN_PROGRESS: frozenset({Status.WAITING, Status.COMPLETED, Status.TODO}),
    Status.WAITING: frozenset({Status.IN_PROGRESS, Status.COMPLETED}),
    Status.COMPLETED: frozenset({Status.REOPENED}),
    Status.REOPENED: frozenset({Status.IN_PROGRESS, Status.COMPLETED}),
}


class TicketAction(StrEnum):
    """What a user can do with a ticket. The values are the buttons' action_ids."""

    ACCEPT = "accept"
    TAKE = "take"
    REASSIGN = "reassign"
    DECLINE = "not_mine"
    UPDATE = "update"
    COMMENT = "comment"
    NOTE = "note"
    ASK_REQUESTER = "wait"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    CANCEL = "cancel"
    WITHDRAW = "withdraw"


# The role's permission for each action. Some also depend on who filed or has the ticket.
ACTION_PERMISSIONS: dict[TicketAction, Permission] = {
    TicketAction.ACCEPT: Permission.WORK_ON_TICKETS,
    TicketAction.TAKE: Permission.WORK_ON_TICKETS,
    TicketAction.REASSIGN: Permission.WORK_ON_TICKETS,
    TicketAction.DECLINE: Permission.WORK_ON_TICKETS,
    TicketAction.UPDATE: Permission.WORK_ON_TICKETS,
    TicketAction.NOTE: Permission.WORK_ON_TICKETS,
    TicketAction.ASK_REQUESTER: Permission.WORK_ON_TICKETS,
    TicketAction.RESOLVE: Permission.RESOLVE_ANY_TICKET,
    TicketAction.WITHDRAW: Permission.WORK_ON_TICKETS,
    TicketAction.COMMENT: Permission.SEE_OWN_TICKET,
    TicketAction.REOPEN: Permission.SEE_OWN_TICKET,
    TicketAction.CANCEL: Permission.SEE_OWN_TICKET,
}


def allowed_actions(actor: Actor, ticket: Ticket) -> frozenset[TicketAction]:
    """Return the actions the actor may take now; none for a ticket they may not see."""
    is_own, sight = ticket.created_by == actor.user_id, visible_to(actor)
    if not sight.covers(ticket):
        return frozenset()
    actions = {
        action for action in _possible(ticket) if actor.has_permission(ACTION_PERMISSIONS[action])
    }
    if not sight.covers_as_staff(ticket):
        actions &= _OF_THE_REQUESTER if is_own else _OF_A_PARTICIPANT
    is_assignee = ticket.assigned_to == actor.user_id
    actions -= {TicketAction.TAKE} if is_assignee else _OF_THE_ASSIGNEE
    if not is_own:
        actions.discard(TicketAction.CANCEL)  # staff resolve it with a note
    return frozenset(actions)


class AlreadyAssigned(Conflict):
    """The actor takes a ticket that they have: a card in a channel offers that to all readers."""

    def __init__(self, ticket: Ticket, sentence: str) -> None:
        super().__init__(sentence)
        self.ticket = ticket


def check_allowed(
    actor: Actor, ticket: Ticket, action: TicketAction, *, assignee_name: str = ""
) -> None:
    """Raise `PermissionDenied` if the role is not enough, `Conflict` if the state does not allow
    the action.

    `assignee_name` is the assignee's name in the sentence.
    """
    require_permission(actor, ACTION_PERMISSIONS[action])
    if action in allowed_actions(actor, ticket):
        return
    name, is_open = _name(ticket), ticket.status in OPEN_STATUSES
    if action is TicketAction.TAKE and is_open:
        raise AlreadyAssigned(ticket, f"You already have {name}.")
    if action is TicketAction.CANCEL and is_open:
        raise Conflict(f"Only its requester can cancel {name}. Resolve it, and say why.")
    raise Conflict(stale_message(ticket, assignee_name=assignee_name))


def check_assignee(ticket: Ticket, assignee: ObjectId | None) -> None:
    """Raise `InvalidValue` for the person whom the requester does not want to get the ticket."""
    if assignee is not None and assignee == ticket.not_to:
        raise InvalidValue("assignedTo", "The requester does not want this person to get it.")


def check_requester(ticket: Ticket, requester: ObjectId) -> None:
    """Raise `InvalidValue` for the person who is not to get the ticket: a requester reads it."""
    if requester == ticket.not_to:
        raise InvalidValue("createdBy", "The requester does not want this person to get it.")


def check_transition(ticket: Ticket, to: Status) -> None:
    """Raise `Conflict` unless the status table allows it."""
    if to not in STATUS_TRANSITIONS[ticket.status]:
        raise Conflict(
            f"A ticket that is {_STATUS_PHRASES[ticket.status]} can't become {_STATUS_PHRASES[to]}."
        )


def completed_by(ticket: Ticket) -> ObjectId | None:
    """Return who resolved or cancelled it; None if it is open or the legacy backend's."""
    if ticket.status is not Status.COMPLETED:
        return None
    done = (e.by for e in reversed(ticket.events) if (e.field, e.to) == ("status", ticket.status))
    by = next(done, None)
    return by if isinstance(by, ObjectId) else None  # "system": adopted as completed


def state_token(ticket: Ticket, action: str = "") -> str:
    """Return a token of the state: a button with another token is out of date.

    Take depends on whether the assignee has accepted, because it asks for confirmation then.
    """
    token = f"{ticket.status}:{ticket.assigned_to or ''}"
    is_accepted = ticket.assigned_to is not None and ticket.accepted_at is not None
    return f"{token}:accepted" if is_accepted and action == TicketAction.TAKE else token


def is_awaiting_acceptance(ticket: Ticket) -> bool:
    """Return whether it is assigned, and its assignee has not accepted it."""
    is_assigned = ticket.status is Status.IN_PROGRESS and ticket.assigned_to is not None
    return is_assigned and ticket.accepted_at is None


def describe_state(ticket: Ticket, *, assignee_name: str = "") -> str:
    """Return the state for the end of a sentence. `assignee_name` is "you" or a name."""
    phrase = RESOLUTION_CODES.get(ticket.resolution or "")
    if ticket.status is Status.COMPLETED and phrase:
        return f"{_name(ticket)} is {phrase}"
    if is_awaiting_acceptance(ticket):
        return f"{_name(ticket)} is assigned{f' to {assignee_name}' if assignee_name else ''}"
    has = (
        f" and {assignee_name} {'have' if assignee_name == 'you' else 'has'} it"
        if assignee_name
        else ""
    )
    return f"{_name(ticket)} is {_STATUS_PHRASES[ticket.status]}{has}"


def stale_message(ticket: Ticket, *, assignee_name: str = "") -> str:
    """Return the sentence for a user who acts on an outdated view of the ticket."""
    state = describe_state(ticket, assignee_name=assignee_name)
    return (
        f"{state[0].upper()}{state[1:]} now, so this was not done. Look at it again, then decide."
    )


def already_done(
    actor: Actor, ticket: Ticket, action: TicketAction, *, assignee_name: str = ""
) -> str:
    """Return the sentence for a user who has taken that action before and acts on an old view, ""
    if they have not."""
    name, by = _name(ticket), actor.user_id
    if ticket.status is Status.COMPLETED:
        verb = _END_VERBS.get(ticket.resolution or "", "resolved")
        return f"You have already {verb} {name}." if completed_by(ticket) == by else ""
    if action is TicketAction.ACCEPT and ticket.assigned_to == by and ticket.accepted_at:
        return f"You have already accepted {name}."
    if action is TicketAction.ASK_REQUESTER and ticket.status is Status.WAITING:
        question = last_question(ticket)
        is_own = question is not None and question.by == by
        return f"You have already asked; {name} waits for the answer." if is_own else ""
    if action is TicketAction.REOPEN:
        reopened = _last_of(ticket, EventType.REOPENED)
        return f"You have already reopened {name}." if reopened and reopened.by == by else ""
    if action in (TicketAction.REASSIGN, TicketAction.DECLINE):
        return _already_reassigned(by, ticket, assignee_name)
    return ""


def _already_reassigned(by: ObjectId, ticket: Ticket, assignee_name: str) -> str:
    moves = (event for event in reversed(ticket.events) if event.type in _MOVES)
    last = next((event for event in moves if event.by != "system"), None)
    if last is None or last.by != by or by in (last.to, ticket.assigned_to):
        return ""
    if last.from_ == ticket.assigned_to:
        return ""
    verb = "reassigned" if last.from_ else "assigned"
    to = f"; {assignee_name} has it now" if assignee_name else ""
    return f"You have already {verb} {_name(ticket)}{to}."


def last_question(ticket: Ticket) -> Event | None:
    """Return the last question to the requester; its text is the note."""
    return _last_of(ticket, EventType.WAITING)


def open_question(ticket: Ticket, actor: Actor) -> Event | None:
    """Return the question that the ticket waits for the actor to answer."""
    is_asked = ticket.status is Status.WAITING and ticket.created_by == actor.user_id
    return last_question(ticket) if is_asked else None


def _last_of(ticket: Ticket, kind: EventType) -> Event | None:
    return next((event for event in reversed(ticket.events) if event.type == kind), None)


_MOVES = frozenset({EventType.ASSIGNED, EventType.UNASSIGNED})

# Actions of those who may see the ticket, but not as staff.
_OF_A_PARTICIPANT = frozenset({TicketAction.COMMENT})
_OF_THE_REQUESTER = frozenset({TicketAction.COMMENT, TicketAction.REOPEN, TicketAction.CANCEL})
# Actions of the assignee only.
_OF_THE_ASSIGNEE = frozenset({TicketAction.ACCEPT, TicketAction.DECLINE})
# What a person did who ended the ticket with that resolution.
_END_VERBS = {CANCELLED_RESOLUTION: "cancelled", NOT_A_REQUEST_RESOLUTION: "closed"}
_STATUS_PHRASES = {
    Status.TODO: "waiting for someone to take it",
    Status.IN_PROGRESS: "in progress",
    Status.WAITING: "waiting for its requester",
    Status.COMPLETED: "resolved",
    Status.REOPENED: "reopened",
}


def _name(ticket: Ticket) -> str:
    return f"ticket {ticket.number}" if ticket.number else "the ticket"


def _possible(ticket: Ticket) -> set[TicketAction]:
    """Return the actions that the state allows to anyone."""
    actions = {TicketAction.UPDATE, TicketAction.COMMENT, TicketAction.NOTE}
    if ticket.status not in OPEN_STATUSES:
        return actions | {TicketAction.REOPEN}
    actions |= {TicketAction.TAKE, TicketAction.REASSIGN, TicketAction.RESOLVE, TicketAction.CANCEL}
    actions |= {TicketAction.WITHDRAW}
    if ticket.status is Status.IN_PROGRESS:
        actions |= {TicketAction.ASK_REQUESTER}
    # A reopened ticket that has kept its assignee is in progress once they accept it again.
    if ticket.status in (Status.IN_PROGRESS, Status.REOPENED) and ticket.assigned_to:
        actions |= {TicketAction.DECLINE} if ticket.accepted_at else _OF_THE_ASSIGNEE
    return actions
