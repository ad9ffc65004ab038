"""The modal to update a ticket after a conflicting change by another user."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.handlers.ticket_edit import changed_fields
from bot.slack.form_state import FormState
from bot.views.modals.edit_conflict import FORM_KEPT_NOTICE, conflict_modal
from bot.views.modals.edit_metadata import EditMetadata
from bot.views.modals.edit_ticket import edit_ticket_modal
from services.assignment.assignee_options import AssigneeOption
from services.editing.conflicts import EditConflict, FieldConflict
from services.editing.ticket_edits import EditForm
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from tests.conftest import sample_ticket
from tests.support.block_text import read
from tests.support.blockkit import check_view
from tests.support.view_state import state_values

AT = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
DAY = f"<!date^{int(AT.timestamp())}^{{date_short_pretty}} at {{time}}|5 Mar 2026, 14:07 UTC>"
BEN = User(ObjectId(), "ben@example.com", Role.MODERATOR, name="Ben <b>")
ANN = User(ObjectId(), "ann@example.com", Role.ADMIN, name="Ann")
NOW = sample_ticket(status=Status.IN_PROGRESS, assigned_to=BEN.id, seq=9)


def sent_in(values: dict[str, Any], ticket: Ticket | None = None, **about: Any) -> dict[str, Any]:
    """The form as Slack sends it, with `values` typed in."""
    fit = AssigneeOption(BEN, (), open_tickets=2, capacity=8, obstacle=None)
    fields = {"status": Status.IN_PROGRESS, "assigned_to": BEN.id, "deadline": AT, **about}
    view = edit_ticket_modal(EditForm(ticket or sample_ticket(**fields), ("DNS", "VPN"), fit))
    return {**view, "state": {"values": state_values(view, values)}}


def answered(view: dict[str, Any], *clashes: FieldConflict, now: Ticket = NOW) -> dict[str, Any]:
    """What the form becomes."""
    found = EditConflict(clashes, now, {user.id: user for user in (ANN, BEN)})
    metadata = EditMetadata("65f0c0ffee65f0c0ffee0012", 7)
    form = FormState(view)
    again = conflict_modal(
        form.filled_inputs(),
        found,
        metadata=metadata,
        changed_fields=frozenset(changed_fields(form, metadata)),
        reader_id=ANN.id,
    )
    assert check_view(again) == []
    return again


def notice(field: str, value: Any, by: ObjectId | str = BEN.id) -> list[str]:
    shown = read(answered(sent_in({"title": "Mine"}), FieldConflict(field, by, value)))
    return shown[: shown.index(FORM_KEPT_NOTICE)]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("title", "New <x>", ["Ben &lt;b&gt; changed the title meanwhile.", "New <x>"]),
        ("description", "New", ["Ben &lt;b&gt; changed the description meanwhile.", "New"]),
        ("helpfulNotes", None, ["Ben &lt;b&gt; changed the notes meanwhile.", "It is empty now."]),
        ("status", "COMPLETED", ["Ben &lt;b&gt; set the status to Resolved meanwhile."]),
        ("priority", "urgent", ["Ben &lt;b&gt; set the priority to Urgent meanwhile."]),
        ("priority", None, ["Ben &lt;b&gt; took the priority away meanwhile."]),
        ("deadline", AT, [f"Ben &lt;b&gt; set the deadline to {DAY} meanwhile."]),
        ("deadline", None, ["Ben &lt;b&gt; took the deadline away meanwhile."]),
        (
            "relatedSkills",
            ["VPN", "DNS"],
            ["Ben &lt;b&gt; changed the skills meanwhile.", "VPN, DNS"],
        ),
        ("relatedSkills", [], ["Ben &lt;b&gt; changed the skills meanwhile.", "It is empty now."]),
        ("assignedTo", BEN.id, ["Ben &lt;b&gt; took it meanwhile."]),
        ("assignedTo", ANN.id, ["Ben &lt;b&gt; gave it to you meanwhile."]),
        ("assignedTo", ObjectId(), ["Ben &lt;b&gt; gave it to someone who has left meanwhile."]),
        ("assignedTo", None, ["Ben &lt;b&gt; handed it back meanwhile."]),
    ],
)
def test_it_says_who_changed_what_and_what_it_is_now(
    field: str, value: Any, told: list[str]
) -> None:
    assert notice(field, value) == told


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (ANN.id, "You changed the title meanwhile."),
        ("ai", "Gemini changed the title meanwhile."),
        ("system", "The help desk changed the title meanwhile."),
        (ObjectId(), "Someone who has left changed the title meanwhile."),
    ],
)
def test_it_names_whoever_it_was(by: ObjectId | str, told: str) -> None:
    assert notice("title", "New", by)[0] == told


TYPED: dict[str, Any] = {
    "title": "Mine",
    "description": "All of this was typed.",
    "status": "WAITING",
    "message": "Which floor?",
    "priority": "low",
    "deadline": int(AT.timestamp()) + 3_600,
    "relatedSkills": ["DNS"],
    "assignedTo": str(ANN.id),
    "helpfulNotes": "Mine too.",
}


def inputs(view: dict[str, Any]) -> dict[str, Any]:
    return {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}


def test_everything_typed_is_still_there() -> None:
    view = sent_in(TYPED)
    again = answered(view, FieldConflict("title", BEN.id, "Theirs"))
    assert [*inputs(again)] == [*inputs(view)]
    state = state_values(again, {})
    assert state == view["state"]["values"]


def test_what_was_emptied_is_still_empty() -> None:
    emptied = dict.fromkeys(("priority", "deadline", "assignedTo", "helpfulNotes"))
    view = sent_in(emptied, priority=Priority.HIGH, helpful_notes="Look.")
    again = answered(view, FieldConflict("priority", BEN.id, "low"))
    assert state_values(again, {}) == view["state"]["values"]


def sent_again(again: dict[str, Any], values: dict[str, Any] | None = None) -> dict[str, Any]:
    state = {"values": state_values(again, values or {})}
    metadata = EditMetadata.decode(again["private_metadata"])
    return changed_fields(FormState({**again, "state": state}), metadata)


def test_sent_again_it_changes_the_same() -> None:
    view = sent_in(TYPED)
    first = changed_fields(FormState(view), EditMetadata("", 7))
    again = answered(view, FieldConflict("title", BEN.id, "Theirs"))
    assert sent_again(again) == first
    assert sent_again(again, {"priority": "urgent"}) == {**first, "priority": "urgent"}


def test_a_deadline_taken_away_stays_taken_away() -> None:
    view = sent_in({"noDeadline": ["none"]})
    again = answered(view, FieldConflict("deadline", BEN.id, AT + timedelta(days=1)))
    assert sent_again(again) == {"deadline": None}
    assert sent_again(again, {"noDeadline": []}) == {"deadline": AT}


def test_it_remembers_what_its_author_has_been_told() -> None:
    view = sent_in({"title": "Mine", "priority": "low"})
    metadata = EditMetadata.decode(
        answered(view, FieldConflict("title", BEN.id, "x"))["private_metadata"]
    )
    assert metadata.seq == 7
    assert metadata.changed_fields == {"title", "priority"}
    assert metadata.acknowledged == {"title": 9}


def test_a_third_time_the_older_notice_gives_way_to_the_new_one() -> None:
    first = answered(sent_in({"title": "Mine"}), FieldConflict("title", BEN.id, "Theirs"))
    sent = {**first, "state": {"values": state_values(first, {})}}
    second = read(answered(sent, FieldConflict("title", ANN.id, "Yet another")))
    assert "Yet another" in second
    assert "Theirs" not in second
    assert second.count(FORM_KEPT_NOTICE) == 1


def test_the_status_menu_offers_what_is_allowed_by_now_and_what_was_chosen() -> None:
    view = sent_in({"status": "TODO"}, status=Status.IN_PROGRESS)
    done = sample_ticket(status=Status.COMPLETED, assigned_to=BEN.id, seq=9)
    again = answered(view, FieldConflict("status", BEN.id, "COMPLETED"), now=done)
    status = inputs(again)["status"]["element"]
    assert [option["value"] for option in status["options"]] == ["COMPLETED", "REOPENED", "TODO"]
    assert status["initial_option"]["value"] == "TODO"


@pytest.mark.parametrize("sign", ["x", "本", "🔥", "&"])
def test_the_longest_fits(sign: str) -> None:
    skills = [f"{sign * 40}{number:03}" for number in range(100)]
    text = sign * 1_500
    ticket = sample_ticket(
        title=sign * 70, description=text, helpful_notes=text, related_skills=tuple(skills)
    )
    view = sent_in({"message": text[:900]}, ticket)
    again = answered(
        view,
        FieldConflict("title", BEN.id, sign * 9_000),
        FieldConflict("description", BEN.id, sign * 9_000),
        FieldConflict("helpfulNotes", BEN.id, sign * 9_000),
        FieldConflict("relatedSkills", BEN.id, skills),
    )
    assert len(json.dumps(again).encode()) < 250_000
