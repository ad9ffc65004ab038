"""Of one message one ticket is made, whoever asks: what its other readers are told of it."""

from services.database import Mongo
from services.errors import Conflict, NotFound
from services.models import Ticket
from services.permissions import Actor, require_sight
from services.sources import Source


class AlreadyFiled(Conflict):
    """There is a ticket of that message; `ticket` is None for who may not know more of it."""

    def __init__(self, number: int | None, ticket: Ticket | None) -> None:
        super().__init__(f"Somebody has already made ticket {number} of this message.")
        self.ticket = ticket


def check_unused(
    db: Mongo, *, actor: Actor, team_id: str, source: Source, request_id: str | None = None
) -> None:
    """Raise `AlreadyFiled`, except where the asker's own form (`request_id`) made that ticket."""
    same = {"source.ts": source.ts, "source.channel": source.channel}
    doc = db.tickets.find_one({"teamId": team_id, **same})
    if doc is None or (request_id is not None and doc.get("requestId") == request_id):
        return
    ticket = Ticket.from_doc(doc)
    try:
        raise AlreadyFiled(ticket.number, require_sight(actor, ticket))
    except NotFound:
        raise AlreadyFiled(ticket.number, None) from None
