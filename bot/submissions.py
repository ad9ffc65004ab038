"""Modals sent in. Stored first, then answered, so that a failure keeps the modal and its text."""

from bot import messages, shortcuts
from bot.request import Request
from bot.views import forms
from services.message_tickets import AlreadyFiled


def file_ticket(req: Request) -> None:
    view = req.body["view"]
    try:
        filed = req.desk.tickets.create(
            actor=req.actor,
            team_id=req.desk.team_id,
            request_id=view["id"],
            title=req.value("title"),
            description=req.value("description"),
            priority=req.value("priority") or None,
            source=messages.source_from(req.desk, view.get("private_metadata") or ""),
        )
    except AlreadyFiled as found:  # of the same message, and quicker
        typed = req.value("description")
        view = shortcuts.already_filed(req, found, typed=typed)
        req.ack(response_action="update", view=view)
        return
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
