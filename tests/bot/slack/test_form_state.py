"""The fields that a user changed in the modal to update a ticket."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.handlers.ticket_page import changed_fields
from bot.slack.form_state import FormState
from bot.views.modals.edit_ticket import EditMetadata, edit_ticket_modal
from services.assignment.ranking import AssigneeOption
from services.core.errors import InvalidValue
from services.editing.ticket_edits import EditForm
from services.models.ticket import Priority, Status
from services.models.user import Role, User
from tests.conftest import sample_ticket
from tests.support.view_state import state_values

AT = datetime(2026, 3, 5, 14, 7, 31, tzinfo=UTC)
BEN = User(ObjectId(), "ben@example.com", Role.MODERATOR, name="Ben")
FULL: dict[str, Any] = {
    "status": Status.IN_PROGRESS,
    "priority": Priority.HIGH,
    "deadline": AT,
    "related_skills": ("VPN", "Cobol"),
    "assigned_to": BEN.id,
    "helpful_notes": "Look at the log.",
    "seq": 7,
}
SECONDS = int(AT.timestamp())


def sent(touched: Any = (), values: Any = None, **fields: Any) -> dict[str, Any]:
    """What is read from the form of that ticket, sent in with those `values` in it."""
    ticket = sample_ticket(**{**FULL, **fields})
    fit = AssigneeOption(BEN, (), open_tickets=2, capacity=8, obstacle=None)
    view = edit_ticket_modal(EditForm(ticket, ("DNS", "VPN"), fit))
    submitted = {**view, "state": {"values": state_values(view, values or {})}}
    return changed_fields(FormState(submitted), EditMetadata("", 7, frozenset(touched)))


def test_an_untouched_form_changes_nothing() -> None:
    assert sent() == {}


@pytest.mark.parametrize(
    ("field", "typed", "meant"),
    [
        ("title", "VPN down", "VPN down"),
        ("title", None, ""),
        ("description", "Every hour\nsince Monday.", "Every hour\nsince Monday."),
        ("status", "WAITING", "WAITING"),
        ("message", "Which floor?", "Which floor?"),
        ("priority", "low", "low"),
        ("priority", None, None),
        ("deadline", SECONDS + 60, datetime.fromtimestamp(SECONDS + 60, UTC)),
        ("deadline", None, None),
        ("relatedSkills", ["VPN", "DNS"], ["VPN", "DNS"]),
        ("relatedSkills", [], []),
        ("assignedTo", "65f0c0ffee65f0c0ffee0001", "65f0c0ffee65f0c0ffee0001"),
        ("assignedTo", None, None),
        ("helpfulNotes", None, ""),
    ],
)
def test_each_field_is_read_as_it_was_left(field: str, typed: Any, meant: Any) -> None:
    assert sent(values={field: typed}) == {field: meant}


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("title", " VPN  drops "),
        ("description", "Every hour since Monday.\r\n"),
        ("deadline", SECONDS - SECONDS % 60),
        ("relatedSkills", ["Cobol", "VPN"]),
    ],
)
def test_what_only_slack_put_right_is_no_change(field: str, typed: Any) -> None:
    assert sent(values={field: typed}) == {}


@pytest.mark.parametrize("field", ["title", "description", "helpful_notes"])
def test_a_text_that_was_shown_cut_and_left_alone_is_no_change(field: str) -> None:
    assert sent(**{field: "🔥 <x>\u200b " * 3_000}) == {}


def test_skills_beyond_what_was_shown_are_no_change() -> None:
    assert sent(related_skills=tuple(f"Skill {n}" for n in range(130))) == {}


def test_a_deadline_is_taken_away_with_the_box_whatever_the_picker_holds() -> None:
    assert sent(values={"noDeadline": ["none"]}) == {"deadline": None}
    both = {"noDeadline": ["none"], "deadline": SECONDS + 600}
    assert sent(values=both) == {"deadline": None}


@pytest.mark.parametrize("seconds", [10**18, -(10**18)])
def test_no_date_is_refused_at_its_field(seconds: int) -> None:
    with pytest.raises(InvalidValue) as refused:
        sent(values={"deadline": {"selected_date_time": seconds}})
    assert (refused.value.field, str(refused.value)) == ("deadline", "Choose a day and a time.")


def test_what_was_changed_when_it_was_sent_in_vain_stays_changed() -> None:
    # The form was then filled in with it, so that it looks untouched now.
    assert sent(touched=("title", "priority", "deadline")) == {
        "title": "VPN drops",
        "priority": "high",
        "deadline": AT - timedelta(seconds=0),
    }
