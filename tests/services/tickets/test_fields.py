"""The table of ticket fields: complete, consistent, and what each field accepts in an edit."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from services.core.errors import InvalidValue
from services.models.ticket import Priority, Status, Ticket
from services.tickets.fields import (
    FIELDS,
    Access,
    Output,
    TicketField,
    current_value,
    is_equal,
    validate_field,
)
from services.tickets.validation import skill_choices
from tests.conftest import sample_ticket

NOW = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
BEN = ObjectId("6b0368971218f597fece92cf")  # in test ids, which pytest-xdist compares
TEAM = ["DNS", "SAP", "VPN"]


CONTRACT = Path(__file__).parents[2] / "contract" / "contract.json"


def test_every_field_is_classified() -> None:
    """Each field of `Ticket` and of the stored documents has a row in the table."""
    attributes = {field.attribute for field in FIELDS.values()} - {""}
    assert attributes == {field.name for field in fields(Ticket)}
    paths = json.loads(CONTRACT.read_text())["mongodb collections and fields"]
    stored = {path.split(".")[1] for path in paths if path.startswith("tickets.")}
    assert stored <= FIELDS.keys()


@pytest.mark.parametrize("field", FIELDS.values(), ids=[field.name for field in FIELDS.values()])
def test_output_fields_are_visible_to_their_readers(field: TicketField) -> None:
    is_edited, audience = field.edited_by is not Access.INTERNAL, field.seen_by
    assert is_edited is (field.check is not None)
    if field.outputs & Output.API or is_edited:
        assert audience is not Access.INTERNAL
    # Requesters read rows of lists and data exports unfiltered.
    if field.outputs & (Output.LISTS | Output.EXPORT) and field.name != "queueKey":
        assert audience is Access.ALL


def stored_as(field: str, value: Any, **ticket: Any) -> Any:
    return validate_field(field, value, ticket=sample_ticket(**ticket), team_skills=TEAM, now=NOW)


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("title", "  VPN\u200b  is\n down ", "VPN is down"),
        ("title", "x" * 150, "x" * 150),
        ("description", " First\r\nthen \n", "First\nthen"),
        ("description", "x" * 3_000, "x" * 3_000),
        ("helpfulNotes", " Look. ", "Look."),
        ("helpfulNotes", "", None),
        ("helpfulNotes", " \u200b ", None),
        ("helpfulNotes", None, None),
        ("helpfulNotes", "x" * 3_000, "x" * 3_000),
        ("priority", "urgent", "urgent"),
        ("priority", None, None),
        ("priority", "", None),
        ("deadline", NOW + timedelta(minutes=1), NOW + timedelta(minutes=1)),
        ("deadline", None, None),
        ("relatedSkills", ["vpn", "VPN", "Dns"], ["VPN", "DNS"]),
        ("relatedSkills", [], []),
        ("relatedSkills", None, []),
        ("status", "WAITING", "WAITING"),
        ("assignedTo", str(BEN), BEN),
        ("assignedTo", None, None),
    ],
)
def test_valid_values_are_accepted(field: str, value: Any, kept: Any) -> None:
    assert stored_as(field, value) == kept


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("title", "ab", "Give it a title of at least 3 characters."),
        ("title", "", "Give it a title of at least 3 characters."),
        ("title", None, "Give it a title of at least 3 characters."),
        ("title", 12, "Give this as a text."),
        ("title", "x" * 151, "A title has at most 150 characters; this one has 151."),
        ("description", " \u200b", "Describe what you need."),
        ("description", "x" * 3_001, "At most 3,000 characters; this text has 3,001."),
        ("helpfulNotes", "x" * 3_001, "At most 3,000 characters; this text has 3,001."),
        ("priority", "asap", "Choose one of low, medium, high, urgent."),
        ("deadline", NOW, "The deadline has to lie in the future. Choose a later time."),
        ("deadline", "tomorrow", "Give the deadline as a day and a time."),
        (
            "deadline",
            datetime(2027, 1, 1),  # noqa: DTZ001  without a zone it is no moment
            "Give the deadline as a day and a time.",
        ),
        (
            "deadline",
            datetime(2100, 1, 1, tzinfo=UTC),
            "Choose a deadline before the year 2100.",
        ),
        (
            "relatedSkills",
            ["VPN", "Juggling"],
            "No one in the team knows “Juggling”. Choose from the list.",
        ),
        ("relatedSkills", "VPN", "Give the skills as a list."),
        (
            "status",
            "DONE",
            "Choose one of TODO, IN_PROGRESS, WAITING, COMPLETED, REOPENED.",
        ),
        ("assignedTo", "Ben", "Choose someone from the list."),
    ],
)
def test_invalid_values_are_refused_with_a_reason(field: str, value: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        stored_as(field, value)
    assert (refused.value.field, str(refused.value)) == (field, sentence)


def test_the_ticket_s_own_skills_may_stay_though_the_team_lost_them() -> None:
    legacy = "x" * 400
    own = ("vpn", "Cobol", legacy)
    assert stored_as("relatedSkills", ["VPN", "cobol"], related_skills=own) == ["vpn", "Cobol"]
    # A menu's value holds 150 characters.
    assert stored_as("relatedSkills", [legacy[:150]], related_skills=own) == [legacy]


def test_a_hundred_skills_are_fine_and_one_more_is_not() -> None:
    many = [f"Skill {number}" for number in range(101)]
    ticket = sample_ticket(related_skills=tuple(many))
    kept = validate_field("relatedSkills", many[:100], ticket=ticket, team_skills=(), now=NOW)
    assert kept == many[:100]
    with pytest.raises(InvalidValue, match="Choose at most 100 skills"):
        validate_field("relatedSkills", many, ticket=ticket, team_skills=(), now=NOW)


def test_one_spelling_of_each_skill_is_offered_the_ticket_s_own_first() -> None:
    ticket = sample_ticket(related_skills=("vpn", "Cobol"))
    assert skill_choices(ticket, ["DNS", "VPN"]) == ["Cobol", "DNS", "vpn"]


def test_current_value_is_the_stored_form() -> None:
    ticket = sample_ticket(
        status=Status.WAITING,
        priority=Priority.HIGH,
        assigned_to=BEN,
        related_skills=("VPN",),
        helpful_notes="Look.",
        deadline=NOW,
    )
    held = {
        "title": "VPN drops",
        "description": "Every hour since Monday.",
        "status": "WAITING",
        "priority": "high",
        "deadline": NOW,
        "relatedSkills": ["VPN"],
        "assignedTo": BEN,
        "helpfulNotes": "Look.",
    }
    assert {field: current_value(ticket, field) for field in held} == held
    assert current_value(sample_ticket(), "priority") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (["VPN", "DNS"], ["dns", "vpn"], True),
        (["VPN"], ["VPN", "DNS"], False),
        ("VPN", "vpn", False),
        (None, "low", False),
    ],
)
def test_skills_are_equal_regardless_of_order_and_case(one: Any, other: Any, same: bool) -> None:
    assert is_equal(one, other) is same
