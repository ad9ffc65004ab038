"""The triage channel: one card per ticket, kept up to date, and its buttons."""

from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from tasks.assignment import assign_ticket
from tasks.notifications import notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tests.conftest import FixedClock, People, file_ticket
from tests.support.action_helpers import by
from tests.support.block_text import without_facts
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.recording_slack import TOKEN
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]


def card(triage: BotAndWorkers) -> dict[str, Any]:
    (message,) = triage.slack.messages(TRIAGE)
    return message


def card_text(triage: BotAndWorkers) -> str:
    return without_facts(str(card(triage)["text"]))


def is_card(arguments: dict[str, Any]) -> bool:
    """Match calls of Slack's API for the triage channel."""
    return bool(arguments["channel"] == TRIAGE)


def posted_count(triage: BotAndWorkers) -> int:
    calls = triage.slack.calls_to("chat.postMessage")
    return sum(call.args["channel"] == TRIAGE for call in calls)


def test_one_card_follows_the_ticket(triage: BotAndWorkers, people: People, ann: User) -> None:
    ticket = triage.file(ann)
    assert card_text(triage) == "Ticket 1 “VPN is down”: no one is available for this"
    assert "*No one is available for this*" in str(card(triage))
    moderator = people.add(Role.MODERATOR)
    triage.actions.take(**by(moderator, ticket))
    triage.work(ticket)
    assert card_text(triage) == f"Ticket 1 “VPN is down”: in progress, accepted by {moderator.name}"
    triage.actions.resolve(**by(moderator, ticket), resolution="New key.")
    triage.work(ticket)
    assert card_text(triage) == f"Ticket 1 “VPN is down”: resolved ({moderator.name})"
    assert not triage.now(ticket).is_in_outbox
    assert posted_count(triage) == 1


def test_without_a_channel_there_is_no_card(system: BotAndWorkers, ann: User) -> None:
    system.slack.add_channel(TRIAGE)
    system.file(ann)
    assert system.slack.messages(TRIAGE) == []


def test_what_was_resolved_before_there_was_a_channel_is_not_announced(
    triage: BotAndWorkers, ann: User
) -> None:
    ticket = file_ticket(triage.tickets, ann)
    triage.db.tickets.update_one({"_id": ticket.id}, {"$set": {"status": Status.COMPLETED}})
    triage.work(ticket)
    assert triage.slack.messages(TRIAGE) == []
    assert not triage.now(ticket).is_in_outbox


def test_a_busy_channel_keeps_nobody_waiting(
    triage: BotAndWorkers, ann: User, ben: User, clock: FixedClock
) -> None:
    ticket = file_ticket(triage.tickets, ann, "VPN is down")
    triage.slack.fail("chat.postMessage", status=429, times=2, where=is_card)
    with pytest.raises(SlackRateLimited):
        notify.run(triage.runtime, str(ticket.id))
    assign_ticket.run(triage.runtime, str(ticket.id))
    clock.advance(seconds=2)
    with pytest.raises(SlackRateLimited):
        notify.run(triage.runtime, str(ticket.id))
    assert triage.texts(ben) == ["assigned to you"]
    assert triage.texts(ann) == [f"assigned to {ben.name}"]
    assert triage.slack.messages(TRIAGE) == []


def test_who_is_overtaken_while_posting_the_card_finishes_the_job(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    ticket = file_ticket(triage.tickets, ann, "VPN is down")

    class SlowPoster(WebClient):
        """While it posts the card, other workers assign the ticket and find the card claimed."""

        overtaken = False

        def chat_postMessage(self, **args: Any) -> SlackResponse:  # noqa: N802  the library's name
            if args["channel"] == TRIAGE and not self.overtaken:
                self.overtaken = True
                assign_ticket.run(triage.runtime, str(ticket.id))
                notify.run(triage.runtime, str(ticket.id))
            return super().chat_postMessage(**args)

    slow = SlowPoster(token=TOKEN, base_url=triage.slack.url, retry_handlers=[])
    notify.run(replace(triage.runtime, slack=slow), str(ticket.id))
    assert card_text(triage) == f"Ticket 1 “VPN is down”: assigned to {ben.name}"
    assert not triage.now(ticket).is_in_outbox


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel", "is_archived"])
def test_a_channel_the_bot_may_not_write_to_gets_its_card_later(
    triage: BotAndWorkers, people: People, ann: User, error: str
) -> None:
    people.add(Role.MODERATOR)
    triage.slack.fail("chat.postMessage", error=error, times=9, where=is_card)
    ticket = triage.file(ann)
    assert triage.now(ticket).is_in_outbox
    triage.slack.recover()
    notify.run(triage.runtime, str(ticket.id))
    assert not triage.now(ticket).is_in_outbox
    assert card_text(triage).startswith("Ticket 1")


# Its buttons


@pytest.fixture
def posted(triage: BotAndWorkers, ann: User) -> Ticket:
    """An unassigned ticket with its card in the channel."""
    return triage.file(ann)


def press(triage: BotAndWorkers, user: User, step: str) -> None:
    triage.press(user, card(triage), step, response_url=triage.slack.response_url())


def test_a_moderator_takes_it(triage: BotAndWorkers, posted: Ticket, people: People) -> None:
    moderator = people.add(Role.MODERATOR)
    press(triage, moderator, "take")
    now = triage.now(posted)
    assert (now.assigned_to, now.status) == (moderator.id, Status.IN_PROGRESS)
    triage.work()
    assert card_text(triage) == f"Ticket 1 “VPN is down”: in progress, accepted by {moderator.name}"


def test_assign_opens_the_form(triage: BotAndWorkers, posted: Ticket, people: People) -> None:
    press(triage, people.add(Role.MODERATOR), "reassign")
    assert triage.slack.last_view()["callback_id"] == "reassign_ticket"


@pytest.mark.parametrize("step", ["take", "reassign"])
def test_being_in_the_channel_gives_no_rights(
    triage: BotAndWorkers, posted: Ticket, people: People, ann: User, step: str
) -> None:
    another = people.add()
    before = triage.db.tickets.find_one({"_id": posted.id})
    for user in (another, ann):  # also its requester
        triage.slack.clear()
        press(triage, user, step)
        (told,) = triage.slack.calls_to("chat.postEphemeral")
        assert (told.args["channel"], told.args["user"]) == (TRIAGE, People.slack_id(user))
        assert told.args["text"] == (
            "Your role does not allow you to work on tickets. Ask an admin if it should."
        )
        assert triage.slack.calls_to("views.open") == []
    assert triage.db.tickets.find_one({"_id": posted.id}) == before


def test_details_of_a_foreign_ticket_are_not_for_everybody_in_the_channel(
    triage: BotAndWorkers, posted: Ticket, people: People
) -> None:
    triage.slack.clear()
    press(triage, people.add(), "details")
    said = str([(call.method, call.args) for call in triage.slack.calls])
    assert "or you may not see it" in said
    assert "Smoke" not in said


def test_a_stale_card_says_so_and_is_refreshed(
    triage: BotAndWorkers, posted: Ticket, people: People
) -> None:
    first, second = people.add(Role.MODERATOR), people.add(Role.MODERATOR)
    triage.actions.take(**by(first, posted))  # and the message to the worker is lost
    press(triage, second, "take")
    assert triage.now(posted).assigned_to == first.id
    triage.work()
    assert card_text(triage) == f"Ticket 1 “VPN is down”: in progress, accepted by {first.name}"


def test_who_has_the_ticket_reads_so_and_can_open_it(
    triage: BotAndWorkers, ticket: Ticket, ben: User
) -> None:
    url = triage.slack.response_url()
    triage.press(ben, card(triage), "take", response_url=url)
    (answer,) = triage.slack.calls_to("response_url")
    assert answer.args["text"] == "Ticket 1 “VPN is down”: you already have it"
    assert "You already have *Ticket 1*." in str(answer.args["blocks"])
    assert buttons(answer.args) == ["Details"]
    assert triage.ephemeral_messages() == []
