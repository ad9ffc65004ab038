"""Queries for tickets: one by id, the number of an account's open tickets, and all tickets."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from bson import ObjectId
from bson.errors import InvalidId

from services.core.database import Document, Mongo
from services.models.set_aside import DATA_ERRORS
from services.models.ticket import OPEN_STATUSES, Ticket
from services.tickets import legacy

BATCH_SIZE = 500
# The projection without the long arrays that escalation and reminders do not need.
WITHOUT_MESSAGES = dict.fromkeys(("comments", "notices", "cards"), False)


def load_ticket(db: Mongo, ticket_id: str) -> Ticket | None:
    """Return the ticket, or None if the id is unknown or malformed.

    Loading a ticket of the legacy backend adopts it.
    """
    try:
        doc = db.tickets.find_one({"_id": ObjectId(ticket_id)})
    except InvalidId:
        return None
    if doc and doc.get("number") is None:
        doc = legacy.adopt(db, doc)
    return Ticket.from_doc(doc) if doc else None


def load_several(db: Mongo, ticket_ids: Iterable[str]) -> list[Ticket]:
    """Return these tickets, without those that `load_ticket` adopts, or that cannot be read."""
    ids = [ObjectId(ticket_id) for ticket_id in ticket_ids if ObjectId.is_valid(ticket_id)]
    loaded = []
    for doc in db.tickets.find({"_id": {"$in": ids}}):
        with suppress(*DATA_ERRORS):
            if doc.get("number") is not None:
                loaded.append(Ticket.from_doc(doc))
    return loaded


def load_for_reminders(db: Mongo, ticket_ids: Iterable[ObjectId]) -> list[Ticket]:
    """Return these tickets, without the fields that no reminder shows."""
    found = db.tickets.find({"_id": {"$in": list(set(ticket_ids))}}, WITHOUT_MESSAGES)
    return [Ticket.from_doc(doc) for doc in found]


def count_open_tickets(db: Mongo, user_id: ObjectId) -> int:
    open_tickets = {"assignedTo": user_id, "status": {"$in": list(OPEN_STATUSES)}}
    return db.tickets.count_documents(open_tickets)


def iter_tickets(db: Mongo, fields: Iterable[str]) -> Iterator[Document]:
    """Yield every ticket with these fields only, in batches, for commands that read all of them."""
    read = dict.fromkeys(fields, True)
    last = ObjectId("0" * 24)
    while found := list(
        db.tickets.find({"_id": {"$gt": last}}, read).sort("_id").limit(BATCH_SIZE)
    ):
        yield from found
        last = found[-1]["_id"]
