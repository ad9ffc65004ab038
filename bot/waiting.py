"""The answers to a ticket's second question: two buttons on a message to its requester."""

from bot.request import Request
from bot.views import waiting


def still(req: Request) -> None:
    """Pressed twice, it is said once."""
    key = f"still:{(req.body.get('container') or {}).get('message_ts', '')}"
    ticket = req.desk.answering.still(actor=req.actor, ticket_id=req.pressed, key=key)
    req.desk.publisher.publish(str(ticket.id))
    req.replace(waiting.said_still(ticket))


def solved(req: Request) -> None:
    ticket = req.desk.answering.solved(actor=req.actor, ticket_id=req.pressed)
    req.desk.publisher.publish(str(ticket.id))
    req.replace(waiting.said_solved(ticket))
