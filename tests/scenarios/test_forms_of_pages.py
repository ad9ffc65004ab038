"""Forms refresh the page they were opened from, and a comment is shown to its author."""

from typing import Any

import pytest

from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import FixedClock
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.escalation_day import at
from tests.support.person import Album, Person

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def reader(system: BotAndWorkers, ticket: Ticket, ben: User, clock: FixedClock) -> Person:
    """The assignee, by what he sees and presses."""
    clock.now = at(2, 9)
    return Person(system, ben, Album())


def open_from(reader: Person, place: str) -> Person:
    if place == "command":
        return reader.types("/ticket", "1")
    if place == "card":
        return reader.opens_message("VPN is down").presses("Details")
    return reader.opens_home().presses("Open")


FORMS: list[tuple[str, dict[str, Any], str, str]] = [
    ("Edit", {"Title": "VPN is slow"}, "Save", "VPN is slow"),
    ("Internal note", {"Internal note": "Old cable."}, "Add note", "Old cable."),
    ("Comment", {"Your comment": "On my way."}, "Send", "On my way."),
    ("Ask the requester", {"What do you need": "Which floor?"}, "Ask and wait", "Which floor?"),
    ("Resolve", {"What was done": "A new cable."}, "Resolve", "A new cable."),
]


@pytest.mark.parametrize("place", ["command", "card", "home"])
def test_the_page_shows_what_a_form_changed(reader: Person, place: str) -> None:
    open_from(reader, place)
    for button, fields, submit, shown in FORMS:
        reader.presses(button).fills(fields).presses(submit).sees(shown, "History")


def test_the_page_shows_who_has_the_ticket_now(reader: Person, cleo: User) -> None:
    open_from(reader, "command").presses("Reassign")
    reader.fills({"Or someone else": str(cleo.name)}).presses("Assign")
    reader.sees(f"assigned it to {cleo.name}", "[Take over]")


def test_a_conflict_in_between_does_not_keep_the_page_from_its_refresh(
    reader: Person, system: BotAndWorkers, ticket: Ticket, cleo: User
) -> None:
    open_from(reader, "command").presses("Edit").fills({"Title": "VPN is slow"})
    other = Person(system, cleo, Album())
    other.types("/ticket", "update 1").fills({"Title": "VPN is odd"}).presses("Save")
    reader.presses("Save").sees("VPN is odd")
    reader.presses("Save").sees("VPN is slow", "History")


def test_a_page_that_is_used_up_changes_nothing_else(
    reader: Person, system: BotAndWorkers, ticket: Ticket
) -> None:
    open_from(reader, "command").presses("Comment").fills({"Your comment": "On my way."})
    system.slack.fail("response_url", status=404, error="used_url")
    reader.presses("Send")
    assert [comment.text for comment in system.now(ticket).comments] == ["On my way."]


def test_a_comment_that_several_people_read_names_none_of_them(
    reader: Person, system: BotAndWorkers, ticket: Ticket, ann: User, admin: User
) -> None:
    system.runtime.services.participants.change(
        actor=Actor.from_user(ann), ticket_id=str(ticket.id), added=[admin.id]
    )
    reader.opens_message("VPN is down").presses("Comment")
    reader.fills({"Your comment": "On my way."}).presses("Send")
    reader.sees("You commented on Ticket 1:", "On my way.")


def test_a_comment_from_the_card_is_shown_to_its_author(
    reader: Person, system: BotAndWorkers, ann: User, ben: User
) -> None:
    sent = len(system.messages(ben))
    reader.opens_message("VPN is down").presses("Comment")
    reader.fills({"Your comment": "Mind the <gap> & wait."}).presses("Send")
    reader.sees(f"You wrote to {ann.name} on Ticket 1:", "Mind the <gap> & wait.")
    reader.opens_message("VPN is down").presses("Internal note")
    reader.fills({"Internal note": "Old cable."}).presses("Add note")
    reader.sees("You added a note to Ticket 1:", "Old cable.")
    assert len(system.messages(ben)) == sent
    (posted, _) = system.slack.calls_to("response_url")
    assert posted.args["replace_original"] is False
    assert posted.args["response_type"] == "ephemeral"
