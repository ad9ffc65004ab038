"""The indexes of the queue: the order in which open tickets are worked on (queue_key.py)."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from services.core.database import Document
from services.sla.queue_key import QUEUE_KEY_FIELD

# Status and priority are there to be filtered by before a ticket is fetched.
_QUEUE_FIELDS = (QUEUE_KEY_FIELD, "_id", "status", "priority")
# The team's queue and an assignee's: the lists read pages of them, the digest counts them.
QUEUE_INDEX = tuple((name, ASCENDING) for name in _QUEUE_FIELDS)
ASSIGNEE_QUEUE_INDEX = (("assignedTo", ASCENDING), *QUEUE_INDEX)
# The partial filter of every index in queue order. A query must imply it to be served by one.
IN_QUEUE_FILTER: Document = {QUEUE_KEY_FIELD: {"$gt": ""}}

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        # Counted for /metrics; and the open ones without a place in the queue, to give them one.
        IndexModel([("status", ASCENDING), (QUEUE_KEY_FIELD, ASCENDING)]),
        IndexModel(QUEUE_INDEX, partialFilterExpression=IN_QUEUE_FILTER),
        IndexModel(ASSIGNEE_QUEUE_INDEX, partialFilterExpression=IN_QUEUE_FILTER),
        # The policy a due date was computed with, to find those of another: recompute.py.
        IndexModel("target.rules", partialFilterExpression=IN_QUEUE_FILTER),
    ),
}
