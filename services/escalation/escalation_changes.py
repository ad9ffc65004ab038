"""Changes of a ticket by escalation steps."""

from datetime import datetime

from services.core.database import Document
from services.models.assignee_choice import AssigneeChoice
from services.models.escalation_track import EscalationStep, StepChange
from services.models.events import EventType, NewEvent
from services.models.ticket import Status, Ticket
from services.sla.escalation_schedule import NEXT_STEP_FIELD
from services.tickets.transitions import Change

NOT_ACCEPTED_REASON = "passed on to you, because it was not accepted in time"


def record_step(ticket: Ticket, step: EscalationStep) -> Change:
    """The event of a step that only notifies its audience."""
    track_state = ticket.escalation_tracks[step.track]
    event = NewEvent(
        EventType.REMINDED if step.rule.change is StepChange.REMIND else EventType.ESCALATED,
        by="system",
        field=NEXT_STEP_FIELD,
        from_=track_state.last_step.value if track_state.last_step else None,
        to=step.value,
    )
    return Change(events=(event,))


def reassign(ticket: Ticket, choice: AssigneeChoice, *, now: datetime) -> Change:
    """Reassign the ticket to the chosen user."""
    former, to, reason = (
        ticket.assigned_to,
        choice.user_id,
        f"{choice.reason_text} · {NOT_ACCEPTED_REASON}",
    )
    reassigned, kind = EventType.REASSIGNED_BY_ESCALATION, EscalationStep.ACCEPT_REASSIGN.value
    events = [
        NewEvent(reassigned, by="system", field=NEXT_STEP_FIELD, from_=former, to=kind),
        NewEvent(
            EventType.ASSIGNED, by="system", field="assignedTo", from_=former, to=to, note=reason
        ),
    ]
    was, is_now = ticket.status, Status.IN_PROGRESS
    if was is not is_now:
        changed = EventType.STATUS_CHANGED
        event = NewEvent(changed, by="system", field="status", from_=was.value, to=is_now.value)
        events.append(event)
    return Change(
        {"assignedTo": to, "status": is_now.value, **_assignment(ticket, choice, reason, now)},
        tuple(events),
        ("acceptedAt",),
    )


def _assignment(ticket: Ticket, choice: AssigneeChoice, reason: str, now: datetime) -> Document:
    analysis = ticket.assignment.get("analysis") or {}
    return {
        "assignment.reason": reason,
        "assignment.score": choice.score,
        "assignment.parts": choice.score_parts,
        "assignment.at": now,
        **({"assignment.source": analysis["source"]} if analysis.get("source") else {}),
    }
