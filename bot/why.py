"""The button "Why?" on a ticket's page, for admins."""

from bot.request import Request
from bot.views.why import SHOWN, looking, why


def show(req: Request) -> None:
    """In a large team everybody takes a while to look at, and a trigger lives three seconds."""
    actor = req.actor
    req.open(looking())
    run = req.desk.explaining.look(actor=actor, ticket_id=req.pressed, most=SHOWN)
    req.update(why(run))
