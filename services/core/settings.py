"""Settings from the environment, read once and checked as a whole before anything starts.

The field `mongo_uri` is the variable MONGO_URI, and so on. pydantic-settings is not used: it only
reads `os.environ`, and callers pass the environment.
"""

import os
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from services.core.text import EMAIL_PATTERN

EMOJI_NAME = r"^[^\s:<>&]{1,100}$"
CHANNEL_ID = "^[CG][A-Z0-9]{1,29}$"

DEFAULT_TICKET_EMOJI = "ticket"

Network = IPv4Network | IPv6Network

# The variables each command requires; of names joined by "or" one is enough. `doctor`, `users` and
# `audit` need no Slack token.
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
    "audit": ("MONGO_URI",),
    "users reset": ("MONGO_URI", "JWT_SECRET", "APP_URL"),
    "manifest": (),
}


IS_MISSING = " is missing"
SETUP_ADVICE = (
    "To set them up step by step, run: python app.py init. To do it by hand, copy .env.example to "
    ".env. To try the product without Slack, run: make demo"
)


class SettingsError(Exception):
    """Everything that is missing or bad, a sentence each. If something is missing, `advice` says
    where to begin."""

    def __init__(self, problems: list[str], *, advice: str = SETUP_ADVICE) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.advice = advice if any(p.endswith(IS_MISSING) for p in problems) else ""

    def lines(self, command: str) -> list[str]:
        """Return what the command prints."""
        problems = [f"  - {problem}" for problem in self.problems]
        return [f"app.py {command} cannot start:", *problems, *filter(None, [self.advice])]


# The sentence for a value that cannot be used. The checks of a URL bring their own.
PROBLEMS = {
    "JWT_SECRET": 'must have at least 32 bytes: python -c "import secrets; '
    'print(secrets.token_urlsafe(32))" prints a good one',
    "ACCOUNT_LINKING": "must be auto or strict",
    "SLACK_BOT_TOKEN": "must begin with xoxb-",
    "SLACK_APP_TOKEN": "must begin with xapp-",
    "GEMINI_TIMEOUT": "must be whole seconds, from 1 to 30",
    "ADMIN_EMAILS": "must be email addresses with commas between them",
    "AUDIT_RETENTION_DAYS": "must be whole days, from 1 to 3650",
    "LOG_LEVEL": "must be one of DEBUG, INFO, WARNING, ERROR",
    "MAIL_FROM": "must be an email address, such as helpdesk@example.com",
    "MAILTRAP_SMTP_PORT": "must be a number from 1 to 65535",
    "HOST": "must be an address or a name of this machine, such as 127.0.0.1",
    "PORT": "must be a number from 1 to 65535",
    "TRUSTED_PROXIES": "must be addresses or networks with commas between them, "
    "such as 10.0.0.5, 10.1.0.0/16",
    "TRIAGE_CHANNEL": "must be a channel's id, such as C0123456789, which Slack shows at the end "
    "of the channel's details",
    "TICKET_EMOJI": "must be an emoji's name, such as ticket or admission_tickets",
}


def _check(is_valid: Callable[[str], object], problem: str = "") -> AfterValidator:
    def check(text: str) -> str:
        if not is_valid(text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def normalized_emoji(text: str) -> str:
    """Return the name of the emoji, which may be typed as ":ticket:"."""
    return text.strip().strip(":").lower()


def _has_host(url: str) -> bool:
    # Only MongoDB's URLs name several hosts; its SRV addresses are looked up when connecting.
    try:
        if url.startswith("mongodb://"):
            return bool(parse_uri(url)["nodelist"])
        parts = urlsplit(url)
        return bool(parts.hostname or parts.path) and parts.port != 0
    except (ValueError, PyMongoError):
        return False


def _begins(*schemes: str) -> AfterValidator:
    return _check(lambda url: url.startswith(schemes), f"must begin with {' or '.join(schemes)}")


_readable = _check(
    _has_host,
    "cannot be read: check its host and port, and that a password in it has "
    "@, :, / and % written as %40, %3A, %2F and %25",
)
# Links add a path to it.
_extensible = _check(lambda url: not {*"?#"} & {*url}, "must have no ? and no #")
_split = BeforeValidator(lambda text: [part.strip() for part in text.split(",") if part.strip()])
_lower, _upper = BeforeValidator(str.lower), BeforeValidator(str.upper)

MongoUrl = Annotated[str, _begins("mongodb://", "mongodb+srv://"), _readable]
RedisUrl = Annotated[str, _begins("redis://", "rediss://", "unix://"), _readable]
HttpUrl = Annotated[str, _begins("http://", "https://"), _readable]
Email = Annotated[str, _check(EMAIL_PATTERN.fullmatch)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    mongo_uri: MongoUrl = Field("", repr=False)
    redis_url: RedisUrl = Field("", repr=False)
    # RFC 7518, 3.2: a key of HS256 is at least as long as its hash.
    jwt_secret: Annotated[str, _check(lambda key: len(key.encode()) >= 32)] = Field("", repr=False)
    # How a Slack member is linked to an account: by email at the first use, or by /account only.
    account_linking: Annotated[Literal["auto", "strict"], _lower] = "auto"
    slack_bot_token: str = Field("", repr=False, pattern="^xoxb-")
    slack_app_token: str = Field("", repr=False, pattern="^xapp-")
    slack_signing_secret: str = Field("", repr=False)
    slack_api_url: Annotated[HttpUrl, AfterValidator(lambda url: url.rstrip("/") + "/")] = (
        "https://slack.com/api/"
    )
    gemini_api_key: str = Field("", repr=False)
    gemini_model: str = "gemini-flash-lite-latest"
    gemini_api_url: HttpUrl | None = None
    # Seconds. An assignment as a whole is ended after 40.
    gemini_timeout: int = Field(10, ge=1, le=30)
    admin_emails: Annotated[frozenset[Email], _split, _lower] = Field(frozenset(), repr=False)
    audit_retention_days: int = Field(400, ge=1, le=3_650)
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], _upper] = "INFO"
    app_url: Annotated[HttpUrl, _extensible, AfterValidator(lambda url: url.rstrip("/"))] | None = (
        None
    )
    mailtrap_smtp_host: str = ""
    mailtrap_smtp_port: Port = 2525
    mailtrap_smtp_user: str = ""
    mailtrap_smtp_pass: str = Field("", repr=False)
    mail_from: Annotated[Email, _check(lambda text: text.isascii() and text.isprintable())] = ""
    host: str = Field("127.0.0.1", pattern=r"^[A-Za-z0-9_.:-]+$")
    port: Port = 5000
    metrics_token: str = Field("", repr=False)
    trusted_proxies: Annotated[tuple[Network, ...], _split] = ()
    triage_channel: str = Field("", pattern=CHANNEL_ID)
    ticket_emoji: Annotated[str, BeforeValidator(normalized_emoji), Field(pattern=EMOJI_NAME)] = (
        DEFAULT_TICKET_EMOJI
    )

    @property
    def is_ai_enabled(self) -> bool:
        return bool(self.gemini_api_key)

    @property
    def is_linking_strict(self) -> bool:
        """Whether only a code links a Slack member to an account."""
        return self.account_linking == "strict"


VARIABLES = tuple(name.upper() for name in Settings.model_fields)


def missing_variables(command: str, env: Mapping[str, str]) -> list[str]:
    """Return the names of `REQUIRED_VARIABLES` that are not set."""
    return [
        names
        for names in REQUIRED_VARIABLES[command]
        if not any(env.get(name, "").strip() for name in names.split(" or "))
    ]


def load_settings(command: str, env: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of `command`. Raise `SettingsError` with every missing or bad value."""
    config, problems = parse_settings(command, env)
    if problems:
        raise SettingsError(problems)
    return config


def parse_settings(command: str, env: Mapping[str, str] = os.environ) -> tuple[Settings, list[str]]:
    """Return what is set, and every problem that `command` has with it.

    A bad text is in the settings as it is, because the doctor checks it all the same. A bad number
    or list has its default there.
    """
    values = {k.lower(): v.strip() for k, v in env.items() if k.isupper() and v.strip()}
    problems = [f"{names}{IS_MISSING}" for names in missing_variables(command, env)]
    try:
        return Settings.model_validate(values), problems
    except ValidationError as error:
        bad = {str(each["loc"][0]): each for each in error.errors()}
    for field, each in bad.items():
        name = field.upper()
        problems.append(f"{name} {PROBLEMS.get(name) or each['msg'].removeprefix('Value error, ')}")
    usable = Settings.model_validate({k: value for k, value in values.items() if k not in bad})
    texts = {k: values[k] for k in bad if isinstance(getattr(usable, k), str | None)}
    return usable.model_copy(update=texts), problems
