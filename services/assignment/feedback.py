"""Corrections by people of a choice of assignee: stored, and weighed in later choices for the same
skills.

A user who declined a ticket, or from whom it was taken, counts less for its skills, the user who
was given it more. A correction counts half after a month and not at all after three.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from services.assignment.candidate import skills_by_key
from services.core.coerce import as_datetime, as_object_id, as_string_list
from services.core.database import Mongo
from services.models.events import Event, EventType
from services.models.ticket import Ticket

CORRECTION_LIFETIME = timedelta(days=90)
CORRECTION_HALF_LIFE = timedelta(days=30)
# Only the newest: more corrections of one skill within three months add no information.
MAX_CORRECTIONS = 1_000


class CorrectionKind(StrEnum):
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
    kind: CorrectionKind | None = None

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
            kind=CorrectionKind(kind) if kind in tuple(CorrectionKind) else None,
        )


def record_corrections(db: Mongo, ticket: Ticket, *, now: datetime) -> None:
    """Store the corrections in a ticket's history. Idempotent.

    Called by the outbox worker, so a stored event always yields its correction. No query for a
    ticket without one.
    """
    found = [
        _correction(ticket, event)
        for event in ticket.events
        if event.at > now - CORRECTION_LIFETIME
    ]
    made = {doc["_id"]: doc for doc in found if doc}
    if not made:
        return
    known = {doc["_id"] for doc in db.corrections.find({"_id": {"$in": list(made)}}, {"_id": True})}
    for missing in made.keys() - known:
        try:
            db.corrections.insert_one(made[missing])
        except DuplicateKeyError:  # another worker was first
            continue


def correction_scores(db: Mongo, *, skills: Sequence[str], now: datetime) -> dict[ObjectId, float]:
    """Return the weight of corrections for these skills by user, -1 (against) to 1. One query."""
    if not skills:
        return {}
    found = db.corrections.aggregate(
        [
            {"$match": {"skills": {"$in": list(skills_by_key(skills))}}},
            {"$match": {"at": {"$gt": now - CORRECTION_LIFETIME}}},
            {"$sort": {"at": -1}},
            {"$limit": MAX_CORRECTIONS},
            {"$project": {"at": True, "from": True, "to": True, "skills": True}},
        ]
    )
    return score_corrections(filter(None, map(Correction.from_doc, found)), skills=skills, now=now)


def ticket_corrections(db: Mongo, ticket_id: ObjectId) -> list[Correction]:
    """Return the corrections on this ticket, the oldest first."""
    found = db.corrections.find({"_id": {"$gt": f"{ticket_id}:", "$lt": f"{ticket_id};"}})
    return sorted(filter(None, map(Correction.from_doc, found)), key=_age_key)


def score_corrections(
    corrections: Iterable[Correction], *, skills: Sequence[str], now: datetime
) -> dict[ObjectId, float]:
    """Score corrections that are loaded already. One of today about all the skills makes 1/2, two
    make 2/3; older ones, and those about a part of the skills, count less. Pure."""
    needed = skills_by_key(skills).keys()
    sums: defaultdict[ObjectId, float] = defaultdict(float)
    for correction in sorted(corrections, key=_age_key):
        shared = len(needed & correction.skills) / max(len(needed), 1)
        age = max(now - correction.at, timedelta(0))
        if age >= CORRECTION_LIFETIME or not shared:
            continue
        weight: float = shared * 0.5 ** (age / CORRECTION_HALF_LIFE)
        if correction.from_:
            sums[correction.from_] -= weight
        if correction.to:
            sums[correction.to] += weight
    return {who: total / (1 + abs(total)) for who, total in sums.items()}


def _age_key(correction: Correction) -> tuple[datetime, list[str]]:
    """A fixed order, so that a floating-point sum is always the same."""
    return correction.at, sorted(correction.skills)


def _correction(ticket: Ticket, event: Event) -> dict[str, Any] | None:
    """Return None for any other event, and for what assignment, an absence or a deactivation
    did."""
    if event.skills is None or not isinstance(event.by, ObjectId):
        return None
    not_mine = event.type == EventType.UNASSIGNED and event.by == event.from_
    return {
        "_id": f"{ticket.id}:{event.seq}",
        "ticketId": ticket.id,
        "at": event.at,
        "by": event.by,
        "kind": (CorrectionKind.NOT_MINE if not_mine else CorrectionKind.REASSIGNED).value,
        "from": event.from_,
        "to": event.to,
        "skills": sorted(skills_by_key(event.skills)),
    }
