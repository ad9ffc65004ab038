"""The addresses of a bot process, on the real server."""

import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import requests
from flask import Blueprint

import bot.app
from bot.slack.bot_process import BotProcess
from bot.slack.payload_shape import unescape_json
from bot.web import server as web_server
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from bot.web.slack_events import SlackEvents
from services.core.database import Mongo, connect, is_reachable
from services.core.version import program_version
from tests.conftest import NOBODY_LISTENS, Inline, People, make_config
from tests.support import payloads
from tests.support.http_bot import SECRET
from tests.support.recording_slack import TOKEN, RecordingSlack

MB = 1_000_000
ANSWER_401 = {
    "code": "invalid_signature",
    "error": "Slack's signature is missing, wrong or too old.",
}


def broken() -> Blueprint:
    blueprint = Blueprint("broken", __name__)

    @blueprint.get("/broken")
    def fail() -> str:
        raise RuntimeError(f"secret {TOKEN}")

    return blueprint


@pytest.fixture
def url(bot_process: BotProcess, db: Mongo) -> Iterator[str]:
    config = make_config(SLACK_SIGNING_SECRET=SECRET)
    app = bot.app.create_app(replace(bot_process, config=config), executor=Inline())
    web = create_flask_app(
        is_ready=lambda: is_reachable(db),
        blueprints=[broken()],
        slack_events=SlackEvents(app, signing_secret=SECRET),
    )
    with WebServer(web, host="127.0.0.1", port=0) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def url_without_database() -> Iterator[str]:
    """Without MongoDB and without a signing secret."""
    away = connect(NOBODY_LISTENS)
    web = create_flask_app(is_ready=lambda: is_reachable(away))
    with WebServer(web, host="127.0.0.1", port=0) as server:
        yield f"http://127.0.0.1:{server.port}"
    away.client.close()


def post(url: str, payload: dict[str, Any], **headers: str) -> requests.Response:
    body, signed = payloads.signed(payload, SECRET)
    return requests.post(f"{url}/slack/events", data=body, headers=signed | headers, timeout=10)


def test_what_slack_signed_is_answered(url: str, people: People, slack: RecordingSlack) -> None:
    user = people.slack_id(people.add())
    response = post(url, payloads.slash_command("help", user=user))
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.json()["response_type"] == "ephemeral"
    assert post(url, payloads.slash_command(user=user)).status_code == 200
    assert slack.last_view()["callback_id"] == "file_ticket"


def test_text_beyond_ascii_arrives_as_it_was_typed(
    url: str, people: People, slack: RecordingSlack
) -> None:
    user = people.slack_id(people.add())
    post(url, payloads.slash_command("Drucker für Zürich 🖨️ & <x>", user=user))
    assert "Drucker für Zürich 🖨️ & <x>" in str(slack.last_view()["blocks"])


@pytest.mark.parametrize(
    "text", ["%22 %2522 100% \\ \n\t é", '{"a": [1, "b:c"], "d": "%7B+%2B"}', "&=;#"]
)
def test_a_form_arrives_as_the_standard_library_reads_it(text: str) -> None:
    for sign in (quote, quote_plus):
        typed = sign(json.dumps({"text": text}))
        assert json.loads(unescape_json(typed)) == {"text": text}
        lower = re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), typed)
        assert json.loads(unescape_json(lower)) == {"text": text}


def test_a_form_with_several_response_urls_is_answered(
    url: str, people: People, slack: RecordingSlack
) -> None:
    user = people.slack_id(people.add())
    post(url, payloads.slash_command(user=user))
    form = payloads.view_submission(slack.last_view(), {"title": "VPN drops"}, user=user)
    urls = [{"response_url": f"{url}/{number}", "channel_id": "C1"} for number in range(2)]
    answer = post(url, {**form, "response_urls": urls})
    assert (answer.status_code, answer.json()["response_action"]) == (200, "errors")


def test_a_url_verification_gets_its_challenge(url: str) -> None:
    challenge = {"type": "url_verification", "token": "t", "challenge": "3eZbrw1aB"}
    assert post(url, challenge).json() == {"challenge": "3eZbrw1aB"}


@pytest.mark.parametrize("age", [301, -301])
def test_a_signature_of_another_time_is_refused(url: str, age: int) -> None:
    then = int(time.time()) - age
    payload = payloads.slash_command(user="U1")
    body, headers = payloads.signed(payload, SECRET, timestamp=then)
    response = requests.post(f"{url}/slack/events", data=body, headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (401, ANSWER_401)


@pytest.mark.parametrize(
    "change",
    [
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0=é"},
        {"X-Slack-Request-Timestamp": "yesterday"},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "9" * 400},  # exceeds a float
        {"X-Slack-Request-Timestamp": None},
        {"X-Slack-Signature": None},
        # WSGI treats these like the real ones.
        {"X-Slack-Signature": None, "X_Slack_Signature": "the right one"},
    ],
)
def test_a_wrong_or_missing_signature_is_refused(
    url: str, slack: RecordingSlack, change: dict[str, str | None]
) -> None:
    # A button, whose answer would be a message in the channel it names.
    card = {"channel": "C0GENERAL", "ts": "1.000001", "blocks": [BUTTON]}
    body, signed = payloads.signed(payloads.block_actions(card, "press", user="U1"), SECRET)
    headers: dict[str, Any] = {**signed, **change}
    if "X_Slack_Signature" in headers:
        headers["X_Slack_Signature"] = signed["X-Slack-Signature"]
    sent = {name: str(value).encode() for name, value in headers.items() if value is not None}
    slack.clear()
    response = requests.post(f"{url}/slack/events", data=body, headers=sent, timeout=10)
    assert (response.status_code, response.json()) == (401, ANSWER_401)
    assert slack.calls == []


BUTTON = {
    "type": "actions",
    "block_id": "b",
    "elements": [
        {"type": "button", "action_id": "press", "text": {"type": "plain_text", "text": "Press"}}
    ],
}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{not json", "application/json"),
        (b"[1, 2]", "application/json"),
        (b"payload=%7Bbroken", "application/x-www-form-urlencoded"),
        (b"ssl_check=1&token=x", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"", "text/plain"),
    ],
)
def test_an_unsigned_body_is_not_even_read(url: str, body: bytes, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = requests.post(f"{url}/slack/events", data=body, headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (401, ANSWER_401)


def test_another_body_under_a_right_signature_is_refused(url: str) -> None:
    body, headers = payloads.signed(payloads.slash_command("help", user="U1"), SECRET)
    for changed in (body + b"&x=1", body.replace(b"help", b"list")):
        response = requests.post(f"{url}/slack/events", data=changed, headers=headers, timeout=10)
        assert (response.status_code, response.json()) == (401, ANSWER_401)


def test_a_body_over_one_megabyte_is_refused(url: str) -> None:
    for size in (MB + 1, 5 * MB):
        response = requests.post(f"{url}/slack/events", data=b"x" * size, timeout=10)
        assert response.status_code == 413
        assert response.json() == {
            "code": "request_entity_too_large",
            "error": "The body is larger than 1 MB, which is the limit. Send less.",
        }
    payload = payloads.slash_command("help", user="U1", padding="x" * (MB - 1000))
    assert post(url, payload).status_code == 200


@pytest.mark.parametrize("sent", [b"", b"half of the body"])
def test_stalled_bodies_delay_no_command(
    url: str, people: People, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(web_server, "READ_TIMEOUT_SECONDS", 60)
    user = people.slack_id(people.add())
    head = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with ExitStack() as stalled:
        for _ in range(160):
            client = stalled.enter_context(closing(socket.create_connection(address)))
            client.sendall(head + sent)
        statuses = [
            post(url, payloads.slash_command("help", user=user)).status_code for _ in range(20)
        ]
    assert statuses == [200] * 20


def test_other_addresses_and_methods_are_errors_in_json(url: str) -> None:
    nothing = requests.get(f"{url}/slack", timeout=10)
    assert (nothing.status_code, nothing.json()) == (
        404,
        {"code": "not_found", "error": "There is nothing at this address. Check the path."},
    )
    wrong = requests.get(f"{url}/slack/events", timeout=10)
    assert wrong.status_code == 405
    assert set(wrong.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert wrong.json() == {
        "code": "method_not_allowed",
        "error": ("This address does not take this method; the Allow header names those it takes."),
    }


def test_a_fault_is_told_by_its_reference_alone(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = requests.get(f"{url}/broken", timeout=10)
    assert response.status_code == 500
    reference = response.json()["error"].rpartition(" ")[2]
    assert response.json() == {
        "code": "internal_server_error",
        "error": (
            "Something went wrong on our side. Try again; if it goes on, tell an admin this "
            f"reference: {reference}"
        ),
    }
    assert TOKEN not in response.text
    (record,) = [record for record in caplog.records if reference in record.getMessage()]
    assert record.exc_info is not None


def test_it_is_alive_and_ready(url: str) -> None:
    alive, ready = (requests.get(url + path, timeout=10) for path in ("/healthz", "/readyz"))
    assert (alive.status_code, ready.status_code) == (200, 200)
    assert alive.json() == {"status": "ok", "version": program_version()}
    assert ready.json() == {"status": "ok"}


def test_without_mongodb_it_is_alive_but_not_ready(url_without_database: str) -> None:
    assert requests.get(f"{url_without_database}/healthz", timeout=10).status_code == 200
    response = requests.get(f"{url_without_database}/readyz", timeout=3)
    assert (response.status_code, response.json()) == (
        503,
        {
            "code": "not_ready",
            "error": "MongoDB does not answer. Check MONGO_URI and its server.",
        },
    )


def test_without_a_signing_secret_slack_has_no_address(url_without_database: str) -> None:
    payload = payloads.slash_command(user="U1")
    assert post(url_without_database, payload).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/nothing", "/slack/events", "/broken"])
def test_no_answer_tells_what_serves_it_or_may_be_kept(url: str, path: str) -> None:
    response = requests.get(url + path, timeout=10)
    assert "Server" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    everything = f"{response.headers} {response.text}".lower()
    for word in ("cheroot", "werkzeug", "flask", "python", "traceback", SECRET, TOKEN):
        assert word not in everything
