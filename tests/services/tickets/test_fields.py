"""The table of ticket fields: complete, consistent, and what each field accepts in an edit."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from services.core.errors import InvalidValue
from services.models.comment import Comment
from services.models.events import Event, EventType
from services.models.ticket import Priority, Status, Ticket
from services.tickets.fields import (
    FIELDS,
    Access,
    Output,
    TicketField,
    current_value,
    for_requester,
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
def test_what_leaves_the_program_is_visible_to_someone(field: TicketField) -> None:
    is_edited, audience = field.edited_by is not Access.NOBODY, field.seen_by
    assert is_edited is (field.check is not None)
    if field.outputs & Output.API or is_edited:
        assert audience is not Access.NOBODY
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
def test_what_is_accepted(field: str, value: Any, kept: Any) -> None:
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
            "Nobody in the team knows “Juggling”. Choose from the list.",
        ),
        ("relatedSkills", "VPN", "Give the skills as a list."),
        (
            "status",
            "DONE",
            "Choose one of TODO, IN_PROGRESS, WAITING, COMPLETED, REOPENED.",
        ),
        ("assignedTo", "Ben", "Choose somebody from the list."),
    ],
)
def test_what_is_refused_and_in_which_words(field: str, value: Any, sentence: str) -> None:
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


def test_what_a_ticket_holds() -> None:
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
def test_what_counts_as_the_same(one: Any, other: Any, same: bool) -> None:
    assert is_equal(one, other) is same


VERA = ObjectId("6b0368971218f597fece92d0")
HIDDEN = [
    field.attribute
    for field in FIELDS.values()
    if field.attribute and field.seen_by is not Access.ALL
]


def event(seq: int, type_: str, **fields: Any) -> Event:
    return Event(seq, NOW, BEN, type_, **fields)


def seen(*events: Event, **fields: Any) -> list[int]:
    return [e.seq for e in for_requester(sample_ticket(events=events, **fields)).events]


@pytest.mark.parametrize("attribute", HIDDEN)
def test_a_field_for_the_staff_is_left_out(attribute: str) -> None:
    value: Any = {"a": "secret"}
    ticket = replace(sample_ticket(), **{attribute: value})
    assert "secret" not in repr(for_requester(ticket))


def test_the_others_stay() -> None:
    ticket = sample_ticket(assigned_to=BEN, deadline=NOW, due_at=NOW, resolution="Done.")
    assert for_requester(ticket) == replace(ticket, seq=0, is_in_outbox=False, team_id=None)


def test_of_the_assignment_only_its_next_attempt() -> None:
    ticket = sample_ticket(assignment={"next": NOW, "reason": "knows VPN"})
    assert for_requester(ticket).assignment == {"next": NOW}


def test_internal_notes_are_left_out() -> None:
    public = Comment(ObjectId(), NOW, BEN, "Hello", 0)
    note = Comment(ObjectId(), NOW, BEN, "Him again", 1, internal=True)
    assert for_requester(sample_ticket(comments=(public, note))).comments == (public,)


@pytest.mark.parametrize(
    "hidden",
    [
        event(1, EventType.EDITED, field="helpfulNotes"),
        event(1, EventType.EDITED, field="unknown"),
        event(1, EventType.COMMENT_EDITED, field="notes"),
        event(1, EventType.NOTED),
        event(1, EventType.UNASSIGNED, field="assignedTo"),
        event(1, EventType.ESCALATED, field="alarm"),
        event(1, "unknown"),
        event(1, EventType.ASSIGNED, field="assignedTo", to=VERA),
        event(1, EventType.NOBODY_AVAILABLE),
    ],
    ids=str,
)
def test_events_for_the_staff_are_left_out(hidden: Event) -> None:
    assigned = event(2, EventType.ASSIGNED, field="assignedTo", to=BEN)
    assert seen(hidden, assigned, assigned_to=BEN) == [2]


def test_that_no_one_is_available_is_no_secret() -> None:
    assert seen(event(1, EventType.NOBODY_AVAILABLE)) == [1]


def test_events_come_without_their_notes() -> None:
    ticket: Ticket = for_requester(sample_ticket(events=(event(1, EventType.WAITING, note="Why"),)))
    assert [e.note for e in ticket.events] == [None]
