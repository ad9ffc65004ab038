"""What a bot does beside its answers: scopes, times of events, the triage channel."""

from dataclasses import replace
from typing import Any

import pytest

from bot.manifest import SCOPES
from bot.slack.app_watch import AppWatch
from bot.slack.bot_process import BotProcess
from bot.views.labels import SCOPE_EFFECTS
from services.core.database import Mongo
from services.core.slack_scopes import GrantedScopes, load_granted_scopes
from tests.conftest import make_config
from tests.support.recording_slack import RecordingSlack

TRIAGE = "C0TRIAGE"
ALL = GrantedScopes()


@pytest.fixture
def with_triage(bot_process: BotProcess) -> BotProcess:
    return replace(bot_process, config=make_config(TRIAGE_CHANNEL=TRIAGE))


def is_member(slack: RecordingSlack) -> bool:
    return bool(slack.workspace.channels[TRIAGE]["is_member"])


def test_a_bot_that_starts_stores_the_scopes_and_joins(
    with_triage: BotProcess, slack: RecordingSlack, db: Mongo
) -> None:
    slack.add_channel(TRIAGE)
    granted = GrantedScopes(frozenset(SCOPES) - {"dnd:read"})
    with AppWatch(with_triage, granted):
        slack.wait_for("conversations.join")
    assert load_granted_scopes(db) == granted
    assert is_member(slack)


def test_a_change_of_the_scopes_is_stored(
    bot_process: BotProcess,
    slack: RecordingSlack,
    db: Mongo,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = AppWatch(bot_process, ALL)
    slack.scopes = "chat:write,commands"
    for _ in range(2):
        watch.read_scopes()
    assert load_granted_scopes(db) == GrantedScopes(frozenset({"chat:write", "commands"}))
    missing = [scope for scope in SCOPE_EFFECTS if scope not in ("chat:write", "commands")]
    assert [record.getMessage() for record in caplog.records] == [
        f"the Slack app lacks scopes: {', '.join(missing)}"
    ]


def test_slack_and_mongodb_may_fail(
    with_triage: BotProcess, slack: RecordingSlack, db: Mongo
) -> None:
    slack.fail("conversations.info", status=500)
    with AppWatch(with_triage, ALL):
        slack.wait_for("conversations.info")
    assert slack.calls_to("conversations.join") == []


def test_a_channel_that_the_bot_is_in_is_not_joined_again(
    with_triage: BotProcess, slack: RecordingSlack
) -> None:
    slack.add_channel(TRIAGE)
    watch = AppWatch(with_triage, ALL)
    for _ in range(2):
        watch.join_triage_channel()
    assert len(slack.calls_to("conversations.join")) == 1


@pytest.mark.parametrize(
    "about",
    [{"is_archived": True}, {"is_private": True, "is_member": False}, {"is_ext_shared": True}],
    ids=str,
)
def test_other_channels_are_left_to_an_invitation(
    with_triage: BotProcess, slack: RecordingSlack, about: dict[str, Any]
) -> None:
    slack.add_channel(TRIAGE, **about)
    with AppWatch(with_triage, ALL):
        slack.wait_for("conversations.info")
    assert not is_member(slack)


def test_without_the_scope_slack_is_not_asked(
    with_triage: BotProcess, slack: RecordingSlack
) -> None:
    slack.add_channel(TRIAGE)
    granted = GrantedScopes(frozenset(SCOPES) - {"channels:join"})
    AppWatch(with_triage, granted).join_triage_channel()
    assert slack.calls == []
