"""`user_change` events: a member has changed."""

from typing import Any

import pytest

from bot.slack.bot_process import BotProcess
from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.core.database import Mongo, connect
from services.linking.links import LinkService
from services.linking.member_sync import MemberSync
from services.models.ticket import Status
from services.models.user import Role
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK
from tests.conftest import (
    NOBODY_LISTENS,
    Bot,
    People,
    RecordingPublisher,
    file_ticket,
    inline_bot,
    reload,
    with_services,
)
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack

Json = dict[str, Any]


def changed(slack: RecordingSlack, slack_id: str, email: str, **changes: Any) -> Json:
    member = slack.add_member(slack_id, email=email, name="Changed", **changes)
    return payloads.event({"type": "user_change", "user": member})


def test_the_tickets_of_a_member_deactivated_in_slack_are_released(
    ticket_bot: Bot,
    slack: RecordingSlack,
    people: People,
    links: LinkService,
    tickets: TicketService,
    publisher: RecordingPublisher,
    db: Mongo,
) -> None:
    nils = people.add(Role.MODERATOR)
    slack_id = People.slack_id(nils)
    ticket = file_ticket(tickets, people.add())
    at_work = {"assignedTo": nils.id, "status": Status.IN_PROGRESS}
    db.tickets.update_one({"_id": ticket.id}, {"$set": at_work})
    event = changed(slack, slack_id, nils.email, deleted=True)
    for _ in range(2):  # Slack may repeat itself
        assert ticket_bot.answer(event) == {}
    assert publisher.asked == [(NOTIFY_TASK, str(ticket.id))]
    assert reload(db, ticket).assigned_to is None
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) is None
    assert ticket_bot.answer(changed(slack, slack_id, nils.email)) == {}
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == nils


def test_a_guest_is_refused_from_then_on_and_let_in_again(
    ticket_bot: Bot, slack: RecordingSlack, people: People, links: LinkService, db: Mongo
) -> None:
    user = people.add()
    slack_id = People.slack_id(user)
    ticket_bot.answer(changed(slack, slack_id, user.email, is_restricted=True))
    command = payloads.slash_command("list", user=slack_id)
    assert ticket_bot.answer(command)["text"] == (
        "The help desk is not open to guests. Ask a full member of this workspace to file the "
        "ticket."
    )
    # They are a full member again, and the event about it was lost.
    slack.add_member(slack_id, email=user.email, name="Changed")
    assert "blocks" in ticket_bot.answer(payloads.slash_command("list", user=slack_id))
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == user
    assert "stopped" not in (db.links.find_one() or {})


def test_what_slack_says_now_counts_not_what_it_said_then(
    ticket_bot: Bot, slack: RecordingSlack, people: People, links: LinkService
) -> None:
    """Events come late and out of order."""
    user = people.add()
    slack_id = People.slack_id(user)
    old = changed(slack, slack_id, user.email, deleted=True)
    slack.add_member(slack_id, email=user.email, name="Changed")
    assert ticket_bot.answer(old) == {}
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == user


def test_a_member_slack_knows_no_longer_is_gone(
    ticket_bot: Bot, slack: RecordingSlack, people: People, links: LinkService
) -> None:
    user = people.add()
    slack_id = People.slack_id(user)
    event = changed(slack, slack_id, user.email, deleted=True)
    slack.fail("users.info", error="user_not_found")
    assert ticket_bot.answer(event) == {}
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) is None


def test_a_new_address_is_followed(
    ticket_bot: Bot, slack: RecordingSlack, people: People, users: UserService
) -> None:
    user = people.add()
    event = changed(slack, People.slack_id(user), "married@example.com")
    assert ticket_bot.answer(event) == {}
    assert [found.id for found in users.find_by_email("married@example.com")] == [user.id]


def test_slack_is_not_asked_about_every_new_status(
    ticket_bot: Bot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    user, somebody = people.add(), people.add()
    db.users.update_one({"_id": user.id}, {"$set": {"password": "$2b$04$hash"}})
    db.links.delete_one({"userId": somebody.id})
    events = [
        changed(slack, People.slack_id(user), "other@example.com"),
        changed(slack, People.slack_id(somebody), somebody.email, deleted=True),
        changed(slack, "U0NOBODY", "nobody@example.com"),
    ]
    slack.clear()
    for event in events:
        assert ticket_bot.answer(event) == {}
    assert slack.calls == []


@pytest.mark.parametrize("away", ["slack", "database"])
def test_what_could_not_be_followed_is_sent_again(
    bot_process: BotProcess,
    slack: RecordingSlack,
    people: People,
    links: LinkService,
    codes: OneTimeCodes,
    away: str,
) -> None:
    user = people.add()
    slack_id = People.slack_id(user)
    event = changed(slack, slack_id, user.email, deleted=True)
    nowhere = connect(NOBODY_LISTENS)
    if away == "slack":
        slack.fail("users.info", status=500)
    else:
        lost = MemberSync(nowhere, UserService(nowhere), codes)
        bot_process = with_services(bot_process, member_sync=lost)
    assert inline_bot(bot_process).send(event).status == 503
    nowhere.client.close()
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == user
