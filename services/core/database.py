"""The connection to MongoDB."""

from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, PyMongoError

Document = dict[str, Any]


Mongo = Database[Document]

DEFAULT_DATABASE_NAME = "ai-ticket-assistant"
# A call without a handler's tighter deadline around it gives up after this long.
TIMEOUT_MS = 5_000
PING_TIMEOUT_SECONDS = 1.0


def connect(uri: str) -> Mongo:
    """The database the URI names. Lazy: nothing is reached before the first query.

    One client a process, made after any fork. An acknowledged write is on a majority's disks.
    """
    client: MongoClient[Document] = MongoClient(
        uri,
        tz_aware=True,
        # A deadline mistyped in the predecessor, say the year 20260, is read as a `DatetimeMS`.
        datetime_conversion="DATETIME_AUTO",
        timeoutMS=TIMEOUT_MS,
        w="majority",
        journal=True,
        appname="ticket-bot",
    )
    try:
        return client.get_default_database()
    except ConfigurationError:  # the URI names no database
        return client[DEFAULT_DATABASE_NAME]


def is_reachable(db: Mongo) -> bool:
    """Whether the server is there, said within a second."""
    try:
        with pymongo.timeout(PING_TIMEOUT_SECONDS):
            db.command("ping")
    except PyMongoError:
        return False
    return True
