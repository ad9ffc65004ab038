"""The condition of "Waiting for me": which of an assignee's open tickets wait for the assignee.

A ticket does if its assignee has not accepted it, which is also so after it was reopened; or if its
requester or a participant has written the last public comment. It does not while it waits for the
requester. Internal notes change nothing.
"""

from services.core.database import Document
from services.models.ticket import Status


def _array(field: str) -> Document:
    """Return the array, empty if a direct write has stored anything else."""
    return {"$cond": [{"$isArray": field}, field, []]}


_PUBLIC_COMMENTS: Document = {
    "$filter": {"input": _array("$comments"), "cond": {"$eq": ["$$this.internal", False]}}
}
_LAST_AUTHOR: Document = {"$ifNull": ["$$last.by", False]}  # False: no one has written
_HAS_NEW_MESSAGE: Document = {
    "$let": {
        "vars": {"last": {"$arrayElemAt": [_PUBLIC_COMMENTS, -1]}},
        "in": {
            "$in": [_LAST_AUTHOR, {"$concatArrays": [["$createdBy"], _array("$participants")]}],
        },
    }
}
# For the open tickets of one assignee, who has few: no index knows the last comment.
WAITS_FOR_ITS_ASSIGNEE: Document = {
    "status": {"$nin": [Status.WAITING.value, Status.COMPLETED.value]},
    "$and": [{"$or": [{"acceptedAt": None}, {"$expr": _HAS_NEW_MESSAGE}]}],
}
