"""Errors of Slack that an operator corrects: what was to be sent arrives afterwards."""

from contextlib import suppress
from dataclasses import replace

import pytest

from bot.slack.client import MeasuredClient
from demo.servers import RedisServer
from services.core.metrics import FAILED_DELIVERIES, InMemoryMeter
from services.core.redis_client import connect_redis
from services.core.slack_gate import SlackGate
from services.models.ticket import Ticket
from services.models.user import Role, User
from tasks.notifications import notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tests.conftest import FixedClock, People, file_ticket, web_client
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]

OPERATOR_ERRORS = [
    "account_inactive",
    "invalid_auth",
    "messages_tab_disabled",
    "missing_scope",
    "restricted_action",
    "token_revoked",
]


def gated(system: BotAndWorkers, redis: RedisServer) -> tuple[BotAndWorkers, InMemoryMeter]:
    """The system with a worker's client."""
    meter = InMemoryMeter()
    gate = SlackGate(connect_redis(redis.url))
    client = MeasuredClient(web_client(system.slack), meter=meter, process="worker", gate=gate)
    system.runtime = replace(system.runtime, slack=client, meter=meter)
    return system, meter


def attempt(system: BotAndWorkers, ticket: Ticket) -> None:
    with suppress(SlackRateLimited):
        notify.run(system.runtime, str(ticket.id))


@pytest.mark.parametrize("error", OPERATOR_ERRORS)
def test_messages_arrive_once_after_an_operator_has_acted(
    system: BotAndWorkers, people: People, clock: FixedClock, error: str
) -> None:
    requester, expert = people.add(), people.add(Role.MODERATOR)
    ticket = file_ticket(system.tickets, requester)
    system.slack.fail("chat.postMessage", error=error, times=100)
    for _ in range(5):
        attempt(system, ticket)
        clock.advance(minutes=12)
    assert system.now(ticket).is_in_outbox
    system.slack.recover()
    attempt(system, ticket)
    assert [len(system.slack.messages(People.slack_id(user))) for user in (requester, expert)] == [
        1,
        1,
    ]
    assert not system.now(ticket).is_in_outbox


def test_a_triage_channel_that_comes_back_gets_its_cards(
    triage: BotAndWorkers, people: People, clock: FixedClock
) -> None:
    people.add(Role.MODERATOR)
    ticket = file_ticket(triage.tickets, people.add())
    triage.slack.fail(
        "chat.postMessage",
        error="is_archived",
        times=9,
        where=lambda args: args.get("channel") == TRIAGE,
    )
    attempt(triage, ticket)
    clock.advance(minutes=15)
    attempt(triage, ticket)
    assert triage.slack.messages(TRIAGE) == []
    triage.slack.recover()
    attempt(triage, ticket)
    assert len(triage.slack.messages(TRIAGE)) == 1


def test_a_message_is_given_up_after_two_weeks(
    system: BotAndWorkers, people: People, clock: FixedClock
) -> None:
    meter = InMemoryMeter()
    system.runtime = replace(system.runtime, meter=meter)
    people.add(Role.MODERATOR, capacity=0)
    ticket = file_ticket(system.tickets, people.add())
    system.slack.fail("chat.postMessage", error="messages_tab_disabled", times=9)
    attempt(system, ticket)
    clock.advance(days=14)
    attempt(system, ticket)
    (delivery,) = system.now(ticket).deliveries
    assert (delivery["state"], delivery["error"]) == ("failed", "messages_tab_disabled")
    counts = [key.labels for key in meter.samples() if key.metric == FAILED_DELIVERIES.name]
    assert counts == [("requester", "given_up")]


def test_a_card_of_an_archived_channel_is_updated_when_it_is_back(
    triage: BotAndWorkers, ticket: Ticket, ben: User
) -> None:
    triage.work(ticket)
    triage.slack.fail("chat.update", error="is_archived", times=1)
    triage.db.tickets.update_one(
        {"_id": ticket.id}, {"$set": {"title": "New", "outbox": True}, "$inc": {"seq": 1}}
    )
    attempt(triage, ticket)
    assert triage.now(ticket).is_in_outbox
    attempt(triage, ticket)
    assert all("New" in message["text"] for message in triage.slack.messages(TRIAGE))


def test_a_revoked_token_costs_one_call(
    system: BotAndWorkers, people: People, redis: RedisServer
) -> None:
    system, _ = gated(system, redis)
    people.add(Role.MODERATOR)
    tickets = [file_ticket(system.tickets, people.add()) for _ in range(10)]
    system.slack.fail("chat.postMessage", error="token_revoked", times=1_000)
    for ticket in tickets:
        attempt(system, ticket)
    assert len(system.slack.calls_to("chat.postMessage")) == 1


def test_a_rate_limit_of_all_calls_costs_two(
    triage: BotAndWorkers, people: People, redis: RedisServer
) -> None:
    """One for each of two channels: then the method is closed."""
    system, _ = gated(triage, redis)
    people.add(Role.MODERATOR)
    tickets = [file_ticket(system.tickets, people.add()) for _ in range(10)]
    system.slack.fail("chat.postMessage", status=429, retry_after=60, times=1_000)
    for ticket in tickets * 3:
        attempt(system, ticket)
    assert len(system.slack.calls_to("chat.postMessage")) == 2
