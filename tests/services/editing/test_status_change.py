"""Status and assignee chosen in a form: the actions that lead there, and no others."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidValue
from services.editing.status_change import build_status_change
from services.models.events import Event, EventType
from services.models.ticket import Status, Ticket
from services.tickets.lifecycle import STATUS_TRANSITIONS
from services.tickets.transitions import Change, with_change
from tests.conftest import sample_ticket

NOW = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
ANN, BEN, CHRIS = ObjectId(), ObjectId(), ObjectId()
WORKED_ON = (Status.IN_PROGRESS, Status.WAITING, Status.COMPLETED)


def a_ticket(status: Status) -> Ticket:
    return sample_ticket(status=status, assigned_to=BEN if status in WORKED_ON else None)


def edited(ticket: Ticket, message: str = "", stays: bool = True, **edit: Any) -> Change:
    return build_status_change(ANN, ticket, edit, message=message, keep_assignee=stays, now=NOW)


def told(change: Change) -> list[tuple[str, Any, Any]]:
    return [(event.type, event.from_, event.to) for event in change.events]


def refusal(ticket: Ticket, **edit: Any) -> tuple[str, str]:
    with pytest.raises(InvalidValue) as refused:
        edited(ticket, **edit)
    return refused.value.field, str(refused.value)


def test_nothing_chosen_changes_nothing() -> None:
    assert edited(a_ticket(Status.TODO)) == Change()


def test_assigning_a_ticket_puts_it_in_progress() -> None:
    change = edited(a_ticket(Status.TODO), assignedTo=BEN)
    assert told(change) == [
        (EventType.ASSIGNED, None, BEN),
        (EventType.STATUS_CHANGED, "TODO", "IN_PROGRESS"),
    ]
    assert (change.values["assignedTo"], change.values["status"]) == (BEN, "IN_PROGRESS")


def test_choosing_in_progress_too_is_the_same() -> None:
    ticket = a_ticket(Status.TODO)
    both = edited(ticket, assignedTo=BEN, status="IN_PROGRESS")
    assert both == edited(ticket, assignedTo=BEN)


def test_nobody_s_ticket_is_not_in_progress() -> None:
    about = refusal(a_ticket(Status.TODO), status="IN_PROGRESS")
    assert about == ("assignedTo", "Choose who works on it.")


@pytest.mark.parametrize("edit", [{"assignedTo": None}, {"status": "TODO"}])
def test_removing_the_assignee_unassigns_it(edit: dict[str, Any]) -> None:
    change = edited(a_ticket(Status.IN_PROGRESS), **edit)
    assert told(change) == [(EventType.UNASSIGNED, BEN, None)]
    assert change.values == {"assignedTo": None, "status": "TODO"}


def test_an_assigned_ticket_cannot_be_to_do() -> None:
    about = refusal(a_ticket(Status.IN_PROGRESS), status="TODO", assignedTo=CHRIS)
    assert about == ("status", "Whoever has a ticket works on it. Choose In progress.")


def test_a_waiting_ticket_is_given_to_another_and_goes_on_waiting() -> None:
    change = edited(a_ticket(Status.WAITING), assignedTo=CHRIS)
    assert told(change) == [(EventType.ASSIGNED, BEN, CHRIS)]
    assert "status" not in change.values


def test_a_waiting_ticket_is_not_released() -> None:
    assert refusal(a_ticket(Status.WAITING), assignedTo=None) == (
        "assignedTo",
        "Choose somebody to give it to: ticket 12 is waiting for its requester.",
    )


def test_resolved_says_what_was_done() -> None:
    change = edited(a_ticket(Status.IN_PROGRESS), status="COMPLETED", message=" Done. ")
    assert told(change) == [(EventType.RESOLVED, "IN_PROGRESS", "COMPLETED")]
    assert change.values == {"status": "COMPLETED", "resolution": "Done.", "completedAt": NOW}
    assert change.events[0].note == "Done."


def test_waiting_says_what_is_asked() -> None:
    change = edited(a_ticket(Status.IN_PROGRESS), status="WAITING", message="Which floor?")
    comment = change.push["comments"]
    assert told(change) == [
        (EventType.WAITING, "IN_PROGRESS", "WAITING"),
        (EventType.COMMENTED, None, comment["id"]),
    ]
    assert (change.events[0].note, comment["text"], comment["by"]) == (
        "Which floor?",
        "Which floor?",
        ANN,
    )


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("COMPLETED", "Say in a sentence what was done; the requester reads it."),
        ("WAITING", "Ask what you need to know; the requester reads it."),
    ],
)
def test_neither_goes_without_words(status: str, sentence: str) -> None:
    about = refusal(a_ticket(Status.IN_PROGRESS), status=status, message=" ")
    assert about == ("message", sentence)


@pytest.mark.parametrize("edit", [{}, {"status": "TODO"}, {"assignedTo": CHRIS}])
def test_a_message_does_not_get_lost(edit: dict[str, Any]) -> None:
    assert refusal(a_ticket(Status.IN_PROGRESS), message="Hello", **edit) == (
        "message",
        "This goes out with the status Resolved or Waiting. For anything else, add a comment.",
    )


def test_the_same_form_sent_twice_is_no_stray_message() -> None:
    resolved = Event(3, NOW, ANN, EventType.RESOLVED, "status", "TODO", "COMPLETED", note="Done.")
    ticket = replace(a_ticket(Status.COMPLETED), events=(resolved,))
    assert edited(ticket, message="Done. ") == Change()
    assert refusal(ticket, message="Something else")[0] == "message"


def test_a_message_is_no_longer_than_any_other() -> None:
    about = refusal(a_ticket(Status.TODO), status="COMPLETED", message="x" * 1_001)
    assert about == ("message", "At most 1,000 characters; this text has 1,001.")


def test_the_requester_s_answer_is_not_waited_for_any_more() -> None:
    change = edited(a_ticket(Status.WAITING), status="IN_PROGRESS")
    assert told(change) == [(EventType.STATUS_CHANGED, "WAITING", "IN_PROGRESS")]


@pytest.mark.parametrize("stays", [True, False])
def test_a_reopened_ticket_keeps_who_is_still_there(stays: bool) -> None:
    change = edited(a_ticket(Status.COMPLETED), status="REOPENED", stays=stays)
    assert told(change) == [(EventType.REOPENED, "COMPLETED", "REOPENED")]
    assert change.values == {"status": "REOPENED"} | ({} if stays else {"assignedTo": None})
    assert "resolution" in change.remove


def test_reopened_and_given_to_another_it_is_in_progress() -> None:
    change = edited(a_ticket(Status.COMPLETED), status="REOPENED", assignedTo=CHRIS)
    assert [kind for kind, _, _ in told(change)] == [
        EventType.REOPENED,
        EventType.ASSIGNED,
        EventType.STATUS_CHANGED,
    ]
    assert (change.values["status"], change.values["assignedTo"]) == ("IN_PROGRESS", CHRIS)
    assert {"resolution", "completedAt"} <= set(change.remove)


def test_assigned_and_resolved_in_one_edit() -> None:
    change = edited(a_ticket(Status.TODO), assignedTo=ANN, status="COMPLETED", message="Done.")
    assert [kind for kind, _, _ in told(change)] == [
        EventType.ASSIGNED,
        EventType.STATUS_CHANGED,
        EventType.RESOLVED,
    ]
    assert change.events[2].from_ == "IN_PROGRESS"
    assert (change.values["status"], change.values["assignedTo"]) == ("COMPLETED", ANN)


@pytest.mark.parametrize("assignee", [None, CHRIS])
def test_who_resolved_a_ticket_stays_its_assignee(assignee: ObjectId | None) -> None:
    assert refusal(a_ticket(Status.COMPLETED), assignedTo=assignee) == (
        "assignedTo",
        "Reopen it before you change who has it: ticket 12 is resolved.",
    )


def test_what_the_table_does_not_allow_is_said_at_the_status() -> None:
    assert refusal(a_ticket(Status.COMPLETED), status="TODO") == (
        "status",
        "A ticket that is resolved can't become waiting for somebody to take it.",
    )


_STEPS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([status.value for status in Status]),
        "assignedTo": st.sampled_from([None, ANN, BEN]),
        "message": st.just("Because."),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(Status)), st.lists(_STEPS, max_size=8), st.booleans())
def test_however_it_is_edited_only_the_table_s_steps_happen(
    start: Status, walk: list[dict[str, Any]], stays: bool
) -> None:
    ticket = a_ticket(start)
    for step in walk:
        if step.get("status") == ticket.status.value:
            step.pop("status")
        try:
            change = edited(ticket, stays=stays, **step)
        except InvalidValue:
            continue
        path = [event.to for event in change.events if event.field == "status"]
        if any(event.type is EventType.UNASSIGNED for event in change.events):
            path.insert(0, with_change(ticket, change).status.value)
        for old, new in pairwise([ticket.status.value, *path]):
            assert old == new or Status(new) in STATUS_TRANSITIONS[Status(old)]
        ticket = with_change(ticket, change)
        if ticket.status in (Status.IN_PROGRESS, Status.WAITING):
            assert ticket.assigned_to
        if ticket.status is Status.TODO:
            assert ticket.assigned_to is None
