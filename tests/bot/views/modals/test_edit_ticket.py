"""The modal to update a ticket, and what it becomes after a conflict."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.handlers.ticket_page import changed_fields
from bot.slack.form_state import FormState
from bot.views.modals.edit_ticket import (
    FORM_KEPT_NOTICE,
    EditMetadata,
    conflict_modal,
    edit_ticket_modal,
    ticket_id_from_view,
)
from bot.views.modals.ticket_actions import assignee_option
from services.assignment.candidate import Obstacle
from services.assignment.ranking import AssigneeOption
from services.editing.ticket_edits import EditConflict, EditForm, FieldConflict
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.tickets.fields import EDITABLE_FIELDS
from tests.conftest import sample_ticket
from tests.support.block_text import read
from tests.support.blockkit import check_view
from tests.support.view_state import state_values

AT = datetime(2026, 3, 5, 14, 7, 31, tzinfo=UTC)
BEN = User(ObjectId(), "ben@example.com", Role.MODERATOR, name="Ben")
FIT = AssigneeOption(BEN, known_skills=("VPN",), open_tickets=2, capacity=8, obstacle=None)
FULL: dict[str, Any] = {
    "status": Status.IN_PROGRESS,
    "priority": Priority.HIGH,
    "deadline": AT,
    "related_skills": ("VPN",),
    "assigned_to": BEN.id,
    "helpful_notes": "Look at the log.",
    "seq": 7,
}
GONE = "If you change it, the part you do not see is gone for good."


def form(
    ticket: Ticket, *, skills: tuple[str, ...] = ("DNS", "VPN"), fit: AssigneeOption | None = FIT
) -> Any:
    view = edit_ticket_modal(EditForm(ticket, skills, fit if ticket.assigned_to else None))
    assert check_view(view) == []
    return view


def blocks(view: Any) -> dict[str, Any]:
    return {block["block_id"]: block for block in view["blocks"]}


def elements(ticket: Ticket, **about: Any) -> dict[str, Any]:
    return {name: block["element"] for name, block in blocks(form(ticket, **about)).items()}


def words(options: list[dict[str, Any]]) -> list[str]:
    return [option["text"]["text"] for option in options]


def test_it_is_a_form_with_one_submit_and_knows_ticket_and_seq() -> None:
    view = form(sample_ticket(**FULL))
    assert [view[part]["text"] for part in ("title", "submit", "close")] == [
        "Edit ticket 12",
        "Save",
        "Cancel",
    ]
    assert EditMetadata.decode(view["private_metadata"]) == EditMetadata(
        ticket_id="65f0c0ffee65f0c0ffee0012", seq=7
    )
    assert [block["element"]["action_id"] for block in view["blocks"]] == [*blocks(view)]
    # Of these, a ticket may be made private only if the database says so.
    assert {*blocks(view)} == {*EDITABLE_FIELDS, "message", "noDeadline"} - {"private"}


def test_every_field_is_filled_in_as_it_is() -> None:
    shown = elements(sample_ticket(**FULL))
    assert shown["title"]["initial_value"] == "VPN drops"
    assert shown["description"]["initial_value"] == "Every hour since Monday."
    assert words([shown["status"]["initial_option"]]) == ["Assigned"]
    assert words([shown["priority"]["initial_option"]]) == ["High"]
    assert shown["deadline"]["initial_date_time"] == int(AT.timestamp())
    assert words(shown["relatedSkills"]["initial_options"]) == ["VPN"]
    assert words([shown["assignedTo"]["initial_option"]]) == [
        "Ben · knows VPN · 3 of 8 tickets with this one"
    ]
    assert shown["assignedTo"]["initial_option"]["value"] == str(BEN.id)
    assert shown["helpfulNotes"]["initial_value"] == "Look at the log."
    assert not {"initial_value", "initial_options"} & {*shown["message"], *shown["noDeadline"]}


def test_what_is_empty_stays_empty() -> None:
    shown = elements(sample_ticket())
    initial = [key for element in shown.values() for key in element if key.startswith("initial")]
    assert initial == ["initial_value", "initial_value", "initial_option"]
    assert "noDeadline" not in shown


def test_all_but_title_description_and_status_may_be_emptied() -> None:
    view = blocks(form(sample_ticket(**FULL)))
    assert [name for name, block in view.items() if not block.get("optional")] == [
        "title",
        "description",
        "status",
    ]


def test_what_the_legacy_app_left_empty_keeps_nobody_from_saving() -> None:
    view = blocks(form(sample_ticket(description=" ", title="")))
    assert view["title"]["optional"]
    assert view["description"]["optional"]


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        (Status.TODO, ["Open", "In progress", "Resolved"]),
        (
            Status.IN_PROGRESS,
            ["In progress", "Open", "Waiting for the requester", "Resolved"],
        ),
        (Status.WAITING, ["Waiting for the requester", "In progress", "Resolved"]),
        (Status.COMPLETED, ["Resolved", "Reopened"]),
        (Status.REOPENED, ["Reopened", "In progress", "Resolved"]),
    ],
)
def test_it_offers_what_the_table_allows_and_the_present(
    status: Status, offered: list[str]
) -> None:
    assert words(elements(sample_ticket(status=status))["status"]["options"]) == offered


def test_the_message_goes_with_a_status_and_says_so() -> None:
    hints = {
        status: block["hint"]["text"]
        for status in Status
        if (block := blocks(form(sample_ticket(status=status))).get("message"))
    }
    done = "With Resolved: what was done."
    assert hints == {
        Status.TODO: done,
        Status.IN_PROGRESS: f"{done} With Waiting for the requester: what you need to know.",
        Status.WAITING: done,
        Status.REOPENED: done,
    }


@pytest.mark.parametrize(
    ("field", "limit", "fields"),
    [
        ("title", 150, {"title": "🔥" * 9_000}),
        ("description", 3_000, {"description": "x" * 9_000}),
        ("helpfulNotes", 3_000, {"helpful_notes": "x" * 3_001}),
    ],
)
def test_long_legacy_texts_are_shown_cut_and_say_so(
    field: str, limit: int, fields: dict[str, str]
) -> None:
    block = blocks(form(sample_ticket(**fields)))[field]
    (text,) = fields.values()
    shown = block["element"]["initial_value"]
    assert len(shown.encode("utf-16-le")) <= 2 * limit
    assert shown.endswith("…")
    length = len(text.encode("utf-16-le")) // 2
    assert block["hint"]["text"] == f"Cut: it has {length:,} characters. {GONE}"


def test_a_text_that_just_fits_is_not_cut() -> None:
    block = blocks(form(sample_ticket(description="x" * 3_000)))["description"]
    assert block["element"]["initial_value"] == "x" * 3_000
    assert "hint" not in block


@pytest.mark.parametrize("year", [1980, 2500])
def test_a_deadline_slack_cannot_show_is_left_empty_but_can_be_taken_away(year: int) -> None:
    shown = elements(sample_ticket(deadline=datetime(year, 1, 1, tzinfo=UTC)))
    assert "initial_date_time" not in shown["deadline"]
    assert words(shown["noDeadline"]["options"]) == ["Remove the deadline"]


def test_skills_are_those_of_the_team_and_of_the_ticket_in_one_spelling() -> None:
    shown = elements(sample_ticket(related_skills=("vpn", "VPN", "Cobol")))["relatedSkills"]
    assert words(shown["options"]) == ["Cobol", "DNS", "VPN"]
    assert words(shown["initial_options"]) == ["VPN", "Cobol"]


def test_a_hundred_skills_are_a_menu_and_more_are_a_search() -> None:
    own = tuple(f"Skill {n:03}" for n in range(100))
    menu = elements(sample_ticket(related_skills=own), skills=own)["relatedSkills"]
    assert (menu["type"], len(menu["options"])) == ("multi_static_select", 100)
    assert len(menu["initial_options"]) == 100
    search = elements(sample_ticket(related_skills=own), skills=("One more",))["relatedSkills"]
    assert (search["type"], search["min_query_length"]) == ("multi_external_select", 0)
    assert len(search["initial_options"]) == 100


def test_of_more_than_a_hundred_the_first_are_shown() -> None:
    own = tuple(f"Skill {n:03}" for n in range(130))
    block = blocks(form(sample_ticket(related_skills=own)))["relatedSkills"]
    assert len(block["element"]["initial_options"]) == 100
    assert block["hint"]["text"] == f"Cut: it has 130. {GONE}"


def test_without_any_skills_there_is_nothing_to_choose() -> None:
    assert "relatedSkills" not in elements(sample_ticket(), skills=())


def test_an_assignee_who_has_left_is_still_the_assignee() -> None:
    gone = ObjectId()
    shown = elements(sample_ticket(assigned_to=gone), fit=None)["assignedTo"]["initial_option"]
    assert words([shown]) == ["Someone who can no longer take tickets"]
    assert shown["value"] == str(gone)


def test_a_legacy_ticket_without_a_number_has_a_title_too() -> None:
    assert form(sample_ticket(number=None))["title"]["text"] == "Edit ticket"
    assert len(form(sample_ticket(number=2**31 - 1))["title"]["text"]) == 22


@pytest.mark.parametrize("sign", ["x", "é", "本", "🔥", '"', "\\", "a\n"])
def test_the_longest_form_fits(sign: str) -> None:
    def filled(length: int, number: int = 0) -> str:
        return f"{(sign * length)[: length - 4]}.{number:03}"

    skills = tuple(filled(50, number) for number in range(100))
    fields = {
        **FULL,
        "title": filled(9_000),
        "description": filled(9_000),
        "helpful_notes": filled(9_000),
        "related_skills": skills,
    }
    fit = AssigneeOption(BEN, skills, open_tickets=2, capacity=8, obstacle=None)
    view = form(sample_ticket(**fields), skills=skills, fit=fit)
    assert len(json.dumps(view).encode()) < 250_000
    legacy = tuple(filled(400, number) for number in range(150))
    form(sample_ticket(**{**fields, "related_skills": legacy}), skills=skills, fit=fit)


# Assignees


@pytest.mark.parametrize(
    ("about", "label"),
    [
        ({}, "Ben · 3 of 8 tickets with this one"),
        ({"known_skills": ("VPN", "DNS")}, "Ben · knows VPN, DNS · 3 of 8 tickets with this one"),
        ({"obstacle": Obstacle.AWAY}, "Ben · 3 of 8 tickets with this one · out"),
        ({"obstacle": Obstacle.FULL, "open_tickets": 8}, "Ben · has 8 of 8 open tickets"),
        (
            {"obstacle": Obstacle.AWAY, "away_until": datetime(2026, 12, 5, 8, tzinfo=UTC)},
            "Ben · 3 of 8 tickets with this one · out until 5 Dec",
        ),
        ({"obstacle": Obstacle.FULL, "open_tickets": 1, "capacity": 0}, "Ben · takes no tickets"),
        ({"obstacle": Obstacle.UNLINKED}, "Ben · 3 of 8 tickets with this one · not in Slack"),
        ({"obstacle": Obstacle.REQUESTER}, "Ben · 3 of 8 tickets with this one · filed it"),
        (
            {"known_skills": ("Virtual private networks", "Domain name servers", "Kerberos")},
            "Ben · knows Virtual private networks, Domai… · 3 of 8 tickets with this one",
        ),
        (
            {"user": User(BEN.id, "", Role.ADMIN, name="Ben " * 30), "known_skills": ("x" * 50,)},
            f"Ben Ben Ben Ben Ben Ben… · knows {'x' * 9}… · 3 of 8 tickets with this one",
        ),
        (
            {"user": User(BEN.id, "", Role.ADMIN, name="\u200b")},
            "someone · 3 of 8 tickets with this one",
        ),
    ],
)
def test_an_option_says_in_a_line_why_and_how_much(about: dict[str, Any], label: str) -> None:
    plain: dict[str, Any] = {"user": BEN, "known_skills": (), "open_tickets": 2, "capacity": 8}
    fit = AssigneeOption(**{**plain, "obstacle": None, **about})
    option = assignee_option(fit)
    assert option["text"]["text"] == label
    assert len(label) <= 75
    assert option["value"] == str(BEN.id)


# Private metadata


@pytest.mark.parametrize(
    "kept",
    [
        EditMetadata("65f0c0ffee65f0c0ffee0012", 7),
        EditMetadata("65f0c0ffee65f0c0ffee0012", 7, frozenset({"title"}), {"title": 9}),
    ],
)
def test_metadata_comes_back_as_it_was(kept: EditMetadata) -> None:
    assert EditMetadata.decode(kept.encode()) == kept


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "12", '{"id": null, "told": 3}'])
def test_what_was_not_written_by_us_is_of_no_ticket(text: str) -> None:
    assert EditMetadata.decode(text) == EditMetadata("", 0)
    assert ticket_id_from_view({"private_metadata": text}) is None


def test_the_metadata_of_every_field_is_short() -> None:
    fields = frozenset(blocks(form(sample_ticket(**FULL))))
    told = dict.fromkeys(fields, 2**31)
    assert len(EditMetadata("65f0c0ffee65f0c0ffee0012", 2**31, fields, told).encode()) < 3_000


def test_a_menu_s_ticket_is_known_in_whichever_modal_it_stands() -> None:
    ticket_id = "65f0c0ffee65f0c0ffee0012"
    for text in (ticket_id, f"{ticket_id}:TODO:", EditMetadata(ticket_id, 7).encode()):
        assert ticket_id_from_view({"private_metadata": text}) == ticket_id
    assert ticket_id_from_view({}) is None


# After a conflicting change by another user

DAY = f"<!date^{int(AT.timestamp())}^{{date_short_pretty}} at {{time}}|5 Mar 2026, 14:07 UTC>"
BO = User(ObjectId(), "bo@example.com", Role.MODERATOR, name="Bo <b>")
ANN = User(ObjectId(), "ann@example.com", Role.ADMIN, name="Ann")
NOW = sample_ticket(status=Status.IN_PROGRESS, assigned_to=BO.id, seq=9)


def sent_in(values: dict[str, Any], ticket: Ticket | None = None, **about: Any) -> dict[str, Any]:
    """The form as Slack submits it, with `values` entered."""
    fit = AssigneeOption(BO, (), open_tickets=2, capacity=8, obstacle=None)
    fields = {"status": Status.IN_PROGRESS, "assigned_to": BO.id, "deadline": AT, **about}
    view = edit_ticket_modal(EditForm(ticket or sample_ticket(**fields), ("DNS", "VPN"), fit))
    return {**view, "state": {"values": state_values(view, values)}}


def answered(view: dict[str, Any], *clashes: FieldConflict, now: Ticket = NOW) -> dict[str, Any]:
    found = EditConflict(clashes, now, {user.id: user for user in (ANN, BO)}, app_name="IT <help>")
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


def notice(field: str, value: Any, by: ObjectId | str = BO.id) -> list[str]:
    shown = read(answered(sent_in({"title": "Mine"}), FieldConflict(field, by, value)))
    return shown[: shown.index(FORM_KEPT_NOTICE)]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (
            "title",
            "New <x>",
            ["Since you opened this form, Bo &lt;b&gt; changed the title.", "New <x>"],
        ),
        (
            "description",
            "New",
            ["Since you opened this form, Bo &lt;b&gt; changed the description.", "New"],
        ),
        (
            "helpfulNotes",
            None,
            ["Since you opened this form, Bo &lt;b&gt; changed the notes.", "It is empty now."],
        ),
        (
            "status",
            "COMPLETED",
            ["Since you opened this form, Bo &lt;b&gt; set the status to Resolved."],
        ),
        (
            "priority",
            "urgent",
            ["Since you opened this form, Bo &lt;b&gt; set the priority to Urgent."],
        ),
        ("priority", None, ["Since you opened this form, Bo &lt;b&gt; removed the priority."]),
        ("deadline", AT, [f"Since you opened this form, Bo &lt;b&gt; set the deadline to {DAY}."]),
        ("deadline", None, ["Since you opened this form, Bo &lt;b&gt; removed the deadline."]),
        (
            "relatedSkills",
            ["VPN", "DNS"],
            ["Since you opened this form, Bo &lt;b&gt; changed the skills.", "VPN, DNS"],
        ),
        (
            "relatedSkills",
            [],
            ["Since you opened this form, Bo &lt;b&gt; changed the skills.", "It is empty now."],
        ),
        ("assignedTo", BO.id, ["Since you opened this form, Bo &lt;b&gt; took it."]),
        ("assignedTo", ANN.id, ["Since you opened this form, Bo &lt;b&gt; assigned it to you."]),
        (
            "assignedTo",
            ObjectId(),
            ["Since you opened this form, Bo &lt;b&gt; assigned it to someone who has left."],
        ),
        (
            "assignedTo",
            None,
            ["Since you opened this form, Bo &lt;b&gt; returned it to the queue."],
        ),
    ],
)
def test_a_conflict_says_who_changed_what_and_what_it_is_now(
    field: str, value: Any, told: list[str]
) -> None:
    assert notice(field, value) == told


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (ANN.id, "Since you opened this form, you changed the title."),
        ("ai", "Since you opened this form, Gemini changed the title."),
        ("system", "Since you opened this form, IT &lt;help&gt; changed the title."),
        (ObjectId(), "Since you opened this form, someone who has left changed the title."),
    ],
)
def test_a_conflict_names_its_author(by: ObjectId | str, told: str) -> None:
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


def test_everything_entered_is_still_there() -> None:
    view = sent_in(TYPED)
    again = answered(view, FieldConflict("title", BO.id, "Theirs"))
    assert [*inputs(again)] == [*inputs(view)]
    state = state_values(again, {})
    assert state == view["state"]["values"]


def test_what_was_emptied_is_still_empty() -> None:
    emptied = dict.fromkeys(("priority", "deadline", "assignedTo", "helpfulNotes"))
    view = sent_in(emptied, priority=Priority.HIGH, helpful_notes="Look.")
    again = answered(view, FieldConflict("priority", BO.id, "low"))
    assert state_values(again, {}) == view["state"]["values"]


def sent_again(again: dict[str, Any], values: dict[str, Any] | None = None) -> dict[str, Any]:
    state = {"values": state_values(again, values or {})}
    metadata = EditMetadata.decode(again["private_metadata"])
    return changed_fields(FormState({**again, "state": state}), metadata)


def test_sent_again_it_changes_the_same() -> None:
    view = sent_in(TYPED)
    first = changed_fields(FormState(view), EditMetadata("", 7))
    again = answered(view, FieldConflict("title", BO.id, "Theirs"))
    assert sent_again(again) == first
    assert sent_again(again, {"priority": "urgent"}) == {**first, "priority": "urgent"}


def test_a_deadline_taken_away_stays_taken_away() -> None:
    view = sent_in({"noDeadline": ["none"]})
    again = answered(view, FieldConflict("deadline", BO.id, AT + timedelta(days=1)))
    assert sent_again(again) == {"deadline": None}
    assert sent_again(again, {"noDeadline": []}) == {"deadline": AT}


def test_it_remembers_the_conflicts_it_showed() -> None:
    view = sent_in({"title": "Mine", "priority": "low"})
    metadata = EditMetadata.decode(
        answered(view, FieldConflict("title", BO.id, "x"))["private_metadata"]
    )
    assert metadata.seq == 7
    assert metadata.changed_fields == {"title", "priority"}
    assert metadata.acknowledged == {"title": 9}


def test_a_third_time_the_older_notice_gives_way_to_the_new_one() -> None:
    first = answered(sent_in({"title": "Mine"}), FieldConflict("title", BO.id, "Theirs"))
    sent = {**first, "state": {"values": state_values(first, {})}}
    second = read(answered(sent, FieldConflict("title", ANN.id, "Yet another")))
    assert "Yet another" in second
    assert "Theirs" not in second
    assert second.count(FORM_KEPT_NOTICE) == 1


def test_the_status_menu_offers_what_is_allowed_now_and_what_was_chosen() -> None:
    view = sent_in({"status": "TODO"}, status=Status.IN_PROGRESS)
    done = sample_ticket(status=Status.COMPLETED, assigned_to=BO.id, seq=9)
    again = answered(view, FieldConflict("status", BO.id, "COMPLETED"), now=done)
    status = inputs(again)["status"]["element"]
    assert [option["value"] for option in status["options"]] == ["COMPLETED", "REOPENED", "TODO"]
    assert status["initial_option"]["value"] == "TODO"


@pytest.mark.parametrize("sign", ["x", "本", "🔥", "&"])
def test_the_longest_conflict_fits(sign: str) -> None:
    skills = [f"{sign * 40}{number:03}" for number in range(100)]
    text = sign * 1_500
    ticket = sample_ticket(
        title=sign * 70, description=text, helpful_notes=text, related_skills=tuple(skills)
    )
    view = sent_in({"message": text[:900]}, ticket)
    again = answered(
        view,
        FieldConflict("title", BO.id, sign * 9_000),
        FieldConflict("description", BO.id, sign * 9_000),
        FieldConflict("helpfulNotes", BO.id, sign * 9_000),
        FieldConflict("relatedSkills", BO.id, skills),
    )
    assert len(json.dumps(again).encode()) < 250_000
