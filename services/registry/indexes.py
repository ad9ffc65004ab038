"""The MongoDB indexes of all packages, each declared by the package whose queries it serves.

If several packages use an index, the lowest of them declares it, or the package below them all.
Every query of the services is served by an index.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pymongo import IndexModel

from services.accounts import indexes as accounts
from services.assignment import indexes as assignment
from services.auth import indexes as auth
from services.availability import indexes as availability
from services.core import indexes as core
from services.core.database import Mongo
from services.digest import indexes as digest
from services.escalation import indexes as escalation
from services.home import indexes as home
from services.linking import indexes as linking
from services.lists import indexes as lists
from services.ops import indexes as ops
from services.outbox import indexes as outbox
from services.routing import indexes as routing
from services.sla import indexes as sla
from services.tickets import indexes as tickets

Declaration = Mapping[str, Sequence[IndexModel]]


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
    linking.INDEXES,
    core.INDEXES,
    auth.INDEXES,
    outbox.INDEXES,
    sla.INDEXES,
    tickets.INDEXES,
    ops.INDEXES,
    availability.INDEXES,
    routing.INDEXES,
    digest.INDEXES,
    lists.INDEXES,
    assignment.INDEXES,
    home.INDEXES,
    escalation.INDEXES,
)


def ensure_indexes(db: Mongo) -> None:
    """Create missing indexes. Safe to run in several processes concurrently."""
    for collection, indexes in INDEXES.items():
        db[collection].create_indexes(list(indexes))


def missing_indexes(db: Mongo) -> list[str]:
    """Return the names of missing indexes, as collection.name."""
    return [
        f"{collection}.{index.document['name']}"
        for collection, indexes in INDEXES.items()
        for existing in [db[collection].index_information()]
        for index in indexes
        if index.document["name"] not in existing
    ]
