"""The words people read for states, priorities and sources."""

from services.models import Priority, Status, Ticket

STATUS = {
    Status.TODO: "To do",
    Status.IN_PROGRESS: "In progress",
    Status.WAITING: "Waiting for the requester",
    Status.COMPLETED: "Resolved",
    Status.REOPENED: "Reopened",
}

PRIORITY = {
    Priority.LOW: "Low",
    Priority.MEDIUM: "Medium",
    Priority.HIGH: "High",
    Priority.URGENT: "Urgent",
}

# Why the offline router stood in for the model; keyed by services.analysis.FailureReason.
FAILURE = {
    "timeout": "did not answer in time",
    "quota": "is over its quota",
    "blocked": "declined to read this text",
    "refused_key": "refused the configured key",
    "off_schema": "gave an unusable answer",
    "truncated": "gave an unusable answer",
    "unavailable": "could not be reached",
}


def name(ticket: Ticket) -> str:
    return f"Ticket {ticket.number}" if ticket.number else "Ticket"


def source(ticket: Ticket) -> str:
    """Where the analysis came from."""
    analysis = ticket.assignment.get("analysis") or {}
    if analysis.get("source") == "gemini":
        return f"Summary, skills and notes by Gemini ({analysis.get('model')}); check before use."
    if analysis.get("failure"):
        why = FAILURE.get(analysis["failure"], "gave no answer")
        return f"Skills read offline from the text, because Gemini {why}."
    return "Skills read offline from the text."
