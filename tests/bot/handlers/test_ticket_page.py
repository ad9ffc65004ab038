"""A ticket's page by its number or the button Details, through the whole app."""

from typing import Any

import pytest

from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import Bot, People, file_ticket, pressed
from tests.support import payloads
from tests.support.block_text import read
from tests.support.blockkit import check_message
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def ticket(tickets: TicketService, requester: User) -> Ticket:
    return file_ticket(tickets, requester, title="VPN drops")


def typed(text: str, user: User) -> dict[str, Any]:
    return payloads.slash_command(text, user=People.slack_id(user))


def shown(answer: dict[str, Any]) -> list[str]:
    assert answer["response_type"] == "ephemeral"
    assert check_message(answer) == []
    return read(answer)


@pytest.mark.parametrize("text", ["view 1", "VIEW #1", "view  1 please"])
def test_a_ticket_is_shown_to_its_requester_alone(
    ticket_bot: Bot, ticket: Ticket, requester: User, text: str
) -> None:
    page = shown(ticket_bot.answer(typed(text, requester)))
    assert page[:3] == ["#1 VPN drops", "Comment", "Cancel ticket"]
    assert "For moderators only" not in page


def test_the_staff_reads_more_of_it(ticket_bot: Bot, ticket: Ticket, people: People) -> None:
    page = shown(ticket_bot.answer(typed("view 1", people.add(Role.MODERATOR))))
    assert page[1:3] == ["Take it", "Assign"]
    assert "For moderators only" in page


@pytest.mark.parametrize("number", ["2", "#999999999", "0"])
def test_there_is_no_such_ticket(
    ticket_bot: Bot, ticket: Ticket, people: People, number: str
) -> None:
    answer = ticket_bot.answer(typed(f"view {number}", people.add(Role.ADMIN)))
    sentence = f"There is no ticket {number.removeprefix('#')}, or you may not see it."
    assert answer == {"response_type": "ephemeral", "text": sentence, "parse": "none"}


def test_another_users_ticket_is_not_found(ticket_bot: Bot, ticket: Ticket, people: People) -> None:
    answer = ticket_bot.answer(typed("view 1", people.add()))
    assert answer["text"] == "There is no ticket 1, or you may not see it."


@pytest.mark.parametrize("command", ["view", "update"])
@pytest.mark.parametrize("number", ["", " twelve", " -1", " 1.0", " ##1", " 1234567890", " ١"])
def test_a_number_that_is_none_is_told_how_to_write_it(
    ticket_bot: Bot, slack: RecordingSlack, people: People, command: str, number: str
) -> None:
    answer = ticket_bot.answer(typed(f"{command}{number}", people.add(Role.ADMIN)))
    assert answer["text"] == (f"Add the ticket's number, for example /ticket {command} 12.")
    assert slack.calls_to("views.open") == []


def test_details_are_shown_below_the_card_to_their_user_only(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, requester: User
) -> None:
    url = slack.response_url()
    ticket_bot.answer(pressed("details", ticket, requester, response_url=url))
    (call,) = slack.calls_to("response_url")
    assert call.args["replace_original"] is False
    assert shown(call.args)[0] == "#1 VPN drops"


def test_where_slack_no_longer_lets_us_they_are_told_the_command(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, requester: User
) -> None:
    url = slack.response_url()
    for _ in range(6):
        ticket_bot.answer(pressed("details", ticket, requester, response_url=url))
    (told,) = slack.calls_to("chat.postEphemeral")
    assert told.args["text"] == (
        "The ticket could not be shown here. Type /ticket and its number instead."
    )


def test_the_details_of_another_users_ticket_are_not_shown(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, people: People
) -> None:
    url = slack.response_url()
    ticket_bot.answer(pressed("details", ticket, people.add(), response_url=url))
    assert slack.calls_to("response_url") == []
    (told,) = slack.calls_to("chat.postEphemeral")
    assert told.args["text"] == "There is no such ticket, or you may not see it."


def test_showing_a_ticket_asks_slack_for_nothing(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, requester: User
) -> None:
    slack.clear()
    ticket_bot.answer(typed("view 1", requester))
    assert slack.calls == []
