"""What assignment reads from and writes to the database; whom it chooses is in assignment.py."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from services import changes
from services.analysis import Analysis, Source
from services.assignment import Candidate, Choice
from services.changes import EventType, NewEvent
from services.database import Mongo
from services.links import LinkService
from services.models import OPEN_STATUSES, Priority, Role, Status, Ticket, User
from services.waiting import RETRY_AFTER

CLAIM = timedelta(seconds=90)
FAIRNESS_WINDOW = timedelta(days=7)
UNASSIGNED = {"status": {"$in": [Status.TODO, Status.REOPENED]}, "assignedTo": None}

# What a moderator may edit of an analysis. Other words of the ticket bring another analysis.
_KEPT = frozenset({"helpfulNotes", "relatedSkills"})


def needs_assignment(ticket: Ticket) -> bool:
    """Whether the ticket waits for assignment now, rather than for a person or for somebody's
    return. The predecessor's old tickets (no seq) do not enter by themselves."""
    return (
        ticket.seq > 0
        and ticket.status in (Status.TODO, Status.REOPENED)
        and ticket.assigned_to is None
        and "next" not in ticket.assignment
    )


def declined(ticket: Ticket) -> frozenset[ObjectId]:
    """Those from whom it was handed back: they are not chosen for it again."""
    had = (event.from_ for event in ticket.events if event.type == EventType.HANDED_BACK)
    return frozenset(user_id for user_id in had if isinstance(user_id, ObjectId))


class AssignmentStore:
    def __init__(self, db: Mongo, links: LinkService) -> None:
        self._db = db
        self._links = links

    def claim(self, ticket_id: ObjectId, *, now: datetime) -> Ticket | None:
        """Take the ticket for 90 s, so that two tasks never both ask the model; None: taken."""
        free = {"$or": [{"assignment.until": None}, {"assignment.until": {"$lte": now}}]}
        doc = self._db.tickets.find_one_and_update(
            {"_id": ticket_id, **UNASSIGNED, **free},
            {"$set": {"assignment.until": now + CLAIM}},
            return_document=ReturnDocument.AFTER,
        )
        return Ticket.from_doc(doc) if doc else None

    def release(self, ticket_id: ObjectId) -> None:
        self._db.tickets.update_one({"_id": ticket_id}, {"$unset": {"assignment.until": ""}})

    def store_analysis(self, ticket: Ticket, analysis: Analysis, *, now: datetime) -> Ticket | None:
        """Keep what was found before anybody is chosen; None where the ticket changed meanwhile.

        A priority chosen by a person stays, and so do the notes and skills somebody has edited.
        """
        found = analysis.priority or Priority.MEDIUM
        by_person = ticket.priority if ticket.priority != _analysed_priority(ticket) else None
        read = {
            "summary": analysis.summary,
            "priority": (by_person or found).value,
            "helpfulNotes": analysis.helpful_notes,
            "relatedSkills": list(analysis.related_skills),
        }
        edited = {event.field for event in ticket.events if event.type == EventType.EDITED}
        return changes.apply(
            self._db,
            ticket,
            values={
                **{field: value for field, value in read.items() if field not in edited & _KEPT},
                "assignment.analysis": {
                    **_analysis_doc(ticket, analysis, now),
                    "priority": None if by_person else found.value,
                },
            },
            events=[NewEvent(EventType.ANALYSED, by=_author(analysis.source))],
            now=now,
        )

    def candidates(self, *, team_id: str, now: datetime) -> list[Candidate]:
        """Everybody who may be assigned tickets; four queries however many people there are."""
        staff = {"role": {"$in": [Role.MODERATOR, Role.ADMIN]}, "active": {"$ne": False}}
        docs = {doc["_id"]: doc for doc in self._db.users.find(staff)}
        linked = self._links.slack_ids(team_id=team_id, user_ids=set(docs))
        everybody = {"assignedTo": {"$in": list(docs)}}
        load = self._count(everybody | {"status": {"$in": list(OPEN_STATUSES)}})
        recent = self._count(everybody | {"assignment.at": {"$gt": now - FAIRNESS_WINDOW}})
        return [
            _candidate(
                User.from_doc(doc),
                linked=user_id in linked,
                open_tickets=load.get(user_id, 0),
                recent=recent.get(user_id, 0),
                away_until=_away_until(doc.get("away")),
            )
            for user_id, doc in docs.items()
        ]

    def assign(
        self, ticket: Ticket, choice: Choice, *, source: Source, now: datetime
    ) -> Ticket | None:
        """Hand the ticket to the chosen one; None where it changed meanwhile."""
        return changes.apply(
            self._db,
            ticket,
            values={
                "assignedTo": choice.user_id,
                "status": Status.IN_PROGRESS.value,
                "assignment.source": source.value,
                "assignment.reason": choice.reason,
                "assignment.score": choice.score,
                "assignment.parts": choice.parts,
                "assignment.at": now,
            },
            events=[
                NewEvent(
                    EventType.ASSIGNED,
                    by="system",
                    field="assignedTo",
                    to=choice.user_id,
                    note=choice.reason,
                ),
                NewEvent(
                    EventType.STATUS_CHANGED,
                    by="system",
                    field="status",
                    from_=ticket.status.value,
                    to=Status.IN_PROGRESS.value,
                ),
            ],
            now=now,
            remove=["assignment.until"],
            **UNASSIGNED,
        )

    def park(self, ticket: Ticket, *, now: datetime) -> Ticket | None:
        """Nobody can take it: look again in five minutes. Its history says so once, and once more
        for a ticket that somebody had meanwhile."""
        values = {"assignment.next": now + RETRY_AFTER}
        told = _was_parked(ticket)
        return changes.apply(
            self._db,
            ticket,
            values=values,
            events=[] if told else [NewEvent(EventType.NOBODY_AVAILABLE, by="system")],
            now=now,
            remove=["assignment.until"],
            **UNASSIGNED,
        )

    def _count(self, match: dict[str, Any]) -> dict[ObjectId, int]:
        pipeline = [{"$match": match}, {"$group": {"_id": "$assignedTo", "count": {"$sum": 1}}}]
        return {row["_id"]: row["count"] for row in self._db.tickets.aggregate(pipeline)}


def _was_parked(ticket: Ticket) -> bool:
    """Whether nobody has had it since it was said that nobody is available."""
    either = (EventType.NOBODY_AVAILABLE, EventType.ASSIGNED)
    last = next((event for event in reversed(ticket.events) if event.type in either), None)
    return last is not None and last.type == EventType.NOBODY_AVAILABLE


def is_analysed(ticket: Ticket) -> bool:
    """Whether the stored analysis is of the words the ticket has now."""
    stored = ticket.assignment.get("analysis") or {}
    return bool(stored.get("digest") == _digest(ticket))


def analysis_source(ticket: Ticket) -> Source:
    return Source(ticket.assignment["analysis"]["source"])


def _analysed_priority(ticket: Ticket) -> str | None:
    """The priority an earlier analysis gave the ticket; None where it kept a person's."""
    priority: str | None = (ticket.assignment.get("analysis") or {}).get("priority")
    return priority


def _analysis_doc(ticket: Ticket, analysis: Analysis, now: datetime) -> dict[str, Any]:
    return {
        "digest": _digest(ticket),
        "source": analysis.source.value,
        "model": analysis.model,
        "confidence": analysis.confidence,
        "failure": analysis.failure,
        "tokens": analysis.tokens,
        "ms": analysis.ms,
        "at": now,
    }


def _digest(ticket: Ticket) -> str:
    return hashlib.sha256(f"{ticket.title}\0{ticket.description}".encode()).hexdigest()


def _author(source: Source) -> str:
    return "ai" if source is Source.GEMINI else "system"


def _away_until(away: Any) -> datetime | None:
    until = away.get("until") if isinstance(away, dict) else None
    return until if isinstance(until, datetime) else None


def _candidate(
    user: User, *, linked: bool, open_tickets: int, recent: int, away_until: datetime | None
) -> Candidate:
    return Candidate(
        user_id=user.id,
        role=user.role,
        skills=user.skills,
        open_tickets=open_tickets,
        capacity=user.capacity,
        recent=recent,
        linked=linked,
        away_until=away_until,
    )
