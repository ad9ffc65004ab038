"""The filter of a change of one ticket, which applies only if fields have expected values.

MongoDB finds the ticket by `_id`. For a filter with further fields, SecantusDB scans all tickets,
unless an index begins with `_id`, and each further field is in the index's partial filter with a
condition that the filter repeats. So the partial filter of `CHANGE_INDEX` has a condition for each
of the fields that is true of every ticket.
"""

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from bson.min_key import MinKey
from pymongo import ASCENDING, IndexModel

from services.core.database import Document

# No paths, such as "assignment.until": no value is at a path through an empty array.
FIELDS = ("seq", "status", "assignedTo", "notices", "cards", "outbox", "nextTryAt")
_ANY: Document = {"$gte": MinKey()}  # any value, and no value

# MongoDB allows no partial index of `_id` alone, and `createdAt` never changes.
CHANGE_INDEX = IndexModel(
    [("_id", ASCENDING), ("createdAt", ASCENDING)],
    name="change",
    partialFilterExpression=dict.fromkeys(FIELDS, _ANY),
)


def ticket_filter(ticket_id: ObjectId, conditions: Mapping[str, Any]) -> Document:
    """Return the filter for a ticket whose fields have the given values, or match the given
    operators. A scan of the embedded database finds it if a field is not among `FIELDS`."""
    clauses = {field: _clause(value) for field, value in conditions.items()}
    return {
        "_id": ticket_id,
        **clauses,
        **{field: {**clauses.get(field, {}), **_ANY} for field in FIELDS},
    }


def _clause(value: Any) -> Document:
    is_operators = isinstance(value, Mapping) and all(str(key).startswith("$") for key in value)
    return dict(value) if is_operators and value else {"$eq": value}
