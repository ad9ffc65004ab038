"""One ticket, by its number or a button: its page, and the form to update it.

The button "Why?" on a ticket's page, for admins.
"""

import re

from bot.handlers import ticket_edit
from bot.slack.request import Request
from bot.views.cards.action_buttons import read_value
from bot.views.explain.modal import SHOWN, looking, why
from bot.views.home.ticket_page import ticket_message
from bot.views.text import Message
from services.core.errors import Conflict, InvalidValue
from services.models.ticket import Ticket

_NUMBER = re.compile(r"#?([0-9]{1,9})")
NOT_HERE = "The ticket could not be shown here. Type /ticket view and its number instead."


def view(req: Request) -> None:
    """`/ticket view 12`"""
    ticket = _named(req)
    page = _page(req, str(ticket.id))
    req.ack(response_type="ephemeral", text=page.text, blocks=page.blocks)


def update(req: Request) -> None:
    """`/ticket update 12`"""
    ticket_edit.open_for(req, str(_named(req).id))
    req.ack()


def details(req: Request) -> None:
    ticket_id, _ = read_value(req.pressed)
    show(req, ticket_id)


def show(req: Request, ticket_id: str) -> None:
    """The ticket's page, for whoever pressed a button on a message, below that."""
    if not req.add(_page(req, ticket_id)):
        raise Conflict(NOT_HERE)


def show_again(req: Request, ticket_id: str) -> None:
    """The page in place of itself, as it is now."""
    req.replace(_page(req, ticket_id))


def _page(req: Request, ticket_id: str) -> Message:
    desk = req.desk
    sheet = desk.home.ticket_page(actor=req.actor, team_id=desk.team_id, ticket_id=ticket_id)
    return ticket_message(sheet)


def _named(req: Request) -> Ticket:
    """The ticket whose number follows the command."""
    command, *more = req.words
    found = _NUMBER.fullmatch(more[0]) if more else None
    if found is None:
        raise InvalidValue(
            "number",
            f"Write the ticket's number behind it, for example /ticket {command.lower()} 12.",
        )
    return req.desk.tickets.get_by_number(
        actor=req.actor, team_id=req.desk.team_id, number=int(found[1])
    )


def show_reasons(req: Request) -> None:
    """In a large team everybody takes a while to look at, and a trigger lives three seconds."""
    actor = req.actor
    req.open(looking())
    run = req.desk.explaining.explain(actor=actor, ticket_id=req.pressed, limit=SHOWN)
    req.update(why(run))
