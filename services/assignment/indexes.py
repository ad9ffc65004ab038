"""Indexes of candidates and corrections."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, DESCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    # Recent assignments of each candidate.
    "tickets": (IndexModel([("assignedTo", ASCENDING), ("assignment.at", DESCENDING)]),),
    # The shortlist of a large team.
    "users": (
        IndexModel("skills"),
        IndexModel([("role", ASCENDING), ("lastAssignedAt", ASCENDING)]),
    ),
    "corrections": (IndexModel([("skills", ASCENDING), ("at", DESCENDING)]),),
}
