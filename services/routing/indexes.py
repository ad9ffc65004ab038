"""Index of resolved tickets by skill, for similar_tickets.py."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from services.tickets.indexes import RESOLVED_INDEX

SKILL_RESOLVED_INDEX = (("relatedSkills", ASCENDING), *RESOLVED_INDEX)

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (IndexModel(SKILL_RESOLVED_INDEX, partialFilterExpression={"status": "COMPLETED"}),),
}
