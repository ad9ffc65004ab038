"""Indexes that only lists use, each in the order of its list."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from services.sla.indexes import IN_QUEUE_FILTER, QUEUE_INDEX
from services.tickets.indexes import NEWEST_INDEX

REQUESTER_STATUS_NEWEST_INDEX = (("createdBy", ASCENDING), ("status", ASCENDING), *NEWEST_INDEX)
SKILL_QUEUE_INDEX = (("relatedSkills", ASCENDING), *QUEUE_INDEX)

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        IndexModel(REQUESTER_STATUS_NEWEST_INDEX),
        IndexModel(SKILL_QUEUE_INDEX, partialFilterExpression=IN_QUEUE_FILTER),
    ),
}
