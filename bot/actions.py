"""Buttons on cards."""

from bot.request import Request
from bot.views import forms


def open_resolve(req: Request) -> None:
    ticket = req.desk.tickets.resolvable(actor=req.actor, ticket_id=req.pressed)
    form = forms.resolve_ticket(ticket)
    req.desk.client.views_open(trigger_id=req.body["trigger_id"], view=form)
    req.ack()
