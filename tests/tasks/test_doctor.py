"""The doctor's checks of Redis, worker, Gemini and mail, on real servers."""

import re
import socket
from collections.abc import Iterator, Sequence
from threading import Thread
from typing import Any

import pytest
import redis as redis_client

from demo.servers import RedisServer
from services.analysis.model_exchange import Analysis
from services.core.redis_client import connect_redis
from services.core.settings import parse_settings
from services.core.slack_gate import SlackGate
from services.models.ticket import AnalysisSource
from services.ops.check_runner import CheckStatus, Finding, fail, ok, skip, warn
from tasks.doctor import (
    check_analyses,
    check_email_settings,
    check_gemini,
    check_redis,
    check_sending,
    check_smtp,
    check_worker,
)
from tasks.email.smtp import SmtpServer
from tasks.gemini import GeminiAnalyst
from tests.support.aimock import BareGemini, Reply, answer_text, gemini_body
from tests.support.mail_server import MAIL_PASSWORD, MailServer
from tests.support.processes import celery_for

PASSWORD = "pa55word"


# Redis and the worker


def test_what_slack_refuses_is_named(redis: RedisServer) -> None:
    assert check_sending(redis.url) == ok("Slack refuses no message")
    gate = SlackGate(connect_redis(redis.url))
    gate.record_rate_limit("chat.update", "C1", seconds=9)
    gate.record_error("chat.postMessage", "C1", error="is_archived")
    gate.record_error("chat.postMessage", "C1", error="account_inactive")
    refused = "account_inactive (every call), is_archived (chat.postMessage to C1)"
    advice = "Correct what Slack names; what waits is sent then, for 14 days."
    assert check_sending(redis.url) == fail(f"Slack refuses messages: {refused}", advice)


def test_redis_answers(redis: RedisServer) -> None:
    client = redis_client.Redis.from_url(redis.url)
    with client:
        version = client.info("server")["redis_version"]
    assert check_redis(redis.url) == ok(f"{version} answers")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"redis://:{PASSWORD}@127.0.0.1:9/0", "ConnectionError"),
        (f"http://:{PASSWORD}@127.0.0.1:9/0", "ValueError"),
    ],
)
def test_redis_is_away(url: str, kind: str) -> None:
    assert check_redis(url) == fail(
        f"it cannot be reached at REDIS_URL ({kind})",
        "Start it, or set REDIS_URL to where it runs. Until then, tickets are stored.",
    )


def test_redis_is_not_set() -> None:
    assert check_redis("") == skip("REDIS_URL")


def test_redis_wants_another_password() -> None:
    with RedisServer() as server, redis_client.Redis.from_url(server.url) as client:
        client.config_set("requirepass", PASSWORD)
        client.execute_command("AUTH", PASSWORD)
        refused = fail("it refuses the password", "Check the password in REDIS_URL.")
        assert check_redis(server.url) == refused
        wrong = f"redis://:wrong@127.0.0.1:{server.port}/0"
        assert check_redis(wrong) == refused
        right = f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0"
        assert check_redis(right)[0].status is CheckStatus.OK


def test_no_worker_answers(redis: RedisServer) -> None:
    assert check_worker(celery_for(redis.url)) == fail(
        "none answers, so no ticket is assigned", "Run: python app.py worker"
    )


# Gemini


def findings(server: BareGemini, *, timeout: float = 5.0) -> list[Finding]:
    analyst = GeminiAnalyst(
        api_key="test-key-of-no-value", model="gemini-x", api_url=server.url, timeout=timeout
    )
    return check_gemini(analyst, timeout=timeout)


class FixedAnalyst:
    """Answers with an analysis that took `ms`."""

    def __init__(self, *, ms: int) -> None:
        self._ms = ms

    def analyse(self, *, skills: Sequence[str], **_: Any) -> Analysis:
        return Analysis(
            summary=None, priority=None, related_skills=("VPN",), helpful_notes=None,
            confidence=0.9, source=AnalysisSource.GEMINI, model="gemini-x", tokens=140, ms=self._ms,
        )  # fmt: skip


@pytest.fixture
def gemini() -> Iterator[BareGemini]:
    with BareGemini() as server:
        yield server


def test_without_a_key_the_router_reads() -> None:
    assert check_gemini(None, timeout=10) == ok(
        "no GEMINI_API_KEY, so the offline router analyses the tickets"
    )


def test_gemini_analyses_a_sample_ticket(gemini: BareGemini) -> None:
    gemini.reply = Reply(gemini_body(answer_text(skills=["VPN"])))
    (found,) = findings(gemini)
    assert found.status is CheckStatus.OK
    assert re.fullmatch(
        r"gemini-3-flash analysed a sample ticket: \d\.\d s, 140 tokens", found.message
    )
    (asked,) = gemini.received
    assert "VPN disconnects" in asked.body["contents"][0]["parts"][0]["text"]
    assert asked.body["generationConfig"]["maxOutputTokens"] == 16_384


def test_a_model_that_misses_the_skill_is_named(gemini: BareGemini) -> None:
    gemini.reply = Reply(gemini_body(answer_text(skills=["Printer"])))
    (found,) = findings(gemini)
    assert found.status is CheckStatus.WARN
    assert found.message.endswith("140 tokens, but did not find the skill it names")


def test_an_answer_near_the_timeout_is_a_warning() -> None:
    assert check_gemini(FixedAnalyst(ms=6_900), timeout=10) == ok(
        "gemini-x analysed a sample ticket: 6.9 s, 140 tokens"
    )
    assert check_gemini(FixedAnalyst(ms=7_000), timeout=10) == warn(
        "gemini-x analysed a sample ticket: 7.0 s, 140 tokens, which is near the timeout of 10 s",
        "Raise GEMINI_TIMEOUT, or set GEMINI_MODEL to a faster model.",
    )


def test_late_and_truncated_answers_are_counted() -> None:
    assert check_analyses({"timeout": 0, "truncated": 0}.__getitem__) == ok(
        "for tickets of the last day, no answer of Gemini was late or cut off"
    )
    assert check_analyses({"timeout": 3, "truncated": 1}.__getitem__) == warn(
        "for tickets of the last day, Gemini's answers were late 3x, cut off 1x",
        "Raise GEMINI_TIMEOUT, or set GEMINI_MODEL to a faster model.",
    )


@pytest.mark.parametrize(
    ("reply", "found", "advice"),
    [
        (
            Reply({"error": {"message": "API key not valid", "status": "API_KEY_INVALID"}}, 400),
            "Gemini refuses the key",
            "Put a valid one into GEMINI_API_KEY, or none to use the offline router.",
        ),
        (
            Reply({"error": {"message": "no such model"}}, 404),
            "Gemini refuses the request",
            "Check GEMINI_MODEL and GEMINI_API_URL.",
        ),
    ],
)
def test_what_an_operator_can_mend(
    gemini: BareGemini, reply: Reply, found: str, advice: str
) -> None:
    gemini.reply = reply
    assert findings(gemini) == fail(found, advice)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply({}, 429), "quota"),
        (Reply({}, 503), "unavailable"),
        (Reply(gemini_body("", finish="MAX_TOKENS")), "truncated"),
        (Reply(gemini_body("Hi")), "off_schema"),
        (Reply({}, drip=50), "timeout"),
    ],
)
def test_what_passes_by_itself(gemini: BareGemini, reply: Reply, reason: str) -> None:
    gemini.reply = reply
    assert findings(gemini, timeout=0.3) == warn(
        f"Gemini gave no usable answer ({reason})",
        "Until it answers, the offline router analyses the tickets.",
    )


# Mail


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def test_mail_is_off() -> None:
    assert check_smtp(SmtpServer("", 2525)) == ok("off, because MAILTRAP_SMTP_HOST is not set")


def test_mail_answers_and_takes_the_sign_in(mail_server: MailServer) -> None:
    assert check_smtp(mail_server.server()) == ok("the mail server answers")
    assert check_smtp(mail_server.server(user="desk", password=MAIL_PASSWORD)) == ok(
        "the mail server takes the sign-in"
    )


def test_mail_refuses_the_password(mail_server: MailServer) -> None:
    assert check_smtp(mail_server.server(user="desk", password="wrong")) == fail(
        "the mail server refuses name or password",
        "Check MAILTRAP_SMTP_USER and MAILTRAP_SMTP_PASS.",
    )


def test_mail_is_away() -> None:
    assert check_smtp(SmtpServer("127.0.0.1", 9)) == fail(
        "the mail server cannot be used (ConnectionRefusedError)",
        "Check MAILTRAP_SMTP_HOST and MAILTRAP_SMTP_PORT.",
    )


def test_a_mail_server_that_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            caller, _ = listener.accept()
            caller.close()

        hanging_up = Thread(target=hang_up)
        hanging_up.start()
        port = listener.getsockname()[1]
        assert check_smtp(SmtpServer("127.0.0.1", port)) == fail(
            "the mail server cannot be used (SMTPServerDisconnected)",
            "Check MAILTRAP_SMTP_HOST and MAILTRAP_SMTP_PORT.",
        )
        hanging_up.join()


def email_problems(**env: str) -> list[str]:
    config, _ = parse_settings("worker", {"MAILTRAP_SMTP_HOST": "mail.example.com", **env})
    return [finding.format_line("mail") for finding in check_email_settings(config)]


def test_emails_lack_no_setting() -> None:
    assert email_problems(APP_URL="https://desk.example.com") == []
    assert email_problems(MAILTRAP_SMTP_HOST="") == []  # off, which another finding says


def test_without_app_url_some_emails_cannot_be_written() -> None:
    assert email_problems() == [
        "warn  mail:          without APP_URL no one is mailed a link to a new password. "
        "Set APP_URL to the bot's address outside.",
        "warn  mail:          many servers refuse mail from helpdesk@localhost. "
        "Set MAIL_FROM to an address of yours.",
    ]
    assert email_problems(APP_URL="http://127.0.0.1:5000", MAIL_FROM="desk@example.com") == []
