"""The environment, read once and checked whole before anything starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

# What each command cannot work without. `doctor` and `users` need no Slack token.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "bot": ("MONGO_URI", "REDIS_URL", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"),
    "worker": ("MONGO_URI", "REDIS_URL", "SLACK_BOT_TOKEN"),
    "jobs": ("MONGO_URI", "REDIS_URL"),
    "users": ("MONGO_URI",),
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
    slack_bot_token: str = field(repr=False)
    slack_app_token: str = field(repr=False)
    slack_api_url: str
    gemini_api_key: str = field(repr=False)
    gemini_model: str
    gemini_api_url: str | None
    admin_emails: frozenset[str] = field(repr=False)
    log_level: str

    @property
    def reads_with_ai(self) -> bool:
        return bool(self.gemini_api_key)


def load(command: str, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings `command` runs on; `SettingsError` names every missing or bad value at once."""
    values = {name: value.strip() for name, value in env.items() if value.strip()}
    problems = [f"{name} is missing" for name in NEEDS[command] if name not in values]
    problems += _bad_urls(values)
    problems += _bad_tokens(values)
    level = values.get("LOG_LEVEL", "INFO").upper()
    if level not in LOG_LEVELS:
        problems.append(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
    if problems:
        raise SettingsError(problems)
    return Settings(
        mongo_uri=values.get("MONGO_URI", ""),
        redis_url=values.get("REDIS_URL", ""),
        slack_bot_token=values.get("SLACK_BOT_TOKEN", ""),
        slack_app_token=values.get("SLACK_APP_TOKEN", ""),
        slack_api_url=values.get("SLACK_API_URL", "https://slack.com/api/").rstrip("/") + "/",
        gemini_api_key=values.get("GEMINI_API_KEY", ""),
        gemini_model=values.get("GEMINI_MODEL", "gemini-flash-latest"),
        gemini_api_url=values.get("GEMINI_API_URL"),
        admin_emails=_emails(values.get("ADMIN_EMAILS", "")),
        log_level=level,
    )


def _bad_urls(values: Mapping[str, str]) -> list[str]:
    schemes = {
        "MONGO_URI": ("mongodb", "mongodb+srv"),
        "REDIS_URL": ("redis", "rediss", "unix"),
        "SLACK_API_URL": ("http", "https"),
        "GEMINI_API_URL": ("http", "https"),
    }
    return [
        f"{name} must begin with {' or '.join(f'{scheme}://' for scheme in allowed)}"
        for name, allowed in schemes.items()
        if name in values and urlsplit(values[name]).scheme not in allowed
    ]


def _bad_tokens(values: Mapping[str, str]) -> list[str]:
    prefixes = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}
    return [
        f"{name} must begin with {prefix}"
        for name, prefix in prefixes.items()
        if name in values and not values[name].startswith(prefix)
    ]


def _emails(text: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())
