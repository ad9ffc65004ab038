"""The indexes of the queue order (queue_key.py) and of outdated due dates (recompute.py)."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from services.core.database import Document
from services.sla.queue_key import QUEUE_KEY_FIELD

# With status and priority, so that they are filtered by before a ticket is fetched.
_QUEUE_FIELDS = (QUEUE_KEY_FIELD, "_id", "status", "priority")
# For the pages of the team's queue and of an assignee's, and for the counts of the digest.
QUEUE_INDEX = tuple((name, ASCENDING) for name in _QUEUE_FIELDS)
ASSIGNEE_QUEUE_INDEX = (("assignedTo", ASCENDING), *QUEUE_INDEX)
# The partial filter of every index in queue order. MongoDB uses one only if the query implies it.
IN_QUEUE_FILTER: Document = {QUEUE_KEY_FIELD: {"$gt": ""}}

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        # Counts for /metrics, and open tickets without a queue key.
        IndexModel([("status", ASCENDING), (QUEUE_KEY_FIELD, ASCENDING)]),
        IndexModel(QUEUE_INDEX, partialFilterExpression=IN_QUEUE_FILTER),
        IndexModel(ASSIGNEE_QUEUE_INDEX, partialFilterExpression=IN_QUEUE_FILTER),
        # Tickets with a due date that was computed by another policy: recompute.py.
        IndexModel("target.rules", partialFilterExpression=IN_QUEUE_FILTER),
    ),
}
