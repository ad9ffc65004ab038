"""A ticket by its number or a button: its page, its edit form, and why its assignee was chosen."""

import re

from bot.handlers import ticket_edit
from bot.slack.request import Request
from bot.views.cards.action_buttons import parse_button_value
from bot.views.explain.modal import MAX_CANDIDATES, explanation_loading_modal, explanation_modal
from bot.views.home.ticket_page import ticket_message
from bot.views.text import Message
from services.core.errors import Conflict, InvalidValue
from services.models.ticket import Ticket

_NUMBER = re.compile(r"#?([0-9]{1,9})")
CANNOT_SHOW = "The ticket could not be shown here. Type /ticket view and its number instead."


def view_ticket(req: Request) -> None:
    """`/ticket view 12`"""
    ticket = _ticket_by_number(req)
    page = _page_message(req, str(ticket.id))
    req.ack(response_type="ephemeral", text=page.text, blocks=page.blocks)


def open_edit_form_by_number(req: Request) -> None:
    """`/ticket update 12`"""
    ticket_edit.open_edit_form_for(req, str(_ticket_by_number(req).id))
    req.ack()


def show_details(req: Request) -> None:
    ticket_id, _ = parse_button_value(req.button_value)
    show_ticket_below(req, ticket_id)


def show_ticket_below(req: Request, ticket_id: str) -> None:
    """The ticket's page, for whoever pressed a button on a message, below that."""
    if not req.post_below(_page_message(req, ticket_id)):
        raise Conflict(CANNOT_SHOW)


def refresh_ticket(req: Request, ticket_id: str) -> None:
    """The page in place of itself, as it is now."""
    req.replace_message(_page_message(req, ticket_id))


def show_explanation(req: Request) -> None:
    """Open the modal before the dry run: evaluating a large team takes a while, and a trigger lives
    three seconds."""
    actor = req.actor
    req.open_modal(explanation_loading_modal())
    dry_run = req.services.explanations.explain(
        actor=actor, ticket_id=req.button_value, limit=MAX_CANDIDATES
    )
    req.update_modal(explanation_modal(dry_run))


def _page_message(req: Request, ticket_id: str) -> Message:
    page = req.services.home.ticket_page(
        actor=req.actor, team_id=req.bot.team_id, ticket_id=ticket_id
    )
    return ticket_message(page)


def _ticket_by_number(req: Request) -> Ticket:
    """The ticket whose number follows the command."""
    command, *more = req.arguments
    match = _NUMBER.fullmatch(more[0]) if more else None
    if match is None:
        raise InvalidValue(
            "number",
            f"Write the ticket's number behind it, for example /ticket {command.lower()} 12.",
        )
    return req.services.tickets.get_by_number(
        actor=req.actor, team_id=req.bot.team_id, number=int(match[1])
    )
