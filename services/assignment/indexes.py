"""Indexes of candidates and corrections."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, DESCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    # Recent assignments: of some candidates, and of the whole team.
    "tickets": (
        IndexModel([("assignedTo", ASCENDING), ("assignment.at", DESCENDING)]),
        IndexModel([("assignment.at", DESCENDING), ("assignedTo", ASCENDING)]),
    ),
    # The shortlist of a large team.
    "users": (
        IndexModel("skills"),
        IndexModel([("role", ASCENDING), ("lastAssignedAt", ASCENDING)]),
    ),
    "corrections": (IndexModel([("skills", ASCENDING), ("at", DESCENDING)]),),
}
