"""The doctor's checks of Redis, worker, Gemini and mail."""

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import replace

import redis
from celery import Celery
from redis.exceptions import AuthenticationError, RedisError

from services.analysis.model_exchange import AnalysisFailed, FailureReason
from services.core.settings import Settings
from services.ops.check_runner import Check, Finding, fail, ok, warn
from tasks.email.smtp import LOCAL_DOMAIN, SmtpServer, sender_address, smtp_server

REDIS = "Redis"
# Below the runner's timeout, so that a finding names what did not answer.
CHECK_TIMEOUT_SECONDS = 4.0
PING_TIMEOUT_SECONDS = 2.0

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


def checks(config: Settings, celery: Celery, *, gemini: Callable[[], None] | None) -> list[Check]:
    return [
        Check(REDIS, lambda: check_redis(config.redis_url)),
        Check("Gemini", lambda: check_gemini(gemini)),
        Check("mail", lambda: [*check_smtp(_smtp_server(config)), *check_email_settings(config)]),
        Check("worker", lambda: check_worker(celery), depends_on=(REDIS,)),
    ]


def check_redis(url: str) -> list[Finding]:
    if not url:
        return fail("not asked, because REDIS_URL is missing", "See settings.")
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=CHECK_TIMEOUT_SECONDS, socket_connect_timeout=CHECK_TIMEOUT_SECONDS
        )
        with client:
            version = client.info("server")["redis_version"]
    except AuthenticationError:
        return fail("it refuses the password", "Check the password in REDIS_URL.")
    except (RedisError, OSError, ValueError) as error:
        advice = "Start it, or set REDIS_URL to where it runs. Tickets are stored meanwhile."
        return fail(f"it cannot be reached at REDIS_URL ({type(error).__name__})", advice)
    return ok(f"{version} answers")


def check_worker(celery: Celery) -> list[Finding]:
    answers = celery.control.inspect(timeout=PING_TIMEOUT_SECONDS).ping() or {}
    if not answers:
        return fail("none answers, so no ticket is assigned", "Run: python app.py worker")
    return ok(", ".join(sorted(answers)))


def check_gemini(check: Callable[[], None] | None) -> list[Finding]:
    """`check` requests one token and raises `AnalysisFailed`; None without an API key."""
    if check is None:
        return ok("no GEMINI_API_KEY, so the offline router reads the tickets")
    try:
        check()
    except AnalysisFailed as error:
        if error.reason in OPERATOR_FIXES:
            return fail(*OPERATOR_FIXES[error.reason])
        advice = "Until it answers, the offline router reads the tickets."
        return warn(f"Gemini did not answer ({error.reason})", advice)
    return ok("Gemini takes the key and answers")


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
        found += warn("without APP_URL nobody is mailed a link to a new password", advice)
    if sender_address(config).domain == LOCAL_DOMAIN:
        advice = "Set MAIL_FROM to an address of yours."
        found += warn(f"many servers refuse mail from {sender_address(config).addr_spec}", advice)
    return found


def _smtp_server(config: Settings) -> SmtpServer:
    return replace(smtp_server(config), timeout_seconds=CHECK_TIMEOUT_SECONDS)
