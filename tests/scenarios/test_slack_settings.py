"""An admin changes the triage channel and the emoji in Slack; all processes follow."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.handlers.request_channels import NOT_INVITED
from bot.slack.bot_process import BotProcess
from bot.views.modals.team_settings import slack_settings_modal
from services.calendar.business_hours import BusinessHours
from services.channels.channel_settings import ARCHIVED, SHARED
from services.core.database import Mongo
from services.core.slack_scopes import GrantedScopes, record_granted_scopes
from services.core.ttl_cache import TTL_SECONDS
from services.models.user import Role, User
from services.sla.policy import Targets
from services.team_settings.settings_service import CurrentSettings
from services.team_settings.slack_settings import SlackSettings, load_slack_settings
from tests.conftest import Bot, People, make_config
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TRIAGE
from tests.support.view_state import find_element

pytest_plugins = ["tests.support.scenario"]

NEW = "C0NEWTRIAGE"


@pytest.fixture
def ada(triage: BotAndWorkers, slack: RecordingSlack, admin: User) -> Visitor:
    visitor = Visitor(triage.bot, slack, admin)
    visitor.open()
    visitor.press("Settings")
    visitor.press("Change channel or emoji")
    slack.add_channel(NEW)
    return visitor


def titles(slack: RecordingSlack, channel: str) -> list[str]:
    return [str(message["text"]).split(":")[0] for message in slack.messages(channel)]


def test_new_tickets_go_to_the_new_channel_and_old_cards_stay(
    triage: BotAndWorkers, ada: Visitor, slack: RecordingSlack, people: People, ann: User
) -> None:
    old = triage.file(ann)
    assert ada.submit(triageChannel=NEW) == {}
    assert f"<#{NEW}> shows a card for each ticket." in str(ada.see())
    new = triage.file(ann)
    moderator = people.add(Role.MODERATOR)
    for ticket in (old, new):
        triage.actions.take(**by(moderator, ticket))
        triage.work(ticket)
    for channel, ticket in ((TRIAGE, old), (NEW, new)):
        (card,) = slack.messages(channel)
        assert f"Ticket {ticket.number} " in card["text"]
        assert moderator.name in card["text"]


def test_the_bot_joins_the_chosen_channel_and_the_change_is_audited(
    ada: Visitor, slack: RecordingSlack, db: Mongo, admin: User
) -> None:
    assert ada.submit(triageChannel=NEW, ticketEmoji=" :SOS: ") == {}
    assert slack.workspace.channels[NEW]["is_member"]
    assert load_slack_settings(db) == SlackSettings(NEW, "sos")
    entries = {entry["action"]: entry for entry in db.audit.find({"subject": "slack"})}
    changes = {action: (entry["from"], entry["to"]) for action, entry in entries.items()}
    assert changes == {
        "settings.triageChannel": ("", NEW),
        "settings.ticketEmoji": ("ticket", "sos"),
    }
    assert {entry["by"] for entry in entries.values()} == {admin.id}


def test_what_is_not_changed_is_left_to_its_variable(ada: Visitor, db: Mongo) -> None:
    assert ada.submit(ticketEmoji="sos") == {}
    assert load_slack_settings(db) == SlackSettings(None, "sos")


def test_no_channel_is_a_choice_too(
    triage: BotAndWorkers, ada: Visitor, slack: RecordingSlack, ann: User
) -> None:
    ada.submit(triageChannel=NEW)
    ada.press("Change channel or emoji")
    assert ada.submit(triageChannel=None) == {}
    triage.file(ann)
    assert slack.messages(NEW) == slack.messages(TRIAGE) == []
    assert "No channel shows a card for each ticket." in str(ada.see())


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"is_archived": True}, ARCHIVED),
        ({"is_private": True}, NOT_INVITED),
        ({"is_member": True, "is_ext_shared": True}, SHARED),
    ],
)
def test_a_channel_that_cannot_be_used_is_refused_beside_its_field(
    ada: Visitor, slack: RecordingSlack, db: Mongo, about: Mapping[str, Any], sentence: str
) -> None:
    slack.add_channel("C0OTHER", **about)
    refused = ada.submit(triageChannel="C0OTHER", ticketEmoji="sos")
    assert refused["errors"] == {"triageChannel": sentence}
    assert load_slack_settings(db) == SlackSettings()


def test_an_emoji_that_is_none_is_refused(ada: Visitor) -> None:
    refused = ada.submit(ticketEmoji="two words")
    assert refused["errors"] == {"ticketEmoji": "Type the name of one emoji, such as ticket."}


def test_without_the_scope_to_join_a_channel_is_stored_all_the_same(
    ada: Visitor, slack: RecordingSlack, db: Mongo
) -> None:
    record_granted_scopes(db, GrantedScopes(frozenset({"chat:write"})))
    assert ada.submit(triageChannel=NEW) == {}
    assert slack.calls_to("conversations.join") == []
    assert load_slack_settings(db).triage_channel == NEW


def test_the_chosen_emoji_files_a_message_and_the_former_one_does_not(
    triage: BotAndWorkers, ada: Visitor, slack: RecordingSlack, ann: User
) -> None:
    ada.submit(ticketEmoji="sos")
    slack.add_channel(GENERAL, is_member=True)
    user = People.slack_id(ann)
    message = slack.say(GENERAL, "The VPN drops", user=user)
    for reaction, count in (("ticket", 0), ("sos", 1)):
        item = {"type": "message", "channel": GENERAL, "ts": message["ts"]}
        body = {"type": "reaction_added", "user": user, "reaction": reaction, "item": item}
        triage.bot.answer(payloads.event({**body, "item_user": user}))
        triage.work()
        assert len(slack.messages(user)) == count
    assert ":sos:" in str(slack.messages(user)[0]["blocks"])


def test_processes_look_within_a_minute_and_go_on_without_mongodb(
    bot_process: BotProcess, bot_without_database: Bot
) -> None:
    assert TTL_SECONDS <= 60
    config = make_config(TRIAGE_CHANNEL=TRIAGE, TICKET_EMOJI="eyes")
    bot = replace(bot_process, config=config)
    assert (bot.triage_channel, bot.ticket_emoji) == (TRIAGE, "eyes")
    body = {"type": "reaction_added", "user": "U0X", "reaction": "tada", "item": {}}
    assert bot_without_database.answer(payloads.event(body)) == {}


def test_the_form_shows_the_channel() -> None:
    values = CurrentSettings("Help desk", Targets(), BusinessHours(), triage_channel=TRIAGE)
    element, _ = find_element(slack_settings_modal(values), "triageChannel", None)
    assert element["initial_conversation"] == TRIAGE
