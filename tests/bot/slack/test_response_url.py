"""Messages changed through the `response_url` of an interaction."""

import socket

import pytest
from slack_bolt import BoltContext
from slack_sdk.errors import SlackRequestError

from bot.slack.response_url import Respond, respond_middleware
from services.core.metrics import SLACK_CALLS, InMemoryMeter
from tests.support.recording_slack import RecordingSlack

MESSAGE = {"text": "New.", "replace_original": True}


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
