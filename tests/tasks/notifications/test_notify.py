"""Notifications: once, in the right order, for every answer of Slack."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from services.core import request_context
from services.core.database import Mongo
from services.models.message_source import checked_source
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox import deliveries
from services.outbox.deliveries import SentMessage
from services.registry.services import Services
from services.tickets.filing import TicketService
from services.tickets.queries import load_several
from tasks.assignment import assign_ticket
from tasks.notifications import notify
from tasks.notifications.notify import TicketSender
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.notifications.ticket_messages import build_notices as due_notices
from tasks.queue.celery_app import FRESH_QUEUE, NOTIFY_TASK
from tasks.runtime import Runtime
from tests.conftest import (
    Commands,
    FixedClock,
    People,
    file_ticket,
    reload,
    send_due_reminders,
    web_client,
)
from tests.support.block_text import without_facts
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TEAM_ID, TEAM_URL

pytest_plugins = ["tests.support.scenario"]


def sent_to(slack: RecordingSlack, user: User) -> list[dict[str, Any]]:
    return slack.messages(People.slack_id(user))


def test_requester_and_assignee_get_one_card_each(
    system: BotAndWorkers, ticket: Ticket, employee: User, expert: User
) -> None:
    system.work(ticket)
    assert [m["text"] for m in sent_to(system.slack, employee)] == [
        "Ticket 1 “VPN is down”: assigned to Moderator 2"
    ]
    (card,) = sent_to(system.slack, expert)
    assert without_facts(card["text"]) == "Ticket 1 “VPN is down”: assigned to you"
    delivered = system.now(ticket)
    assert not delivered.is_in_outbox
    assert {delivery["state"] for delivery in delivered.deliveries} == {"sent"}

    notify.run(system.runtime, str(ticket.id))
    assert len(system.slack.calls_to("chat.postMessage")) == 2


def test_the_resolution_reaches_the_requester_with_a_sound(
    system: BotAndWorkers, ticket: Ticket, employee: User, expert: User
) -> None:
    system.work(ticket)
    system.actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="New certificate."
    )
    notify.run(system.runtime, str(ticket.id))
    card, told = sent_to(system.slack, employee)
    assert card["text"] == "Ticket 1 “VPN is down”: resolved by Moderator 2"
    assert told["text"] == "Ticket 1 “VPN is down”: resolved by Moderator 2"
    (theirs,) = sent_to(system.slack, expert)
    assert theirs["text"] == "Ticket 1 “VPN is down”: resolved by Moderator 2"


def test_nobody_is_notified_of_what_they_did_themselves(
    system: BotAndWorkers, people: People, expert: User
) -> None:
    filer = people.add(Role.MODERATOR)
    own = file_ticket(system.tickets, filer, "VPN for me")
    system.work(own)
    system.actions.resolve(
        actor=Actor.from_user(filer), ticket_id=str(own.id), resolution="Found it myself."
    )
    notify.run(system.runtime, str(own.id))
    assert len(sent_to(system.slack, filer)) == 1


def test_admins_are_notified_once_that_nobody_is_available(
    system: BotAndWorkers, people: People, clock: FixedClock
) -> None:
    busy_admin = people.add(Role.ADMIN, capacity=0)
    filing_admin = people.add(Role.ADMIN, capacity=0)
    ticket = file_ticket(system.tickets, filing_admin, "The roof leaks")
    for _ in range(3):
        system.work(ticket)
        send_due_reminders(system.runtime, clock)
    assert [m["text"] for m in sent_to(system.slack, busy_admin)] == [
        "Ticket 1 “The roof leaks”: no one is available to take it"
    ]
    (card,) = sent_to(system.slack, filing_admin)
    assert "No one is available right now" in str(card["blocks"])
    assert not system.now(ticket).is_in_outbox


def test_a_rate_limit_is_waited_for(
    system: BotAndWorkers, ticket: Ticket, employee: User, clock: FixedClock
) -> None:
    system.slack.fail("chat.postMessage", status=429, retry_after=7)
    with pytest.raises(SlackRateLimited) as busy:
        notify.run(system.runtime, str(ticket.id))
    assert busy.value.seconds == 7
    notify.run(system.runtime, str(ticket.id))  # a sweep does not hurry
    assert sent_to(system.slack, employee) == []
    clock.advance(seconds=7)
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1


def test_it_handles_500(system: BotAndWorkers, ticket: Ticket, employee: User) -> None:
    system.slack.fail("chat.postMessage", status=500)
    notify.run(system.runtime, str(ticket.id))
    assert system.now(ticket).is_in_outbox
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1


def test_an_unanswered_message_is_found_once_its_claim_expires(
    system: BotAndWorkers, ticket: Ticket, employee: User, clock: FixedClock
) -> None:
    impatient = dataclasses.replace(system.runtime, slack=web_client(system.slack))
    impatient.slack.timeout = 1
    system.slack.delay("chat.postMessage", 2)  # Slack accepts it, but answers late
    notify.run(impatient, str(ticket.id))
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1
    clock.advance(seconds=61)
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1
    assert not system.now(ticket).is_in_outbox


def test_a_message_that_did_not_reach_slack_is_sent_once_slack_can_be_reached(
    system: BotAndWorkers, ticket: Ticket, employee: User
) -> None:
    system.slack.stop()
    notify.run(system.runtime, str(ticket.id))
    system.slack.start()
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1
    assert not system.now(ticket).is_in_outbox


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_message_whose_answer_is_lost_comes_once(
    system: BotAndWorkers,
    ticket: Ticket,
    employee: User,
    expert: User,
    clock: FixedClock,
    carried_out: bool,
) -> None:
    system.work(ticket)
    assert len(sent_to(system.slack, employee)) == 1
    system.actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="Done."
    )
    system.slack.hang_up("chat.postMessage", carried_out=carried_out)
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1 + carried_out
    clock.advance(seconds=61)
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 2
    assert not system.now(ticket).is_in_outbox


def test_connections_that_slack_closes_make_no_difference(
    system: BotAndWorkers, ticket: Ticket, employee: User
) -> None:
    system.slack.idle_seconds = 0
    for _ in range(2):
        notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1


@pytest.mark.parametrize("error", ["channel_not_found", "msg_too_long", "user_disabled"])
def test_it_gives_up_on_a_permanent_error(
    system: BotAndWorkers, people: People, error: str
) -> None:
    people.add(Role.MODERATOR, capacity=0)
    ticket = file_ticket(system.tickets, people.add())
    system.slack.fail("chat.postMessage", error=error)
    notify.run(system.runtime, str(ticket.id))
    (delivery,) = system.now(ticket).deliveries
    assert (delivery["state"], delivery["error"]) == ("failed", error)


@pytest.mark.parametrize("error", ["invalid_auth", "missing_scope", "fatal_error"])
def test_it_retries_after_other_errors(
    system: BotAndWorkers, ticket: Ticket, employee: User, error: str
) -> None:
    system.slack.fail("chat.postMessage", error=error)
    notify.run(system.runtime, str(ticket.id))
    notify.run(system.runtime, str(ticket.id))
    assert len(sent_to(system.slack, employee)) == 1


def test_a_deleted_card_is_not_updated_for_ever(system: BotAndWorkers, ticket: Ticket) -> None:
    system.slack.fail("chat.update", error="message_not_found")
    system.work(ticket)
    assert not system.now(ticket).is_in_outbox


def test_a_slow_worker_does_not_overwrite_a_card_with_an_old_state(
    system: BotAndWorkers, ticket: Ticket, employee: User, expert: User
) -> None:
    system.work(ticket)
    stale = system.now(ticket)
    system.actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="Done."
    )
    notify.run(system.runtime, str(ticket.id))

    # A slow worker with the state before the resolution.
    edited = dataclasses.replace(stale, title="Old title")
    TicketSender(system.runtime, edited).deliver()
    assert sent_to(system.slack, employee)[0]["text"].endswith("resolved by Moderator 2")
    assert not system.now(ticket).is_in_outbox


def test_many_workers_send_each_message_once(
    system: BotAndWorkers, ticket: Ticket, employee: User
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: notify.run(system.runtime, str(ticket.id)), range(16)))
    assert len(sent_to(system.slack, employee)) == 1


def test_two_that_meet_leave_nothing_to_the_sweep(
    system: BotAndWorkers,
    ticket: Ticket,
    expert: User,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that finds a claimed message reads the ticket again."""
    system.work(ticket)
    system.actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="Done."
    )
    now = system.now(ticket)
    listed = due_notices(now, people=TicketSender(system.runtime, now)._person)
    (key,) = [delivery.key for delivery in listed if not deliveries.is_finished(now, delivery.key)]
    assert deliveries.claim(system.db, ticket.id, key, now=clock())

    def other_ends(_: float) -> None:
        deliveries.mark_sent(system.db, ticket.id, SentMessage(key, "D0OTHER", "1.000001"))

    monkeypatch.setattr("tasks.notifications.notify.sleep", other_ends)
    notify.run(system.runtime, str(ticket.id))
    assert not system.now(ticket).is_in_outbox


def test_a_requester_without_slack_is_no_obstacle(system: BotAndWorkers, people: People) -> None:
    expert = people.add(Role.MODERATOR)
    ticket = file_ticket(system.tickets, people.add(linked=False))
    system.work(ticket)
    assert len(sent_to(system.slack, expert)) == 1
    assert not system.now(ticket).is_in_outbox


def test_an_assignment_that_lands_while_the_first_card_is_posted_is_shown_at_once(
    system: BotAndWorkers, ticket: Ticket, employee: User
) -> None:
    class SlowPoster(WebClient):
        """Another worker assigns and notifies while the first card is posted."""

        overtaken = False

        def chat_postMessage(self, **args: Any) -> SlackResponse:  # noqa: N802  the library's name
            if not self.overtaken:
                self.overtaken = True
                assign_ticket.run(system.runtime, str(ticket.id))
                notify.run(system.runtime, str(ticket.id))
            return super().chat_postMessage(**args)

    theirs = system.runtime.slack
    slow = SlowPoster(token=theirs.token, base_url=theirs.base_url, retry_handlers=[])
    notify.run(dataclasses.replace(system.runtime, slack=slow), str(ticket.id))
    (card,) = sent_to(system.slack, employee)
    assert card["text"].endswith("assigned to Moderator 2")


# The reply in the thread of a message from which a ticket was filed

TS, OLDER_TS = "1700000000.000001", "1690000000.000009"
LINE = "Ticket 1 was filed from this message."
FileFromMessage = Callable[..., Ticket]


@pytest.fixture
def file_from_message(
    tickets: TicketService, employee: User, expert: User, source_messages: None
) -> FileFromMessage:
    def file(*, channel: str = GENERAL, thread_ts: str | None = None) -> Ticket:
        return tickets.create(
            actor=Actor.from_user(employee),
            team_id=TEAM_ID,
            request_id="V1",
            title="The printer is on fire",
            description="Smoke comes out of it.",
            source=checked_source(team_url=TEAM_URL, channel=channel, ts=TS, thread_ts=thread_ts),
        ).ticket

    return file


@pytest.fixture
def source_messages(slack: RecordingSlack) -> None:
    """Post the message that tickets are filed from, and one that starts another thread."""
    slack.add_channel("C0SECRET", is_private=True, is_member=True)
    for channel in (GENERAL, "C0SECRET"):
        for ts in (TS, OLDER_TS):
            slack.say(channel, "The printer is on fire.", user="U0WILMA", ts=ts)


def lines(slack: RecordingSlack, channel: str = GENERAL) -> list[dict[str, Any]]:
    """Return the bot's messages in the channel."""
    return [message for message in slack.messages(channel) if "bot_id" in message]


def state(db: Mongo, ticket: Ticket) -> Any:
    deliveries_by_key = {delivery["key"]: delivery for delivery in reload(db, ticket).deliveries}
    return deliveries_by_key[f"1:thread:{ticket.source.channel if ticket.source else ''}"]["state"]


@pytest.mark.parametrize(("thread_ts", "thread"), [(None, TS), (TS, TS), (OLDER_TS, OLDER_TS)])
def test_the_thread_gets_the_number_and_nothing_else(
    system: BotAndWorkers, file_from_message: FileFromMessage, thread_ts: str | None, thread: str
) -> None:
    ticket = file_from_message(thread_ts=thread_ts)
    system.work(ticket)
    (line,) = lines(system.slack)
    assert (line["text"], line["thread_ts"]) == (LINE, thread)
    assert [block["text"]["text"] for block in line["blocks"]] == [LINE]
    (call,) = [c for c in system.slack.calls_to("chat.postMessage") if c.args["channel"] == GENERAL]
    assert "printer" not in str(call.args)
    assert "reply_broadcast" not in call.args
    delivered = system.now(ticket)
    assert not delivered.is_in_outbox
    assert {card.kind for card in delivered.cards} == {"requester", "assignee"}


def test_the_thread_gets_one_line_for_all_changes_of_the_ticket(
    system: BotAndWorkers, file_from_message: FileFromMessage, people: People
) -> None:
    ticket = file_from_message()
    system.work(ticket)
    moderator = Actor.from_user(people.add(Role.MODERATOR))
    system.actions.resolve(actor=moderator, ticket_id=str(ticket.id), resolution="Put out.")
    for _ in range(3):
        system.work(ticket)
    assert [line["text"] for line in lines(system.slack)] == [LINE]


def test_many_workers_say_it_once(
    system: BotAndWorkers, file_from_message: FileFromMessage
) -> None:
    ticket = file_from_message()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: notify.run(system.runtime, str(ticket.id)), range(16)))
    assert len(lines(system.slack)) == 1


def to_general(args: dict[str, Any]) -> bool:
    return bool(args["channel"] == GENERAL)


def test_a_rate_limit_is_waited_for_in_the_thread(
    system: BotAndWorkers, file_from_message: FileFromMessage, employee: User, clock: FixedClock
) -> None:
    ticket = file_from_message()
    system.slack.fail("chat.postMessage", status=429, retry_after=7, where=to_general)
    with pytest.raises(SlackRateLimited):
        notify.run(system.runtime, str(ticket.id))
    clock.advance(seconds=7)
    for _ in range(2):
        notify.run(system.runtime, str(ticket.id))
    assert len(lines(system.slack)) == 1
    assert len(system.slack.messages(People.slack_id(employee))) == 1


def test_it_handles_500_in_the_thread(
    system: BotAndWorkers, file_from_message: FileFromMessage
) -> None:
    ticket = file_from_message()
    system.slack.fail("chat.postMessage", status=500, where=to_general)
    notify.run(system.runtime, str(ticket.id))
    assert (len(lines(system.slack)), system.now(ticket).is_in_outbox) == (0, True)
    notify.run(system.runtime, str(ticket.id))
    assert (len(lines(system.slack)), state(system.db, ticket)) == (1, "sent")


def test_an_unanswered_line_waits_for_its_claim_to_expire(
    system: BotAndWorkers, file_from_message: FileFromMessage
) -> None:
    ticket = file_from_message()
    impatient = dataclasses.replace(system.runtime, slack=web_client(system.slack))
    impatient.slack.timeout = 1
    system.slack.delay("chat.postMessage", 2, where=to_general)
    notify.run(impatient, str(ticket.id))
    notify.run(system.runtime, str(ticket.id))
    assert len(lines(system.slack)) == 1


@pytest.mark.parametrize(
    ("channel", "info"),
    [
        ("C0SECRET", {"is_private": True, "is_member": False}),
        ("C0GONE", None),
    ],
)
def test_thread_reply_fails_without_a_warning_if_the_bot_cannot_write(
    system: BotAndWorkers,
    file_from_message: FileFromMessage,
    employee: User,
    caplog: pytest.LogCaptureFixture,
    channel: str,
    info: dict[str, Any] | None,
) -> None:
    if info is not None:
        system.slack.add_channel(channel, **info)
    ticket = file_from_message(channel=channel)
    with caplog.at_level(logging.WARNING):
        system.work(ticket)
    assert (state(system.db, ticket), system.now(ticket).is_in_outbox) == ("failed", False)
    assert caplog.text == ""
    assert len(system.slack.messages(People.slack_id(employee))) == 1


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
    system: BotAndWorkers, file_from_message: FileFromMessage, error: str
) -> None:
    ticket = file_from_message()
    system.slack.fail("chat.postMessage", error=error, where=to_general)
    for _ in range(2):
        system.work(ticket)
    assert (lines(system.slack), state(system.db, ticket)) == ([], "failed")
    assert not system.now(ticket).is_in_outbox


def test_a_private_channel_with_the_bot_in_it_gets_the_line(
    system: BotAndWorkers, file_from_message: FileFromMessage
) -> None:
    system.slack.add_channel("C0SECRET", is_private=True, is_member=True)
    notify.run(system.runtime, str(file_from_message(channel="C0SECRET").id))
    assert [line["text"] for line in lines(system.slack, "C0SECRET")] == [LINE]


@pytest.mark.parametrize("is_deletable", [True, False])
def test_no_reply_stays_below_a_deleted_message(
    system: BotAndWorkers, file_from_message: FileFromMessage, is_deletable: bool
) -> None:
    """Slack posts such a reply in the channel itself."""
    ticket = file_from_message()
    system.slack.workspace.messages[GENERAL].clear()
    if not is_deletable:
        system.slack.fail("chat.delete", error="cant_delete_message")
    for _ in range(2):
        system.work(ticket)
    assert len(lines(system.slack)) == (0 if is_deletable else 1)
    assert len(system.slack.calls_to("chat.delete")) == 1
    assert (state(system.db, ticket), system.now(ticket).is_in_outbox) == ("failed", False)


# Several tickets in one message


class Message:
    """The task of a message that a bot under load has published."""

    name = NOTIFY_TASK

    def __init__(self, *tickets: Ticket) -> None:
        self.ids = [str(ticket.id) for ticket in tickets]
        self.request = SimpleNamespace(
            headers={"request_ids": [f"r{place}" for place in range(len(tickets))]},
            delivery_info={"routing_key": FRESH_QUEUE},
        )

    def run(self, system: BotAndWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notify, "current_runtime", lambda: system.runtime)
        monkeypatch.setattr("tasks.runtime.current_runtime", lambda: system.runtime)
        notify._notify_each(self, self.ids)  # type: ignore[arg-type]


@pytest.fixture
def three(
    system: BotAndWorkers, employee: User, expert: User, monkeypatch: pytest.MonkeyPatch
) -> list[Ticket]:
    monkeypatch.setattr(notify, "monotonic", lambda: 0.0)
    return [file_ticket(system.tickets, employee, f"VPN {number}") for number in range(3)]


def test_each_ticket_of_a_message_is_delivered(
    system: BotAndWorkers,
    three: list[Ticket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Mapping[str, str]] = []
    run = notify.run

    def noting(runtime: Runtime, ticket_id: str, **more: Any) -> None:
        seen.append(dict(request_context.current_ids()))
        run(runtime, ticket_id, **more)

    monkeypatch.setattr(notify, "run", noting)
    Message(*three).run(system, monkeypatch)
    assert not any(system.now(ticket).is_in_outbox for ticket in three)
    assert system.publisher.asked == []
    assert seen == [
        {"ticket_id": str(ticket.id), "request_id": f"r{place}"}
        for place, ticket in enumerate(three)
    ]


def test_new_tickets_of_a_message_share_their_reads(
    system: BotAndWorkers,
    three: list[Ticket],
    watched_db: Mongo,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system.runtime = dataclasses.replace(system.runtime, services=Services(watched_db))
    Message(*three).run(system, monkeypatch)
    assert all(system.now(ticket).assigned_to for ticket in three)
    everyone = {"_id": {"$in": [ticket.id for ticket in three]}}
    first_message = next(
        place
        for place, (name, command) in enumerate(commands.sent)
        if name == "update" and "notices" in command["updates"][0]["u"].get("$push", {})
    )
    before = [
        command["filter"]
        for name, command in commands.sent[:first_message]
        if (name, command.get(name)) == ("find", "tickets")
    ]
    assert before == [everyone, everyone]  # before the assignments and after


def test_a_ticket_that_changes_during_the_assignment_of_others_is_read_again(
    system: BotAndWorkers, three: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = three[1]

    def then_change(db: Mongo, ids: list[str]) -> list[Ticket]:
        loaded = load_several(db, ids)
        db.tickets.update_one({"_id": changed.id}, {"$set": {"title": "New"}, "$inc": {"seq": 1}})
        return loaded

    monkeypatch.setattr(notify, "load_several", then_change)
    Message(*three).run(system, monkeypatch)
    for ticket in three:
        now = system.now(ticket)
        assert (now.assigned_to is None, now.is_in_outbox) == (False, False)
        assert len(now.deliveries) == len(system.now(three[0]).deliveries)


def test_a_ticket_that_cannot_be_read_does_not_keep_the_others_waiting(
    system: BotAndWorkers, three: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    system.db.tickets.update_one({"_id": three[0].id}, {"$set": {"assignment": "x"}})
    Message(*three).run(system, monkeypatch)
    assert [bool(system.now(ticket).assigned_to) for ticket in three[1:]] == [True, True]


def test_a_failure_leaves_the_other_tickets_to_tasks_of_their_own(
    system: BotAndWorkers, three: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(runtime: Runtime, ticket_id: str, **_: Any) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(notify, "run", fail)
    with pytest.raises(SoftTimeLimitExceeded):
        Message(*three).run(system, monkeypatch)
    assert system.publisher.asked == [(NOTIFY_TASK, str(ticket.id)) for ticket in three[1:]]


def test_no_ticket_waits_for_one_that_takes_long(
    system: BotAndWorkers, three: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = iter([0.0, 0.0, notify.MAX_SECONDS_PER_MESSAGE])
    monkeypatch.setattr(notify, "monotonic", lambda: next(passed))
    Message(*three).run(system, monkeypatch)
    assert [system.now(ticket).is_in_outbox for ticket in three] == [False, True, True]
    assert system.publisher.asked == [(NOTIFY_TASK, str(ticket.id)) for ticket in three[1:]]


def test_no_ticket_waits_for_the_model_of_another(
    system: BotAndWorkers, three: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    system.runtime = dataclasses.replace(system.runtime, analyst=object())  # type: ignore[arg-type]
    Message(*three).run(system, monkeypatch)
    assert system.publisher.asked == [(NOTIFY_TASK, str(ticket.id)) for ticket in three]


def test_a_rate_limit_delays_only_its_ticket(
    system: BotAndWorkers, three: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = notify.run

    def limited(runtime: Runtime, ticket_id: str, **more: Any) -> None:
        if ticket_id == str(three[0].id):
            raise SlackRateLimited(7)
        run(runtime, ticket_id, **more)

    monkeypatch.setattr(notify, "run", limited)
    Message(*three).run(system, monkeypatch)
    assert [system.now(ticket).is_in_outbox for ticket in three] == [True, False, False]
    assert system.publisher.asked == [(NOTIFY_TASK, str(three[0].id))]
    assert system.publisher.countdowns == [7]
