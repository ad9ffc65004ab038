"""The modals to decline and to reassign a ticket."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from bson import ObjectId

from bot.views.inputs import View
from bot.views.modals.ticket_actions import (
    comment_modal,
    decline_modal,
    declined_modal,
    reassign_ticket_modal,
    reopen_ticket_modal,
)
from services.assignment.candidate import Obstacle
from services.assignment.ranking import AssigneeOption
from services.assignment.reassign import ReassignResult
from services.models.events import Event, EventType
from services.models.ticket import Status
from services.models.user import Role, User
from services.tickets.lifecycle import state_token
from tests.conftest import sample_ticket
from tests.services.assignment.test_ranking import NOW
from tests.support.blockkit import check_view

TICKET = sample_ticket(status=Status.IN_PROGRESS, assigned_to=ObjectId())
NILS = User(ObjectId(), "nils@example.com", Role.MODERATOR, name="Nils <!channel>")
UNASSIGNED = Event(3, NOW, "system", EventType.NOBODY_AVAILABLE)


@pytest.mark.parametrize("form", [comment_modal, reopen_ticket_modal])
def test_a_requester_is_not_told_that_the_requester_reads_it(form: Callable[..., View]) -> None:
    own, others = form(TICKET, reader_id=TICKET.created_by), form(TICKET, reader_id=ObjectId())
    assert "Everyone who works on the ticket reads this." in str(own)
    assert "The requester and everyone who works on the ticket read this." in str(others)


def fit(user: User, reason: str, obstacle: Obstacle | None = None) -> AssigneeOption:
    return AssigneeOption(user, ("VPN",), 2, 8, obstacle, reason)


def test_it_asks_for_a_reason_that_only_the_staff_reads() -> None:
    view = decline_modal(TICKET)
    assert check_view(view) == []
    assert (view["title"]["text"], view["submit"]["text"], view["close"]["text"]) == (
        "Decline ticket 12",
        "Decline",
        "Cancel",
    )
    assert view["private_metadata"] == f"{TICKET.id}:{state_token(TICKET)}"
    title, what, why, reason = view["blocks"]
    assert title["text"]["text"] == "VPN drops"
    assert what["text"]["text"] == (
        "It goes to the next best person. The requester only sees who that is."
    )
    assert [option["text"]["text"] for option in why["element"]["options"]] == [
        "Not my subject",
        "No time right now",
        "Not for our team",
    ]
    assert (why["optional"], reason["optional"]) == (True, True)
    assert reason["hint"]["text"] == "Moderators and admins read this; the requester does not."


@pytest.mark.parametrize("number", [123_456_789, None])
@pytest.mark.parametrize("title", ["本" * 150, "", "<!channel> & *b*"])
def test_it_stays_within_slacks_limits(number: int | None, title: str) -> None:
    ticket = sample_ticket(number=number, title=title)
    for view in (decline_modal(ticket), declined_modal(ReassignResult(ticket, NILS))):
        assert check_view(view) == []


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (ReassignResult(TICKET, NILS), "Ticket 12 goes to Nils <!channel>, who is notified now."),
        (
            ReassignResult(sample_ticket(events=(UNASSIGNED,)), None),
            "No one else is available for ticket 12 right now. It is at the top of the queue, "
            "the admins are notified, and it is assigned as soon as someone is free.",
        ),
        (
            ReassignResult(sample_ticket(), None),
            "Ticket 12 is no longer yours. We look for someone else; its card says who has it.",
        ),
    ],
)
def test_it_says_to_whom_it_went(outcome: ReassignResult, sentence: str) -> None:
    view = declined_modal(outcome)
    assert check_view(view) == []
    (block,) = view["blocks"]
    assert block["text"] == {"type": "plain_text", "text": sentence, "emoji": True}


def test_the_next_best_come_first_each_with_what_speaks_for_them() -> None:
    lara = User(ObjectId(), "lara@example.com", Role.MODERATOR, name="本" * 80)
    view = reassign_ticket_modal(
        TICKET, [fit(NILS, "knows VPN · 3 of 8 tickets with this one"), fit(lara, "x" * 90)]
    )
    assert check_view(view) == []
    _, best, anybody, _ = view["blocks"]
    assert best["label"]["text"] == "Who fits best?"
    assert best["element"]["type"] == "radio_buttons"
    assert [
        (option["value"], option["text"]["text"], option["description"]["text"])
        for option in best["element"]["options"]
    ] == [
        (str(NILS.id), "Nils <!channel>", "knows VPN · 3 of 8 tickets with this one"),
        (str(lara.id), "本" * 74 + "…", "x" * 74 + "…"),
        ("queue", "Back to the queue", "We look for someone else."),
    ]
    assert (anybody["label"]["text"], anybody["block_id"]) == ("Or someone else", "assignedTo")
    assert anybody["hint"]["text"] == "If you choose someone here, they get it."
    assert (best["optional"], anybody["optional"]) == (True, True)


def test_where_nobody_fits_it_does_not_ask_who_fits_best() -> None:
    other = replace(
        fit(NILS, "knows none of its skills · 1 of 8 tickets with this one"), is_match=False
    )
    best = reassign_ticket_modal(TICKET, [other])["blocks"][1]
    assert best["label"]["text"] == "No one who fits is available. Who has room?"
    only, _ = best["element"]["options"]
    assert only["description"]["text"] == "knows none of its skills · 1 of 8 tickets with this one"
    view = reassign_ticket_modal(
        TICKET, [fit(NILS, "knows VPN · 3 of 8 tickets with this one"), other]
    )
    assert view["blocks"][1]["label"]["text"] == "Who fits best?"


def test_where_it_cannot_be_unassigned() -> None:
    view = reassign_ticket_modal(
        sample_ticket(), [fit(NILS, "knows VPN · 3 of 8 tickets with this one")]
    )
    (option,) = view["blocks"][1]["element"]["options"]
    assert option["value"] == str(NILS.id)
    assert view["title"]["text"] == "Assign ticket 12"
