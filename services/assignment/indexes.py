"""The indexes of the choice of an assignee, and of the corrections it learns from."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, DESCENDING, IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    # What each candidate was given lately: candidate_pool.py.
    "tickets": (IndexModel([("assignedTo", ASCENDING), ("assignment.at", DESCENDING)]),),
    # The shortlist of a large team: shortlist.py.
    "users": (
        IndexModel("skills"),
        IndexModel([("role", ASCENDING), ("lastAssignedAt", ASCENDING)]),
    ),
    "corrections": (IndexModel([("skills", ASCENDING), ("at", DESCENDING)]),),
}
