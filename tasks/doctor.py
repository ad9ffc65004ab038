"""The doctor's checks of Redis, worker, Gemini and mail."""

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import replace

import redis
from celery import Celery
from redis.exceptions import AuthenticationError, RedisError

from services.analysis.model_exchange import AnalysisFailed, Analyst, FailureReason
from services.core.settings import Settings
from services.core.slack_gate import ANY, operator_errors
from services.ops.check_runner import Check, Finding, fail, ok, skip, warn
from services.ops.database_checks import MONGODB
from tasks.email.smtp import LOCAL_DOMAIN, SmtpServer, sender_address, smtp_server

REDIS = "Redis"
# Below the runner's timeout, so that a finding names what did not answer.
CHECK_TIMEOUT_SECONDS = 4.0
PING_TIMEOUT_SECONDS = 2.0
# Beyond Gemini's own timeout: it is loaded and connected to as well.
GEMINI_MARGIN_SECONDS = 5.0
# From this share of the timeout on, a slower answer is likely to be missed.
SLOW_SHARE = 0.7
SAMPLE_TITLE = "VPN disconnects"
SAMPLE_DESCRIPTION = "Since this morning the VPN client drops the connection every ten minutes."
SAMPLE_SKILL, OTHER_SKILL = "VPN", "Printer"

# The failures that an operator can fix. Others are temporary, and the offline router is used.
OPERATOR_FIXES = {
    FailureReason.REFUSED_KEY: (
        "Gemini refuses the key",
        "Put a valid one into GEMINI_API_KEY, or none to use the offline router.",
    ),
    FailureReason.REFUSED_REQUEST: (
        "Gemini refuses the request",
        "Check GEMINI_MODEL and GEMINI_API_URL.",
    ),
}


def checks(
    config: Settings,
    celery: Celery,
    *,
    gemini: Analyst | None,
    count_failed_analyses: Callable[[str], int],
) -> list[Check]:
    return [
        Check(REDIS, lambda: check_redis(config.redis_url)),
        Check("sending", lambda: check_sending(config.redis_url), depends_on=(REDIS,)),
        Check(
            "Gemini",
            lambda: check_gemini(gemini, timeout=config.gemini_timeout),
            seconds=config.gemini_timeout + GEMINI_MARGIN_SECONDS,
        ),
        Check("analyses", lambda: check_analyses(count_failed_analyses), depends_on=(MONGODB,)),
        Check("mail", lambda: [*check_smtp(_smtp_server(config)), *check_email_settings(config)]),
        Check("worker", lambda: check_worker(celery), depends_on=(REDIS,)),
    ]


def check_redis(url: str) -> list[Finding]:
    if not url:
        return skip("REDIS_URL")
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=CHECK_TIMEOUT_SECONDS, socket_connect_timeout=CHECK_TIMEOUT_SECONDS
        )
        with client:
            version = client.info("server")["redis_version"]
    except AuthenticationError:
        return fail("it refuses the password", "Check the password in REDIS_URL.")
    except (RedisError, OSError, ValueError) as error:
        advice = "Start it, or set REDIS_URL to where it runs. Until then, tickets are stored."
        return fail(f"it cannot be reached at REDIS_URL ({type(error).__name__})", advice)
    return ok(f"{version} answers")


def check_sending(url: str) -> list[Finding]:
    """Report what Slack refuses until an operator acts."""
    client = redis.Redis.from_url(url, socket_timeout=CHECK_TIMEOUT_SECONDS, decode_responses=True)
    with client:
        errors = operator_errors(client)
    if not errors:
        return ok("Slack refuses no message")
    named = ", ".join(f"{error} ({_describe_closed(what)})" for what, error in errors.items())
    advice = "Correct what Slack names; what waits is sent then, for 14 days."
    return fail(f"Slack refuses messages: {named}", advice)


def _describe_closed(what: str) -> str:
    method, _, channel = what.partition(":")
    if method == ANY:
        return "every call"
    return method if channel == ANY else f"{method} to {channel}"


def check_worker(celery: Celery) -> list[Finding]:
    answers = celery.control.inspect(timeout=PING_TIMEOUT_SECONDS).ping() or {}
    if not answers:
        return fail("none answers, so no ticket is assigned", "Run: python app.py worker")
    return ok(", ".join(sorted(answers)))


def check_gemini(analyst: Analyst | None, *, timeout: float) -> list[Finding]:
    """Classify a sample ticket. No analyst: there is no API key. `timeout` is in seconds."""
    if analyst is None:
        return ok("no GEMINI_API_KEY, so the offline router analyses the tickets")
    try:
        analysis = analyst.analyse(
            title=SAMPLE_TITLE,
            description=SAMPLE_DESCRIPTION,
            skills=(SAMPLE_SKILL, OTHER_SKILL),
        )
    except AnalysisFailed as error:
        if error.reason in OPERATOR_FIXES:
            return fail(*OPERATOR_FIXES[error.reason])
        advice = "Until it answers, the offline router analyses the tickets."
        return warn(f"Gemini gave no usable answer ({error.reason})", advice)
    seconds = (analysis.ms or 0) / 1_000
    cost = f"{seconds:.1f} s, {analysis.tokens or 'unknown'} tokens"
    found = f"{analysis.model_version or analysis.model} analysed a sample ticket: {cost}"
    if seconds >= SLOW_SHARE * timeout:
        advice = "Raise GEMINI_TIMEOUT, or set GEMINI_MODEL to a faster model."
        return warn(f"{found}, which is near the timeout of {timeout:g} s", advice)
    if analysis.related_skills != (SAMPLE_SKILL,):
        advice = "Set GEMINI_MODEL to a more capable model."
        return warn(f"{found}, but did not find the skill it names", advice)
    return ok(found)


def check_analyses(count_failed: Callable[[str], int]) -> list[Finding]:
    """Report the answers of Gemini that were late or cut off for tickets of the last day."""
    late, truncated = count_failed(FailureReason.TIMEOUT), count_failed(FailureReason.TRUNCATED)
    if not late and not truncated:
        return ok("for tickets of the last day, no answer of Gemini was late or cut off")
    found = f"for tickets of the last day, Gemini's answers were late {late}x, cut off {truncated}x"
    return warn(found, "Raise GEMINI_TIMEOUT, or set GEMINI_MODEL to a faster model.")


def check_smtp(server: SmtpServer) -> list[Finding]:
    """Connect and sign in, without sending anything."""
    if not server.host:
        return ok("off, because MAILTRAP_SMTP_HOST is not set")
    try:
        with server.connect():
            pass
    except smtplib.SMTPAuthenticationError:
        advice = "Check MAILTRAP_SMTP_USER and MAILTRAP_SMTP_PASS."
        return fail("the mail server refuses name or password", advice)
    except ssl.SSLCertVerificationError:
        advice = "Set MAILTRAP_SMTP_HOST to the name that its certificate is for."
        return fail("the mail server's certificate is not valid", advice)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        advice = "Check MAILTRAP_SMTP_HOST and MAILTRAP_SMTP_PORT."
        return fail(f"the mail server cannot be used ({type(error).__name__})", advice)
    return ok("the mail server takes the sign-in" if server.user else "the mail server answers")


def check_email_settings(config: Settings) -> list[Finding]:
    """Check for settings without which emails are incomplete or refused."""
    if not config.mailtrap_smtp_host:
        return []
    found = []
    if not config.app_url:
        advice = "Set APP_URL to the bot's address outside."
        found += warn("without APP_URL no one is mailed a link to a new password", advice)
    if sender_address(config).domain == LOCAL_DOMAIN:
        advice = "Set MAIL_FROM to an address of yours."
        found += warn(f"many servers refuse mail from {sender_address(config).addr_spec}", advice)
    return found


def _smtp_server(config: Settings) -> SmtpServer:
    return replace(smtp_server(config), timeout_seconds=CHECK_TIMEOUT_SECONDS)
