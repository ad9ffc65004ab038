"""A password in a ticket's texts: no message or list shows it, and the ticket's page does."""

from typing import Any

import pytest

from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import FixedClock, People, file_ticket, pressed
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import card_of, said
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]

SECRET = "password: hunter2"
MASKED = "password: [password removed]"


@pytest.fixture
def leaky(triage: BotAndWorkers, ann: User, ben: User, cleo: User) -> Ticket:
    """A ticket with the password in every text that people write."""
    ticket = file_ticket(triage.tickets, ann, f"VPN {SECRET}", f"The {SECRET}")
    triage.work(ticket)
    return ticket


def sent(system: BotAndWorkers) -> str:
    """Everything that Slack was sent, without what users wrote there."""
    return str([call.args for call in system.slack.calls])


def command(system: BotAndWorkers, user: User, text: str) -> dict[str, Any]:
    return system.bot.answer(payloads.slash_command(text, user=People.slack_id(user)))


def test_nothing_that_is_pushed_shows_it(
    triage: BotAndWorkers, leaky: Ticket, ann: User, ben: User, cleo: User, clock: FixedClock
) -> None:
    def write(change: Any, **values: Any) -> None:
        change(**values)
        triage.deliver()

    actions = triage.actions
    write(actions.ask_requester, **by(ben, leaky), question=f"Is the {SECRET}")
    triage.bot.answer(said(triage.slack, ann, card_of(triage.slack, ann), f"Yes, {SECRET}"))
    triage.bot.answer(
        said(triage.slack, cleo, triage.slack.messages(TRIAGE)[0], SECRET, is_im=False)
    )
    triage.deliver()
    reassign = triage.runtime.services.ticket_actions.reassign
    write(reassign, **by(ben, leaky), assignee_id=str(cleo.id), reason=f"Cleo knows the {SECRET}")
    clock.advance(days=9)
    triage.runtime.services.escalation_steps.take(triage.now(leaky))
    triage.deliver()
    triage.send_due_reminders()
    write(actions.resolve, **by(cleo, leaky), resolution=f"Changed the {SECRET}")
    triage.ephemeral_messages()
    assert "hunter2" not in sent(triage)
    for text in (
        f"Ticket 1 “VPN {MASKED}”",  # the cards
        f"The {MASKED}",  # the description
        f"Is the {MASKED}",  # the question
        f"Yes, {MASKED}",  # the comment
        f"wrote an internal note: {MASKED}",
        f"Cleo knows the {MASKED}",
        f"Changed the {MASKED}",
        "waits for you to accept it",
        "A secret is hidden here. The ticket's page shows it.",
    ):
        assert text in sent(triage)
    page = str(command(triage, cleo, "view 1"))
    for text in (f"VPN {SECRET}", f"The {SECRET}", f"Is the {SECRET}", f"Changed the {SECRET}"):
        assert text in page
    assert "Cleo knows the password: hunter2" in page


def test_no_list_shows_it(triage: BotAndWorkers, leaky: Ticket, ann: User, ben: User) -> None:
    for user, text in ((ann, "list"), (ben, "queue"), (ben, "assigned")):
        answer = str(command(triage, user, text))
        assert f"VPN {MASKED}" in answer
        assert "hunter2" not in answer
    for user in (ann, ben):
        slack_id = People.slack_id(user)
        triage.bot.answer(payloads.home_opened(slack_id))
        assert f"VPN {MASKED}" in str(triage.slack.home(slack_id))
    for button in ("comment", "resolve", "reassign"):
        triage.bot.answer(pressed(button, triage.now(leaky), ben))
        assert f"VPN {MASKED}" in str(triage.slack.last_view())
    assert "hunter2" not in sent(triage)


def test_home_shows_it_on_the_tickets_page_alone(
    triage: BotAndWorkers, leaky: Ticket, ann: User
) -> None:
    slack_id = People.slack_id(ann)
    triage.bot.answer(payloads.home_opened(slack_id))
    home = triage.slack.home(slack_id)
    triage.bot.answer(payloads.block_actions(home, "home_open", user=slack_id))
    assert f"VPN {SECRET}" in str(triage.slack.home(slack_id))


def test_a_message_to_the_bot_is_not_repeated_with_it(triage: BotAndWorkers, ann: User) -> None:
    dm = triage.slack.say(f"D{People.slack_id(ann)[1:]}", f"My {SECRET}", user=People.slack_id(ann))
    triage.bot.answer(payloads.event({**dm, "channel_type": "im"}))
    triage.work()
    assert f"My {MASKED}" in sent(triage)
    assert "hunter2" not in sent(triage)
