"""What people said against a choice: kept, and weighed in later choices for the same skills.

Whoever gave a ticket back or had it taken from them counts less for its skills, whoever was given
it more. A correction counts half after a month and not at all after three.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from services.assignment.scoring import by_key
from services.core.coerce import as_datetime, as_object_id, as_string_list
from services.core.database import Mongo
from services.models.events import Event, EventType
from services.models.ticket import Ticket

COUNTS_FOR = timedelta(days=90)
HALVED_AFTER = timedelta(days=30)
# The newest of so many: more of one skill within three months tell nothing new.
READ_MOST = 1_000


class Kind(StrEnum):
    REASSIGNED = "reassigned"
    NOT_MINE = "not_mine"


@dataclass(frozen=True, slots=True)
class Correction:
    """`from_` had the ticket, `to` got it from a person; `skills` are casefolded."""

    at: datetime
    from_: ObjectId | None
    to: ObjectId | None
    skills: frozenset[str]
    by: ObjectId | None = None
    kind: Kind | None = None

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Correction | None":
        at = as_datetime(doc.get("at"))
        if at is None:
            return None
        skills = frozenset(as_string_list(doc.get("skills")))
        kind = doc.get("kind")
        return cls(
            at,
            as_object_id(doc.get("from")),
            as_object_id(doc.get("to")),
            skills,
            by=as_object_id(doc.get("by")),
            kind=Kind(kind) if kind in tuple(Kind) else None,
        )


def keep(db: Mongo, ticket: Ticket, *, now: datetime) -> None:
    """Keep the corrections in a ticket's history, each once, however often this is called.

    By whoever works through the outbox: so a step that is stored is a correction that is kept,
    whatever dies in between. No query for a ticket without.
    """
    said = [_correction(ticket, event) for event in ticket.events if event.at > now - COUNTS_FOR]
    made = {doc["_id"]: doc for doc in said if doc}
    if not made:
        return
    known = {doc["_id"] for doc in db.corrections.find({"_id": {"$in": list(made)}}, {"_id": True})}
    for missing in made.keys() - known:
        try:
            db.corrections.insert_one(made[missing])
        except DuplicateKeyError:  # by another worker, meanwhile
            continue


def net_effects(db: Mongo, *, skills: Sequence[str], now: datetime) -> dict[ObjectId, float]:
    """By person, what corrections for these skills come to: -1 (against them) to 1. One query."""
    if not skills:
        return {}
    found = db.corrections.aggregate(
        [
            {"$match": {"skills": {"$in": list(by_key(skills))}}},
            {"$match": {"at": {"$gt": now - COUNTS_FOR}}},
            {"$sort": {"at": -1, "_id": 1}},
            {"$limit": READ_MOST},
            {"$project": {"at": True, "from": True, "to": True, "skills": True}},
        ]
    )
    return weighed(filter(None, map(Correction.from_doc, found)), skills=skills, now=now)


def of_ticket(db: Mongo, ticket_id: ObjectId) -> list[Correction]:
    """Those that were made on this ticket, the oldest first."""
    found = db.corrections.find({"_id": {"$gt": f"{ticket_id}:", "$lt": f"{ticket_id};"}})
    return sorted(filter(None, map(Correction.from_doc, found)), key=_by_age)


def weighed(
    corrections: Iterable[Correction], *, skills: Sequence[str], now: datetime
) -> dict[ObjectId, float]:
    """The same of corrections at hand. One of today about all the skills makes a half, two make
    two thirds; those about a part of the skills and the older ones count less. Pure."""
    needed = by_key(skills).keys()
    sums: defaultdict[ObjectId, float] = defaultdict(float)
    for correction in sorted(corrections, key=_by_age):
        shared = len(needed & correction.skills) / max(len(needed), 1)
        age = max(now - correction.at, timedelta(0))
        if age >= COUNTS_FOR or not shared:
            continue
        weight: float = shared * 0.5 ** (age / HALVED_AFTER)
        if correction.from_:
            sums[correction.from_] -= weight
        if correction.to:
            sums[correction.to] += weight
    return {who: total / (1 + abs(total)) for who, total in sums.items()}


def _by_age(correction: Correction) -> tuple[datetime, list[str]]:
    """An order of their own, so that a sum is the same to the last digit whoever read them."""
    return correction.at, sorted(correction.skills)


def _correction(ticket: Ticket, event: Event) -> dict[str, Any] | None:
    """None for what assignment, an absence or an account's end did, and for any other event."""
    if event.skills is None or not isinstance(event.by, ObjectId):
        return None
    not_mine = event.type == EventType.UNASSIGNED and event.by == event.from_
    return {
        "_id": f"{ticket.id}:{event.seq}",
        "ticketId": ticket.id,
        "at": event.at,
        "by": event.by,
        "kind": (Kind.NOT_MINE if not_mine else Kind.REASSIGNED).value,
        "from": event.from_,
        "to": event.to,
        "skills": sorted(by_key(event.skills)),
    }
