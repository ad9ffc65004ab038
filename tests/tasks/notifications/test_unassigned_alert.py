"""The alert to admins about unassigned tickets: once a ticket, several in one message."""

import re
from typing import Any

import pytest

from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox.reminders import Reminders
from services.tickets.filing import TicketService
from tasks.notifications import notify, reminders, unassigned_alert
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.runtime import Runtime
from tests.conftest import (
    Bot,
    FixedClock,
    People,
    RecordingPublisher,
    at_once,
    file_ticket,
    reload,
    send_due_reminders,
    work,
)
from tests.support import payloads
from tests.support.block_text import without_facts
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def admin(people: People) -> User:
    """The only member of the staff, with no capacity."""
    return people.add(Role.ADMIN, capacity=0)


class Roofs:
    """Files tickets that no one is available for."""

    def __init__(
        self,
        runtime: Runtime,
        publisher: RecordingPublisher,
        tickets: TicketService,
        employee: User,
    ) -> None:
        self._runtime, self._publisher = runtime, publisher
        self._tickets, self._employee = tickets, employee

    def file_unassigned(self, *titles: str, by: User | None = None) -> list[Ticket]:
        requester = by or self._employee
        filed = [file_ticket(self._tickets, requester, title) for title in titles]
        for ticket in filed:
            self.work(ticket)
        return [reload(self._runtime.db, ticket) for ticket in filed]

    def work(self, ticket: Ticket) -> None:
        work(self._runtime, self._publisher, ticket)


@pytest.fixture
def roofs(
    runtime: Runtime,
    publisher: RecordingPublisher,
    tickets: TicketService,
    employee: User,
    admin: User,
) -> Roofs:
    return Roofs(runtime, publisher, tickets, employee)


def sent_to(slack: RecordingSlack, user: User) -> list[dict[str, Any]]:
    return slack.messages(People.slack_id(user))


def texts(slack: RecordingSlack, user: User) -> list[str]:
    return [message["text"] for message in sent_to(slack, user)]


def rows(message: dict[str, Any]) -> list[str]:
    return [block["text"]["text"] for block in message["blocks"] if "accessory" in block]


ONE = "Ticket 1 “The roof leaks”: no one is available to take it"


def test_it_gathers_for_a_moment(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks")
    assert Reminders(system.runtime.db, clock=clock).due_recipients() == []
    send_due_reminders(system.runtime, clock)
    assert texts(system.slack, admin) == [ONE]
    assert buttons(sent_to(system.slack, admin)[0]) == ["Assign", "Details"]


def test_thirty_at_once_are_one_message_and_one_more_is_one_more_line(
    system: BotAndWorkers, roofs: Roofs, people: People, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned(*(f"Leak {number}" for number in range(1, 16)))
    roofs.file_unassigned(*(f"Leak {number}" for number in range(16, 31)), by=people.add())
    send_due_reminders(system.runtime, clock)
    (message,) = sent_to(system.slack, admin)
    first = [f"Ticket {number}" for number in range(1, 11)]
    assert message["text"] == (
        f"No one is available for 30 tickets: {', '.join(first)} and 20 more"
    )
    assert rows(message) == [f"{name}: Leak {n}" for n, name in enumerate(first, start=1)]
    assert "and 20 more" in str(message["blocks"])
    assert buttons(message) == [*["Assign"] * 10, "The queue"]

    roofs.file_unassigned("Leak 31")
    send_due_reminders(system.runtime, clock)
    (changed,) = sent_to(system.slack, admin)
    assert changed["ts"] == message["ts"]
    assert changed["text"] == (
        f"No one is available for 31 tickets: {', '.join(first)} and 21 more"
    )
    in_place = [
        call for call in system.slack.calls_to("chat.update") if call.args["ts"] == message["ts"]
    ]
    assert len(in_place) == 1


def test_a_second_ticket_joins_the_first_for_five_minutes(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks")
    send_due_reminders(system.runtime, clock)
    clock.advance(minutes=4)
    roofs.file_unassigned("The cellar, too")
    send_due_reminders(system.runtime, clock)
    both = "No one is available for 2 tickets: Ticket 1, Ticket 2"
    assert texts(system.slack, admin) == [both]
    assert rows(sent_to(system.slack, admin)[0]) == [
        "Ticket 1: The roof leaks",
        "Ticket 2: The cellar, too",
    ]
    roofs.file_unassigned("And the garage")  # five minutes after the first
    clock.advance(seconds=21)
    send_due_reminders(system.runtime, clock)
    third = "Ticket 3 “And the garage”: no one is available to take it"
    assert texts(system.slack, admin) == [both, third]


def test_an_assigned_ticket_needs_no_alert(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roof, cellar = roofs.file_unassigned("The roof leaks", "The cellar, too")
    system.actions.take(actor=Actor.from_user(admin), ticket_id=str(roof.id))
    send_due_reminders(system.runtime, clock)
    assert texts(system.slack, admin) == [
        "Ticket 2 “The cellar, too”: no one is available to take it"
    ]
    system.actions.take(actor=Actor.from_user(admin), ticket_id=str(cellar.id))
    roofs.file_unassigned("And the garage")
    send_due_reminders(system.runtime, clock)  # the existing message is up to date
    assert texts(system.slack, admin) == ["No one is available for 1 ticket: Ticket 3"]
    assert len(system.slack.calls_to("chat.postMessage")) == 4  # the requester's cards, and this


def test_nothing_left_to_tell_is_told_to_nobody(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    (roof,) = roofs.file_unassigned("The roof leaks")
    system.actions.take(actor=Actor.from_user(admin), ticket_id=str(roof.id))
    send_due_reminders(system.runtime, clock)
    assert sent_to(system.slack, admin) == []
    assert system.db.nudges.count_documents({"at": {"$exists": True}}) == 0


def test_one_alert_a_ticket_until_it_was_assigned(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    (roof,) = roofs.file_unassigned("The roof leaks")
    for _ in range(3):
        clock.advance(minutes=6)
        roofs.work(roof)
        send_due_reminders(system.runtime, clock)
    assert texts(system.slack, admin) == [ONE]
    system.actions.take(actor=Actor.from_user(admin), ticket_id=str(roof.id))
    system.actions.reassign(actor=Actor.from_user(admin), ticket_id=str(roof.id), assignee_id=None)
    clock.advance(minutes=6)
    roofs.work(roof)
    send_due_reminders(system.runtime, clock)
    before = "Ticket 1 “The roof leaks”: You declined it."
    assert [text for text in texts(system.slack, admin) if text in (before, ONE)] == [before, ONE]


def test_each_admin_has_a_message_but_who_filed_it(
    system: BotAndWorkers, people: People, admin: User, clock: FixedClock
) -> None:
    filing, unlinked = people.add(Role.ADMIN, capacity=0), people.add(Role.ADMIN, linked=False)
    Roofs(system.runtime, system.publisher, system.tickets, filing).file_unassigned(
        "The roof leaks", "The cellar, too"
    )
    send_due_reminders(system.runtime, clock)
    assert texts(system.slack, admin) == ["No one is available for 2 tickets: Ticket 1, Ticket 2"]
    assert len(sent_to(system.slack, filing)) == 2  # their own cards
    assert system.runtime.db.nudges.count_documents({"to": f"nobody:{unlinked.id}"}) == 0


def test_workers_at_once_send_one_message(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks", "The cellar, too")
    clock.advance(seconds=20)
    (to,) = Reminders(system.runtime.db, clock=clock).due_recipients()
    assert at_once(*[lambda: reminders.run(system.runtime, to)] * 6) == [None] * 6
    assert len(sent_to(system.slack, admin)) == 1


def test_ticket_queued_during_another_send_waits_for_it(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks")
    clock.advance(seconds=20)
    reminder_queue, to = Reminders(system.runtime.db, clock=clock), f"nobody:{admin.id}"
    slow = reminder_queue.claim(to)
    assert slow is not None
    roofs.file_unassigned("The cellar, too")
    send_due_reminders(system.runtime, clock)
    assert sent_to(system.slack, admin) == []
    clock.advance(seconds=40)  # its claim has expired: the worker died
    reminders.run(system.runtime, to)
    assert texts(system.slack, admin) == ["No one is available for 2 tickets: Ticket 1, Ticket 2"]


def test_a_worker_that_dies_between_posting_lines_posts_none_twice(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    (roof,) = roofs.file_unassigned("The roof leaks")
    key = {"notices.key": {"$regex": ":unassigned:"}}
    system.db.tickets.update_one(key, {"$pull": {"notices": {"key": {"$regex": ":unassigned:"}}}})
    unassigned_alert.queue_alerts(system.runtime, system.now(roof))
    assert system.db.nudges.count_documents({}) == 1
    send_due_reminders(system.runtime, clock)
    unassigned_alert.queue_alerts(system.runtime, system.now(roof))
    send_due_reminders(system.runtime, clock)
    assert texts(system.slack, admin) == [ONE]


def test_it_handles_500_and_429(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks")
    theirs = People.slack_id(admin)
    system.slack.fail("chat.postMessage", status=500, where=lambda args: args["channel"] == theirs)
    send_due_reminders(system.runtime, clock)
    assert sent_to(system.slack, admin) == []
    system.slack.fail("chat.postMessage", status=429, retry_after=7)
    with pytest.raises(SlackRateLimited) as busy:
        send_due_reminders(system.runtime, clock)
    assert busy.value.seconds == 7
    send_due_reminders(system.runtime, clock)
    assert texts(system.slack, admin) == [ONE]


def test_it_gives_up_on_a_permanent_error(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks")
    system.slack.fail("chat.postMessage", error="user_disabled")
    send_due_reminders(system.runtime, clock)
    (line,) = system.db.nudges.find()
    assert (line["ended"], sent_to(system.slack, admin)) == ("user_disabled", [])


def test_a_message_that_cannot_be_changed_is_followed_by_another(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks")
    send_due_reminders(system.runtime, clock)
    roofs.file_unassigned("The cellar, too")
    system.slack.fail("chat.update", error="message_not_found")
    send_due_reminders(system.runtime, clock)
    cellar = "Ticket 2 “The cellar, too”: no one is available to take it"
    assert texts(system.slack, admin) == [ONE, cellar]
    roofs.file_unassigned("And the garage")
    send_due_reminders(system.runtime, clock)
    assert texts(system.slack, admin) == [
        ONE,
        "No one is available for 2 tickets: Ticket 2, Ticket 3",
    ]


def test_a_former_admin_gets_no_alert(
    system: BotAndWorkers, roofs: Roofs, admin: User, clock: FixedClock
) -> None:
    roofs.file_unassigned("The roof leaks")
    system.db.users.update_one({"_id": admin.id}, {"$set": {"role": "user"}})
    send_due_reminders(system.runtime, clock)
    assert sent_to(system.slack, admin) == []


def test_its_buttons_open_the_queue_and_assign(
    system: BotAndWorkers,
    roofs: Roofs,
    admin: User,
    clock: FixedClock,
    ticket_bot: Bot,
    people: People,
) -> None:
    system.db.tickets.delete_many({})  # those of strangers, which an admin sees
    first, _ = roofs.file_unassigned("The roof leaks", "The cellar, too")
    send_due_reminders(system.runtime, clock)
    (message,) = sent_to(system.slack, admin)
    shown = system.slack.response_url()
    press = {"user": People.slack_id(admin), "response_url": shown}
    assert ticket_bot.answer(payloads.block_actions(message, "show_list", **press)) == {}
    (answer,) = system.slack.calls_to("response_url")
    rest = "medium priority, due …, open, no one is available yet"
    assert re.sub(r"<!date[^>]*>", "…", answer.args["text"]).splitlines() == [
        "The queue:",
        f"Ticket 1 “The roof leaks”: {rest}",
        f"Ticket 2 “The cellar, too”: {rest}",
    ]
    assert ticket_bot.answer(payloads.block_actions(message, "reassign", **press)) == {}
    assert system.slack.last_view()["title"]["text"] == "Assign ticket 1"
    moderator = people.add(Role.MODERATOR)
    form = payloads.view_submission(
        system.slack.last_view(), {"assignedTo": str(moderator.id)}, user=People.slack_id(admin)
    )
    assert ticket_bot.answer(form) == {}
    notify.run(system.runtime, str(first.id))
    (text,) = texts(system.slack, moderator)
    assert without_facts(text) == "Ticket 1 “The roof leaks”: assigned to you"
