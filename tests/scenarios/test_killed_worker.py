"""A worker that is killed after Slack accepted a message, and before it has recorded that."""

import dataclasses
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import User
from services.outbox.deliveries import CLAIM_DURATION, DeliveryRef
from tasks.notifications import notify
from tests.conftest import FixedClock, People, file_ticket
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import changed, said, texts
from tests.support.slack_workspace import BOT_USER_ID, TRIAGE

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]


class Killed(BaseException):
    """Stands for SIGKILL: no handler runs."""


class DyingClient(WebClient):
    """Ends the worker once Slack has accepted a message to that recipient."""

    recipient = ""

    def chat_postMessage(self, **args: Any) -> SlackResponse:  # noqa: N802  the library's name
        answer = super().chat_postMessage(**args)
        if args["channel"] == self.recipient:
            raise Killed
        return answer


def kill_while_sending(system: BotAndWorkers, ticket: Ticket, *, to: str) -> None:
    """Kill the worker, and let its claim expire."""
    slack = system.runtime.slack
    dying = DyingClient(token=slack.token, base_url=slack.base_url, retry_handlers=[])
    dying.recipient = to
    with pytest.raises(Killed):
        notify.run(dataclasses.replace(system.runtime, slack=dying), str(ticket.id))
    expire_claim(system)


def expire_claim(system: BotAndWorkers) -> None:
    clock = system.runtime.clock
    assert isinstance(clock, FixedClock)
    clock.advance(seconds=CLAIM_DURATION.total_seconds())


def cards(system: BotAndWorkers, ticket: Ticket, channel_or_user: str) -> list[Json]:
    """Return the messages about that ticket that are in no thread."""
    begins = f"Ticket {ticket.number} "
    found = system.slack.messages(channel_or_user)
    return [m for m in found if "thread_ts" not in m and m["text"].startswith(begins)]


@pytest.fixture
def second(system: BotAndWorkers, ticket: Ticket, ann: User) -> Ticket:
    """A ticket of people whose conversations with the bot are known from another one."""
    return file_ticket(system.tickets, ann, "VPN is slow")


def test_a_message_that_slack_accepted_is_not_sent_again(
    system: BotAndWorkers, second: Ticket, ann: User, ben: User
) -> None:
    kill_while_sending(system, second, to=People.slack_id(ann))
    system.db.tickets.update_one({"_id": second.id}, {"$set": {"title": "VPN is away"}})
    system.deliver()
    (card,) = cards(system, second, People.slack_id(ann))
    assert "VPN is away" in str(card["blocks"])
    assert not system.now(second).is_in_outbox
    assert system.bot.answer(said(system.slack, ann, card, "It is on floor 3")) == {}
    assert [comment.text for comment in system.now(second).comments] == ["It is on floor 3"]


@pytest.mark.parametrize("recipient", ["requester", "assignee", "channel"])
def test_first_messages_that_follow_a_lost_record_are_sent_once(
    triage: BotAndWorkers, ann: User, ben: User, recipient: str
) -> None:
    """The next message is claimed with the record of the one before."""
    file_ticket(triage.tickets, ann, "Conversations are known from this one")
    triage.deliver()
    ticket = file_ticket(triage.tickets, ann, "VPN is slow")
    names = {"requester": People.slack_id(ann), "assignee": People.slack_id(ben)}
    kill_while_sending(triage, ticket, to=names.get(recipient, TRIAGE))
    triage.deliver()
    for reader in (*names.values(), TRIAGE):
        assert len(cards(triage, ticket, reader)) == 1
    assert not triage.now(ticket).is_in_outbox


def test_a_comment_that_slack_accepted_is_not_sent_again(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    own, read = system.card(ann), system.card(ben)
    event = said(system.slack, ann, own, "It is on floor 3")
    system.bot.answer(event)
    kill_while_sending(system, ticket, to=read["channel"])
    system.bot.answer(changed(event, "It is on floor 4"))
    system.deliver()
    (shown,) = texts(system.slack, People.slack_id(ben), read)
    assert shown.endswith("It is on floor 4")
    assert not system.now(ticket).is_in_outbox


def test_a_message_of_which_slack_says_that_it_failed_is_looked_for_first(
    system: BotAndWorkers, second: Ticket, ann: User
) -> None:
    system.slack.fail("chat.postMessage", status=500)
    system.work(second)
    system.deliver()
    assert len(cards(system, second, People.slack_id(ann))) == 1
    assert len(system.slack.calls_to("conversations.history")) == 1


def test_a_message_that_slack_refused_is_not_looked_for(
    system: BotAndWorkers, second: Ticket, ann: User
) -> None:
    system.slack.fail("chat.postMessage", error="is_archived", times=4)
    for _ in range(3):
        system.deliver()
    assert len(cards(system, second, People.slack_id(ann))) == 1
    assert system.slack.calls_to("conversations.history") == []


def test_nothing_is_posted_while_slack_does_not_say_if_it_has_the_message(
    system: BotAndWorkers, second: Ticket, ann: User
) -> None:
    kill_while_sending(system, second, to=People.slack_id(ann))
    system.slack.fail("conversations.history", status=500)
    system.deliver()
    assert len(cards(system, second, People.slack_id(ann))) == 1
    assert system.now(second).is_in_outbox
    system.deliver()
    assert len(cards(system, second, People.slack_id(ann))) == 1
    assert not system.now(second).is_in_outbox


def test_it_is_sent_again_if_the_bot_may_not_look(
    system: BotAndWorkers, second: Ticket, ann: User
) -> None:
    kill_while_sending(system, second, to=People.slack_id(ann))
    system.slack.fail("conversations.history", error="missing_scope")
    system.deliver()
    assert len(cards(system, second, People.slack_id(ann))) == 2
    assert not system.now(second).is_in_outbox


def test_another_apps_message_is_not_taken_for_the_bots(
    system: BotAndWorkers, second: Ticket, ann: User
) -> None:
    key = f"1:requester:{ann.id}"
    system.slack.say(
        system.card(ann)["channel"],
        "Not yours",
        user="U0OTHERBOT",
        metadata=DeliveryRef(str(second.id), key).to_metadata(),
    )
    system.slack.fail("chat.postMessage", status=500)
    system.work(second)
    system.deliver()
    assert len(cards(system, second, People.slack_id(ann))) == 1


def test_a_comment_to_a_taker_whom_the_bot_has_never_written_to_is_sent_once(
    triage: BotAndWorkers, ticket: Ticket, ann: User, cleo: User
) -> None:
    triage.press(cleo, cards(triage, ticket, TRIAGE)[0], "take")
    triage.work()
    assert triage.messages(cleo) == []
    triage.bot.answer(said(triage.slack, ann, triage.card(ann), "It is on floor 3"))
    kill_while_sending(triage, ticket, to=People.slack_id(cleo))
    triage.deliver()
    (message,) = triage.messages(cleo)
    assert "It is on floor 3" in message["text"]
    assert not triage.now(ticket).is_in_outbox


# A second copy was sent, and someone replies below the first


@pytest.fixture
def copy(system: BotAndWorkers, ann: User, ben: User) -> tuple[Ticket, Json]:
    """The first of two copies. It is Ann's first message of the bot, and the app has not been
    installed again since a release that could not open a conversation."""
    filed = file_ticket(system.tickets, ann)
    kill_while_sending(system, filed, to=People.slack_id(ann))
    system.slack.fail("conversations.open", error="missing_scope")
    system.deliver()
    first, second = cards(system, filed, People.slack_id(ann))
    assert system.now(filed).cards[0].ts == second["ts"]
    return filed, first


def test_a_reply_below_a_second_copy_is_a_comment(
    system: BotAndWorkers, copy: tuple[Ticket, Json], ann: User, ben: User
) -> None:
    ticket, first = copy
    event = said(system.slack, ann, first, "It is on floor 3")
    assert system.bot.answer(event) == {}
    (comment,) = system.now(ticket).comments
    assert (comment.text, comment.by) == ("It is on floor 3", ann.id)
    system.bot.answer(changed(event, "It is on floor 4"))
    assert [c.text for c in system.now(ticket).comments] == ["It is on floor 4"]
    assert system.ephemeral_messages() == []


def test_the_reply_waits_until_slack_returns_the_thread(
    system: BotAndWorkers, copy: tuple[Ticket, Json], ann: User
) -> None:
    ticket, first = copy
    event = said(system.slack, ann, first, "It is on floor 3")
    system.slack.fail("conversations.replies", status=500)
    assert system.bot.send(event).status == 503
    assert system.now(ticket).comments == ()
    assert system.bot.answer(event) == {}
    assert len(system.now(ticket).comments) == 1


def test_a_reply_below_the_triage_cards_copy_is_an_internal_note(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    filed = file_ticket(triage.tickets, ann)
    kill_while_sending(triage, filed, to=TRIAGE)
    triage.slack.fail("conversations.history", error="missing_scope")
    triage.deliver()
    first, _ = cards(triage, filed, TRIAGE)
    triage.bot.answer(said(triage.slack, ben, first, "Mind the cable", is_im=False))
    (comment,) = triage.now(filed).comments
    assert (comment.text, comment.internal) == ("Mind the cable", True)


@pytest.mark.parametrize(
    "forged",
    [
        {"user": "U0OTHERBOT"},
        {"metadata": {"event_type": "other", "event_payload": {}}},
        {"metadata": DeliveryRef("65f0c0ffee65f0c0ffee0001", "1:requester:x").to_metadata()},
        {"metadata": DeliveryRef("no id", "1:requester:x").to_metadata()},
        {"metadata": "text"},
        {},
    ],
)
def test_a_thread_of_another_kind_is_left_alone(
    triage: BotAndWorkers, ticket: Ticket, ben: User, db: Mongo, forged: Json
) -> None:
    first = triage.slack.say(TRIAGE, "Lunch?", **{"user": BOT_USER_ID} | forged)
    triage.bot.answer(said(triage.slack, ben, first, "Pizza", is_im=False))
    assert triage.now(ticket).comments == ()


def test_a_thread_of_other_people_is_not_read(triage: BotAndWorkers, ann: User, ben: User) -> None:
    first = triage.slack.say(TRIAGE, "Lunch?", user=People.slack_id(ann))
    triage.slack.clear()
    triage.bot.answer(said(triage.slack, ben, first, "Pizza", is_im=False))
    assert triage.slack.calls == []
