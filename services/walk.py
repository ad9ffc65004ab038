"""Every ticket there is, for the rare command that has to look at all of them."""

from collections.abc import Iterable, Iterator

from bson import ObjectId

from services.database import Mongo
from services.models import Document

AT_ONCE = 500


def every_ticket(db: Mongo, fields: Iterable[str]) -> Iterator[Document]:
    """By `_id`, some at a time, each with these fields only."""
    read = dict.fromkeys(fields, True)
    last = ObjectId("0" * 24)
    while found := list(db.tickets.find({"_id": {"$gt": last}}, read).sort("_id").limit(AT_ONCE)):
        yield from found
        last = found[-1]["_id"]
