"""The doctor's checks of Slack."""

import pytest
from slack_sdk import WebClient

from bot.doctor import SlackChecks
from bot.manifest import SCOPES
from services.ops.check_runner import CheckStatus, Finding
from tests.conftest import web_client
from tests.support.recording_slack import TOKEN, RecordingSlack

APP_TOKEN = "xapp-test"
REINSTALL = 'reinstall the app under "Install App".'


def said(findings: list[Finding]) -> list[tuple[CheckStatus, str, str]]:
    return [(finding.status, finding.message, finding.advice) for finding in findings]


@pytest.fixture
def checks(slack: RecordingSlack) -> SlackChecks:
    return SlackChecks(web_client(slack), app_token=APP_TOKEN, scopes=SCOPES)


def test_a_good_token(checks: SlackChecks) -> None:
    assert said(checks.check_token()) == [
        (CheckStatus.OK, "helpdesk in the workspace Example (T0TEAM)", "")
    ]
    assert said(checks.check_scopes()) == [
        (CheckStatus.OK, "those of manifest.yml, no more and no fewer", "")
    ]


def test_no_token(slack: RecordingSlack) -> None:
    none = SlackChecks(WebClient(token="", base_url=slack.url), scopes=SCOPES)
    assert said(none.check_token()) == [
        (CheckStatus.FAIL, "not asked, because SLACK_BOT_TOKEN is missing", "See settings.")
    ]
    assert slack.calls == []


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
def test_a_dead_token(checks: SlackChecks, slack: RecordingSlack, code: str) -> None:
    slack.fail("auth.test", error=code)
    assert said(checks.check_token()) == [
        (CheckStatus.FAIL, f"Slack answered {code}", f"Copy SLACK_BOT_TOKEN anew, or {REINSTALL}")
    ]


def test_slack_asks_to_wait(checks: SlackChecks, slack: RecordingSlack) -> None:
    slack.fail("auth.test", status=429)
    assert said(checks.check_token()) == [
        (CheckStatus.WARN, "Slack asks to wait", "Try again in a minute.")
    ]


@pytest.mark.parametrize(
    ("url", "kind"), [("http://127.0.0.1:9/api/", "URLError"), ("slack.com/api/", "ValueError")]
)
def test_slack_is_away(url: str, kind: str) -> None:
    client = WebClient(token=TOKEN, base_url=url, timeout=2, retry_handlers=[])
    advice = "Check the network, a proxy, and SLACK_API_URL where it is set."
    away = [(CheckStatus.FAIL, f"Slack cannot be reached ({kind})", advice)]
    checks = SlackChecks(client, app_token=APP_TOKEN, scopes=SCOPES)
    assert said(checks.check_token()) == away
    assert said(checks.check_app_token()) == away


def test_scopes_missing_and_superfluous_are_named(
    checks: SlackChecks, slack: RecordingSlack
) -> None:
    missing = {"channels:read", "users:read.email"}
    slack.scopes = ", ".join({*SCOPES, "files:write", "channels:manage"} - missing)
    checks.check_token()
    assert said(checks.check_scopes()) == [
        (
            CheckStatus.FAIL,
            "missing: channels:read, users:read.email",
            f'Add under "OAuth & Permissions" what is missing, then {REINSTALL}',
        ),
        (
            CheckStatus.WARN,
            "more than needed: channels:manage, files:write",
            f"Nothing here needs them: remove them, then {REINSTALL}",
        ),
    ]


def test_a_slack_that_does_not_name_the_scopes(slack: RecordingSlack) -> None:
    checks = SlackChecks(web_client(slack), scopes=SCOPES)
    assert said(checks.check_scopes()) == [
        (
            CheckStatus.WARN,
            "Slack did not say which the token has",
            "Compare them with manifest.yml.",
        )
    ]


@pytest.mark.parametrize(
    ("team", "expected"),
    [
        ("T0TEAM", (CheckStatus.OK, "database and token are of one workspace", "")),
        (
            None,
            (
                CheckStatus.OK,
                "the database is nobody's yet; the bot's first start makes it this one's",
                "",
            ),
        ),
        (
            "T0OTHER",
            (
                CheckStatus.FAIL,
                "the database is of T0OTHER, the token of T0TEAM",
                "Use that workspace's token, or another database.",
            ),
        ),
    ],
)
def test_whose_workspace(
    checks: SlackChecks, team: str | None, expected: tuple[CheckStatus, str, str]
) -> None:
    checks.check_token()
    assert said(checks.check_workspace(lambda: team)) == [expected]


def test_a_good_app_token(checks: SlackChecks, slack: RecordingSlack) -> None:
    slack.app_tokens.add(APP_TOKEN)
    assert said(checks.check_app_token()) == [(CheckStatus.OK, "Socket Mode is open to it", "")]


def test_a_bad_app_token(checks: SlackChecks) -> None:
    advice = (
        'Switch Socket Mode on, and make an app-level token with connections:write under "Basic '
        'Information".'
    )
    assert said(checks.check_app_token()) == [
        (CheckStatus.FAIL, "Slack answered invalid_auth", advice)
    ]


def test_no_app_token_is_http(slack: RecordingSlack) -> None:
    assert said(SlackChecks(web_client(slack), scopes=SCOPES).check_app_token()) == [
        (CheckStatus.OK, "none, so no Socket Mode: Slack has to come over HTTP", "")
    ]
    assert slack.calls == []


def check_triage(slack: RecordingSlack, channel: str = "C0TRIAGE") -> list[Finding]:
    return SlackChecks(
        web_client(slack), scopes=SCOPES, triage_channel=channel
    ).check_triage_channel()


def test_no_triage_channel_is_fine(slack: RecordingSlack) -> None:
    found = "off, because TRIAGE_CHANNEL is not set"
    assert said(check_triage(slack, "")) == [(CheckStatus.OK, found, "")]
    assert slack.calls == []


INVITE = "Invite it: until then it posts there, but does not hear the replies to its cards."


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"is_member": True}, [(CheckStatus.OK, "the bot is in #triage", "")]),
        ({"is_member": True, "is_private": True}, [(CheckStatus.OK, "the bot is in #triage", "")]),
        ({}, [(CheckStatus.WARN, "the bot is not in #triage", INVITE)]),
        (
            {"is_archived": True},
            [
                (
                    CheckStatus.FAIL,
                    "#triage is archived",
                    "Take it out of the archive, or use another.",
                )
            ],
        ),
        (
            {"is_member": True, "is_ext_shared": True},
            [
                (
                    CheckStatus.WARN,
                    "#triage is shared with other organisations, and they read the tickets' titles",
                    "Use a channel of this workspace alone.",
                )
            ],
        ),
        (
            {"is_private": True},
            [
                (
                    CheckStatus.FAIL,
                    "the bot finds no such channel",
                    "Check TRIAGE_CHANNEL; if it is private, invite the bot to it.",
                )
            ],
        ),
    ],
    ids=["member", "private member", "not a member", "archived", "shared", "private"],
)
def test_the_triage_channel(
    slack: RecordingSlack, about: dict[str, bool], expected: list[tuple[CheckStatus, str, str]]
) -> None:
    slack.add_channel("C0TRIAGE", **about)
    assert said(check_triage(slack)) == expected


def test_a_token_that_may_not_look_at_the_triage_channel(slack: RecordingSlack) -> None:
    slack.fail("conversations.info", error="missing_scope")
    assert said(check_triage(slack)) == [
        (
            CheckStatus.FAIL,
            "Slack answered missing_scope",
            f"Compare the scopes with manifest.yml, then {REINSTALL}",
        )
    ]
