"""Every call of Slack is counted by its method and what came of it."""

from typing import Any
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.slack.client import MeasuredClient, slack_outcome
from demo.adapter import LocalSlackClient, wrap_client
from services.core.metrics import SLACK_CALLS, SLACK_SECONDS, InMemoryMeter, SampleKey
from tests.conftest import web_client
from tests.support.recording_slack import RecordingSlack


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
    client, meter = measured(WebClient(base_url="http://127.0.0.1:1/", retry_handlers=[]))
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
