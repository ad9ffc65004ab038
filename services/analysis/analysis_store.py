"""Store the analysis of a ticket, and check whether it is current."""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.analysis.model_exchange import NO_SOURCES, Analysis, SkillSources
from services.analysis.urgency import PriorityDecision, UrgencyClaim, decide_priority
from services.core.coerce import as_string_list
from services.core.database import Document, Mongo
from services.models.events import EventType, NewEvent
from services.models.ticket import AnalysisSource, Priority, Ticket, parse_priority
from services.models.user import User, can_work_on_tickets
from services.tickets import ticket_store
from services.tickets.transitions import Change

# The fields of an analysis that a moderator may edit. A changed text gets a new analysis.
_EDITABLE_FIELDS = frozenset({"helpfulNotes", "relatedSkills"})


def is_analysed(ticket: Ticket) -> bool:
    """Whether the stored analysis is of the current title and description."""
    return bool(_stored(ticket).get("digest") == _content_hash(ticket))


def analysis_source(ticket: Ticket) -> AnalysisSource:
    return AnalysisSource(ticket.assignment["analysis"]["source"])


def model_name(ticket: Ticket) -> str | None:
    """Return the model that analysed the ticket: its version, or the configured name."""
    stored = _stored(ticket)
    return stored.get("modelVersion") or stored.get("model")


def skill_sources(ticket: Ticket) -> SkillSources:
    """Return how text and model differ about the skills; nothing if a person has set them."""
    if "relatedSkills" in edited_fields(ticket):
        return NO_SOURCES
    stored = _stored(ticket)
    return SkillSources(
        named=as_string_list(stored.get("namedSkills")),
        suggested=as_string_list(stored.get("suggestedSkills")),
    )


def requested_priority(ticket: Ticket) -> Priority | None:
    """Return the priority a person set, even if an analysis has lowered it."""
    before = _stored(ticket)
    if ticket.priority != before.get("priority"):
        return ticket.priority
    return parse_priority(before.get("asked"))


def store_analysis(
    db: Mongo, ticket: Ticket, analysis: Analysis, *, now: datetime
) -> Ticket | None:
    """Store the analysis before an assignee is chosen; None if the ticket has changed since."""
    change = analysis_change(db, ticket, analysis, now=now)
    return ticket_store.apply(db, ticket, change, now=now)


def analysis_change(db: Mongo, ticket: Ticket, analysis: Analysis, *, now: datetime) -> Change:
    """Return the change that stores the analysis.

    A priority set by a person stays, except a requester's "urgent" without a second signal. Notes
    and skills that a person has edited stay.
    """
    requested = requested_priority(ticket)
    is_trusted = requested is Priority.URGENT and _is_by_staff(db, ticket)
    priority = decide_priority(
        requested=requested,
        is_trusted=is_trusted,
        suggested=analysis.priority,
        signal=analysis.signal,
    )
    is_by_person = requested is not None and priority.claim is None
    stored = {
        **_doc(ticket, analysis, now),
        "priority": None if is_by_person else priority.priority.value,
        "asked": requested.value if requested and not is_by_person else None,
        "claim": priority.claim.value if priority.claim else None,
        "signal": analysis.signal.value if analysis.signal else None,
    }
    return Change(
        values={**_found(ticket, analysis, priority), "assignment.analysis": stored},
        events=(
            NewEvent(EventType.ANALYSED, by=_author(analysis.source)),
            *_lowered(ticket, priority),
        ),
    )


def _found(ticket: Ticket, analysis: Analysis, priority: PriorityDecision) -> Document:
    """Return the fields that the analysis sets: those that no person has edited."""
    read = {
        "summary": analysis.summary,
        "priority": priority.priority.value,
        "helpfulNotes": analysis.helpful_notes,
        "relatedSkills": list(analysis.related_skills),
    }
    edited = edited_fields(ticket) & _EDITABLE_FIELDS
    return {field: value for field, value in read.items() if field not in edited}


def with_analysis(ticket: Ticket, analysis: Analysis, *, now: datetime) -> Ticket:
    """Return the ticket as assignment would see it with that analysis. Nothing is stored."""
    keeps = "relatedSkills" in edited_fields(ticket)
    return replace(
        ticket,
        related_skills=ticket.related_skills if keeps else analysis.related_skills,
        assignment={**ticket.assignment, "analysis": _doc(ticket, analysis, now)},
    )


def edited_fields(ticket: Ticket) -> frozenset[str]:
    edits = (event.field for event in ticket.events if event.type == EventType.EDITED)
    return frozenset(field for field in edits if field)


def _lowered(ticket: Ticket, priority: PriorityDecision) -> list[NewEvent]:
    """Return the history event if the analysis lowers a priority that a person set."""
    old, new = ticket.priority, priority.priority
    if priority.claim is not UrgencyClaim.REQUESTER or old is None or old is new:
        return []
    return [
        NewEvent(EventType.EDITED, by="system", field="priority", from_=old.value, to=new.value)
    ]


def _is_by_staff(db: Mongo, ticket: Ticket) -> bool:
    """Whether the user who set the priority works on tickets. Others edit only their own."""
    set_by = [
        event.by
        for event in ticket.events
        if (event.type, event.field) == (EventType.EDITED, "priority")
        and isinstance(event.by, ObjectId)
    ]
    author = set_by[-1] if set_by else ticket.filer
    if author is None or author not in (ticket.created_by, ticket.filed_by):
        return author is not None
    doc = db.users.find_one({"_id": author})
    return doc is not None and can_work_on_tickets(User.from_doc(doc))


def _doc(ticket: Ticket, analysis: Analysis, now: datetime) -> dict[str, Any]:
    return {
        "digest": _content_hash(ticket),
        "source": analysis.source.value,
        "model": analysis.model,
        "modelVersion": analysis.model_version,
        "namedSkills": list(analysis.skill_sources.named) or None,
        "suggestedSkills": list(analysis.skill_sources.suggested) or None,
        "confidence": analysis.confidence,
        "failure": analysis.failure,
        "basis": analysis.basis.value if analysis.basis else None,
        "tokens": analysis.tokens,
        "ms": analysis.ms,
        "at": now,
    }


def _stored(ticket: Ticket) -> dict[str, Any]:
    return ticket.assignment.get("analysis") or {}


def _content_hash(ticket: Ticket) -> str:
    return hashlib.sha256(f"{ticket.title}\0{ticket.description}".encode()).hexdigest()


def _author(source: AnalysisSource) -> str:
    return "ai" if source is AnalysisSource.GEMINI else "system"
