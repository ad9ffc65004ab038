"""The doctor's checks of Slack."""

from dataclasses import replace
from datetime import timedelta

import pytest
from slack_sdk import WebClient

from bot.doctor import SlackChecks, check_request_channels
from bot.manifest import OPTIONAL_SCOPES, SCOPES, subscriptions
from bot.slack.transport import SlackClient
from services.channels.request_channels import ChannelMode, ChannelState, RequestChannel
from services.core.clock import utcnow
from services.ops.check_runner import CheckStatus, Finding, fail, ok, skip, warn
from services.team_settings.slack_settings import SlackSettings
from tests.conftest import web_client
from tests.support.recording_slack import TOKEN, RecordingSlack

APP_TOKEN = "xapp-test"
REINSTALL = 'reinstall the app under "Install App".'


@pytest.fixture
def checks(slack: RecordingSlack) -> SlackChecks:
    return SlackChecks(
        web_client(slack), app_token=APP_TOKEN, scopes=SCOPES, optional_scopes=OPTIONAL_SCOPES
    )


def test_a_good_token(checks: SlackChecks) -> None:
    assert checks.check_token() == ok("helpdesk in the workspace Example (T0TEAM)")
    assert checks.check_scopes() == ok("those of manifest.yml, no more and no fewer")


def test_no_token(slack: RecordingSlack) -> None:
    none = SlackChecks(WebClient(token="", base_url=slack.url), scopes=SCOPES)
    assert none.check_token() == skip("SLACK_BOT_TOKEN")
    assert slack.calls == []


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
def test_a_dead_token(checks: SlackChecks, slack: RecordingSlack, code: str) -> None:
    slack.fail("auth.test", error=code)
    assert checks.check_token() == fail(
        f"Slack answered {code}", f"Copy SLACK_BOT_TOKEN again, or {REINSTALL}"
    )


def test_slack_asks_to_wait(checks: SlackChecks, slack: RecordingSlack) -> None:
    slack.fail("auth.test", status=429)
    assert checks.check_token() == warn("Slack asks to wait", "Try again in a minute.")


@pytest.mark.parametrize(
    ("url", "kind"),
    [("http://127.0.0.1:9/api/", "ConnectionRefusedError"), ("slack.com/api/", "ValueError")],
)
def test_slack_is_away(url: str, kind: str) -> None:
    client = SlackClient(token=TOKEN, base_url=url, timeout=2, retry_handlers=[])
    advice = "Check the network, a proxy, and SLACK_API_URL if it is set."
    away = fail(f"Slack cannot be reached ({kind})", advice)
    checks = SlackChecks(client, app_token=APP_TOKEN, scopes=SCOPES)
    assert checks.check_token() == away
    assert checks.check_app_token() == away


def test_scopes_missing_and_superfluous_are_named(
    checks: SlackChecks, slack: RecordingSlack
) -> None:
    missing = {"reactions:read", "users:read", "channels:join"}
    slack.scopes = ", ".join({*SCOPES, "files:write", "channels:manage"} - missing)
    checks.check_token()
    add = f'Add it under "OAuth & Permissions", then {REINSTALL}'
    assert checks.check_scopes() == [
        *warn(
            "reactions:read is missing", f"Emoji file no tickets, and do nothing to tickets. {add}"
        ),
        *fail(
            "users:read is missing",
            f"New members get no account, and Slack statuses are not read. {add}",
        ),
        Finding(
            CheckStatus.OK,
            "channels:join is not granted",
            "Optional: the app does not join the triage channel and request channels by itself, so "
            "invite it.",
        ),
        *warn(
            "more than needed: channels:manage, files:write",
            f"Nothing here needs them: remove them, then {REINSTALL}",
        ),
    ]


def test_events_are_told_by_kind() -> None:
    checks = SlackChecks(WebClient(token=""), scopes=SCOPES, events=subscriptions())
    (found,) = checks.check_events(lambda: {"message.im": utcnow()})
    others = ", ".join(kind for kind in subscriptions() if kind != "message.im")
    assert found.message == f"message.im 0 s ago; never {others}"


def test_a_slack_that_does_not_name_the_scopes(slack: RecordingSlack) -> None:
    checks = SlackChecks(web_client(slack), scopes=SCOPES)
    assert checks.check_scopes() == warn(
        "Slack did not say which the token has", "Compare them with manifest.yml."
    )


@pytest.mark.parametrize(
    ("team", "expected"),
    [
        ("T0TEAM", ok("database and token belong to the same workspace")),
        (
            None,
            ok("the database belongs to no workspace yet; the bot's first start sets this one"),
        ),
        (
            "T0OTHER",
            fail(
                "the database belongs to T0OTHER, the token to T0TEAM",
                "Use that workspace's token, or another database.",
            ),
        ),
    ],
)
def test_whose_workspace(checks: SlackChecks, team: str | None, expected: list[Finding]) -> None:
    checks.check_token()
    assert checks.check_workspace(lambda: team) == expected


def test_a_good_app_token(checks: SlackChecks, slack: RecordingSlack) -> None:
    slack.app_tokens.add(APP_TOKEN)
    assert checks.check_app_token() == ok("Socket Mode is open to it")


def test_a_bad_app_token(checks: SlackChecks) -> None:
    advice = (
        'Switch Socket Mode on, and make an app-level token with connections:write under "Basic '
        'Information".'
    )
    assert checks.check_app_token() == fail("Slack answered invalid_auth", advice)


def test_no_app_token_is_http(slack: RecordingSlack) -> None:
    assert SlackChecks(web_client(slack), scopes=SCOPES).check_app_token() == ok(
        "none, so Slack has to reach the bot over HTTP"
    )
    assert slack.calls == []


def check_triage(slack: RecordingSlack, channel: str = "C0TRIAGE") -> list[Finding]:
    return SlackChecks(
        web_client(slack), scopes=SCOPES, triage_channel=channel
    ).check_triage_channel()


def test_request_channels_that_are_off_are_named() -> None:
    now = utcnow()
    fine = RequestChannel("T0TEAM", "C0IT", ChannelMode.ON_REQUEST, checked_at=now, name="it")
    assert check_request_channels([], now=now) == ok("none")
    assert check_request_channels([fine], now=now) == ok("1 request channel, each active")
    off = replace(fine, state=ChannelState.NOT_A_MEMBER, checked_at=now - timedelta(days=1))
    assert check_request_channels([fine, off], now=now) == [
        *warn(
            "#it is without the bot",
            "Its messages become no tickets. Home says under Settings what to do.",
        ),
        *warn(
            "Slack was not asked about #it for hours",
            "Keep the jobs and a worker running: they ask once an hour.",
        ),
    ]


def test_no_triage_channel_is_fine(slack: RecordingSlack) -> None:
    found = "off, because TRIAGE_CHANNEL is not set, nor a channel in Settings"
    assert check_triage(slack, "") == ok(found)
    assert slack.calls == []


YET = ": until then it posts there, but does not receive the replies to its cards."


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"is_member": True}, ok("the bot is in #triage, from TRIAGE_CHANNEL")),
        ({"is_member": True, "is_private": True}, ok("the bot is in #triage, from TRIAGE_CHANNEL")),
        ({}, warn("the bot is not in #triage", f"A running bot joins it within ten minutes{YET}")),
        (
            {"is_archived": True},
            fail("#triage is archived", "Unarchive it, or use another channel."),
        ),
        (
            {"is_member": True, "is_ext_shared": True},
            warn(
                "#triage is shared with other organisations, and they read the tickets' titles",
                "Use a channel of this workspace alone.",
            ),
        ),
        (
            {"is_private": True},
            fail(
                "the bot finds no such channel",
                "Check TRIAGE_CHANNEL; if it is private, invite the bot to it.",
            ),
        ),
    ],
    ids=["member", "private member", "not a member", "archived", "shared", "private"],
)
def test_the_triage_channel(
    slack: RecordingSlack, about: dict[str, bool], expected: list[Finding]
) -> None:
    slack.add_channel("C0TRIAGE", **about)
    assert check_triage(slack) == expected


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("C0CHOSEN", ok("the bot is in #chosen, from Settings")),
        (
            "C0GONE",
            fail(
                "the bot finds no such channel",
                "Check Settings; if it is private, invite the bot to it.",
            ),
        ),
        ("", ok("off, as chosen in Settings")),
    ],
)
def test_a_channel_of_settings_wins(
    slack: RecordingSlack, stored: str, expected: list[Finding]
) -> None:
    slack.add_channel("C0CHOSEN", name="chosen", is_member=True)
    checks = SlackChecks(
        web_client(slack),
        scopes=SCOPES,
        triage_channel="C0TRIAGE",
        get_slack_settings=lambda: SlackSettings(triage_channel=stored),
    )
    assert checks.check_triage_channel() == expected


def test_without_a_token_a_channel_of_settings_is_not_checked() -> None:
    checks = SlackChecks(
        WebClient(token=""),
        scopes=SCOPES,
        get_slack_settings=lambda: SlackSettings(triage_channel="C0CHOSEN"),
    )
    assert checks.check_triage_channel() == skip("SLACK_BOT_TOKEN")


def test_without_the_scope_the_bot_has_to_be_invited(slack: RecordingSlack) -> None:
    slack.add_channel("C0TRIAGE")
    slack.scopes = ",".join(SCOPES.keys() - {"channels:join"})
    checks = SlackChecks(web_client(slack), scopes=SCOPES, triage_channel="C0TRIAGE")
    checks.check_token()
    assert checks.check_triage_channel() == warn("the bot is not in #triage", f"Invite it{YET}")


def test_a_token_that_may_not_look_at_the_triage_channel(slack: RecordingSlack) -> None:
    slack.fail("conversations.info", error="missing_scope")
    assert check_triage(slack) == fail(
        "Slack answered missing_scope", f"Compare the scopes with manifest.yml, then {REINSTALL}"
    )
