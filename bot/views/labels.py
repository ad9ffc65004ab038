"""Labels of states, priorities and sources of an analysis."""

from collections.abc import Mapping, Set
from typing import Any

from services.analysis.analysis_store import edited_fields, model_name, skill_sources
from services.analysis.model_exchange import FailureReason, SkillMatch, is_low_confidence
from services.analysis.urgency import UrgencyClaim, UrgencySignal
from services.core.text import join_words
from services.models.resolution import RESOLUTION_CODES
from services.models.ticket import AnalysisSource, Priority, Status, Ticket
from services.tickets.lifecycle import is_awaiting_acceptance

STATUS = {
    Status.TODO: "Open",
    Status.IN_PROGRESS: "In progress",
    Status.WAITING: "Waiting for the requester",
    Status.COMPLETED: "Resolved",
    Status.REOPENED: "Reopened",
}

# A ticket in progress whose assignee has not accepted it yet.
ASSIGNED = "Assigned"

PRIORITY = {
    Priority.LOW: "Low",
    Priority.MEDIUM: "Medium",
    Priority.HIGH: "High",
    Priority.URGENT: "Urgent",
}

# Stands before the name: a colour alone is no label.
PRIORITY_SIGN = {
    Priority.LOW: ":white_circle:",
    Priority.MEDIUM: ":large_blue_circle:",
    Priority.HIGH: ":large_orange_circle:",
    Priority.URGENT: ":red_circle:",
}
NOT_ASSIGNED = "Not assigned yet"

# As the requester reads them.
REQUESTER_STATUS = {**STATUS, Status.WAITING: "Waiting for your answer"}

# Why the offline router was used instead of the model.
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

# Fields that an analysis fills in. Staff may edit all but the summary.
_ANALYSIS_FIELDS = {"summary": "summary", "relatedSkills": "skills", "helpfulNotes": "notes"}

# Evidence for urgent other than the requester's or the model's claim.
SIGNAL = {
    UrgencySignal.OUTAGE: "it speaks of an outage",
    UrgencySignal.BREACH: "it speaks of a breach of security",
    UrgencySignal.PEOPLE: "it speaks of several people",
    UrgencySignal.REPORTS: "others report the same",
}

# What is off without each scope of the Slack app, for admins.
SCOPE_EFFECTS = {
    "commands": "Slash commands and shortcuts do not work.",
    "chat:write": "No messages are sent.",
    "chat:write.public": "Messages go only to channels that the app is a member of.",
    "app_mentions:read": "Mentions of the app file nothing.",
    "chat:write.customize": "Optional: an answer that is passed on to a message's thread begins "
    "with its author's name, below the app's own.",
    "channels:read": "Messages of public channels are linked in tickets, but not quoted, and none "
    "can be made a request channel.",
    "groups:read": "A private triage channel is not checked, and no private channel can be made a "
    "request channel.",
    "channels:history": "What people write in public request channels and below the cards in a "
    "public triage channel is not read, and messages marked with the emoji are linked, but not "
    "quoted.",
    "groups:history": "What people write in private request channels and below the cards in a "
    "private triage channel is not read.",
    "im:history": "Direct messages to the app are not read, nor are replies to its messages.",
    "im:write": "After a failure, a person's first message may arrive twice.",
    "reactions:read": "Emoji file no tickets, and do nothing to tickets.",
    "users:read": "New members get no account, and Slack statuses are not read.",
    "dnd:read": "People get messages although they have paused notifications.",
    "users:read.email": "Members get no account by their email address, only by a code.",
    "channels:join": "Optional: the app does not join the triage channel and request channels by "
    "itself, so invite it.",
}


def status(ticket: Ticket, *, is_for_requester: bool = False) -> str:
    """Return the label of the status. Other ends have the status of a resolved ticket."""
    phrase = RESOLUTION_CODES.get(ticket.resolution or "")
    if ticket.status is Status.COMPLETED and phrase:
        return f"{phrase[0].upper()}{phrase[1:]}"
    if is_awaiting_acceptance(ticket):
        return ASSIGNED
    return (REQUESTER_STATUS if is_for_requester else STATUS)[ticket.status]


def status_in_sentence(ticket: Ticket, *, is_for_requester: bool = False) -> str:
    """Return the same in lower case."""
    label = status(ticket, is_for_requester=is_for_requester)
    return label[0].lower() + label[1:]


def signed_priority(priority: Priority) -> str:
    """Return sign and name, for mrkdwn and for plain text with emoji."""
    return f"{PRIORITY_SIGN[priority]} {PRIORITY[priority]}"


def priority_in_sentence(priority: Priority) -> str:
    return f"{PRIORITY[priority].lower()} priority"


def ticket_name(ticket: Ticket) -> str:
    return f"Ticket {ticket.number}" if ticket.number else "Ticket"


def analysis_notes(ticket: Ticket) -> list[str]:
    """Return the source of the analysis, and why a ticket that was called urgent is or is not."""
    return [
        sentence
        for sentence in (analysis_source_text(ticket), urgency_explanation(ticket))
        if sentence
    ]


def analysis_source_text(ticket: Ticket) -> str | None:
    """Return the source of the analysis and what was edited since; None without an analysis."""
    analysis = ticket.assignment.get("analysis") or {}
    if not analysis:
        return None
    by_hand = edited_fields(ticket) & _ANALYSIS_FIELDS.keys()
    if analysis.get("source") == AnalysisSource.GEMINI:
        return _by_gemini(ticket, analysis, by_hand)
    if "relatedSkills" in by_hand:
        return "Skills set by hand."
    is_learned = analysis.get("basis") == SkillMatch.LEARNED
    skills_source = (
        "Skills found offline in the text" if ticket.related_skills else "Analysed offline"
    )
    if is_learned:
        skills_source = "Skills learned offline: similar resolved tickets needed them"
    if analysis.get("failure"):
        why = FAILURE.get(analysis["failure"], "gave no answer")  # may be stored by a newer version
        return (
            f"{skills_source} (Gemini {why})."
            if is_learned
            else f"{skills_source}, because Gemini {why}."
        )
    return f"{skills_source}."


def _by_gemini(ticket: Ticket, analysis: Mapping[str, Any], by_hand: Set[str]) -> str:
    model, sources = model_name(ticket), skill_sources(ticket)
    edited = join_words([word for field, word in _ANALYSIS_FIELDS.items() if field in by_hand])
    if not is_low_confidence(analysis.get("confidence")):
        rest = join_words(
            [word for field, word in _ANALYSIS_FIELDS.items() if field not in by_hand]
        )
        text = f"{rest.capitalize()} by Gemini ({model}); check before use."
        if not set(sources.named) <= set(sources.suggested):
            text += " The skills include those that the text names."
        return f"{text} {edited.capitalize()} set by hand." if edited else text
    doubt = f"Gemini ({model}) is not sure what this ticket needs."
    if "relatedSkills" in by_hand:
        return f"{doubt} {edited.capitalize()} set by hand."
    if analysis.get("basis") == SkillMatch.LEARNED:
        return f"{doubt} The skills are those that similar resolved tickets needed."
    if analysis.get("basis") == SkillMatch.KEYWORD:
        return f"{doubt} The skills are those that the text names."
    return f"{doubt} Check its summary, skills and notes with care."


def urgency_explanation(ticket: Ticket) -> str | None:
    """Return why a ticket that was called urgent is or is not; None if no claim was weighed, or
    the priority was edited since."""
    analysis = ticket.assignment.get("analysis") or {}
    claim, analysed_priority = analysis.get("claim"), analysis.get("priority")
    if not claim or ticket.priority is None or ticket.priority != analysed_priority:
        return None
    if ticket.priority is Priority.URGENT:
        signal = analysis.get("signal")
        return (
            f"Urgent, because {SIGNAL[UrgencySignal(signal)]}."
            if signal in set(UrgencySignal)
            else None
        )
    who = "The requester" if claim == UrgencyClaim.REQUESTER else "Gemini"
    return (
        f"{who} called this urgent, but nothing else in the ticket says so. Its priority is high; "
        "set it to Urgent if it is."
    )
