"""The reply in a message's thread when a ticket was made of it."""

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.core.database import Mongo
from services.models.message_source import checked_source
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.notifications import notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher, reload, web_client, work
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TEAM_ID, TEAM_URL

TS, OLDER_TS = "1700000000.000001", "1690000000.000009"
LINE = "Ticket 1 was filed from this message."


@pytest.fixture
def employee(people: People) -> User:
    people.add(Role.MODERATOR)
    return people.add()


def made(
    tickets: TicketService, user: User, *, channel: str = GENERAL, thread_ts: str | None = None
) -> Ticket:
    source = checked_source(team_url=TEAM_URL, channel=channel, ts=TS, thread_ts=thread_ts)
    return tickets.create(
        actor=Actor.from_user(user),
        team_id=TEAM_ID,
        request_id="V1",
        title="The printer is on fire",
        description="Smoke comes out of it.",
        source=source,
    ).ticket


@pytest.fixture(autouse=True)
def said(slack: RecordingSlack) -> None:
    """The message that tickets are made of, and one that starts another thread."""
    slack.add_channel("C0SECRET", is_private=True, is_member=True)
    for channel in (GENERAL, "C0SECRET"):
        for ts in (TS, OLDER_TS):
            slack.say(channel, "The printer is on fire.", user="U0WILMA", ts=ts)


def lines(slack: RecordingSlack, channel: str = GENERAL) -> list[dict[str, Any]]:
    """What the bot wrote there."""
    return [message for message in slack.messages(channel) if "bot_id" in message]


def state(db: Mongo, ticket: Ticket) -> Any:
    deliveries_by_key = {delivery["key"]: delivery for delivery in reload(db, ticket).deliveries}
    return deliveries_by_key[f"1:thread:{ticket.source.channel if ticket.source else ''}"]["state"]


@pytest.mark.parametrize(("thread_ts", "thread"), [(None, TS), (TS, TS), (OLDER_TS, OLDER_TS)])
def test_the_thread_gets_the_number_and_nothing_else(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
    db: Mongo,
    thread_ts: str | None,
    thread: str,
) -> None:
    ticket = made(tickets, employee, thread_ts=thread_ts)
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    (line,) = lines(slack)
    assert (line["text"], line["thread_ts"]) == (LINE, thread)
    assert [block["text"]["text"] for block in line["blocks"]] == [LINE]
    (call,) = [c for c in slack.calls_to("chat.postMessage") if c.args["channel"] == GENERAL]
    assert "printer" not in str(call.args)
    assert "reply_broadcast" not in call.args
    delivered = reload(db, ticket)
    assert not delivered.is_in_outbox
    assert {card.kind for card in delivered.cards} == {"requester", "assignee"}


def test_it_is_said_once_whatever_happens_to_the_ticket(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    ticket_actions: TicketActions,
    employee: User,
    people: People,
) -> None:
    ticket = made(tickets, employee)
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    moderator = Actor.from_user(people.add(Role.MODERATOR))
    ticket_actions.resolve(actor=moderator, ticket_id=str(ticket.id), resolution="Put out.")
    for _ in range(3):
        publisher.publish_ticket(str(ticket.id))
        work(runtime, publisher)
    assert [line["text"] for line in lines(slack)] == [LINE]


def test_many_workers_say_it_once(
    runtime: Runtime, slack: RecordingSlack, tickets: TicketService, employee: User
) -> None:
    ticket = made(tickets, employee)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: notify.run(runtime, str(ticket.id)), range(16)))
    assert len(lines(slack)) == 1


def to_general(args: dict[str, Any]) -> bool:
    return bool(args["channel"] == GENERAL)


def test_a_rate_limit_is_waited_for(
    runtime: Runtime,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
    clock: FixedClock,
) -> None:
    ticket = made(tickets, employee)
    slack.fail("chat.postMessage", status=429, retry_after=7, where=to_general)
    with pytest.raises(SlackRateLimited):
        notify.run(runtime, str(ticket.id))
    clock.advance(seconds=7)
    for _ in range(2):
        notify.run(runtime, str(ticket.id))
    assert len(lines(slack)) == 1
    assert len(slack.messages(People.slack_id(employee))) == 1


def test_it_handles_500(
    runtime: Runtime, slack: RecordingSlack, tickets: TicketService, employee: User, db: Mongo
) -> None:
    ticket = made(tickets, employee)
    slack.fail("chat.postMessage", status=500, where=to_general)
    notify.run(runtime, str(ticket.id))
    assert (len(lines(slack)), reload(db, ticket).is_in_outbox) == (0, True)
    notify.run(runtime, str(ticket.id))
    assert (len(lines(slack)), state(db, ticket)) == (1, "sent")


def test_an_unanswered_line_waits_for_its_claim_to_expire(
    runtime: Runtime, slack: RecordingSlack, tickets: TicketService, employee: User
) -> None:
    ticket = made(tickets, employee)
    impatient = dataclasses.replace(runtime, slack=web_client(slack))
    impatient.slack.timeout = 1
    slack.delay("chat.postMessage", 2, where=to_general)
    notify.run(impatient, str(ticket.id))
    notify.run(runtime, str(ticket.id))
    assert len(lines(slack)) == 1


@pytest.mark.parametrize(
    ("channel", "info"),
    [
        ("C0SECRET", {"is_private": True, "is_member": False}),
        ("C0GONE", None),
        ("D0OTHERS", None),
    ],
)
def test_where_the_bot_cannot_write_it_gives_up_quietly(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
    db: Mongo,
    caplog: pytest.LogCaptureFixture,
    channel: str,
    info: dict[str, Any] | None,
) -> None:
    if info is not None:
        slack.add_channel(channel, **info)
    ticket = made(tickets, employee, channel=channel)
    with caplog.at_level(logging.WARNING):
        publisher.publish_ticket(str(ticket.id))
        work(runtime, publisher)
    assert (state(db, ticket), reload(db, ticket).is_in_outbox) == ("failed", False)
    assert caplog.text == ""
    assert len(slack.messages(People.slack_id(employee))) == 1


@pytest.mark.parametrize("is_deletable", [True, False])
def test_below_a_message_that_was_deleted_no_line_stays(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
    db: Mongo,
    is_deletable: bool,
) -> None:
    """Slack posts such a reply in the channel itself."""
    ticket = made(tickets, employee)
    slack.workspace.messages[GENERAL].clear()
    if not is_deletable:
        slack.fail("chat.delete", error="cant_delete_message")
    for _ in range(2):
        publisher.publish_ticket(str(ticket.id))
        work(runtime, publisher)
    assert len(lines(slack)) == (0 if is_deletable else 1)
    assert len(slack.calls_to("chat.delete")) == 1
    assert (state(db, ticket), reload(db, ticket).is_in_outbox) == ("failed", False)


@pytest.mark.parametrize(
    "error",
    [
        "not_in_channel",
        "cannot_reply_to_message",
        "is_archived",
        "restricted_action_thread_locked",
        "restricted_action_read_only_channel",
    ],
)
def test_a_refusal_ends_the_attempts(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
    db: Mongo,
    error: str,
) -> None:
    ticket = made(tickets, employee)
    slack.fail("chat.postMessage", error=error, where=to_general)
    for _ in range(2):
        publisher.publish_ticket(str(ticket.id))
        work(runtime, publisher)
    assert (lines(slack), state(db, ticket)) == ([], "failed")
    assert not reload(db, ticket).is_in_outbox


def test_a_private_channel_with_the_bot_in_it_gets_the_line(
    runtime: Runtime, slack: RecordingSlack, tickets: TicketService, employee: User
) -> None:
    slack.add_channel("C0SECRET", is_private=True, is_member=True)
    notify.run(runtime, str(made(tickets, employee, channel="C0SECRET").id))
    assert [line["text"] for line in lines(slack, "C0SECRET")] == [LINE]
