from datetime import UTC, datetime
from typing import Any

import pytest

from bot.views import labels
from services.analysis.model_exchange import FailureReason
from services.analysis.urgency import UrgencySignal
from services.models.events import Event
from services.models.ticket import Priority, Status
from tests.conftest import sample_ticket


def test_every_state_and_priority_has_a_word() -> None:
    assert set(labels.STATUS) == set(Status)
    assert set(labels.PRIORITY) == set(Priority)
    assert set(labels.FAILURE) == set(FailureReason)
    assert set(labels.SIGNAL) == set(UrgencySignal)


def test_a_cancelled_ticket_is_not_called_resolved() -> None:
    cancelled = sample_ticket(status=Status.COMPLETED, resolution="cancelled")
    assert labels.status(cancelled) == "Cancelled"
    assert labels.status(sample_ticket(status=Status.COMPLETED, resolution="Done.")) == "Resolved"
    waiting = sample_ticket(status=Status.WAITING)
    assert labels.status(waiting) == "Waiting for the requester"
    assert labels.status(waiting, is_for_requester=True) == "Waiting for your answer"
    assert labels.status_in_sentence(waiting) == "waiting for the requester"


@pytest.mark.parametrize(("number", "name"), [(12, "Ticket 12"), (None, "Ticket")])
def test_it_names_a_ticket(number: int | None, name: str) -> None:
    assert labels.ticket_name(sample_ticket(number=number)) == name


@pytest.mark.parametrize(
    ("analysis", "sentence"),
    [
        (
            {"source": "gemini", "model": "gemini-x"},
            "Summary, skills and notes by Gemini (gemini-x); check before use.",
        ),
        (
            {"source": "gemini", "model": "gemini-x", "confidence": 0.4},
            "Summary, skills and notes by Gemini (gemini-x); check before use.",
        ),
        (
            {"source": "gemini", "model": "gemini-x", "modelVersion": "gemini-3-flash"},
            "Summary, skills and notes by Gemini (gemini-3-flash); check before use.",
        ),
        (
            {
                "source": "gemini",
                "model": "gemini-x",
                "namedSkills": ["VPN"],
                "suggestedSkills": ["Mail"],
            },
            "Summary, skills and notes by Gemini (gemini-x); check before use. "
            "The skills include those that the text names.",
        ),
        (
            {"source": "gemini", "model": "gemini-x", "confidence": 0.39},
            "Gemini (gemini-x) is not sure what this ticket needs. "
            "Check its summary, skills and notes with care.",
        ),
        (
            {"source": "gemini", "model": "gemini-x", "confidence": 0.0, "basis": "named"},
            "Gemini (gemini-x) is not sure what this ticket needs. "
            "The skills are those that the text names.",
        ),
        (
            {"source": "gemini", "model": "gemini-x", "confidence": 0.0, "basis": "learned"},
            "Gemini (gemini-x) is not sure what this ticket needs. "
            "The skills are those that similar resolved tickets needed.",
        ),
        ({"source": "router", "failure": None}, "Skills found offline in the text."),
        (
            {"source": "router", "failure": "quota"},
            "Skills found offline in the text, because Gemini is over its quota.",
        ),
        (
            {"source": "router", "failure": "timeout"},
            "Skills found offline in the text, because Gemini did not answer in time.",
        ),
        (
            {"source": "router", "failure": None, "basis": "learned"},
            "Skills learned offline: similar resolved tickets needed them.",
        ),
        (
            {"source": "router", "failure": "quota", "basis": "learned"},
            "Skills learned offline: similar resolved tickets needed them "
            "(Gemini is over its quota).",
        ),
    ],
)
def test_it_says_where_the_analysis_came_from(analysis: dict[str, Any], sentence: str) -> None:
    assert (
        labels.analysis_source_text(
            sample_ticket(related_skills=("VPN",), assignment={"analysis": analysis})
        )
        == sentence
    )


@pytest.mark.parametrize(
    ("priority", "analysis", "sentence"),
    [
        (
            Priority.HIGH,
            {"claim": "model", "priority": "high"},
            "Gemini called this urgent, but nothing else in the ticket says so. Its priority is "
            "high; set it to Urgent if it is.",
        ),
        (
            Priority.HIGH,
            {"claim": "requester", "priority": "high"},
            "The requester called this urgent, but nothing else in the ticket says so. Its "
            "priority is high; set it to Urgent if it is.",
        ),
        (
            Priority.URGENT,
            {"claim": "model", "priority": "urgent", "signal": "reports"},
            "Urgent, because others report the same.",
        ),
        (
            Priority.URGENT,
            {"claim": "requester", "priority": "urgent", "signal": "people"},
            "Urgent, because it speaks of several people.",
        ),
        # edited since
        (Priority.URGENT, {"claim": "model", "priority": "high"}, None),
        (Priority.LOW, {"claim": "requester", "priority": "high"}, None),
        (None, {"claim": "requester", "priority": "high"}, None),
        # no claim, or the value of a newer version
        (Priority.HIGH, {"priority": "high"}, None),
        (Priority.URGENT, {"claim": "model", "priority": "urgent", "signal": "moon"}, None),
    ],
)
def test_it_says_what_became_of_a_claim(
    priority: Priority | None, analysis: dict[str, Any], sentence: str | None
) -> None:
    ticket = sample_ticket(priority=priority, assignment={"analysis": analysis})
    assert labels.urgency_explanation(ticket) == sentence
    source = labels.analysis_source_text(ticket)
    assert labels.analysis_notes(ticket) == ([source, sentence] if sentence else [source])


def test_of_a_ticket_nobody_has_read_nothing_is_said() -> None:
    assert labels.analysis_notes(sample_ticket(assignment={"source": "manual"})) == []


@pytest.mark.parametrize(
    ("analysis", "fields", "sentence"),
    [
        ({"source": "router", "failure": "quota"}, ["relatedSkills"], "Skills set by hand."),
        (
            {"source": "gemini", "model": "gemini-x"},
            ["title", "relatedSkills"],
            "Summary and notes by Gemini (gemini-x); check before use. Skills set by hand.",
        ),
        (
            {"source": "gemini", "model": "gemini-x"},
            ["helpfulNotes", "relatedSkills"],
            "Summary by Gemini (gemini-x); check before use. Skills and notes set by hand.",
        ),
        (
            {"source": "gemini", "model": "gemini-x", "confidence": 0.1, "basis": "named"},
            ["relatedSkills"],
            "Gemini (gemini-x) is not sure what this ticket needs. Skills set by hand.",
        ),
        (
            {"source": "gemini", "model": "gemini-x", "confidence": 0.1, "basis": "named"},
            ["helpfulNotes"],
            "Gemini (gemini-x) is not sure what this ticket needs. "
            "The skills are those that the text names.",
        ),
    ],
)
def test_an_edited_field_is_not_called_an_analysis(
    analysis: dict[str, Any], fields: list[str], sentence: str
) -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    ticket_edits = tuple(Event(1, at, "x", "edited", field=field) for field in fields)
    ticket = sample_ticket(events=ticket_edits, assignment={"analysis": analysis})
    assert labels.analysis_source_text(ticket) == sentence


def test_where_no_skill_was_recognised_none_is_said_to_be_read() -> None:
    analysis = {"source": "router", "failure": "quota"}
    ticket = sample_ticket(related_skills=(), assignment={"analysis": analysis})
    assert (
        labels.analysis_source_text(ticket) == "Analysed offline, because Gemini is over its quota."
    )
