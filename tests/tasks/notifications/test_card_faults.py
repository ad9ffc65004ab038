"""Cards that are deleted in Slack, updated by two workers, or posted while MongoDB is away."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.views.blocks import mrkdwn_section
from bot.views.text import Message
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from services.outbox.deliveries import TicketThreads
from services.outbox.replies import ReplyKind
from tasks.notifications import notify, reply_sender
from tests.conftest import Bot, People
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import said
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]


def delete_all_messages(slack: RecordingSlack) -> None:
    slack.workspace.messages.clear()


def accept(system: BotAndWorkers, ticket: Ticket, user: User) -> None:
    system.actions.accept(actor=Actor.from_user(user), ticket_id=str(ticket.id))


def edit_title(system: BotAndWorkers, ticket: Ticket, title: str) -> None:
    """Change the ticket without an event that sends a message."""
    change = {"$set": {"title": title, "outbox": True}, "$inc": {"seq": 1}}
    system.db.tickets.update_one({"_id": ticket.id}, change)


def run_concurrently(system: BotAndWorkers, ticket: Ticket, workers: int = 4) -> None:
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: notify.run(system.runtime, str(ticket.id)), range(workers)))


@pytest.mark.parametrize("workers", [1, 4])
def test_deleted_cards_of_an_open_ticket_are_posted_again_once(
    triage: BotAndWorkers, ticket: Ticket, employee: User, expert: User, workers: int
) -> None:
    system = triage
    system.work(ticket)
    delete_all_messages(system.slack)
    before = {card.ts for card in system.now(ticket).cards}
    accept(system, ticket, expert)
    run_concurrently(system, ticket, workers)
    system.work(ticket)
    (requesters,) = system.messages(employee)
    (assignees,) = system.messages(expert)
    (channels,) = system.slack.messages(TRIAGE)
    stored = system.now(ticket)
    posted = {requesters["ts"], assignees["ts"], channels["ts"]}
    assert {card.ts for card in stored.cards} == posted
    assert len(stored.cards) == 3
    assert not before & posted
    assert not stored.is_in_outbox

    system.press(expert, assignees, "resolve")
    system.submit(expert, resolution="New certificate.")
    system.work()
    assert "resolved" in system.messages(expert)[0]["text"]


def test_a_deleted_card_of_a_resolved_ticket_comes_back_when_it_is_reopened(
    system: BotAndWorkers, ticket: Ticket, employee: User, expert: User
) -> None:
    system.work(ticket)
    delete_all_messages(system.slack)
    actor = Actor.from_user(expert)
    system.actions.resolve(actor=actor, ticket_id=str(ticket.id), resolution="Done.")
    system.work(ticket)
    (_resolved,) = system.messages(employee)
    assert system.messages(expert) == []
    assert not system.now(ticket).is_in_outbox
    system.actions.reopen(actor=Actor.from_user(employee), ticket_id=str(ticket.id))
    system.work(ticket)
    assert [card.kind for card in system.now(ticket).cards] == ["requester", "assignee"]
    assert len(system.messages(employee)) == 2
    assert not system.now(ticket).is_in_outbox


def test_two_workers_update_a_card_once(
    system: BotAndWorkers, ticket: Ticket, employee: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.work(ticket)
    edit_title(system, ticket, "The VPN is down again")
    system.slack.clear()
    both = threading.Barrier(2)
    deliver = notify.TicketSender.deliver
    waited = threading.local()

    def deliver_together(self: notify.TicketSender) -> Any:
        if not hasattr(waited, "done"):
            waited.done = True
            both.wait(timeout=10)  # both have read the ticket before either updates a card
        return deliver(self)

    monkeypatch.setattr(notify.TicketSender, "deliver", deliver_together)
    run_concurrently(system, ticket, 2)
    updates = [(c.args["channel"], c.args["ts"]) for c in system.slack.calls_to("chat.update")]
    assert len(updates) == len(set(updates)) == 2
    assert not system.now(ticket).is_in_outbox


class AfterPosting(WebClient):
    """Runs `then` once, after Slack accepted a message and before the caller knows."""

    then: Callable[[SlackResponse], None] | None = None

    def chat_postMessage(self, **args: Any) -> SlackResponse:  # noqa: N802  the library's name
        answer = super().chat_postMessage(**args)
        then, self.then = self.then, None
        if then:
            then(answer)
        return answer


def with_hook(system: BotAndWorkers, then: Callable[[SlackResponse], None]) -> AfterPosting:
    client = system.runtime.slack
    slack = AfterPosting(token=client.token, base_url=client.base_url, retry_handlers=[])
    slack.then = then
    system.runtime = replace(system.runtime, slack=slack)
    return slack


@pytest.fixture
def mongo_goes_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[SlackResponse], None]:
    """The next three writes fail; no test waits between the attempts."""
    failures = [0]
    for name in ("update_one", "update_many"):
        real = getattr(Collection, name)

        def write(self: Collection[Any], *args: Any, real: Any = real, **kwargs: Any) -> Any:
            if failures[0]:
                failures[0] -= 1
                raise AutoReconnect("no connection")
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Collection, name, write)
    monkeypatch.setattr("services.core.database.time.sleep", lambda _: None)

    def begin(_: SlackResponse) -> None:
        failures[0] = 3

    return begin


def test_a_card_posted_while_mongodb_is_away_is_recorded(
    system: BotAndWorkers,
    ticket: Ticket,
    employee: User,
    mongo_goes_away: Callable[[SlackResponse], None],
) -> None:
    with_hook(system, mongo_goes_away)
    notify.run(system.runtime, str(ticket.id))
    (card,) = system.messages(employee)
    assert card["ts"] in [stored.ts for stored in system.now(ticket).cards]


def test_a_reply_sent_while_mongodb_is_away_is_recorded(
    system: BotAndWorkers, employee: User, mongo_goes_away: Callable[[SlackResponse], None]
) -> None:
    reply_id = system.runtime.services.replies.queue(
        ReplyKind.OFFER,
        event="D1:1.5",
        recipient=People.slack_id(employee),
        slack_user_id=People.slack_id(employee),
        message=Message(
            text="Shall I file this?", blocks=[mrkdwn_section("Shall I file this?")]
        ).as_args(),
    )
    with_hook(system, mongo_goes_away)
    reply_sender.run(system.runtime, reply_id)
    (sent,) = system.messages(employee)
    assert system.db.replies.find_one({"_id": reply_id}, {"ts": 1, "state": 1}) == {
        "_id": reply_id,
        "state": "sent",
        "ts": sent["ts"],
    }


def test_a_reply_before_the_card_is_recorded_becomes_a_comment(
    system: BotAndWorkers, ticket: Ticket, employee: User, ticket_bot: Bot
) -> None:
    """Slack repeats what was answered with 503."""
    events: list[Any] = []
    statuses: list[int] = []

    def reply(answer: SlackResponse) -> None:
        events.append(
            said(
                system.slack,
                employee,
                {"channel": answer["channel"], "ts": answer["ts"]},
                "It is the office VPN",
            )
        )
        statuses.append(ticket_bot.send(events[0]).status)

    with_hook(system, reply)
    notify.run(system.runtime, str(ticket.id))
    assert statuses == [503]
    assert ticket_bot.send(events[0]).status == 200
    (comment,) = system.now(ticket).comments
    assert comment.text == "It is the office VPN"
    assert system.db.replies.count_documents({}) == 0


def test_a_note_below_a_triage_card_before_it_is_recorded_is_kept(
    triage: BotAndWorkers, ticket: Ticket, expert: User, ticket_bot: Bot
) -> None:
    events: list[Any] = []
    statuses: list[int] = []

    def reply(answer: SlackResponse) -> None:
        if answer["channel"] != TRIAGE:
            client.then = reply
            return
        card = {"channel": TRIAGE, "ts": answer["ts"]}
        events.append(said(triage.slack, expert, card, "Mine", is_im=False))
        statuses.append(ticket_bot.send(events[0]).status)

    client = with_hook(triage, reply)
    notify.run(triage.runtime, str(ticket.id))
    assert statuses == [503]
    assert ticket_bot.send(events[0]).status == 200
    (note,) = triage.now(ticket).comments
    assert (note.text, note.internal) == ("Mine", True)


def test_a_card_recorded_while_a_reply_to_it_is_looked_up_is_found(
    system: BotAndWorkers,
    ticket: Ticket,
    employee: User,
    ticket_bot: Bot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notify.run(system.runtime, str(ticket.id))
    (card,) = system.messages(employee)
    this = [{"this.ts": card["ts"]}]
    tickets = system.db.tickets
    tickets.update_one({}, {"$set": {"notices.$[this].ts": "unrecorded"}}, array_filters=this)

    def record(_: TicketThreads, __: ObjectId | str) -> None:
        that = [{"that.ts": "unrecorded"}]
        tickets.update_one({}, {"$set": {"notices.$[that].ts": card["ts"]}}, array_filters=that)

    monkeypatch.setattr(TicketThreads, "check_all_recorded", record)
    assert ticket_bot.send(said(system.slack, employee, card, "It is the VPN")).status == 200
    (comment,) = system.now(ticket).comments
    assert comment.text == "It is the VPN"


def test_a_reply_in_an_unknown_thread_is_answered(
    system: BotAndWorkers, employee: User, ticket_bot: Bot
) -> None:
    unknown = {"channel": f"D{People.slack_id(employee)[1:]}", "ts": "1700000000.000001"}
    event = said(system.slack, employee, unknown, "And who helps me?")
    assert ticket_bot.send(event).status == 200
    assert system.db.replies.count_documents({"state": "waiting"}) == 1
