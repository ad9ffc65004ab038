"""Open Home pages are refreshed after a change: once, as they are displayed, and no others."""

from dataclasses import replace
from typing import Any

import pytest

from bot.views.home import overview as views
from demo.servers import RedisServer
from services.core.clock import utcnow
from services.core.database import Mongo
from services.home.sessions import REFRESH_DELAY, HomeSessions, Screen, view_digest
from services.lists.list_query import ListKind, ListQuery
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from tasks.notifications import home_refresh, notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.queue.celery_app import HOME_TASK
from tasks.queue.publisher import CeleryPublisher
from tasks.runtime import Runtime
from tests.conftest import Commands, FixedClock, People, RecordingPublisher, file_ticket
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.processes import Product, celery_for, eventually
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.product", "tests.support.scenario"]


def link_of(user: User) -> str:
    return f"{TEAM_ID}:{People.slack_id(user)}"


def open_home(runtime: Runtime, user: User, screen: Screen | None = None) -> None:
    """As the bot does when the user opens or navigates Home."""
    content = runtime.services.home.get(
        actor=Actor.from_user(user), team_id=TEAM_ID, screen=screen or Screen()
    )
    turn = runtime.services.home_sessions.navigate(link_of(user), screen=content.screen)
    view = views.home_view(content)
    answer = runtime.slack.views_publish(user_id=People.slack_id(user), view=view)
    runtime.services.home_sessions.record_view_hash(
        link_of(user),
        sequence=turn,
        view_hash=answer["view"]["hash"],
        content=view_digest(view),
    )


def seen(slack: RecordingSlack, user: User) -> list[str]:
    return read(slack.home(People.slack_id(user)))


def published(slack: RecordingSlack, user: User) -> list[dict[str, Any]]:
    calls = slack.calls_to("views.publish")
    return [call.answer for call in calls if call.args["user_id"] == People.slack_id(user)]


def refreshes(publisher: RecordingPublisher) -> list[str]:
    return [link for task, link in publisher.asked if task == HOME_TASK]


def test_requester_and_assignee_see_the_change(
    system: BotAndWorkers, ticket: Ticket, employee: User, expert: User
) -> None:
    open_home(system.runtime, employee)
    open_home(system.runtime, expert)
    system.work(ticket)
    assert f"Assigned to <@{People.slack_id(expert)}>" in str(seen(system.slack, employee))
    assert "Ticket 1: VPN is down" in seen(system.slack, expert)
    system.actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="Done."
    )
    system.work(ticket)
    assert "Ticket 1: VPN is down" not in seen(system.slack, employee)
    assert "Ticket 1: VPN is down" not in seen(system.slack, expert)


def test_what_is_shown_already_is_not_published_again(
    system: BotAndWorkers, ticket: Ticket, employee: User, clock: FixedClock
) -> None:
    system.work(ticket)
    open_home(system.runtime, employee)
    sessions = system.runtime.services.home_sessions
    for _ in range(3):
        sessions.request_refresh(link_of(employee), within=REFRESH_DELAY)
        home_refresh.run(system.runtime, link_of(employee))
        clock.advance(seconds=4)
    assert len(published(system.slack, employee)) == 1
    assert sessions.request_unconfirmed(limit=9) == []
    # Slack shows the refusal already.
    sessions.forget_content(link_of(employee))
    sessions.request_refresh(link_of(employee), within=REFRESH_DELAY)
    home_refresh.run(system.runtime, link_of(employee))
    assert len(published(system.slack, employee)) == 2


def test_several_changes_are_one_publish(
    system: BotAndWorkers, ticket: Ticket, employee: User, clock: FixedClock
) -> None:
    open_home(system.runtime, employee)
    for number in range(3):
        other = file_ticket(system.tickets, employee, f"Trouble {number}")
        notify.run(system.runtime, str(other.id))
        clock.advance(seconds=0.9)
    assert refreshes(system.publisher) == [link_of(employee)]
    for link in refreshes(system.publisher) * 2:  # one more, delivered twice
        home_refresh.run(system.runtime, link)
    assert len(published(system.slack, employee)) == 2
    assert [f"Ticket {n}: Trouble {n - 2}" in seen(system.slack, employee) for n in (2, 3, 4)] == [
        True
    ] * 3


def test_a_change_after_a_lost_task_publishes_again(
    system: BotAndWorkers, ticket: Ticket, employee: User, expert: User, clock: FixedClock
) -> None:
    open_home(system.runtime, employee)
    notify.run(system.runtime, str(ticket.id))
    system.publisher.asked.clear()
    clock.advance(seconds=3)
    system.actions.accept(actor=Actor.from_user(expert), ticket_id=str(ticket.id))
    notify.run(system.runtime, str(ticket.id))
    assert refreshes(system.publisher) == [link_of(employee)]


def test_home_is_not_published_if_it_was_never_opened(
    system: BotAndWorkers, ticket: Ticket
) -> None:
    system.work(ticket)
    assert system.slack.calls_to("views.publish") == []


def test_a_refresh_throws_nobody_off_a_tickets_page(
    system: BotAndWorkers, ticket: Ticket, employee: User, expert: User
) -> None:
    open_home(system.runtime, employee, Screen(ticket_id=ticket.id))
    system.actions.resolve(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), resolution="New key."
    )
    system.work(ticket)
    shown = seen(system.slack, employee)
    assert shown[:2] == ["#1 VPN is down", "Back"]
    assert "New key." in shown


def test_members_who_have_the_ticket_open_see_the_change(
    system: BotAndWorkers, ticket: Ticket, people: People
) -> None:
    reader = people.add(Role.ADMIN)
    open_home(system.runtime, reader, Screen(ticket_id=ticket.id))
    assert "*Status*\nOpen" in seen(system.slack, reader)
    system.work(ticket)
    assert "*Status*\nAssigned" in seen(system.slack, reader)


def test_members_who_have_the_queue_open_see_new_tickets(
    system: BotAndWorkers, ticket: Ticket, people: People
) -> None:
    reader, elsewhere = people.add(Role.ADMIN), people.add(Role.ADMIN)
    open_home(system.runtime, reader, Screen(list_query=ListQuery(ListKind.QUEUE)))
    open_home(system.runtime, elsewhere)
    system.work(ticket)
    assert "Ticket 1: VPN is down" in seen(system.slack, reader)
    assert "*Assigned to " in str(seen(system.slack, reader))
    assert len(published(system.slack, elsewhere)) == 1


def test_a_ticket_page_no_longer_visible_becomes_the_lists(
    system: BotAndWorkers, ticket: Ticket, expert: User
) -> None:
    open_home(system.runtime, expert, Screen(ticket_id=ticket.id))
    system.db.users.update_one({"_id": expert.id}, {"$set": {"role": "user"}})
    asked(system.runtime, expert)
    home_refresh.run(system.runtime, link_of(expert))
    assert seen(system.slack, expert)[0] == "Hello, Moderator 2"
    assert "Assigned to you" not in seen(system.slack, expert)


def test_a_deactivated_account_reads_why(system: BotAndWorkers, employee: User) -> None:
    open_home(system.runtime, employee)
    system.db.users.update_one({"_id": employee.id}, {"$set": {"active": False}})
    asked(system.runtime, employee)
    home_refresh.run(system.runtime, link_of(employee))
    assert seen(system.slack, employee) == [
        "Help desk",
        "Your account in this app is deactivated. Ask one of its admins.",
    ]


def test_an_account_that_is_gone_is_left_alone(system: BotAndWorkers, employee: User) -> None:
    open_home(system.runtime, employee)
    system.db.users.delete_one({"_id": employee.id})
    asked(system.runtime, employee)
    home_refresh.run(system.runtime, link_of(employee))
    assert len(published(system.slack, employee)) == 1


def asked(runtime: Runtime, user: User) -> None:
    """Request a refresh, as if what is shown had changed."""
    runtime.services.home_sessions.forget_content(link_of(user))
    assert runtime.services.home_sessions.request_refresh(link_of(user), within=REFRESH_DELAY)


def went_to(runtime: Runtime, user: User, ticket: Ticket) -> Any:
    """No failure: the user opens the ticket during a refresh."""

    def meanwhile(_: dict[str, Any]) -> bool:
        home_sessions: HomeSessions = runtime.services.home_sessions
        turn = home_sessions.navigate(link_of(user), screen=Screen(ticket_id=ticket.id))
        home_sessions.record_view_hash(
            link_of(user), sequence=turn, view_hash="of the ticket's page", content="other"
        )
        return True

    return meanwhile


def test_a_reader_who_was_quicker_keeps_what_they_opened(
    system: BotAndWorkers, ticket: Ticket, employee: User
) -> None:
    open_home(system.runtime, employee)
    system.slack.fail(
        "views.publish", error="hash_conflict", where=went_to(system.runtime, employee, ticket)
    )
    asked(system.runtime, employee)
    home_refresh.run(system.runtime, link_of(employee))
    assert [answer["ok"] for answer in published(system.slack, employee)] == [True, False]
    assert system.db.links.distinct("home.hash") == ["of the ticket's page"]
    # The view may be older than the change: another refresh follows.
    assert refreshes(system.publisher) == [link_of(employee)]


def test_an_unknown_hash_is_no_obstacle_for_long(
    system: BotAndWorkers, ticket: Ticket, employee: User
) -> None:
    open_home(system.runtime, employee)
    system.slack.workspace.keep_view(
        system.slack.home(People.slack_id(employee))["id"],
        views.refusal_view("Old", app_name="Help desk"),
    )
    asked(system.runtime, employee)
    home_refresh.run(system.runtime, link_of(employee))
    system.work()
    assert seen(system.slack, employee)[0] == "Hello, User 1"


def test_a_rate_limit_is_waited_for(
    system: BotAndWorkers, ticket: Ticket, employee: User, clock: FixedClock
) -> None:
    open_home(system.runtime, employee)
    asked(system.runtime, employee)
    system.slack.fail("views.publish", status=429, retry_after=7)
    with pytest.raises(SlackRateLimited) as busy:
        home_refresh.run(system.runtime, link_of(employee))
    assert busy.value.seconds == 7
    clock.advance(seconds=6)
    notify.run(system.runtime, str(ticket.id))  # another change does not hurry
    assert refreshes(system.publisher) == []
    clock.advance(seconds=1)
    home_refresh.run(system.runtime, link_of(employee))
    assert "Ticket 1: VPN is down" in seen(system.slack, employee)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"error": "user_not_found"},
    ],
    ids=str,
)
def test_other_faults_leave_it_to_the_sweep(
    system: BotAndWorkers, employee: User, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    open_home(system.runtime, employee)
    asked(system.runtime, employee)
    system.slack.fail("views.publish", **fault)
    home_refresh.run(system.runtime, link_of(employee))
    assert f"home of {link_of(employee)}: " in caplog.text
    asked(system.runtime, employee)
    home_refresh.run(system.runtime, link_of(employee))
    assert [answer["ok"] for answer in published(system.slack, employee)] == [True, False, True]


def test_a_long_wait_is_left_to_the_sweep(
    system: BotAndWorkers, employee: User, clock: FixedClock
) -> None:
    open_home(system.runtime, employee)
    asked(system.runtime, employee)
    system.slack.fail("views.publish", status=429, retry_after=3_600)
    with pytest.raises(SlackRateLimited):
        home_refresh.run(system.runtime, link_of(employee))
    sessions = system.runtime.services.home_sessions
    clock.advance(minutes=15)  # no wait is longer
    assert sessions.request_unconfirmed(limit=10) == []
    clock.advance(seconds=10)
    assert sessions.request_unconfirmed(limit=10) == [link_of(employee)]
    home_refresh.run(system.runtime, link_of(employee))
    assert [answer["ok"] for answer in published(system.slack, employee)] == [True, False, True]


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_publish_is_eight_commands_however_many_tickets(
    system: BotAndWorkers, expert: User, watched_db: Mongo, commands: Commands, count: int
) -> None:
    open_home(system.runtime, expert)
    for _ in range(count):
        file_ticket(system.tickets, expert)
    system.db.tickets.update_many(FILED, {"$set": {"assignedTo": expert.id}})
    asked(system.runtime, expert)
    watched = replace(system.runtime.services, db=watched_db, clock=utcnow)
    home_refresh.run(replace(system.runtime, services=watched), link_of(expert))
    assert seen(system.slack, expert).count("There are more.") == (2 if count > 5 else 0)
    assert [(name, command[name]) for name, command in commands.sent] == [
        ("findAndModify", "links"),
        ("aggregate", "links"),
        ("aggregate", "tickets"),
        ("aggregate", "tickets"),
        ("aggregate", "tickets"),
        ("find", "users"),
        ("find", "links"),
        ("update", "links"),
    ]


def test_a_worker_gathers_changes_and_waits_as_long_as_slack_asks(
    system: BotAndWorkers, empty_product: Product, redis: RedisServer, employee: User, expert: User
) -> None:
    open_home(system.runtime, employee)
    system.slack.fail("views.publish", status=429, retry_after=2)
    worker = empty_product.start("worker")
    publisher = CeleryPublisher(celery_for(redis.url))
    titles = [f"Trouble {number}" for number in range(3)]
    for title in titles:
        publisher.publish_ticket(str(file_ticket(system.tickets, employee, title).id))
    eventually(
        lambda: all(f": {title}" in str(seen(system.slack, employee)) for title in titles),
        what="Home shows all three",
    )
    eventually(lambda: "Not assigned yet" not in str(seen(system.slack, employee)), what="assigned")
    first, refused, *again = published(system.slack, employee)
    assert (first["ok"], refused["ok"]) == (True, False)
    assert all(answer["ok"] for answer in again)
    assert len(again) < 6  # each of the three has changed twice or more
    assert worker.stop(grace=10)
