"""The buttons of a ticket: what its reader may do with it, the most likely first."""

from collections.abc import Set

from bot.views import ids
from bot.views.blocks import button
from bot.views.text import Block, plain_text
from services.models.ticket import Ticket
from services.tickets.lifecycle import TicketAction, state_token

BUTTONS, CHOICES = 3, 5

# For whoever has been given it: the three answers first.
NEW = (
    ids.ACCEPT,
    ids.REASSIGN,
    ids.NOT_MINE,
    ids.RESOLVE,
    ids.COMMENT,
    ids.WAIT,
    ids.DETAILS,
    ids.UPDATE,
    ids.NOTE,
    ids.CANCEL,
)
# For whoever works on it, and for its requester.
OWN = (
    ids.REOPEN,
    ids.RESOLVE,
    ids.COMMENT,
    ids.WAIT,
    ids.DETAILS,
    ids.REASSIGN,
    ids.NOT_MINE,
    ids.NOTE,
    ids.UPDATE,
    ids.CANCEL,
)
# For staff who could have it.
OPEN_TO_STAFF = (
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
LABELS = {
    ids.ACCEPT: "Accept",
    ids.TAKE: "Take it",
    ids.REASSIGN: "Reassign",
    ids.NOT_MINE: "Not mine",
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
ALWAYS = frozenset({ids.UPDATE, ids.COMMENT, ids.NOTE, ids.DETAILS})
STRIKING = frozenset({ids.ACCEPT, ids.TAKE, ids.RESOLVE})


def step_buttons(ticket: Ticket, steps: Set[TicketAction], *, details: bool = True) -> list[Block]:
    """For one block of actions: three buttons, and an overflow menu with the rest.

    `steps` are from `services.tickets.lifecycle`; `details` is for wherever the ticket is not shown
    whole:
    what does not fit there is left to its page, which has a button more where it has to.
    """
    offered = {*map(str, steps), *([ids.DETAILS] if details else [])}
    listed = [step for step in _order(steps) if step in offered]
    buttons = BUTTONS if details else max(BUTTONS, len(listed) - CHOICES)
    made: list[Block] = [
        step_button(ticket, step, primary=place == 0 and step in STRIKING)
        for place, step in enumerate(listed[:buttons])
    ]
    more = listed[buttons : buttons + CHOICES]
    return [*made, _overflow(ticket, more)] if more else made


def _order(steps: Set[TicketAction]) -> tuple[str, ...]:
    if TicketAction.TAKE in steps:
        return OPEN_TO_STAFF
    return NEW if TicketAction.ACCEPT in steps else OWN


def step_button(ticket: Ticket, step: str, *, primary: bool = False) -> Block:
    return button(_label(ticket, step), step, value(ticket, step), primary=primary)


def value(ticket: Ticket, step: str) -> str:
    """The ticket's id and, where the step depends on it, what its reader decided by."""
    return str(ticket.id) if step in ALWAYS else f"{ticket.id}:{state_token(ticket)}"


def read_value(text: str) -> tuple[str, str]:
    """The ticket's id, and the glance or ""."""
    ticket_id, _, seen = text.partition(":")
    return ticket_id, seen


def read_choice(text: str) -> tuple[str, str]:
    """Of a choice in the overflow menu: the step, and what its button would carry."""
    step, _, carried = text.partition(":")
    return step, carried


def _overflow(ticket: Ticket, steps: list[str]) -> Block:
    options = [
        {"text": plain_text(_label(ticket, step)), "value": f"{step}:{value(ticket, step)}"}
        for step in steps
    ]
    return {"type": "overflow", "action_id": ids.MORE, "options": options}


def _label(ticket: Ticket, step: str) -> str:
    if step == ids.REASSIGN and ticket.assigned_to is None:
        return "Assign"
    return LABELS[step]
