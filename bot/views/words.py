"""The words people read for states, priorities and sources."""

from services.analysis import FailureReason, Source
from services.lifecycle import CANCELLED
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

# Why the offline router stood in for the model.
FAILURE = {
    FailureReason.TIMEOUT: "did not answer in time",
    FailureReason.QUOTA: "is over its quota",
    FailureReason.UNAVAILABLE: "could not be reached",
    FailureReason.BLOCKED: "declined to read this text",
    FailureReason.TRUNCATED: "gave an unusable answer",
    FailureReason.EMPTY: "gave an unusable answer",
    FailureReason.UNREADABLE: "gave an unusable answer",
    FailureReason.OFF_SCHEMA: "gave an unusable answer",
    FailureReason.REFUSED_KEY: "refused the configured key",
    FailureReason.REFUSED_REQUEST: "refused the request",
}


def status(ticket: Ticket) -> str:
    """A cancelled ticket is completed, but nobody resolved it."""
    if ticket.status is Status.COMPLETED and ticket.resolution == CANCELLED:
        return "Cancelled"
    return STATUS[ticket.status]


def name(ticket: Ticket) -> str:
    return f"Ticket {ticket.number}" if ticket.number else "Ticket"


def source(ticket: Ticket) -> str:
    """Where the analysis came from."""
    analysis = ticket.assignment.get("analysis") or {}
    if analysis.get("source") == Source.GEMINI:
        return f"Summary, skills and notes by Gemini ({analysis.get('model')}); check before use."
    if analysis.get("failure"):
        why = FAILURE.get(analysis["failure"], "gave no answer")  # perhaps a newer version's word
        return f"Skills read offline from the text, because Gemini {why}."
    return "Skills read offline from the text."
