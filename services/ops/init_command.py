"""The `app.py init` command: asks for the settings, checks each one, and writes `.env`.

In a terminal it asks; otherwise it reads the environment. The checks of the servers are the
doctor's. Nothing is written before every value has passed.
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from services.accounts.users import UserService
from services.core import env_file
from services.core.env_file import ENV_FILE, NEW_ENV_FILE
from services.core.errors import Conflict
from services.core.settings import (
    IS_MISSING,
    VARIABLES,
    Settings,
    SettingsError,
    missing_variables,
    parse_settings,
)
from services.models.permissions import OPERATOR
from services.models.user import Role
from services.ops.check_runner import CheckStatus, Finding

INTRODUCTION = """\
This sets up the help desk: it asks for each setting, checks it, and writes the file .env.
Nothing is written before the last answer; Ctrl-C stops and changes nothing."""
STOPPED = "\nStopped. Nothing was written."
CUT_SHORT = "\nStopped. The settings are written; run python app.py init again for the rest."
# The doctor's checks that need them: they start after this.
CHECKS_OF_RUNNING_PROCESSES = ("worker", "jobs", "data version", "events")
USE_NEW_FILE = (
    "Compare the two files:    diff .env .env.new\n   Then use the new one:     mv .env.new .env"
)
START_PROCESSES = (
    "Start the three processes, each in its own terminal or service:\n"
    "     python app.py\n"
    "     python app.py worker\n"
    "     python app.py jobs"
)
VERIFY_URL = (
    'At https://api.slack.com/apps, under "Event Subscriptions", let Slack verify the request URL.'
)
OPEN_HOME = "Open the app in Slack, tab Home. It shows admins what is left to set up."
RUN_DOCTOR = "Run python app.py doctor. It checks the running processes, too."
ASK_CONNECTION = """
How do Slack and the bot connect?
  1  The bot connects to Slack (Socket Mode). It needs no public address.
  2  Slack calls the bot over HTTPS, at a public address of yours."""
CREATE_APP = """
Copy the lines between the two rulers. They describe the app to Slack."""
RULER = "-" * 72
APP_STEPS = """
1. Open https://api.slack.com/apps and sign in to your workspace.
2. Press "Create New App", choose "From a manifest", and choose your workspace.
3. Choose the tab "YAML", replace its text by the lines that you copied, and create the app.
4. Open "Install App" and install it. Then come back here."""
RETRY = "Type another value, or press Enter to try the same one again."
ENVIRONMENT_ADVICE = (
    "Set these variables, or run python app.py init in a terminal: there it asks for them."
)
UNUSABLE_CHARACTERS = (
    "has characters that not every program reads from .env in the same way, such as ${ or both "
    "kinds of quotes: choose a password without them, or in a URL write them as %24, %27 and %22"
)
_SIGNING_SECRET = re.compile("[0-9a-f]{32}")
NO_SIGNING_SECRET = "must be 32 characters, 0 to 9 and a to f"  # noqa: S105  a sentence


class ChecksFailed(Exception):
    """A server or Slack refuses a setting. `lines` are the doctor's."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Terminal:
    """`ask` and `ask_secret` take the prompt; what is typed at the second, or during a block of
    `without_echo`, is not shown."""

    say: Callable[[str], None]
    ask: Callable[[str], str]
    ask_secret: Callable[[str], str]
    without_echo: Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Probes:
    """What the composition root passes in: one of the doctor's checks, by name; the manifest for a
    URL or for Socket Mode (None); and whether the database at a URI has an admin."""

    run_check: Callable[[str, Settings], list[Finding]]
    manifest: Callable[[str | None], str]
    has_admin: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """`variable` is one of `Settings`; `suggestion` is its value if the answer is empty."""

    variable: str
    about: str
    is_secret: bool = False
    is_required: bool = False
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Questions that are checked together, by the doctor's check of that name. Without an answer
    to the first, the others are left out."""

    questions: tuple[Question, ...]
    check: str = ""


BOT_TOKEN = Step(
    (
        Question(
            "SLACK_BOT_TOKEN",
            'The bot token of the Slack app, under "Install App". It begins with xoxb-.',
            is_secret=True,
            is_required=True,
        ),
    ),
    "Slack token",
)
APP_TOKEN = Step(
    (
        Question(
            "SLACK_APP_TOKEN",
            'A token for Socket Mode. Create it under "Basic Information", "App-Level Tokens", '
            "with\nthe scope connections:write. It begins with xapp-.",
            is_secret=True,
            is_required=True,
        ),
    ),
    "app token",
)
PUBLIC_URL = Step(
    (
        Question(
            "APP_URL",
            "The public address of the bot, such as https://help.example.com. Your proxy receives\n"
            "Slack's calls there and passes them on to the bot.",
            is_required=True,
        ),
    )
)
SIGNING_SECRET = Step(
    (
        Question(
            "SLACK_SIGNING_SECRET",
            'The signing secret, under "Basic Information", "App Credentials".',
            is_secret=True,
            is_required=True,
        ),
    )
)
SERVERS = (
    Step(
        (
            Question(
                "MONGO_URI",
                "The address of MongoDB, which holds tickets and accounts.",
                is_secret=True,
                is_required=True,
                suggestion="mongodb://127.0.0.1:27017/helpdesk",
            ),
        ),
        "MongoDB",
    ),
    Step(
        (
            Question(
                "REDIS_URL",
                "The address of Redis, through which the processes pass on their work.",
                is_secret=True,
                is_required=True,
                suggestion="redis://127.0.0.1:6379/0",
            ),
        ),
        "Redis",
    ),
)
PAGES_URL = Step(
    (
        Question(
            "APP_URL",
            "The address at which people open the bot's pages in a browser, such as\n"
            "https://help.example.com. Without one, the help desk works in Slack only.",
        ),
    )
)
ADMINS = Question(
    "ADMIN_EMAILS",
    "The email addresses of the first admins, as in their Slack profiles, with commas between\n"
    "them. Your own is a good start.",
)
EXTRAS = (
    Step(
        (
            Question(
                "GEMINI_API_KEY",
                "A key of Google's Gemini API, with which the AI reads tickets. Without one, the\n"
                "offline router finds the skills that a ticket needs.",
                is_secret=True,
            ),
        ),
        "Gemini",
    ),
    Step(
        (
            Question(
                "TRIAGE_CHANNEL",
                "The id of a channel that shows a card for each ticket, such as C0123456789.\n"
                "Slack shows it at the end of the channel's details.",
            ),
        ),
        "triage",
    ),
    Step(
        (
            Question(
                "MAILTRAP_SMTP_HOST",
                "The host name of a mail server. Without one, no email is sent.",
            ),
            Question("MAILTRAP_SMTP_PORT", "The port of the mail server.", suggestion="2525"),
            Question("MAILTRAP_SMTP_USER", "The user name for the mail server, if it wants one."),
            Question("MAILTRAP_SMTP_PASS", "The password of that user.", is_secret=True),
            Question("MAIL_FROM", "The address that emails come from."),
        ),
        "mail",
    ),
)
ALL_STEPS = (BOT_TOKEN, APP_TOKEN, SIGNING_SECRET, *SERVERS, PAGES_URL, Step((ADMINS,)), *EXTRAS)


def settings_in(env: Mapping[str, str]) -> dict[str, str]:
    """Return the product's variables that are set. Raise `SettingsError` for bad ones that `init`
    does not ask for."""
    values = {name: env[name].strip() for name in VARIABLES if env.get(name, "").strip()}
    asked = {question.variable for step in ALL_STEPS for question in step.questions}
    others = {name: value for name, value in values.items() if name not in asked}
    if problems := _problems(others):
        raise SettingsError(problems)
    return values


def _problems(values: Mapping[str, str]) -> list[str]:
    found = parse_settings("manifest", values)[1]
    signing_secret = values.get("SLACK_SIGNING_SECRET", "")
    if signing_secret and not _SIGNING_SECRET.fullmatch(signing_secret):
        found.append(f"SLACK_SIGNING_SECRET {NO_SIGNING_SECRET}")
    for name, value in values.items():
        try:
            env_file.format_value(value)
        except ValueError:
            found.append(f"{name} {UNUSABLE_CHARACTERS}")
    return found


def read_settings(values: dict[str, str], probes: Probes) -> None:
    """Check the variables of the environment, without a question.

    Raises `SettingsError` with all that is missing or bad, else `ChecksFailed`.
    """
    problems = _problems(values)
    made = [] if why_not_writable() else ["JWT_SECRET"]
    missing = [name for name in missing_variables("bot", values) if name not in made]
    uri = "" if problems else values.get("MONGO_URI", "")
    if ADMINS.variable not in values and not (uri and probes.has_admin(uri)):
        missing.append(ADMINS.variable)
    if missing or problems:
        listed = [f"{name}{IS_MISSING}" for name in missing]
        raise SettingsError([*listed, *problems], advice=ENVIRONMENT_ADVICE)
    config, lines = parse_settings("manifest", values)[0], []
    for step in ALL_STEPS:
        if step.check and step.questions[0].variable in values:
            found = probes.run_check(step.check, config)
            lines += [f.format_line(step.check) for f in found if f.status is CheckStatus.FAIL]
    if lines:
        raise ChecksFailed(lines)


class Dialogue:
    """Asks for every setting, and changes `values`."""

    def __init__(self, terminal: Terminal, values: dict[str, str], probes: Probes) -> None:
        self._terminal = terminal
        self._values = values
        self._probes = probes
        self._explained: set[str] = set()

    def run(self) -> None:
        self._terminal.say(INTRODUCTION)
        is_http = self._asks_for_http()
        if is_http:
            self._take(PUBLIC_URL)
        if not self._has_app():
            url = self._values["APP_URL"] if is_http else None
            for text in (CREATE_APP, RULER, self._probes.manifest(url).rstrip(), RULER, APP_STEPS):
                self._terminal.say(text)
        self._take(BOT_TOKEN)
        self._take(SIGNING_SECRET if is_http else APP_TOKEN)
        for step in SERVERS:
            self._take(step)
        if not is_http:
            self._take(PAGES_URL)
        has_admin = self._probes.has_admin(self._values["MONGO_URI"])
        self._take(Step((replace(ADMINS, is_required=not has_admin),)))
        for step in EXTRAS:
            self._take(step)

    def _asks_for_http(self) -> bool:
        is_http = "SLACK_SIGNING_SECRET" in self._values and "SLACK_APP_TOKEN" not in self._values
        self._terminal.say(ASK_CONNECTION)
        return self._choose("Your choice", ("1", "2"), "2" if is_http else "1") == "2"

    def _has_app(self) -> bool:
        self._terminal.say("\nIs there a Slack app for the help desk already?")
        default = "y" if "SLACK_BOT_TOKEN" in self._values else "n"
        return self._choose("y or n", ("y", "n"), default) == "y"

    def _choose(self, prompt: str, choices: Sequence[str], default: str) -> str:
        while True:
            typed = self._terminal.ask(f"{prompt} (Enter: {default}): ").strip().lower() or default
            if typed in choices:
                return typed
            self._terminal.say(f"Type {' or '.join(choices)}.")

    def _take(self, step: Step) -> None:
        """Ask the questions of the step until what they check works."""
        while True:
            first, *others = step.questions
            if not self._ask(first):
                for question in others:
                    self._values.pop(question.variable, None)
                return
            for question in others:
                self._ask(question)
            if self._works(step):
                return
            self._terminal.say(RETRY)

    def _works(self, step: Step) -> bool:
        if not step.check:
            return True
        config = parse_settings("manifest", self._values)[0]
        with self._terminal.without_echo():  # a secret may be pasted before its prompt
            self._terminal.say("Checking ...")
            found = self._probes.run_check(step.check, config)
        for finding in found:
            self._terminal.say(finding.format_line(step.check))
        return all(finding.status is not CheckStatus.FAIL for finding in found)

    def _ask(self, question: Question) -> str:
        """Return the value, which is of the right form; "" for none."""
        name = question.variable
        if name not in self._explained:
            self._explained.add(name)
            self._terminal.say(f"\n{question.about}")
        while True:
            present = self._values.get(name, "")
            hint = _hint(question, present)
            if question.is_secret:
                typed = self._terminal.ask_secret(f"{name} ({hint}): ").strip()
            else:
                typed = self._terminal.ask(f"{name} ({hint}): ").strip()
            if typed == "-" and not question.is_required:
                self._values.pop(name, None)
                return ""
            value = typed or present or question.suggestion
            problem = self._problem(question, value)
            if not problem:
                if value:
                    self._values[name] = value
                return value
            if value == present:
                self._values.pop(name, None)
            self._terminal.say(problem)

    def _problem(self, question: Question, value: str) -> str:
        """Return the sentence that says what is wrong, or ""."""
        if not value:
            return f"{question.variable} is required." if question.is_required else ""
        if question is PUBLIC_URL.questions[0] and not value.startswith("https://"):
            return "APP_URL must begin with https://, because Slack calls no other addresses."
        return "".join(f"{problem}." for problem in _problems({question.variable: value})[:1])


def _hint(question: Question, present: str) -> str:
    hidden = ["not shown as you type"] if question.is_secret else []
    if present:
        kept = "Enter keeps the present value" if question.is_secret else f"Enter: {present}"
        removed = [] if question.is_required else ["type - to remove it"]
        return "; ".join([*hidden, kept, *removed])
    if question.suggestion:
        return "; ".join([*hidden, f"Enter: {question.suggestion}"])
    return "; ".join([*hidden, "required" if question.is_required else "Enter: none"])


def add_secrets(values: dict[str, str]) -> None:
    """Add the random secrets of a new installation, if they can be kept."""
    if "JWT_SECRET" in values or why_not_writable():
        return
    values["JWT_SECRET"] = secrets.token_urlsafe(32)
    if "APP_URL" in values:  # to a proxy on this machine, /metrics would be open without a token
        values.setdefault("METRICS_TOKEN", secrets.token_urlsafe(32))


def write_settings(values: Mapping[str, str]) -> Path | None:
    """Write `.env`, or `.env.new` beside one that differs. Return the path, or None if nothing had
    to be written."""
    if why_not_writable():
        return None
    stored = ENV_FILE.read_text("utf-8") if ENV_FILE.exists() else ""
    text = env_file.updated_text(stored, {name: values.get(name, "") for name in VARIABLES})
    if stored and text == stored:
        return None
    path = NEW_ENV_FILE if ENV_FILE.exists() else ENV_FILE
    env_file.write_private(path, text)
    return path


def describe_file(path: Path | None) -> str:
    """Return the sentence about the file that was written."""
    if path is None:
        return "No file is written: the settings are as they were."
    if path == ENV_FILE:
        return f"{path.absolute()} is written. Only your user can read it."
    return (
        f"There is a .env already, which stays as it is. The new settings are in\n"
        f"{path.absolute()}. Only your user can read it."
    )


def next_steps(path: Path | None, values: Mapping[str, str]) -> list[str]:
    """Return the lines that say what is left to do."""
    steps = [
        *([USE_NEW_FILE] if path == NEW_ENV_FILE else []),
        START_PROCESSES,
        *([VERIFY_URL] if "SLACK_SIGNING_SECRET" in values else []),
        OPEN_HOME,
        RUN_DOCTOR,
    ]
    return ["\nNext:", *(f"{number}. {step}" for number, step in enumerate(steps, 1))]


def why_not_writable() -> str:
    """Return the sentence if no file can be written in the working directory, else ""."""
    if os.access(".", os.W_OK | os.X_OK):
        return ""
    return f"No file can be written in {os.getcwd()}. Change to a directory of yours first."


def invite_admins(users: UserService, config: Settings) -> list[str]:
    """Create an invitation for each address of ADMIN_EMAILS; return a sentence for each."""
    return [_invite(users, email, config) for email in sorted(config.admin_emails)]


def _invite(users: UserService, email: str, config: Settings) -> str:
    try:
        users.create(actor=OPERATOR, email=email, role=Role.ADMIN)
    except Conflict:
        (user, *_) = users.find_confirmed(email)
        if user.active and user.role is Role.ADMIN:
            return f"{email} is an admin already."
        return (
            f"{email} has an account that is no admin. To change that, run: "
            f"python app.py users role {email} admin"
        )
    if config.is_linking_strict:
        return (
            f"{email} is invited as an admin. With ACCOUNT_LINKING=strict they need a password "
            f"first: python app.py users reset {email} prints a link to set one."
        )
    return f"{email} is invited as an admin: they are one as soon as they open the app in Slack."
