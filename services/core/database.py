"""The connection to MongoDB and the indexes every query is served by."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient
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


def _unique_where_set(field: str, *more: str, above: int | str) -> IndexModel:
    """Unique a team, with `more` fields; documents without it (the predecessor's) take no part.

    By comparison and not by `$type`: from `field: 12` a planner concludes that `field` is above 0,
    but not that it is a number, and without that it would not use the index.
    """
    condition: dict[str, Any] = {field: {"$gt": above}}
    keys = [(name, ASCENDING) for name in ("teamId", field, *more)]
    return IndexModel(keys, unique=True, partialFilterExpression=condition)


# Longer than Slack goes on repeating an event.
EVENT_RETENTION = timedelta(days=1)

# The order in which lists of tickets are shown, by whose they are and by status.
_STATUS_NEWEST_KEYS = (("status", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING))
REQUESTER_STATUS_NEWEST_INDEX = (("createdBy", ASCENDING), *_STATUS_NEWEST_KEYS)
ASSIGNEE_STATUS_NEWEST_INDEX = (("assignedTo", ASCENDING), *_STATUS_NEWEST_KEYS)
# The same whatever the status.
NEWEST_INDEX = _STATUS_NEWEST_KEYS[1:]
REQUESTER_NEWEST_INDEX = (("createdBy", ASCENDING), *NEWEST_INDEX)
# The order in which they are worked on: services/sla/queue_key.py. Status and priority are there to
# be filtered by before a ticket is fetched.
_QUEUE_FIELDS = ("queueKey", "_id", "status", "priority")
QUEUE_INDEX = tuple((name, ASCENDING) for name in _QUEUE_FIELDS)
ASSIGNEE_QUEUE_INDEX = (("assignedTo", ASCENDING), *QUEUE_INDEX)
SKILL_QUEUE_INDEX = (("relatedSkills", ASCENDING), *QUEUE_INDEX)
IN_QUEUE_FILTER: dict[str, Any] = {"queueKey": {"$gt": ""}}
# What is learned from, the newest first.
RESOLVED_INDEX = (("status", ASCENDING), ("completedAt", DESCENDING), ("_id", DESCENDING))
SKILL_RESOLVED_INDEX = (("relatedSkills", ASCENDING), *RESOLVED_INDEX)

# By collection. Every query of the services is served by one of these.
INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "users": (
        IndexModel("emailKey"),
        IndexModel([("role", ASCENDING), ("active", ASCENDING)]),
        IndexModel([("emailKey", ASCENDING), ("_id", ASCENDING)]),
        IndexModel("searchKeys"),
        IndexModel("handBack.at", sparse=True),
        # Who is here: services/availability/status_sync.py and
        # services/availability/handover_offers.py.
        IndexModel([("role", ASCENDING), ("presence.dueAt", ASCENDING)]),
        IndexModel("away.until", sparse=True),
        IndexModel("handOver.nextTryAt", sparse=True),
        # Whose morning it may be: services/digest/digest_service.py.
        IndexModel([("role", ASCENDING), ("digestAt", ASCENDING)]),
        IndexModel("digestAside.since", sparse=True),
        # The shortlist of a large team: services/assignment/candidate_pool.py.
        IndexModel("skills"),
        IndexModel([("role", ASCENDING), ("lastAssignedAt", ASCENDING)]),
    ),
    "links": (
        IndexModel([("teamId", ASCENDING), ("userId", ASCENDING)], unique=True),
        IndexModel("userId"),
        IndexModel("home.ticket", sparse=True),
        IndexModel("home.queueAt", sparse=True),
    ),
    "letters": (
        IndexModel("nextTryAt", name="letters_due", partialFilterExpression={"state": "waiting"}),
        IndexModel("userId"),
        IndexModel("expiresAt", expireAfterSeconds=0),
    ),
    "inbox": (IndexModel("at", expireAfterSeconds=int(EVENT_RETENTION.total_seconds())),),
    "codes": (
        IndexModel("expiresAt", expireAfterSeconds=0),
        IndexModel([("userId", ASCENDING), ("kind", ASCENDING)]),
        # One live code to type, so that the page shown last is the one that counts.
        IndexModel(
            [("kind", ASCENDING), ("userId", ASCENDING)],
            unique=True,
            partialFilterExpression={"kind": "link"},
        ),
    ),
    "nudges": (
        IndexModel([("to", ASCENDING), ("at", ASCENDING)]),
        IndexModel("claim", sparse=True),
        IndexModel([("to", ASCENDING), ("shown.since", DESCENDING)]),
        IndexModel("at", sparse=True),
        IndexModel("expiresAt", expireAfterSeconds=0),
    ),
    "corrections": (IndexModel([("skills", ASCENDING), ("at", DESCENDING)]),),
    "linkTries": (IndexModel("expiresAt", expireAfterSeconds=0),),
    "unlinked": (IndexModel("userId"),),
    "tickets": (
        # Counted for /metrics; and the open ones without a place in the queue, to give them one.
        IndexModel([("status", ASCENDING), ("queueKey", ASCENDING)]),
        IndexModel(RESOLVED_INDEX),
        IndexModel(SKILL_RESOLVED_INDEX, partialFilterExpression={"status": "COMPLETED"}),
        IndexModel(NEWEST_INDEX),
        IndexModel(REQUESTER_NEWEST_INDEX),
        IndexModel(REQUESTER_STATUS_NEWEST_INDEX),
        IndexModel(ASSIGNEE_STATUS_NEWEST_INDEX),
        *(
            IndexModel(order, partialFilterExpression=IN_QUEUE_FILTER)
            for order in (QUEUE_INDEX, ASSIGNEE_QUEUE_INDEX, SKILL_QUEUE_INDEX)
        ),
        # By which rules they are due, to work it out anew by others: services/sla/recompute.py.
        IndexModel("target.rules", partialFilterExpression=IN_QUEUE_FILTER),
        IndexModel([("assignedTo", ASCENDING), ("assignment.at", DESCENDING)]),
        _unique_where_set("number", above=0),
        # The predecessor's tickets that services/tickets/legacy_adopt.py has still to adopt, the
        # oldest first.
        IndexModel(
            [("number", ASCENDING), ("_id", ASCENDING)],
            name="foreign",
            partialFilterExpression={"number": None},
        ),
        _unique_where_set("requestId", above=""),
        _unique_where_set("source.ts", "source.channel", above=""),
        IndexModel("notices.ts", sparse=True),  # the thread of a message that tells of it
        IndexModel("nextTryAt", name="outbox_due", partialFilterExpression={"outbox": True}),
        IndexModel("assignment.next", name="waiting_for_somebody", sparse=True),
        IndexModel("alarm.at", name="alarm_due", sparse=True),
        IndexModel("alarm.aside.since", sparse=True),  # services/ops/failing_items.py
    ),
}


def is_reachable(db: Mongo) -> bool:
    """Whether the server is there, said within a second."""
    try:
        with pymongo.timeout(PING_TIMEOUT_SECONDS):
            db.command("ping")
    except PyMongoError:
        return False
    return True


def ensure_indexes(db: Mongo) -> None:
    """Create what is missing; safe to run from several processes at once."""
    for collection, indexes in INDEXES.items():
        db[collection].create_indexes(list(indexes))


def missing_indexes(db: Mongo) -> list[str]:
    """Those not there yet, as collection.name."""
    return [
        f"{collection}.{index.document['name']}"
        for collection, indexes in INDEXES.items()
        for existing in [db[collection].index_information()]
        for index in indexes
        if index.document["name"] not in existing
    ]
