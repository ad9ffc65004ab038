"""Buttons on cards."""

from bot.request import Request
from bot.views import forms


def open_resolve(req: Request) -> None:
    ticket = req.desk.tickets.resolvable(actor=req.actor, ticket_id=req.pressed)
    req.open(forms.resolve_ticket(ticket))
