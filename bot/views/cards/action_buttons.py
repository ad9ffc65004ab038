"""The buttons of a ticket: the actions its reader may take, the most likely first."""

from collections.abc import Set

from bot.views import ids
from bot.views.blocks import accepted_time, button
from bot.views.due_text import time_ago
from bot.views.text import Block, DisplayPerson, escape, mrkdwn, plain_text
from services.core.text import truncate
from services.models.ticket import Status, Ticket
from services.tickets.lifecycle import TicketAction, state_token

MAX_BUTTONS, MAX_MENU_CHOICES = 3, 5
# Slack allows 300 characters in a confirmation, and escaping may need five for one.
MAX_CONFIRM_NAME_LENGTH = 40

# For an assignee who has not accepted yet: the three answers first.
ACCEPT_ORDER = (
    ids.ACCEPT,
    ids.REASSIGN,
    ids.DECLINE,
    ids.DETAILS,
    ids.RESOLVE,
    ids.COMMENT,
    ids.WAIT,
    ids.NOTE,
    ids.UPDATE,
    ids.CANCEL,
)
# For an assignee who has accepted, and for the requester.
DEFAULT_ORDER = (
    ids.REOPEN,
    ids.RESOLVE,
    ids.COMMENT,
    ids.WAIT,
    ids.DETAILS,
    ids.REASSIGN,
    ids.DECLINE,
    ids.NOTE,
    ids.UPDATE,
    ids.CANCEL,
)
# For a requester who was asked. Take stays a button, because a menu cannot ask for confirmation.
ANSWER_ORDER = (
    ids.COMMENT,
    ids.TAKE,
    ids.DETAILS,
    ids.CANCEL,
    ids.RESOLVE,
    ids.REASSIGN,
    ids.NOTE,
    ids.UPDATE,
)
# For staff who are not the assignee.
TAKE_ORDER = (
    ids.TAKE,
    ids.REASSIGN,
    ids.DETAILS,
    ids.COMMENT,
    ids.RESOLVE,
    ids.WAIT,
    ids.NOTE,
    ids.UPDATE,
    ids.CANCEL,
)
ACTION_LABELS = {
    ids.ACCEPT: "Accept",
    ids.TAKE: "Take over",
    ids.REASSIGN: "Reassign",
    ids.DECLINE: "Decline",
    ids.UPDATE: "Edit",
    ids.COMMENT: "Comment",
    ids.NOTE: "Internal note",
    ids.WAIT: "Ask the requester",
    ids.RESOLVE: "Resolve",
    ids.REOPEN: "Reopen",
    ids.CANCEL: "Cancel ticket",
    ids.DETAILS: "Details",
}
UNASSIGNED_LABELS = {**ACTION_LABELS, ids.TAKE: "Take it", ids.REASSIGN: "Assign"}
# These are right in any state of the ticket, so their value has no state.
STATELESS_ACTIONS = frozenset({ids.UPDATE, ids.COMMENT, ids.NOTE, ids.DETAILS})
ANSWER_LABEL = "Answer"


def action_buttons(
    ticket: Ticket,
    allowed_actions: Set[TicketAction],
    *,
    assignee: DisplayPerson | None = None,
    has_details: bool = True,
) -> list[Block]:
    """Return the elements of one actions block: three buttons, and an overflow menu with the rest.
    The first, the most useful now, is the primary one.

    `allowed_actions` come from `services.tickets.lifecycle`. `has_details` adds the button to the
    ticket's page; without it, on the page itself, there is a button more if the menu is full.
    """
    offered = {*map(str, allowed_actions), *([ids.DETAILS] if has_details else [])}
    is_asked = _is_asked(ticket, allowed_actions)
    order = ANSWER_ORDER if is_asked else _order(allowed_actions)
    ordered = [action for action in order if action in offered]
    buttons = MAX_BUTTONS if has_details else max(MAX_BUTTONS, len(ordered) - MAX_MENU_CHOICES)
    elements: list[Block] = [
        action_button(
            ticket, step, assignee=assignee, primary=position == 0 and step != ids.DETAILS
        )
        for position, step in enumerate(ordered[:buttons])
    ]
    if is_asked:
        elements[0] = answer_button(ticket)
    menu_actions = ordered[buttons : buttons + MAX_MENU_CHOICES]
    return [*elements, _overflow_menu(ticket, menu_actions)] if menu_actions else elements


def _is_asked(ticket: Ticket, allowed_actions: Set[TicketAction]) -> bool:
    """Whether the ticket waits for its reader: only its requester may cancel it."""
    return ticket.status is Status.WAITING and TicketAction.CANCEL in allowed_actions


def _order(allowed_actions: Set[TicketAction]) -> tuple[str, ...]:
    if TicketAction.TAKE in allowed_actions:
        return TAKE_ORDER
    return ACCEPT_ORDER if TicketAction.ACCEPT in allowed_actions else DEFAULT_ORDER


def action_button(
    ticket: Ticket, action: str, *, assignee: DisplayPerson | None = None, primary: bool = False
) -> Block:
    """Return the button. Take asks for confirmation if the `assignee` has accepted the ticket."""
    element = button(
        _action_label(ticket, action), action, button_value(ticket, action), primary=primary
    )
    accepted = accepted_sentence(ticket, assignee) if action == ids.TAKE and assignee else ""
    return {**element, "confirm": _take_over_confirmation(accepted)} if accepted else element


def answer_button(ticket: Ticket) -> Block:
    """For a requester who was asked: a comment by another name."""
    return {
        **action_button(ticket, ids.COMMENT, primary=True),
        "text": plain_text(ANSWER_LABEL),
    }


def accepted_sentence(ticket: Ticket, assignee: DisplayPerson) -> str:
    """Return "Ada accepted this 2 minutes ago.", counted by Slack when it is read, as mrkdwn; ""
    if the ticket is not accepted."""
    if ticket.accepted_at is None or not accepted_time(ticket):
        return ""
    name = escape(truncate(assignee.name, MAX_CONFIRM_NAME_LENGTH))
    return f"{name} accepted this {time_ago(ticket.accepted_at)}."


def _take_over_confirmation(accepted: str) -> Block:
    return {
        "title": plain_text("Take over?"),
        "text": mrkdwn(f"{accepted} Take over?"),
        "confirm": plain_text("Take over"),
        "deny": plain_text("Cancel"),
    }


def button_value(ticket: Ticket, action: str) -> str:
    """Return the ticket's id and, if the action depends on it, the state the reader sees."""
    return (
        str(ticket.id)
        if action in STATELESS_ACTIONS
        else f"{ticket.id}:{state_token(ticket, action)}"
    )


def parse_button_value(text: str) -> tuple[str, str]:
    """Return the ticket's id and the state the reader saw, or ""."""
    ticket_id, _, expected_state = text.partition(":")
    return ticket_id, expected_state


def parse_menu_value(text: str) -> tuple[str, str]:
    """Return the action of an overflow option, and what its button would carry."""
    action, _, value_text = text.partition(":")
    return action, value_text


def _overflow_menu(ticket: Ticket, menu_actions: list[str]) -> Block:
    options = [
        {
            "text": plain_text(_action_label(ticket, action)),
            "value": f"{action}:{button_value(ticket, action)}",
        }
        for action in menu_actions
    ]
    return {"type": "overflow", "action_id": ids.ACTIONS_MENU, "options": options}


def _action_label(ticket: Ticket, action: str) -> str:
    labels = ACTION_LABELS if ticket.assigned_to else UNASSIGNED_LABELS
    return labels[action]
