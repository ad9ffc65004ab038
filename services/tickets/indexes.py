"""Indexes of tickets, and of accounts with a release request."""

from collections.abc import Mapping, Sequence

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from services.core.database import Document
from services.models.resolution import NOT_A_REQUEST_RESOLUTION

# Newest first, used by several packages: all tickets, a requester's, an assignee's by status.
NEWEST_INDEX = (("createdAt", DESCENDING), ("_id", DESCENDING))
REQUESTER_NEWEST_INDEX = (("createdBy", ASCENDING), *NEWEST_INDEX)
FILER_NEWEST_INDEX = (("filedBy", ASCENDING), *NEWEST_INDEX)
ASSIGNEE_STATUS_NEWEST_INDEX = (("assignedTo", ASCENDING), ("status", ASCENDING), *NEWEST_INDEX)
# Resolved tickets, newest first: the router learns from them, the digest counts them.
RESOLVED_INDEX = (("status", ASCENDING), ("completedAt", DESCENDING), ("_id", DESCENDING))
# For each word of a ticket, the newest first: services/models/search_words.py.
PUBLIC_WORDS_INDEX = (("search.public", ASCENDING), *NEWEST_INDEX)
INTERNAL_WORDS_INDEX = (("search.internal", ASCENDING), *NEWEST_INDEX)
# For the filter of a partial index. Not `$exists`: SecantusDB does not use such an index.
FIRST_ID = ObjectId("0" * 24)


def _unique_if_set(field: str, *more: str, above: int | str) -> IndexModel:
    """Unique within a team. Documents without the field are not indexed.

    The condition is a comparison, not `$type`: from `field: 12` the query planner concludes that
    `field` is above 0, but not that it is a number, and then it does not use the index.
    """
    condition: Document = {field: {"$gt": above}}
    keys = [(name, ASCENDING) for name in ("teamId", field, *more)]
    return IndexModel(keys, unique=True, partialFilterExpression=condition)


INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel(NEWEST_INDEX),
        IndexModel(REQUESTER_NEWEST_INDEX),
        # Tickets that a person filed for others: for the hourly limit, and merged accounts.
        IndexModel(FILER_NEWEST_INDEX, partialFilterExpression={"filedBy": {"$gt": FIRST_ID}}),
        # Tickets that a person is not to get: for merged accounts.
        IndexModel("notTo", partialFilterExpression={"notTo": {"$gt": FIRST_ID}}),
        IndexModel(ASSIGNEE_STATUS_NEWEST_INDEX),
        IndexModel(RESOLVED_INDEX),
        # Those that were no requests: counts leave them out.
        IndexModel("resolution", partialFilterExpression={"resolution": NOT_A_REQUEST_RESOLUTION}),
        IndexModel(PUBLIC_WORDS_INDEX),
        IndexModel(INTERNAL_WORDS_INDEX, partialFilterExpression={"search.internal": {"$gt": ""}}),
        _unique_if_set("number", above=0),
        # The legacy backend's tickets that legacy.py has not adopted yet, oldest first.
        IndexModel(
            [("number", ASCENDING), ("_id", ASCENDING)],
            name="foreign",
            partialFilterExpression={"number": None},
        ),
        _unique_if_set("requestId", above=""),
        _unique_if_set("source.ts", "source.channel", above=""),
        # Tickets of replies, the newest first, by the thread in which they are talked about.
        IndexModel(
            [
                ("teamId", ASCENDING),
                ("source.threadTs", ASCENDING),
                ("source.channel", ASCENDING),
                ("source.conversation", ASCENDING),
                ("_id", DESCENDING),
            ],
            partialFilterExpression={"source.threadTs": {"$gt": ""}},
        ),
    ),
    # Accounts with a request to release their tickets: release.py.
    "users": (IndexModel("handBack.at", sparse=True),),
}
