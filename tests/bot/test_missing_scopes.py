"""A scope that the Slack app lacks turns off its part of the product, and people read why."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.manifest import SCOPES
from bot.slack.bot_process import BotProcess
from bot.views.messages import ticket_updates
from bot.views.modals import file_ticket, team_settings
from services.core.database import Mongo
from services.core.slack_scopes import GrantedScopes, record_granted_scopes
from services.linking import links, staff_invitations
from services.models.permissions import Actor
from services.models.user import User
from services.ops.event_arrivals import load_event_arrivals
from services.registry.services import Services
from tasks.notifications import notify
from tasks.runtime import Runtime
from tests.conftest import Bot, People, pressed, reload
from tests.conftest import file_ticket as file_ticket_as
from tests.support import payloads
from tests.support.block_text import read
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL

NEW, NEW_DM = "U0NEW", "D0NEW"
NOT_LOOKED_UP = (
    "This doesn't work, because the app lacks a permission in Slack (users:read). Ask an admin to "
    "add it."
)


@pytest.fixture
def without(db: Mongo, slack: RecordingSlack) -> Callable[..., None]:
    """Take scopes from the app. A bot has noticed it."""

    def take(*scopes: str) -> None:
        granted = SCOPES.keys() - set(scopes)
        slack.scopes = ",".join(granted)
        record_granted_scopes(db, GrantedScopes(frozenset(granted)))

    return take


@pytest.fixture
def new_member(slack: RecordingSlack) -> str:
    slack.add_member(NEW, email="new@example.com", name="New One")
    return NEW


def forget_refused(slack: RecordingSlack, method: str) -> None:
    """Slack refused these calls; the fixture fails for all others."""
    assert {refused.method for refused in slack.refused} == {method}
    slack.refused.clear()


def message_event(slack: RecordingSlack, text: str) -> dict[str, Any]:
    return payloads.event({**slack.say(NEW_DM, text, user=NEW), "channel_type": "im"})


def test_a_new_member_reads_that_they_cannot_be_looked_up(
    desk: Bot, slack: RecordingSlack, new_member: str, without: Callable[..., None]
) -> None:
    without("users:read")
    assert desk.answer(payloads.slash_command(user=NEW)) == {}
    assert NOT_LOOKED_UP in read(slack.last_view())
    assert desk.answer(message_event(slack, "The VPN drops")) == {}
    assert slack.messages(NEW)[-1]["text"] == NOT_LOOKED_UP
    forget_refused(slack, "users.info")


def test_members_with_an_account_go_on(
    desk: Bot, slack: RecordingSlack, employee: User, without: Callable[..., None]
) -> None:
    without("users:read", "users:read.email")
    assert desk.answer(payloads.slash_command(user=People.slack_id(employee))) == {}
    assert slack.last_view()["callback_id"] == "file_ticket"


def test_a_reaction_of_a_new_member_is_not_repeated_by_slack(
    desk: Bot, slack: RecordingSlack, new_member: str, without: Callable[..., None]
) -> None:
    without("users:read")
    slack.add_channel(GENERAL, is_member=True)
    assert desk.answer(marked(slack.say(GENERAL, "The VPN drops", user=NEW), NEW)) == {}
    forget_refused(slack, "users.info")


def test_a_new_member_without_a_readable_address_reads_what_to_do(
    desk: Bot, slack: RecordingSlack, new_member: str, without: Callable[..., None]
) -> None:
    without("users:read.email")
    assert desk.answer(payloads.slash_command(user=NEW)) == {}
    assert links.EMAIL_NOT_PERMITTED in read(slack.last_view())


def test_an_admin_who_adds_a_moderator_reads_it_beside_the_field(
    desk: Bot, slack: RecordingSlack, admin: User, new_member: str, without: Callable[..., None]
) -> None:
    visitor = Visitor(desk, slack, admin)
    visitor.open()
    visitor.press("Add moderator")
    without("users:read.email")
    refused = visitor.submit(member=NEW, role="moderator", skills="")
    assert refused["errors"] == {"member": staff_invitations.EMAIL_NOT_PERMITTED}


@pytest.mark.parametrize("scope", ["channels:read", "channels:history"])
def test_a_marked_message_is_linked_and_the_form_says_why(
    desk: Bot, slack: RecordingSlack, employee: User, without: Callable[..., None], scope: str
) -> None:
    slack.add_channel(GENERAL, is_member=True)
    user = People.slack_id(employee)
    message = slack.say(GENERAL, "The VPN drops", user=user)
    without(scope)
    desk.answer(marked(message, user))
    offer = slack.messages(user)[-1]
    action_id = offer["blocks"][-1]["elements"][0]["action_id"]
    desk.answer(payloads.block_actions(offer, action_id, user=user))
    form = slack.last_view()
    assert file_ticket.NOT_PERMITTED in read(form)
    assert message["ts"].replace(".", "") in str(form)


def marked(message: dict[str, Any], user: str) -> dict[str, Any]:
    item = {"type": "message", "channel": message["channel"], "ts": message["ts"]}
    body = {"type": "reaction_added", "user": user, "reaction": "ticket", "item": item}
    return payloads.event({**body, "item_user": message["user"], "event_ts": "1700000000.000001"})


def test_settings_list_what_is_missing(
    desk: Bot, slack: RecordingSlack, admin: User, without: Callable[..., None]
) -> None:
    visitor = Visitor(desk, slack, admin)
    visitor.open()
    assert "Missing permissions" not in visitor.press("Settings")
    without("dnd:read", "channels:join")
    visitor.press("Back")
    shown = visitor.press("Settings")
    assert shown[-3:] == [
        "Missing permissions",
        "`dnd:read`: People get messages although they have paused notifications.\n"
        "`channels:join`: Optional: the app does not join the triage channel and request "
        "channels by itself, so invite it.",
        team_settings.SCOPE_ADVICE,
    ]


def test_a_question_points_to_its_button_if_replies_are_not_read(
    desk: Bot,
    slack: RecordingSlack,
    runtime: Runtime,
    moderator: User,
    employee: User,
    services: Services,
    without: Callable[..., None],
) -> None:
    without("im:history")
    ticket = file_ticket_as(services.tickets, employee)
    desk.answer(pressed("take", ticket, moderator))
    ticket = reload(services.db, ticket)
    services.ticket_actions.ask_requester(
        actor=Actor.from_user(moderator), ticket_id=str(ticket.id), question="Which printer?"
    )
    notify.run(runtime, str(ticket.id))
    question = slack.messages(People.slack_id(employee))[-1]
    assert ticket_updates.THREAD_NOT_READ in read(question)
    assert ticket_updates.THREAD_HELP not in read(question)


def test_an_event_is_remembered_without_a_trip_to_the_database(
    bot_process: BotProcess, ticket_bot: Bot, db: Mongo
) -> None:
    said = {"type": "message", "channel_type": "channel", "channel": GENERAL, "user": "U0X"}
    ticket_bot.answer(payloads.event({**said, "text": "Lunch?", "ts": "1700000000.000001"}))
    assert load_event_arrivals(db) == {}
    bot_process.event_arrivals.store_due(db)
    assert load_event_arrivals(db).keys() == {"message.channels"}
