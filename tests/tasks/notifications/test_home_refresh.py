"""Open Home pages are refreshed after a change: once, as they are displayed, and no others."""

from dataclasses import replace
from typing import Any

import pytest

from bot.views.home import overview as views
from demo.servers import RedisServer
from services.core.clock import utcnow
from services.core.database import Mongo
from services.home.sessions import HomeSessions, Screen
from services.lists.list_query import ListKind, ListQuery
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.notifications import home_refresh, notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.queue.celery_app import HOME_TASK
from tasks.queue.publisher import CeleryPublisher
from tasks.runtime import Runtime
from tests.bot.views.home.test_overview import read
from tests.conftest import Commands, FixedClock, People, RecordingPublisher, file_ticket, work
from tests.support.processes import Product, celery_for, eventually
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.product"]


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


@pytest.fixture
def expert(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ticket(tickets: TicketService, employee: User, expert: User) -> Ticket:
    """Filed, and nobody has been told yet."""
    return file_ticket(tickets, employee, "VPN is down")


def link_of(user: User) -> str:
    return f"{TEAM_ID}:{People.slack_id(user)}"


def open_home(runtime: Runtime, user: User, screen: Screen | None = None) -> None:
    """As the bot does it when that user opens Home, or goes somewhere in it."""
    content = runtime.services.home.get(
        actor=Actor.from_user(user), team_id=TEAM_ID, screen=screen or Screen()
    )
    turn = runtime.services.home_sessions.navigate(link_of(user), screen=content.screen)
    answer = runtime.slack.views_publish(
        user_id=People.slack_id(user), view=views.home_view(content)
    )
    runtime.services.home_sessions.record_view_hash(
        link_of(user), sequence=turn, view_hash=answer["view"]["hash"]
    )


def seen(slack: RecordingSlack, user: User) -> list[str]:
    return read(slack.home(People.slack_id(user)))


def published(slack: RecordingSlack, user: User) -> list[dict[str, Any]]:
    calls = slack.calls_to("views.publish")
    return [call.answer for call in calls if call.args["user_id"] == People.slack_id(user)]


def refreshes(publisher: RecordingPublisher) -> list[str]:
    return [link for task, link in publisher.asked if task == HOME_TASK]


def test_requester_and_assignee_see_the_change(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    ticket: Ticket,
    employee: User,
    expert: User,
    ticket_actions: TicketActions,
) -> None:
    open_home(runtime, employee)
    open_home(runtime, expert)
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    assert f"Assigned to <@{People.slack_id(expert)}>" in str(seen(slack, employee))
    assert "Ticket 1: VPN is down" in seen(slack, expert)
    ticket_actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="Done."
    )
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    assert "Ticket 1: VPN is down" not in seen(slack, employee)
    assert "Ticket 1: VPN is down" not in seen(slack, expert)


def test_several_changes_are_one_publish(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    ticket: Ticket,
    employee: User,
    clock: FixedClock,
) -> None:
    open_home(runtime, employee)
    for number in range(3):
        other = file_ticket(tickets, employee, f"Trouble {number}")
        notify.run(runtime, str(other.id))
        clock.advance(seconds=0.9)
    assert refreshes(publisher) == [link_of(employee)]
    for link in refreshes(publisher) * 2:  # one more, delivered twice
        home_refresh.run(runtime, link)
    assert len(published(slack, employee)) == 2
    assert [f"Ticket {n}: Trouble {n - 2}" in seen(slack, employee) for n in (2, 3, 4)] == [
        True
    ] * 3


def test_a_change_after_a_lost_task_publishes_again(
    runtime: Runtime,
    publisher: RecordingPublisher,
    ticket: Ticket,
    employee: User,
    clock: FixedClock,
) -> None:
    open_home(runtime, employee)
    notify.run(runtime, str(ticket.id))
    publisher.asked.clear()
    clock.advance(seconds=3)
    notify.run(runtime, str(ticket.id))
    assert refreshes(publisher) == [link_of(employee)]


def test_who_never_opened_home_is_left_alone(
    runtime: Runtime, publisher: RecordingPublisher, slack: RecordingSlack, ticket: Ticket
) -> None:
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    assert slack.calls_to("views.publish") == []


def test_a_refresh_throws_nobody_off_a_tickets_page(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    ticket_actions: TicketActions,
    ticket: Ticket,
    employee: User,
    expert: User,
) -> None:
    open_home(runtime, employee, Screen(ticket_id=ticket.id))
    ticket_actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="New key."
    )
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    shown = seen(slack, employee)
    assert shown[:3] == ["Ticket 1", "VPN is down", "Back"]
    assert "New key." in shown


def test_whoever_has_the_ticket_open_sees_the_change(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    ticket: Ticket,
    people: People,
) -> None:
    reader = people.add(Role.ADMIN)
    open_home(runtime, reader, Screen(ticket_id=ticket.id))
    assert "*Status*\nTo do" in seen(slack, reader)
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    assert "*Status*\nIn progress" in seen(slack, reader)


def test_whoever_looks_at_the_queue_sees_what_comes(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    ticket: Ticket,
    people: People,
) -> None:
    reader, elsewhere = people.add(Role.ADMIN), people.add(Role.ADMIN)
    open_home(runtime, reader, Screen(list_query=ListQuery(ListKind.QUEUE)))
    open_home(runtime, elsewhere)
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    assert "Ticket 1: VPN is down" in seen(slack, reader)
    assert "*In progress*" in str(seen(slack, reader))
    assert len(published(slack, elsewhere)) == 1


def test_a_tickets_page_that_is_no_longer_theirs_becomes_the_lists(
    runtime: Runtime, slack: RecordingSlack, ticket: Ticket, expert: User, db: Mongo
) -> None:
    open_home(runtime, expert, Screen(ticket_id=ticket.id))
    db.users.update_one({"_id": expert.id}, {"$set": {"role": "user"}})
    asked(runtime, expert)
    home_refresh.run(runtime, link_of(expert))
    assert seen(slack, expert)[0] == "Hello, Moderator 2"
    assert "Assigned to you" not in seen(slack, expert)


def test_a_deactivated_account_reads_why(
    runtime: Runtime, slack: RecordingSlack, employee: User, db: Mongo
) -> None:
    open_home(runtime, employee)
    db.users.update_one({"_id": employee.id}, {"$set": {"active": False}})
    asked(runtime, employee)
    home_refresh.run(runtime, link_of(employee))
    assert seen(slack, employee) == [
        "Help desk",
        "Your help desk account has been deactivated. Ask an admin of this help desk.",
    ]


def test_an_account_that_is_gone_is_left_alone(
    runtime: Runtime, slack: RecordingSlack, employee: User, db: Mongo
) -> None:
    open_home(runtime, employee)
    db.users.delete_one({"_id": employee.id})
    asked(runtime, employee)
    home_refresh.run(runtime, link_of(employee))
    assert len(published(slack, employee)) == 1


def asked(runtime: Runtime, user: User) -> None:
    assert runtime.services.home_sessions.request_refresh(
        link_of(user), within=home_refresh.DEBOUNCE
    )


def went_to(runtime: Runtime, user: User, ticket: Ticket) -> Any:
    """A fault that is none: while a refresh is on its way, its reader opens the ticket."""

    def meanwhile(_: dict[str, Any]) -> bool:
        home_sessions: HomeSessions = runtime.services.home_sessions
        turn = home_sessions.navigate(link_of(user), screen=Screen(ticket_id=ticket.id))
        home_sessions.record_view_hash(
            link_of(user), sequence=turn, view_hash="of the ticket's page"
        )
        return True

    return meanwhile


def test_a_reader_who_was_quicker_keeps_what_they_opened(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    ticket: Ticket,
    employee: User,
    db: Mongo,
) -> None:
    open_home(runtime, employee)
    slack.fail("views.publish", error="hash_conflict", where=went_to(runtime, employee, ticket))
    asked(runtime, employee)
    home_refresh.run(runtime, link_of(employee))
    assert [answer["ok"] for answer in published(slack, employee)] == [True, False]
    assert db.links.distinct("home.hash") == ["of the ticket's page"]
    # What they were shown may be older than the change: a look at it follows.
    assert refreshes(publisher) == [link_of(employee)]


def test_an_unknown_hash_is_no_obstacle_for_long(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    ticket: Ticket,
    employee: User,
) -> None:
    open_home(runtime, employee)
    slack.workspace.keep_view(
        slack.home(People.slack_id(employee))["id"], views.refusal_view("Old")
    )
    asked(runtime, employee)
    home_refresh.run(runtime, link_of(employee))
    work(runtime, publisher)
    assert seen(slack, employee)[0] == "Hello, User 1"


def test_a_rate_limit_is_waited_for(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    ticket: Ticket,
    employee: User,
    clock: FixedClock,
) -> None:
    open_home(runtime, employee)
    asked(runtime, employee)
    slack.fail("views.publish", status=429, retry_after=7)
    with pytest.raises(SlackRateLimited) as busy:
        home_refresh.run(runtime, link_of(employee))
    assert busy.value.seconds == 7
    clock.advance(seconds=6)
    notify.run(runtime, str(ticket.id))  # a change meanwhile does not press on
    assert refreshes(publisher) == []
    clock.advance(seconds=1)
    home_refresh.run(runtime, link_of(employee))
    assert "Ticket 1: VPN is down" in seen(slack, employee)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"error": "user_not_found"},
        {"status": 429, "retry_after": 3_600},
    ],
    ids=str,
)
def test_other_faults_leave_it_to_the_next_change(
    runtime: Runtime,
    slack: RecordingSlack,
    employee: User,
    fault: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    open_home(runtime, employee)
    asked(runtime, employee)
    slack.fail("views.publish", **fault)
    home_refresh.run(runtime, link_of(employee))
    assert f"the home of {link_of(employee)}: " in caplog.text
    asked(runtime, employee)
    home_refresh.run(runtime, link_of(employee))
    assert [answer["ok"] for answer in published(slack, employee)] == [True, False, True]


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_publish_is_eight_commands_however_many_tickets(
    runtime: Runtime,
    slack: RecordingSlack,
    tickets: TicketService,
    expert: User,
    db: Mongo,
    watched_db: Mongo,
    commands: Commands,
    count: int,
) -> None:
    open_home(runtime, expert)
    for _ in range(count):
        file_ticket(tickets, expert)
    db.tickets.update_many({}, {"$set": {"assignedTo": expert.id}})
    asked(runtime, expert)
    watched = replace(runtime.services, db=watched_db, clock=utcnow)
    home_refresh.run(replace(runtime, services=watched), link_of(expert))
    assert seen(slack, expert).count("There are more.") == (2 if count > 5 else 0)
    assert [(name, command[name]) for name, command in commands.sent] == [
        ("findAndModify", "links"),
        ("find", "links"),
        ("find", "users"),
        ("find", "tickets"),
        ("find", "tickets"),
        ("find", "users"),
        ("find", "links"),
        ("update", "links"),
    ]


def test_a_worker_gathers_changes_and_waits_as_long_as_slack_asks(
    product: Product,
    redis: RedisServer,
    runtime: Runtime,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
    expert: User,
) -> None:
    open_home(runtime, employee)
    slack.fail("views.publish", status=429, retry_after=2)
    worker = product.start("worker")
    publisher = CeleryPublisher(celery_for(redis.url))
    titles = [f"Trouble {number}" for number in range(3)]
    for title in titles:
        publisher.publish_ticket(str(file_ticket(tickets, employee, title).id))
    eventually(
        lambda: all(f": {title}" in str(seen(slack, employee)) for title in titles),
        what="Home shows all three",
    )
    eventually(lambda: "Not assigned yet" not in str(seen(slack, employee)), what="assigned")
    first, refused, *again = published(slack, employee)
    assert (first["ok"], refused["ok"]) == (True, False)
    assert all(answer["ok"] for answer in again)
    assert len(again) < 6  # each of the three has changed twice and more
    assert worker.stop(grace=10)
