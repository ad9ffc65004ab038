"""Settings from the environment, read once and checked as a whole before anything starts.

`load_settings` names every missing or bad value at once.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from services.core.text import EMAIL_PATTERN

Network = IPv4Network | IPv6Network

# How a Slack member is linked to an account: by email at the first use, or by /account only.
LINKING_AUTO, LINKING_STRICT = "auto", "strict"
# RFC 7518, 3.2: a key of HS256 is at least as long as its hash.
MIN_SECRET_BYTES = 32

# For Gemini. An assignment as a whole is ended after 40 seconds.
MAX_GEMINI_TIMEOUT_SECONDS = 30

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

HOST_PATTERN = re.compile(r"[\w.:-]+", re.ASCII)
CHANNEL_ID_PATTERN = re.compile(r"[CG][A-Z0-9]{1,29}")
EMOJI_PATTERN = re.compile(r"[^\s:<>&]{1,100}")

URL_SCHEMES = {
    "MONGO_URI": ("mongodb://", "mongodb+srv://"),
    "REDIS_URL": ("redis://", "rediss://", "unix://"),
    "SLACK_API_URL": ("http://", "https://"),
    "GEMINI_API_URL": ("http://", "https://"),
    "APP_URL": ("http://", "https://"),
}

# Used for a port that is not set.
DEFAULT_PORTS = {"PORT": "5000", "MAILTRAP_SMTP_PORT": "2525"}

# What each command cannot work without; of names joined by "or" one is enough. `doctor` and `users`
# need no Slack token.
REQUIRED_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "bot": (
        "MONGO_URI",
        "REDIS_URL",
        "JWT_SECRET",
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN or SLACK_SIGNING_SECRET",
    ),
    "worker": ("MONGO_URI", "REDIS_URL", "JWT_SECRET", "SLACK_BOT_TOKEN"),
    "jobs": ("MONGO_URI", "REDIS_URL"),
    "users": ("MONGO_URI",),
    "explain": ("MONGO_URI",),
    "users reset": ("MONGO_URI", "JWT_SECRET", "APP_URL"),
    "manifest": (),
}


class SettingsError(Exception):
    """Everything that is missing or bad, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    mongo_uri: str = field(repr=False)
    redis_url: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    account_linking: str
    slack_bot_token: str = field(repr=False)
    slack_app_token: str = field(repr=False)
    slack_signing_secret: str = field(repr=False)
    slack_api_url: str
    gemini_api_key: str = field(repr=False)
    gemini_model: str
    gemini_api_url: str | None
    gemini_timeout: int
    admin_emails: frozenset[str] = field(repr=False)
    log_level: str
    app_url: str | None
    smtp_host: str
    smtp_port: int
    smtp_user: str
    smtp_password: str = field(repr=False)
    mail_from: str
    host: str
    port: int
    metrics_token: str = field(repr=False)
    trusted_proxies: tuple[Network, ...]
    triage_channel: str
    ticket_emoji: str

    @property
    def is_ai_enabled(self) -> bool:
        return bool(self.gemini_api_key)

    @property
    def is_linking_strict(self) -> bool:
        """Whether only a code links a Slack member to an account."""
        return self.account_linking == LINKING_STRICT


def load_settings(command: str, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings `command` runs on; `SettingsError` names every missing or bad value at once."""
    config, problems = parse_settings(command, env)
    if problems:
        raise SettingsError(problems)
    return config


def parse_settings(command: str, env: Mapping[str, str] = os.environ) -> tuple[Settings, list[str]]:
    """What is set, good or bad, and every problem `command` has with it."""
    values = {name: value.strip() for name, value in env.items() if value.strip()}
    problems = [
        f"{name} is missing"
        for name in REQUIRED_VARIABLES[command]
        if not any(one in values for one in name.split(" or "))
    ]
    problems += settings_problems(values)
    config = Settings(
        mongo_uri=values.get("MONGO_URI", ""),
        redis_url=values.get("REDIS_URL", ""),
        jwt_secret=values.get("JWT_SECRET", ""),
        account_linking=values.get("ACCOUNT_LINKING", LINKING_AUTO).lower(),
        slack_bot_token=values.get("SLACK_BOT_TOKEN", ""),
        slack_app_token=values.get("SLACK_APP_TOKEN", ""),
        slack_signing_secret=values.get("SLACK_SIGNING_SECRET", ""),
        slack_api_url=values.get("SLACK_API_URL", "https://slack.com/api/").rstrip("/") + "/",
        gemini_api_key=values.get("GEMINI_API_KEY", ""),
        gemini_model=values.get("GEMINI_MODEL", "gemini-flash-latest"),
        gemini_api_url=values.get("GEMINI_API_URL"),
        gemini_timeout=parse_gemini_timeout(values) or 0,
        admin_emails=parse_emails(values.get("ADMIN_EMAILS", "")),
        log_level=parse_log_level(values),
        app_url=values.get("APP_URL", "").rstrip("/") or None,
        smtp_host=values.get("MAILTRAP_SMTP_HOST", ""),
        smtp_port=parse_port(values, "MAILTRAP_SMTP_PORT") or 0,
        smtp_user=values.get("MAILTRAP_SMTP_USER", ""),
        smtp_password=values.get("MAILTRAP_SMTP_PASS", ""),
        mail_from=values.get("MAIL_FROM", ""),
        host=values.get("HOST", "127.0.0.1"),
        port=parse_port(values, "PORT") or 0,
        metrics_token=values.get("METRICS_TOKEN", ""),
        trusted_proxies=parse_networks(values.get("TRUSTED_PROXIES", "")) or (),
        triage_channel=values.get("TRIAGE_CHANNEL", ""),
        ticket_emoji=parse_ticket_emoji(values),
    )
    return config, problems


def settings_problems(values: Mapping[str, str]) -> list[str]:
    """Return a sentence for each value that is set and cannot be used."""
    checks = (
        _bad_urls,
        _bad_tokens,
        _bad_emails,
        _bad_account_rules,
        _bad_level,
        _bad_ports,
        _bad_timeout,
        _bad_hosts,
        _bad_slack_names,
    )
    return [problem for check in checks for problem in check(values)]


def parse_log_level(values: Mapping[str, str]) -> str:
    return values.get("LOG_LEVEL", "INFO").upper()


def parse_port(values: Mapping[str, str], name: str) -> int | None:
    text = values.get(name, DEFAULT_PORTS[name])
    return int(text) if text.isdecimal() and 0 < int(text) < 65_536 else None


def parse_gemini_timeout(values: Mapping[str, str]) -> int | None:
    text = values.get("GEMINI_TIMEOUT", "10")
    return int(text) if text.isdecimal() and 0 < int(text) <= MAX_GEMINI_TIMEOUT_SECONDS else None


def parse_ticket_emoji(values: Mapping[str, str]) -> str:
    """With or without the colons around it."""
    return values.get("TICKET_EMOJI", "ticket").strip(":").lower()


def parse_networks(text: str) -> tuple[Network, ...] | None:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        return None


def parse_emails(text: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())


def _bad_level(values: Mapping[str, str]) -> list[str]:
    if parse_log_level(values) not in LOG_LEVELS:
        return [f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}"]
    return []


def _bad_urls(values: Mapping[str, str]) -> list[str]:
    problems = []
    for name, schemes in URL_SCHEMES.items():
        url = values.get(name)
        if url is None:
            continue
        if not url.startswith(schemes):
            problems.append(f"{name} must begin with {' or '.join(schemes)}")
        elif not _is_readable(url):
            problems.append(
                f"{name} cannot be read: check its host and port, and that a password in it has "
                "@, :, / and % written as %40, %3A, %2F and %25"
            )
    return problems


def _is_readable(url: str) -> bool:
    # Several hosts are MongoDB's alone; its SRV addresses are looked up when connecting.
    try:
        if url.startswith("mongodb://"):
            return bool(parse_uri(url)["nodelist"])
        parts = urlsplit(url)
        return bool(parts.hostname or parts.path) and parts.port != 0
    except (ValueError, PyMongoError):
        return False


def _bad_ports(values: Mapping[str, str]) -> list[str]:
    return [
        f"{name} must be a number from 1 to 65535"
        for name in DEFAULT_PORTS
        if parse_port(values, name) is None
    ]


def _bad_timeout(values: Mapping[str, str]) -> list[str]:
    if parse_gemini_timeout(values) is None:
        return [f"GEMINI_TIMEOUT must be whole seconds, from 1 to {MAX_GEMINI_TIMEOUT_SECONDS}"]
    return []


def _bad_hosts(values: Mapping[str, str]) -> list[str]:
    problems = []
    if not HOST_PATTERN.fullmatch(values.get("HOST", "127.0.0.1")):
        problems.append("HOST must be an address or a name of this machine, such as 127.0.0.1")
    if parse_networks(values.get("TRUSTED_PROXIES", "")) is None:
        problems.append(
            "TRUSTED_PROXIES must be addresses or networks with commas between them, "
            "such as 10.0.0.5, 10.1.0.0/16"
        )
    return problems


def _bad_slack_names(values: Mapping[str, str]) -> list[str]:
    problems = []
    if not CHANNEL_ID_PATTERN.fullmatch(values.get("TRIAGE_CHANNEL", "C0")):
        problems.append(
            "TRIAGE_CHANNEL must be a channel's id, such as C0123456789: it stands at the end of "
            "the channel's details in Slack"
        )
    if not EMOJI_PATTERN.fullmatch(parse_ticket_emoji(values)):
        problems.append("TICKET_EMOJI must be an emoji's name, such as ticket or admission_tickets")
    return problems


def _bad_tokens(values: Mapping[str, str]) -> list[str]:
    prefixes = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}
    return [
        f"{name} must begin with {prefix}"
        for name, prefix in prefixes.items()
        if name in values and not values[name].startswith(prefix)
    ]


def _bad_account_rules(values: Mapping[str, str]) -> list[str]:
    problems = []
    if "JWT_SECRET" in values and len(values["JWT_SECRET"].encode()) < MIN_SECRET_BYTES:
        problems.append(
            f"JWT_SECRET must have at least {MIN_SECRET_BYTES} bytes: "
            """python -c "import secrets; print(secrets.token_urlsafe(32))" prints a good one"""
        )
    if values.get("ACCOUNT_LINKING", LINKING_AUTO).lower() not in (LINKING_AUTO, LINKING_STRICT):
        problems.append(f"ACCOUNT_LINKING must be {LINKING_AUTO} or {LINKING_STRICT}")
    return problems


def _bad_emails(values: Mapping[str, str]) -> list[str]:
    problems = []
    admins = parse_emails(values.get("ADMIN_EMAILS", ""))
    if not all(EMAIL_PATTERN.fullmatch(email) for email in admins):
        problems.append("ADMIN_EMAILS must be email addresses with commas between them")
    sender = values.get("MAIL_FROM", "a@b.c")
    if not (EMAIL_PATTERN.fullmatch(sender) and sender.isascii() and sender.isprintable()):
        problems.append("MAIL_FROM must be an email address, such as helpdesk@example.com")
    return problems
