"""The buttons of a ticket: what its reader may do with it, the most likely first."""

from collections.abc import Set

from bot.views import ids
from bot.views.blocks import button
from bot.views.text import Block, plain_text
from services.models.ticket import Ticket
from services.tickets.lifecycle import TicketAction, state_token

MAX_BUTTONS, MAX_MENU_CHOICES = 3, 5

# For whoever has been given it: the three answers first.
ACCEPT_ORDER = (
    ids.ACCEPT,
    ids.REASSIGN,
    ids.DECLINE,
    ids.RESOLVE,
    ids.COMMENT,
    ids.WAIT,
    ids.DETAILS,
    ids.UPDATE,
    ids.NOTE,
    ids.CANCEL,
)
# For whoever works on it, and for its requester.
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
# For staff who could have it.
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
    ids.TAKE: "Take it",
    ids.REASSIGN: "Reassign",
    ids.DECLINE: "Not mine",
    ids.UPDATE: "Update",
    ids.COMMENT: "Comment",
    ids.NOTE: "Internal note",
    ids.WAIT: "Ask the requester",
    ids.RESOLVE: "Resolve",
    ids.REOPEN: "Reopen",
    ids.CANCEL: "Cancel ticket",
    ids.DETAILS: "Details",
}
# What is no mistake however the ticket stands by now, and so carries its id alone.
STATELESS_ACTIONS = frozenset({ids.UPDATE, ids.COMMENT, ids.NOTE, ids.DETAILS})
PRIMARY_ACTIONS = frozenset({ids.ACCEPT, ids.TAKE, ids.RESOLVE})


def action_buttons(
    ticket: Ticket, allowed_actions: Set[TicketAction], *, has_details: bool = True
) -> list[Block]:
    """For one block of actions: three buttons, and an overflow menu with the rest.

    `allowed_actions` come from `services.tickets.lifecycle`; `has_details` is for wherever the
    ticket is not shown whole: what does not fit there is left to its page, which has a button more
    where it has to.
    """
    offered = {*map(str, allowed_actions), *([ids.DETAILS] if has_details else [])}
    ordered = [action for action in _order(allowed_actions) if action in offered]
    buttons = MAX_BUTTONS if has_details else max(MAX_BUTTONS, len(ordered) - MAX_MENU_CHOICES)
    elements: list[Block] = [
        action_button(ticket, step, primary=position == 0 and step in PRIMARY_ACTIONS)
        for position, step in enumerate(ordered[:buttons])
    ]
    menu_actions = ordered[buttons : buttons + MAX_MENU_CHOICES]
    return [*elements, _overflow_menu(ticket, menu_actions)] if menu_actions else elements


def _order(allowed_actions: Set[TicketAction]) -> tuple[str, ...]:
    if TicketAction.TAKE in allowed_actions:
        return TAKE_ORDER
    return ACCEPT_ORDER if TicketAction.ACCEPT in allowed_actions else DEFAULT_ORDER


def action_button(ticket: Ticket, action: str, *, primary: bool = False) -> Block:
    return button(
        _action_label(ticket, action), action, button_value(ticket, action), primary=primary
    )


def button_value(ticket: Ticket, action: str) -> str:
    """The ticket's id and, where the step depends on it, what its reader decided by."""
    return str(ticket.id) if action in STATELESS_ACTIONS else f"{ticket.id}:{state_token(ticket)}"


def parse_button_value(text: str) -> tuple[str, str]:
    """The ticket's id, and the state its reader saw or ""."""
    ticket_id, _, expected_state = text.partition(":")
    return ticket_id, expected_state


def parse_menu_value(text: str) -> tuple[str, str]:
    """Of a choice in the overflow menu: the step, and what its button would carry."""
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
    if action == ids.REASSIGN and ticket.assigned_to is None:
        return "Assign"
    return ACTION_LABELS[action]
