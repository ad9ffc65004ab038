"""The connection to MongoDB and the indexes every query is served by."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError

from services.models import Document

Mongo = Database[Document]

DEFAULT_NAME = "ai-ticket-assistant"
# A call without a handler's tighter deadline around it gives up after this long.
TIMEOUT_MS = 5_000


def connect(uri: str) -> Mongo:
    """The database the URI names. Lazy: nothing is reached before the first query.

    One client a process, made after any fork. An acknowledged write is on a majority's disks.
    """
    client: MongoClient[Document] = MongoClient(
        uri, tz_aware=True, timeoutMS=TIMEOUT_MS, w="majority", journal=True, appname="ticket-bot"
    )
    try:
        return client.get_default_database()
    except ConfigurationError:  # the URI names no database
        return client[DEFAULT_NAME]


def ensure_indexes(db: Mongo) -> None:
    """Create what is missing; safe to run from several processes at once."""
    db.users.create_index("emailKey")
    db.users.create_index([("role", ASCENDING), ("active", ASCENDING)])
    db.links.create_index([("teamId", ASCENDING), ("userId", ASCENDING)], unique=True)
    db.links.create_index("userId")
    db.tickets.create_index([("createdBy", ASCENDING), ("createdAt", DESCENDING)])
    db.tickets.create_index([("assignedTo", ASCENDING), ("status", ASCENDING)])
    db.tickets.create_index([("assignedTo", ASCENDING), ("assignment.at", DESCENDING)])
    _unique_where_set(db, "number", "int")
    _unique_where_set(db, "requestId", "string")
    db.tickets.create_index(
        "nextTryAt", name="outbox_due", partialFilterExpression={"outbox": True}
    )
    db.tickets.create_index(
        "assignment.next",
        name="waiting_for_somebody",
        partialFilterExpression={"assignment.next": {"$type": "date"}},
    )


def _unique_where_set(db: Mongo, field: str, bson_type: str) -> None:
    """Unique a team; documents without the field (the predecessor's) do not take part."""
    condition: dict[str, Any] = {field: {"$type": bson_type}}
    db.tickets.create_index(
        [("teamId", ASCENDING), (field, ASCENDING)], unique=True, partialFilterExpression=condition
    )
