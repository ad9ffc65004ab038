import pytest

from bot.views import words
from services.analysis import FailureReason
from services.models import Priority, Status
from tests.conftest import sample_ticket


def test_every_state_and_priority_has_a_word() -> None:
    assert set(words.STATUS) == set(Status)
    assert set(words.PRIORITY) == set(Priority)
    assert set(words.FAILURE) == set(FailureReason)


def test_a_cancelled_ticket_is_not_called_resolved() -> None:
    cancelled = sample_ticket(status=Status.COMPLETED, resolution="cancelled")
    assert words.status(cancelled) == "Cancelled"
    assert words.status(sample_ticket(status=Status.COMPLETED, resolution="Done.")) == "Resolved"
    assert words.status(sample_ticket(status=Status.WAITING)) == "Waiting for the requester"


@pytest.mark.parametrize(("number", "name"), [(12, "Ticket 12"), (None, "Ticket")])
def test_it_names_a_ticket(number: int | None, name: str) -> None:
    assert words.name(sample_ticket(number=number)) == name


@pytest.mark.parametrize(
    ("analysis", "sentence"),
    [
        (
            {"source": "gemini", "model": "gemini-x"},
            "Summary, skills and notes by Gemini (gemini-x); check before use.",
        ),
        ({"source": "router", "failure": None}, "Skills read offline from the text."),
        (
            {"source": "router", "failure": "quota"},
            "Skills read offline from the text, because Gemini is over its quota.",
        ),
        (
            {"source": "router", "failure": "timeout"},
            "Skills read offline from the text, because Gemini did not answer in time.",
        ),
    ],
)
def test_it_says_where_the_analysis_came_from(
    analysis: dict[str, str | None], sentence: str
) -> None:
    assert words.source(sample_ticket(assignment={"analysis": analysis})) == sentence
