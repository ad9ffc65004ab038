"""The MongoDB indexes of all packages, each declared by the package whose queries it serves.

If several packages use an index, the lowest of them declares it, or the package below them all.
Every query of the services is served by an index.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from services.accounts import indexes as accounts
from services.assignment import indexes as assignment
from services.audit import indexes as audit
from services.auth import indexes as auth
from services.availability import indexes as availability
from services.channels import indexes as channels
from services.core import database
from services.core import indexes as core
from services.core.database import Document, Mongo
from services.core.errors import DomainError
from services.digest import indexes as digest
from services.escalation import indexes as escalation
from services.home import indexes as home
from services.linking import indexes as linking
from services.lists import indexes as lists
from services.ops import indexes as ops
from services.outbox import indexes as outbox
from services.routing import indexes as routing
from services.search import indexes as search
from services.sla import indexes as sla
from services.tickets import indexes as tickets

Declaration = Mapping[str, Sequence[IndexModel]]

logger = logging.getLogger(__name__)

MAX_LISTED = 10


def collect_indexes(*declarations: Declaration) -> Declaration:
    """Merge them by collection. Raises `ValueError` if a collection has two of one name."""
    collected: defaultdict[str, dict[str, IndexModel]] = defaultdict(dict)
    for declaration in declarations:
        for collection, indexes in declaration.items():
            for index in indexes:
                name = index.document["name"]
                if name in collected[collection]:
                    raise ValueError(f"the index {collection}.{name} is declared twice")
                collected[collection][name] = index
    return {collection: tuple(named.values()) for collection, named in collected.items()}


# `doctor` lists missing indexes in this order. They may be created in any order.
INDEXES: Declaration = collect_indexes(
    accounts.INDEXES,
    audit.INDEXES,
    linking.INDEXES,
    core.INDEXES,
    auth.INDEXES,
    outbox.INDEXES,
    sla.INDEXES,
    tickets.INDEXES,
    ops.INDEXES,
    availability.INDEXES,
    channels.INDEXES,
    routing.INDEXES,
    digest.INDEXES,
    lists.INDEXES,
    search.INDEXES,
    assignment.INDEXES,
    home.INDEXES,
    escalation.INDEXES,
)


# Indexes of earlier releases that no query needs any more. `drop_retired_indexes` drops them.
RETIRED: Declaration = {
    "tickets": (
        IndexModel([("createdBy", ASCENDING), ("createdAt", DESCENDING)]),
        IndexModel("status"),
        IndexModel(
            [("_id", ASCENDING), ("status", ASCENDING), ("assignedTo", ASCENDING)],
            partialFilterExpression={"seq": {"$gt": 0}},
        ),
    ),
}

_OPTIONS: Document = {
    "unique": False,
    "sparse": False,
    "partialFilterExpression": None,
    "expireAfterSeconds": None,
}


@dataclass(frozen=True, slots=True)
class Index:
    """An index that this product declares."""

    collection: str
    model: IndexModel

    def __str__(self) -> str:
        return f"{self.collection}.{self.name}"

    @property
    def name(self) -> str:
        return str(self.model.document["name"])

    @property
    def fields(self) -> list[str]:
        return list(self.model.document["key"])

    @property
    def is_unique(self) -> bool:
        return bool(self.model.document.get("unique"))

    @property
    def is_partial(self) -> bool:
        return bool(self.filter or self.model.document.get("sparse"))

    @property
    def filter(self) -> Document:
        """What a document has to match to be in the index."""
        return dict(self.model.document.get("partialFilterExpression") or {})

    def matches(self, existing: Mapping[str, Any]) -> bool:
        """Return whether an index of MongoDB has this definition, under any name."""
        wanted = self.model.document
        return list(existing["key"]) == list(wanted["key"].items()) and all(
            existing.get(option, default) == wanted.get(option, default)
            for option, default in _OPTIONS.items()
        )

    def is_built(self, existing: Mapping[str, Mapping[str, Any]]) -> bool:
        """Return whether it is among the indexes of its collection.

        MongoDB builds no second index of the same definition, so one with a foreign name counts.
        """
        if self.name in existing:
            return self.matches(existing[self.name])
        return any(self.matches(other) for other in existing.values())


class DuplicateDocuments(DomainError):
    """Stored documents have the same values in fields that have to be unique."""


def declared_indexes(*, unique: bool) -> list[Index]:
    """Return the unique indexes, without which nothing may be written, or all others.

    Those that hold few documents come first: they are built fast, and the jobs query by them every
    ten seconds.
    """
    found = [index for index in _indexes_of(INDEXES) if index.is_unique == unique]
    return sorted(found, key=lambda index: not index.is_partial)


def missing_indexes(db: Mongo, indexes: Sequence[Index] | None = None) -> list[Index]:
    """Return those of `indexes` (of all, by default) that are not there, or defined differently."""
    wanted = _indexes_of(INDEXES) if indexes is None else indexes
    existing = {
        collection: db[collection].index_information()
        for collection in dict.fromkeys(index.collection for index in wanted)
    }
    return [index for index in wanted if not index.is_built(existing[index.collection])]


def build_index(db: Mongo, index: Index) -> None:
    """Build the index, and replace one of its name whose definition has changed. No-op if it is
    there.

    It takes as long as MongoDB needs. Raises `DuplicateDocuments` for a unique index.
    """
    collection = db[index.collection]
    existing = collection.index_information()
    if index.name not in existing and index.is_built(existing):
        return
    if index.name in existing and not index.matches(existing[index.name]):
        _check_duplicates(db, index)  # while the old index still forbids new ones
        logger.info("the index %s has changed and is replaced", index)
        collection.drop_index(index.name)
    try:
        # Also for one that is listed: MongoDB lists an index that it is still building for a
        # process that was killed, and this call waits until it is complete.
        with database.no_deadline():
            collection.create_indexes([index.model])
    except DuplicateKeyError:
        _check_duplicates(db, index)
        raise  # the duplicates have been removed


def ensure_indexes(db: Mongo) -> None:
    """Build all indexes now, for a database that no process serves yet."""
    for index in _indexes_of(INDEXES):
        build_index(db, index)


def drop_retired_indexes(db: Mongo) -> None:
    """Drop the indexes of `RETIRED`. One of another application with such a name stays."""
    for index in _indexes_of(RETIRED):
        existing = db[index.collection].index_information().get(index.name)
        if existing is not None and index.matches(existing):
            db[index.collection].drop_index(index.name)
            logger.info("the index %s of an earlier release is dropped", index)


def _indexes_of(declaration: Declaration) -> list[Index]:
    return [
        Index(collection, model) for collection, models in declaration.items() for model in models
    ]


def _check_duplicates(db: Mongo, index: Index) -> None:
    """Raise `DuplicateDocuments` with the ids of documents that the unique index forbids."""
    if not index.is_unique:
        return
    collection = db[index.collection]
    values = {f"field{place}": f"${field}" for place, field in enumerate(index.fields)}
    with database.no_deadline():
        found = list(
            collection.aggregate(
                [
                    {"$match": index.filter},
                    {"$group": {"_id": values, "count": {"$sum": 1}}},
                    {"$match": {"count": {"$gt": 1}}},
                    {"$limit": MAX_LISTED + 1},
                ],
                allowDiskUse=True,
            )
        )
        groups = []
        for group in found[:MAX_LISTED]:
            same = {
                field: group["_id"].get(f"field{place}") for place, field in enumerate(index.fields)
            }
            docs = collection.find({"$and": [index.filter, same]}, ["_id"]).limit(MAX_LISTED)
            ids = ", ".join(str(doc["_id"]) for doc in docs)
            more = group["count"] - MAX_LISTED
            groups.append(f"_id {ids}" + (f" and {more} more" if more > 0 else ""))
    if groups:
        raise DuplicateDocuments(
            f"The unique index {index} cannot be built: documents of {index.collection} have the "
            f"same {' and '.join(index.fields)}. {'; '.join(groups)}"
            f"{'; and more' if len(found) > MAX_LISTED else ''}. Change or delete all but one of "
            "each group, and start again."
        )
