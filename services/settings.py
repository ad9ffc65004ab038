"""The environment, read once and checked whole before anything starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.setting_values import (
    AUTO,
    STRICT,
    Network,
    emails,
    emoji,
    level,
    networks,
    port,
    problems_of,
    seconds,
)

# What each command cannot work without; of names joined by "or" one is enough. `doctor` and `users`
# need no Slack token.
NEEDS: Mapping[str, tuple[str, ...]] = {
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
    def reads_with_ai(self) -> bool:
        return bool(self.gemini_api_key)

    @property
    def is_strict(self) -> bool:
        """Whether only a code links a Slack member to an account."""
        return self.account_linking == STRICT


def load(command: str, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings `command` runs on; `SettingsError` names every missing or bad value at once."""
    config, problems = read(command, env)
    if problems:
        raise SettingsError(problems)
    return config


def read(command: str, env: Mapping[str, str] = os.environ) -> tuple[Settings, list[str]]:
    """What is set, good or bad, and every problem `command` has with it."""
    values = {name: value.strip() for name, value in env.items() if value.strip()}
    problems = [
        f"{name} is missing"
        for name in NEEDS[command]
        if not any(one in values for one in name.split(" or "))
    ]
    problems += problems_of(values)
    config = Settings(
        mongo_uri=values.get("MONGO_URI", ""),
        redis_url=values.get("REDIS_URL", ""),
        jwt_secret=values.get("JWT_SECRET", ""),
        account_linking=values.get("ACCOUNT_LINKING", AUTO).lower(),
        slack_bot_token=values.get("SLACK_BOT_TOKEN", ""),
        slack_app_token=values.get("SLACK_APP_TOKEN", ""),
        slack_signing_secret=values.get("SLACK_SIGNING_SECRET", ""),
        slack_api_url=values.get("SLACK_API_URL", "https://slack.com/api/").rstrip("/") + "/",
        gemini_api_key=values.get("GEMINI_API_KEY", ""),
        gemini_model=values.get("GEMINI_MODEL", "gemini-flash-latest"),
        gemini_api_url=values.get("GEMINI_API_URL"),
        gemini_timeout=seconds(values) or 0,
        admin_emails=emails(values.get("ADMIN_EMAILS", "")),
        log_level=level(values),
        app_url=values.get("APP_URL", "").rstrip("/") or None,
        smtp_host=values.get("MAILTRAP_SMTP_HOST", ""),
        smtp_port=port(values, "MAILTRAP_SMTP_PORT") or 0,
        smtp_user=values.get("MAILTRAP_SMTP_USER", ""),
        smtp_password=values.get("MAILTRAP_SMTP_PASS", ""),
        mail_from=values.get("MAIL_FROM", ""),
        host=values.get("HOST", "127.0.0.1"),
        port=port(values, "PORT") or 0,
        metrics_token=values.get("METRICS_TOKEN", ""),
        trusted_proxies=networks(values.get("TRUSTED_PROXIES", "")) or (),
        triage_channel=values.get("TRIAGE_CHANNEL", ""),
        ticket_emoji=emoji(values),
    )
    return config, problems
