"""The connection to MongoDB."""

from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, PyMongoError

Document = dict[str, Any]


Mongo = Database[Document]

DEFAULT_DATABASE_NAME = "ai-ticket-assistant"
# The deadline of each call, unless a handler sets a tighter one around it.
TIMEOUT_MS = 5_000
PING_TIMEOUT_SECONDS = 1.0


def connect(uri: str) -> Mongo:
    """Return the database that the URI names. Connects lazily, at the first query.

    Call it once per process, after any fork. An acknowledged write is on a majority's disks.
    """
    client: MongoClient[Document] = MongoClient(
        uri,
        tz_aware=True,
        # A date mistyped in the legacy backend, such as the year 20260, becomes a `DatetimeMS`.
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


def update_for(values: Document) -> Document:
    """Return the update that sets these fields, and removes those that are None."""
    update = {
        "$set": {name: value for name, value in values.items() if value is not None},
        "$unset": {name: "" for name, value in values.items() if value is None},
    }
    return {operator: fields for operator, fields in update.items() if fields}


def is_reachable(db: Mongo) -> bool:
    """Return whether the server answers, within a second."""
    try:
        with pymongo.timeout(PING_TIMEOUT_SECONDS):
            db.command("ping")
    except PyMongoError:
        return False
    return True
