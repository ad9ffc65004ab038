"""Calls to Slack: counted by method and outcome, members, and response_urls."""

import socket
from typing import Any
from urllib.error import URLError

import pytest
from slack_bolt import BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web import SlackResponse

from bot.slack.client import (
    MeasuredClient,
    Respond,
    fetch_member,
    respond_middleware,
    slack_outcome,
)
from bot.slack.transport import SlackClient
from demo.adapter import LocalSlackClient, wrap_client
from services.core.metrics import SLACK_CALLS, SLACK_SECONDS, InMemoryMeter, SampleKey
from services.models.slack_member import SlackMember
from tests.conftest import web_client
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import ENTERPRISE_ID, SISTER_TEAM_ID, TEAM_ID

MESSAGE = {"text": "New.", "replace_original": True}


def measured(inner: WebClient) -> tuple[MeasuredClient, InMemoryMeter]:
    meter = InMemoryMeter()
    return MeasuredClient(inner, meter=meter, process="worker"), meter


def calls(meter: InMemoryMeter) -> dict[tuple[str, ...], float]:
    return {key.labels: n for key, n in meter.samples().items() if key.metric == SLACK_CALLS.name}


def test_calls_are_counted_and_timed(slack: RecordingSlack) -> None:
    client, meter = measured(web_client(slack))
    slack.fail("auth.test", status=429)
    slack.fail("auth.test", error="missing_scope")
    slack.fail("auth.test", status=503)
    for _ in range(3):
        with pytest.raises(SlackApiError):
            client.auth_test()
    assert client.auth_test()["ok"]
    assert calls(meter) == {
        ("worker", "auth.test", "ratelimited"): 1,
        ("worker", "auth.test", "token"): 1,
        ("worker", "auth.test", "slack_fault"): 1,
        ("worker", "auth.test", "ok"): 1,
    }
    timed = [n for key, n in meter.samples().items() if key.metric == SLACK_SECONDS.name]
    assert SampleKey(SLACK_SECONDS.name, ("worker", "auth.test"), "sum") in meter.samples()
    assert sum(timed) >= 4


def test_a_slow_slack_is_a_timeout(slack: RecordingSlack) -> None:
    inner = web_client(slack)
    inner.timeout = 1
    client, meter = measured(inner)
    slack.delay("auth.test", 5)
    with pytest.raises(TimeoutError):
        client.auth_test()
    slack.recover()
    assert calls(meter) == {("worker", "auth.test", "timeout"): 1}


def test_no_slack_at_all() -> None:
    client, meter = measured(SlackClient(base_url="http://127.0.0.1:1/", retry_handlers=[]))
    with pytest.raises(URLError):
        client.auth_test()
    assert calls(meter) == {("worker", "auth.test", "unreachable"): 1}


def test_what_the_demo_puts_around_a_client_still_works(slack: RecordingSlack) -> None:
    client, meter = measured(wrap_client(web_client(slack)))
    assert isinstance(client._inner, LocalSlackClient)
    assert client.auth_test()["ok"]
    assert calls(meter) == {("worker", "auth.test", "ok"): 1}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("ratelimited", "ratelimited"),
        ("fatal_error", "slack_fault"),
        ("invalid_auth", "token"),
        ("account_inactive", "token"),
        ("channel_not_found", "gone"),
        ("is_archived", "gone"),
        ("messages_tab_disabled", "gone"),
        ("invalid_blocks", "invalid"),
        ("msg_too_long", "invalid"),
        ("restricted_action", "refused"),
        ("an_error_of_next_year", "refused"),
    ],
)
def test_a_hundred_codes_are_a_handful_of_outcomes(code: str, outcome: str) -> None:
    # the SDK's
    error = SlackApiError("", response({"ok": False, "error": code}))  # type: ignore[no-untyped-call]
    assert slack_outcome(error) == outcome


def test_what_is_not_slacks_is_no_fault_of_slack() -> None:
    assert slack_outcome(RuntimeError("the task's time was up")) == "cancelled"


def response(data: dict[str, Any]) -> SlackResponse:
    return SlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data=data,
        headers={},
        status_code=200,
    )


# Members


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


GRID = {"id": "U0ANN", "enterprise_id": ENTERPRISE_ID, "enterprise_name": "Example Group"}
BOTH = [SISTER_TEAM_ID, TEAM_ID]


@pytest.mark.parametrize(
    ("fields", "home"),
    [
        ({"team_id": "T0OTHER"}, "T0OTHER"),
        ({"team_id": None, "profile": {"team": "T0OTHER"}}, "T0OTHER"),
        ({"team_id": None}, TEAM_ID),
        # Enterprise Grid
        ({"team_id": TEAM_ID, "enterprise_user": GRID | {"teams": BOTH}}, TEAM_ID),
        ({"team_id": SISTER_TEAM_ID, "enterprise_user": GRID | {"teams": BOTH}}, TEAM_ID),
        ({"team_id": ENTERPRISE_ID, "enterprise_user": GRID | {"teams": [TEAM_ID]}}, TEAM_ID),
        ({"team_id": None, "enterprise_user": GRID | {"teams": BOTH}}, TEAM_ID),
        ({"team_id": None, "teams": BOTH}, TEAM_ID),
        ({"team_id": None, "enterprise_user": GRID | {"teams": ["T0SISTER"]}}, "T0SISTER"),
        ({"team_id": None, "teams": ["T0SISTER"]}, "T0SISTER"),
        ({"team_id": ENTERPRISE_ID, "enterprise_user": GRID | {"teams": ["T0SISTER"]}}, "T0SISTER"),
        # A member who has left this workspace, for another and for none.
        ({"team_id": TEAM_ID, "enterprise_user": GRID | {"teams": ["T0SISTER"]}}, "T0SISTER"),
        ({"team_id": TEAM_ID, "enterprise_user": GRID | {"teams": []}}, ""),
        # Without the list, what is left decides.
        ({"team_id": "T0SISTER", "enterprise_user": GRID}, "T0SISTER"),
        ({"team_id": TEAM_ID, "enterprise_user": GRID | {"teams": None}}, TEAM_ID),
    ],
)
def test_all_fields_say_which_workspace_a_member_belongs_to(
    slack: RecordingSlack, client: WebClient, fields: dict[str, Any], home: str
) -> None:
    assert fetched(slack, client, **fields).home_team_id == home


def test_a_member_unknown_to_slack(client: WebClient) -> None:
    with pytest.raises(SlackApiError):
        fetch_member(client, team_id=TEAM_ID, slack_user_id="U0NOBODY")


# The `response_url` of an interaction


@pytest.fixture
def meter() -> InMemoryMeter:
    return InMemoryMeter()


def respond_to(url: str | None, meter: InMemoryMeter) -> Respond:
    context = BoltContext({"response_url": url})
    passed: list[bool] = []
    respond_middleware(meter=meter, process="bot:1")(
        context=context, next=lambda: passed.append(True)
    )
    assert passed == [True]
    made: Respond = context["respond"]
    return made


def counted(meter: InMemoryMeter) -> dict[str, float]:
    """By outcome."""
    assert {(key.metric, key.labels[1]) for key in meter.samples()} == {
        (SLACK_CALLS.name, "response_url")
    }
    return {key.labels[2]: value for key, value in meter.samples().items()}


def test_a_message_is_changed(slack: RecordingSlack, meter: InMemoryMeter) -> None:
    assert respond_to(slack.response_url(), meter)(dict(MESSAGE))
    (call,) = slack.calls_to("response_url")
    assert (call.args, call.token) == (MESSAGE, None)


def test_five_times_and_no_more(slack: RecordingSlack, meter: InMemoryMeter) -> None:
    respond = respond_to(slack.response_url(), meter)
    assert [respond(dict(MESSAGE)) for _ in range(6)] == [True] * 5 + [False]


def test_an_address_that_is_too_old_or_missing(slack: RecordingSlack, meter: InMemoryMeter) -> None:
    assert not respond_to(f"{slack.url}nowhere".replace("/api/", "/response/"), meter)(
        dict(MESSAGE)
    )
    assert not respond_to(None, meter)(dict(MESSAGE))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_handles_slacks_faults(slack: RecordingSlack, meter: InMemoryMeter, status: int) -> None:
    slack.fail("response_url", status=status)
    with pytest.raises(SlackRequestError, match=f"status {status}$"):
        respond_to(slack.response_url(), meter)(dict(MESSAGE))
    assert len(slack.calls_to("response_url")) == 1  # the user does not wait for retries


def test_it_handles_silence(meter: InMemoryMeter) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/response/1"
        with pytest.raises(OSError, match="refused"):
            respond_to(url, meter)(dict(MESSAGE))


def test_each_is_counted(slack: RecordingSlack, meter: InMemoryMeter) -> None:
    respond = respond_to(slack.response_url(), meter)
    for _ in range(6):
        respond(dict(MESSAGE))
    slack.fail("response_url", status=500)
    with pytest.raises(SlackRequestError):
        respond(dict(MESSAGE))
    assert counted(meter) == {"ok": 5, "gone": 1, "refused": 1}
