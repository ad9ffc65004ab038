"""Indexes of the audit log, and of documents whose entries are not in it yet."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from services.audit.audit_log import AUDITED_COLLECTIONS, PENDING_FIELD

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "audit": (
        IndexModel("at"),
        IndexModel([("subject", ASCENDING), ("at", ASCENDING)]),
        IndexModel([("by", ASCENDING), ("at", ASCENDING)]),
    ),
    **{name: (IndexModel(f"{PENDING_FIELD}.at", sparse=True),) for name in AUDITED_COLLECTIONS},
}
