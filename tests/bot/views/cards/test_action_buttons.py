"""The buttons of a ticket: which a reader gets, in which order, and their values."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot.views import ids
from bot.views.blocks import actions
from bot.views.cards.action_buttons import (
    ACTION_LABELS,
    STATELESS_ACTIONS,
    UNASSIGNED_LABELS,
    action_button,
    action_buttons,
    button_value,
    parse_button_value,
    parse_menu_value,
)
from bot.views.modals import ticket_actions
from bot.views.text import DisplayPerson
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role
from services.tickets.lifecycle import TicketAction, allowed_actions, state_token
from tests.conftest import sample_ticket
from tests.services.tickets.test_lifecycle import ME, RELATIONS, STATES, ticket_in
from tests.support.blockkit import check_message, check_view

T, P, W, C, R = list(Status)


def labels(elements: list[dict[str, Any]]) -> str:
    """Return `[A] [B] (C, D)`: the buttons, and the options of the menu."""
    shown = []
    for element in elements:
        if element["type"] == "overflow":
            shown.append(f"({', '.join(o['text']['text'] for o in element['options'])})")
        else:
            shown.append(f"[{element['text']['text']}]")
    return " ".join(shown)


def offered(
    role: Role, relation: str, state: tuple[Status, bool, bool], *, details: bool = True
) -> str:
    ticket = ticket_in(state, relation)
    return labels(
        action_buttons(ticket, allowed_actions(Actor(ME, role), ticket), has_details=details)
    )


@pytest.mark.parametrize(
    ("role", "relation", "state", "shown"),
    [
        (
            Role.MODERATOR,
            "assignee",
            (P, True, False),
            "[Accept] [Reassign] [Decline] "
            "(Details, Resolve, Comment, Ask the requester, Internal note)",
        ),
        (
            Role.MODERATOR,
            "assignee",
            (P, True, True),
            "[Resolve] [Comment] [Ask the requester] "
            "(Details, Reassign, Decline, Internal note, Edit)",
        ),
        (
            Role.ADMIN,
            "assignee",
            (W, True, True),
            "[Resolve] [Comment] [Details] (Reassign, Internal note, Edit)",
        ),
        (
            Role.MODERATOR,
            "assignee",
            (R, True, False),
            "[Accept] [Reassign] [Decline] (Details, Resolve, Comment, Internal note, Edit)",
        ),
        (
            Role.MODERATOR,
            "assignee",
            (C, True, True),
            "[Reopen] [Comment] [Details] (Internal note, Edit)",
        ),
        (
            Role.MODERATOR,
            "stranger",
            (T, False, False),
            "[Take it] [Assign] [Details] (Comment, Resolve, Internal note, Edit)",
        ),
        (
            Role.ADMIN,
            "stranger",
            (P, True, True),
            "[Take over] [Reassign] [Details] "
            "(Comment, Resolve, Ask the requester, Internal note, Edit)",
        ),
        (Role.USER, "requester", (P, True, True), "[Comment] [Details] [Cancel ticket]"),
        (Role.USER, "requester", (W, True, True), "[Answer] [Details] [Cancel ticket]"),
        (
            Role.MODERATOR,
            "requester",
            (W, True, True),
            "[Answer] [Take over] [Details] "
            "(Cancel ticket, Resolve, Reassign, Internal note, Edit)",
        ),
        (Role.USER, "requester", (C, True, True), "[Reopen] [Comment] [Details]"),
        (Role.USER, "stranger", (P, True, True), "[Details]"),
    ],
)
def test_the_most_likely_come_first(
    role: Role, relation: str, state: tuple[Status, bool, bool], shown: str
) -> None:
    assert offered(role, relation, state) == shown


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_page_offers_everything_and_a_card_all_but_editing_and_cancelling(
    role: Role, relation: str, state: tuple[Status, bool, bool]
) -> None:
    ticket = ticket_in(state, relation)
    steps = allowed_actions(Actor(ME, role), ticket)
    for details in (True, False):
        elements = action_buttons(ticket, steps, has_details=details)
        assert len([e for e in elements if e["type"] == "button"]) <= (3 if details else 4)
        found = {e["action_id"] for e in elements if e["type"] == "button"}
        found |= {
            parse_menu_value(option["value"])[0]
            for element in elements
            if element["type"] == "overflow"
            for option in element["options"]
        }
        offered = steps - {TicketAction.WITHDRAW}  # by an emoji only
        missing = ({*offered, *([ids.DETAILS] if details else [])}) - found
        assert missing <= ({TicketAction.UPDATE, TicketAction.CANCEL} if details else set())
        menu = [e["options"] for e in elements if e["type"] == "overflow"]
        assert TicketAction.TAKE not in {parse_menu_value(o["value"])[0] for m in menu for o in m}
        assert found <= {*steps, ids.DETAILS}
        if elements:
            message = {"text": "x", "blocks": [actions(*elements)]}
            assert check_message(message) == []


@pytest.mark.parametrize("state", STATES, ids=str)
def test_only_the_first_button_is_the_primary_one(state: tuple[Status, bool, bool]) -> None:
    ticket = ticket_in(state, "assignee")
    elements = action_buttons(ticket, allowed_actions(Actor(ME, Role.MODERATOR), ticket))
    assert [element.get("style") for element in elements] == ["primary", None, None, None]
    assert "style" not in action_buttons(ticket, frozenset())[0]  # Details alone


def test_what_many_read_offers_what_any_moderator_may_do() -> None:
    ticket = ticket_in((T, False, False))
    few = allowed_actions(Actor(ME, Role.MODERATOR), ticket) & {
        TicketAction.TAKE,
        TicketAction.REASSIGN,
    }
    assert labels(action_buttons(ticket, few)) == "[Take it] [Assign] [Details]"


@pytest.mark.parametrize("step", ACTION_LABELS)
def test_a_button_carries_the_ticket_and_what_was_decided_by(step: str) -> None:
    ticket = sample_ticket(status=Status.WAITING, assigned_to=ObjectId())
    carried = action_button(ticket, step)["value"]
    assert parse_button_value(carried) == (
        str(ticket.id),
        "" if step in STATELESS_ACTIONS else state_token(ticket),
    )
    assert parse_menu_value(f"{step}:{carried}") == (step, carried)
    assert carried == button_value(ticket, step)


def test_taking_over_asks_only_if_the_assignee_has_accepted() -> None:
    ticket = sample_ticket(status=Status.IN_PROGRESS, assigned_to=ObjectId())
    accepted = replace(ticket, accepted_at=datetime(2026, 1, 2, tzinfo=UTC))
    assignee = DisplayPerson("&" * 80)
    assert "confirm" not in action_button(ticket, ids.TAKE, assignee=assignee)
    assert "confirm" not in action_button(accepted, ids.REASSIGN, assignee=assignee)
    taking_over = action_button(accepted, ids.TAKE, assignee=assignee)
    assert taking_over["confirm"]["text"]["text"].startswith("&amp;&amp;")
    check_message({"channel": "C0TEAM", "text": "x", "blocks": [actions(taking_over)]})


def test_what_cannot_be_read_names_nothing() -> None:
    assert (parse_button_value(""), parse_menu_value("")) == (("", ""), ("", ""))


def test_every_step_has_words() -> None:
    without_button = {TicketAction.WITHDRAW}
    for words in (ACTION_LABELS, UNASSIGNED_LABELS):
        assert set(words) == {*TicketAction, ids.DETAILS} - without_button


@pytest.mark.parametrize("title", ["x" * 150, "本" * 150, "", "\u200b", "<!channel> & *b*"])
@pytest.mark.parametrize("number", [12, 123_456_789, None])
@pytest.mark.parametrize("state", STATES, ids=str)
def test_the_modals_are_within_slacks_limits(
    title: str, number: int | None, state: tuple[Status, bool, bool]
) -> None:
    ticket = sample_ticket(
        title=title,
        number=number,
        status=state[0],
        assigned_to=ObjectId() if state[1] else None,
    )
    for view in (
        ticket_actions.reassign_ticket_modal(ticket),
        ticket_actions.ask_requester_modal(ticket),
        ticket_actions.cancel_ticket_modal(ticket),
    ):
        assert check_view(view) == []
        assert "confirm" not in str(view)


def choices(ticket: Ticket) -> dict[str, dict[str, Any]]:
    blocks = ticket_actions.reassign_ticket_modal(ticket)["blocks"]
    return {block["block_id"]: block for block in blocks if block["type"] == "input"}


def test_the_queue_is_offered_if_the_ticket_can_be_unassigned() -> None:
    mine = choices(sample_ticket(status=Status.IN_PROGRESS, assigned_to=ObjectId()))
    (queue,) = mine["nextBest"]["element"]["options"]
    assert (queue["value"], mine["assignedTo"]["optional"]) == ("queue", True)
    for ticket in (
        sample_ticket(status=Status.TODO),
        sample_ticket(status=Status.WAITING, assigned_to=ObjectId()),
    ):
        inputs = choices(ticket)
        assert "nextBest" not in inputs
        assert {"optional", "hint"} & set(inputs["assignedTo"]) == set()


def test_the_titles_of_the_modals() -> None:
    ticket = sample_ticket(assigned_to=ObjectId(), status=Status.IN_PROGRESS)
    titles = [
        view["title"]["text"]
        for view in (
            ticket_actions.reassign_ticket_modal(ticket),
            ticket_actions.reassign_ticket_modal(sample_ticket()),
            ticket_actions.ask_requester_modal(ticket),
            ticket_actions.cancel_ticket_modal(ticket),
        )
    ]
    assert titles == [
        "Reassign ticket 12",
        "Assign ticket 12",
        "Ask about ticket 12",
        "Cancel ticket 12",
    ]
