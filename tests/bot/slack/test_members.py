from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.members import fetch_member
from services.models.slack_member import SlackMember
from tests.conftest import web_client
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID


@pytest.fixture
def client(slack: RecordingSlack) -> WebClient:
    return web_client(slack)


def fetched(slack: RecordingSlack, client: WebClient, **overrides: Any) -> SlackMember:
    slack.add_member("U0ANN", email="Ann@Example.com", name="Ann Employee", **overrides)
    return fetch_member(client, team_id=TEAM_ID, slack_user_id="U0ANN")


def test_it_reads_a_member(slack: RecordingSlack, client: WebClient) -> None:
    assert fetched(slack, client) == SlackMember(
        team_id=TEAM_ID,
        slack_user_id="U0ANN",
        home_team_id=TEAM_ID,
        email="Ann@Example.com",
        email_confirmed=True,
        name="Ann Employee",
    )


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"is_bot": True}, "is_bot"),
        ({"is_workflow_bot": True}, "is_bot"),
        ({"deleted": True}, "is_deleted"),
        ({"is_restricted": True}, "is_guest"),
        ({"is_ultra_restricted": True}, "is_guest"),
        ({"is_stranger": True}, "is_stranger"),
    ],
)
def test_it_reads_what_a_member_is(
    slack: RecordingSlack, client: WebClient, overrides: dict[str, bool], field: str
) -> None:
    member = fetched(slack, client, **overrides)
    flags = ("is_bot", "is_deleted", "is_guest", "is_stranger")
    assert [name for name in flags if getattr(member, name)] == [field]


@pytest.mark.parametrize("said", [True, False, None])
def test_it_keeps_whether_slack_confirms_the_address(
    slack: RecordingSlack, client: WebClient, said: bool | None
) -> None:
    assert fetched(slack, client, is_email_confirmed=said).email_confirmed is said


def test_it_does_without_what_slack_leaves_out(slack: RecordingSlack, client: WebClient) -> None:
    member = slack.add_member("U0ANN", email="", name="")
    for field in ("is_email_confirmed", "profile", "team_id", "real_name"):
        del member[field]
    read = fetch_member(client, team_id=TEAM_ID, slack_user_id="U0ANN")
    assert (read.email, read.email_confirmed, read.home_team_id) == ("", None, TEAM_ID)


def test_it_keeps_another_organisations_team(slack: RecordingSlack, client: WebClient) -> None:
    assert fetched(slack, client, team_id="T0OTHER").home_team_id == "T0OTHER"


def test_somebody_slack_does_not_know(client: WebClient) -> None:
    with pytest.raises(SlackApiError):
        fetch_member(client, team_id=TEAM_ID, slack_user_id="U0NOBODY")
