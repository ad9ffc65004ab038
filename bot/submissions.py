"""Modals sent in. Stored first, then answered, so that a failure keeps the modal and its text."""

from bot.request import Request
from bot.views import forms


def file_ticket(req: Request) -> None:
    view = req.body["view"]
    filed = req.desk.tickets.create(
        actor=req.actor,
        team_id=req.desk.team_id,
        request_id=view["id"],
        title=req.value("title"),
        description=req.value("description"),
        priority=req.value("priority") or None,
    )
    req.ack(response_action="update", view=forms.filed(filed.ticket))
    req.desk.publisher.publish(str(filed.ticket.id))


def resolve_ticket(req: Request) -> None:
    ticket = req.desk.tickets.resolve(
        actor=req.actor,
        ticket_id=req.body["view"]["private_metadata"],
        resolution=req.value("resolution"),
    )
    req.ack()
    req.desk.publisher.publish(str(ticket.id))
