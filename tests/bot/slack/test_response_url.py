"""Messages changed through the address that a press came with."""

import socket

import pytest
from slack_bolt import BoltContext
from slack_sdk.errors import SlackRequestError

from bot.slack.response_url import Respond, respond_middleware
from services.core.metrics import SLACK_CALLS, InMemoryMeter
from tests.support.recording_slack import RecordingSlack

MESSAGE = {"text": "New.", "replace_original": True}


@pytest.fixture
def tally() -> InMemoryMeter:
    return InMemoryMeter()


def respond_to(url: str | None, tally: InMemoryMeter) -> Respond:
    context = BoltContext({"response_url": url})
    passed: list[bool] = []
    respond_middleware(meter=tally, process="bot:1")(
        context=context, next=lambda: passed.append(True)
    )
    assert passed == [True]
    made: Respond = context["respond"]
    return made


def counted(tally: InMemoryMeter) -> dict[str, float]:
    """By outcome."""
    assert {(key.metric, key.labels[1]) for key in tally.samples()} == {
        (SLACK_CALLS.name, "response_url")
    }
    return {key.labels[2]: value for key, value in tally.samples().items()}


def test_a_message_is_changed(slack: RecordingSlack, tally: InMemoryMeter) -> None:
    assert respond_to(slack.response_url(), tally)(dict(MESSAGE))
    (call,) = slack.calls_to("response_url")
    assert (call.args, call.token) == (MESSAGE, None)


def test_five_times_and_no_more(slack: RecordingSlack, tally: InMemoryMeter) -> None:
    respond = respond_to(slack.response_url(), tally)
    assert [respond(dict(MESSAGE)) for _ in range(6)] == [True] * 5 + [False]


def test_an_address_that_is_too_old_or_missing(slack: RecordingSlack, tally: InMemoryMeter) -> None:
    assert not respond_to(f"{slack.url}nowhere".replace("/api/", "/response/"), tally)(
        dict(MESSAGE)
    )
    assert not respond_to(None, tally)(dict(MESSAGE))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_handles_slacks_faults(slack: RecordingSlack, tally: InMemoryMeter, status: int) -> None:
    slack.fail("response_url", status=status)
    with pytest.raises(SlackRequestError, match=f"by {status}$"):
        respond_to(slack.response_url(), tally)(dict(MESSAGE))
    assert len(slack.calls_to("response_url")) == 1  # whoever pressed has no patience for retries


def test_it_handles_silence(tally: InMemoryMeter) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/response/1"
        with pytest.raises(OSError, match="refused"):
            respond_to(url, tally)(dict(MESSAGE))


def test_each_is_counted(slack: RecordingSlack, tally: InMemoryMeter) -> None:
    respond = respond_to(slack.response_url(), tally)
    for _ in range(6):
        respond(dict(MESSAGE))
    slack.fail("response_url", status=500)
    with pytest.raises(SlackRequestError):
        respond(dict(MESSAGE))
    assert counted(tally) == {"ok": 5, "gone": 1, "refused": 1}
