"""Indexes of tickets, and of accounts whose tickets are released."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, DESCENDING, IndexModel

from services.core.database import Document

# The newest first, which several packages read: everyone's, a requester's, an assignee's by status.
NEWEST_INDEX = (("createdAt", DESCENDING), ("_id", DESCENDING))
REQUESTER_NEWEST_INDEX = (("createdBy", ASCENDING), *NEWEST_INDEX)
ASSIGNEE_STATUS_NEWEST_INDEX = (("assignedTo", ASCENDING), ("status", ASCENDING), *NEWEST_INDEX)
# The newest resolved first: the router learns from them, the digest counts them.
RESOLVED_INDEX = (("status", ASCENDING), ("completedAt", DESCENDING), ("_id", DESCENDING))


def _unique_where_set(field: str, *more: str, above: int | str) -> IndexModel:
    """Unique a team, with `more` fields; documents without it (the predecessor's) take no part.

    By comparison and not by `$type`: from `field: 12` a planner concludes that `field` is above 0,
    but not that it is a number, and without that it would not use the index.
    """
    condition: Document = {field: {"$gt": above}}
    keys = [(name, ASCENDING) for name in ("teamId", field, *more)]
    return IndexModel(keys, unique=True, partialFilterExpression=condition)


INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel(NEWEST_INDEX),
        IndexModel(REQUESTER_NEWEST_INDEX),
        IndexModel(ASSIGNEE_STATUS_NEWEST_INDEX),
        IndexModel(RESOLVED_INDEX),
        _unique_where_set("number", above=0),
        # The predecessor's tickets that legacy.py has still to adopt, the oldest first.
        IndexModel(
            [("number", ASCENDING), ("_id", ASCENDING)],
            name="foreign",
            partialFilterExpression={"number": None},
        ),
        _unique_where_set("requestId", above=""),
        _unique_where_set("source.ts", "source.channel", above=""),
    ),
    # Accounts with a request to release their tickets: release.py.
    "users": (IndexModel("handBack.at", sparse=True),),
}
