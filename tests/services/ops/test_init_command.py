"""The dialogue of `app.py init`, with the doctor's own checks of real servers."""

import os
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace

import pytest

import app
from bot.manifest import manifest_yaml
from demo.servers import MongoServer, RedisServer
from services.accounts.users import UserService
from services.core import database, settings
from services.core.database import Mongo
from services.core.settings import Settings, SettingsError
from services.models.permissions import OPERATOR
from services.models.user import Role
from services.ops import database_checks, init_command
from services.ops.check_runner import Finding, fail, ok
from services.ops.init_command import Dialogue, Probes, Terminal
from tests.conftest import APP_URL, JWT_SECRET, NOBODY_LISTENS, People
from tests.support.http_bot import SECRET
from tests.support.mail_server import MAIL_PASSWORD, MAIL_USER, MailServer
from tests.support.recording_slack import TOKEN, RecordingSlack

ADMIN = "boss@example.com"
APP_TOKEN = "xapp-test"
HOOKS = app.Hooks()
NAMES = [question.variable for step in init_command.ALL_STEPS for question in step.questions]
CONNECTION, HAS_APP = "Your choice", "y or n"
FINE = Probes(
    run_check=lambda *_: ok("fine"),
    manifest=lambda url: f"the manifest for {url}",
    has_admin=lambda _: False,
)


class Typist:
    """Types `answers` by the beginning of the prompt; presses Enter at all others."""

    def __init__(self, **answers: str | list[str]) -> None:
        listed = {k: [v] if isinstance(v, str) else list(v) for k, v in answers.items()}
        self._answers = {
            {"connection": CONNECTION, "has_app": HAS_APP}.get(key, key): values
            for key, values in listed.items()
        }
        self.said: list[str] = []
        self.hidden: list[str] = []

    def terminal(self) -> Terminal:
        return Terminal(self.said.append, self._type, self._type_hidden, nullcontext)

    def _type(self, prompt: str) -> str:
        self.said.append(prompt)
        waiting = self._answers.get(prompt.split(" (", maxsplit=1)[0])
        if not waiting:
            assert self.said.count(prompt) < 5, f"it asks again and again: {self.said[-3:]}"
            return ""
        return waiting.pop(0)

    def _type_hidden(self, prompt: str) -> str:
        typed = self._type(prompt)
        self.hidden.append(typed)
        return typed

    def after(self, prompt: str) -> list[str]:
        """Return what was said after each prompt that begins so."""
        return [
            said
            for asked, said in zip(self.said, self.said[1:], strict=False)
            if asked.startswith(prompt)
        ]

    def fills_in(self, values: Mapping[str, str] = {}, probes: Probes = FINE) -> dict[str, str]:
        answers = dict(values)
        Dialogue(self.terminal(), answers, probes).run()
        assert all(not self._answers[key] for key in self._answers), self._answers
        return answers


TOKENS = {"SLACK_BOT_TOKEN": TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
NEEDED = {**TOKENS, "ADMIN_EMAILS": ADMIN}


@pytest.fixture
def probes() -> Probes:
    return app._probes(HOOKS)


def test_every_question_is_about_a_variable_and_every_check_is_the_doctors() -> None:
    assert set(NAMES) <= set(settings.VARIABLES)
    required = set(settings.missing_variables("bot", {})) - {
        "JWT_SECRET",
        "SLACK_APP_TOKEN or SLACK_SIGNING_SECRET",
    }
    assert required <= set(NAMES)
    with ExitStack() as stack:
        config, _ = settings.parse_settings("bot", {})
        checks = {check.name for check in app._checks(config, HOOKS, stack)}
    used = {step.check for step in init_command.ALL_STEPS} - {""}
    assert used | {*init_command.CHECKS_OF_RUNNING_PROCESSES} <= checks


def test_enter_takes_what_is_suggested_and_leaves_out_the_rest() -> None:
    typist = Typist(**NEEDED)
    assert typist.fills_in() == {
        **NEEDED,
        "MONGO_URI": "mongodb://127.0.0.1:27017/helpdesk",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
    }
    assert "the manifest for None" in typist.said
    secrets = [TOKEN, APP_TOKEN]
    assert [typed for typed in typist.hidden if typed] == secrets
    assert [said for said in typist.said if any(secret in said for secret in secrets)] == []


def test_enter_keeps_what_is_set() -> None:
    present = {
        **NEEDED,
        "MONGO_URI": "mongodb://app:s3cret@db.example.com/x",
        "REDIS_URL": "redis://:s3cret@db.example.com/1",
        "APP_URL": APP_URL,
        "GEMINI_API_KEY": "s3cret",
        "TRIAGE_CHANNEL": "C0TRIAGE",
        "MAILTRAP_SMTP_HOST": "smtp.example.com",
        "MAILTRAP_SMTP_PORT": "587",
        "MAILTRAP_SMTP_USER": "desk",
        "MAILTRAP_SMTP_PASS": "s3cret",
        "MAIL_FROM": "desk@example.com",
        "LOG_LEVEL": "DEBUG",
    }
    typist = Typist()
    assert typist.fills_in(present) == present
    assert not any("s3cret" in said for said in typist.said)
    assert not any("manifest" in said for said in typist.said)
    assert f"APP_URL (Enter: {APP_URL}; type - to remove it): " in typist.said
    assert (
        "GEMINI_API_KEY (not shown as you type; Enter keeps the present value; type - to remove "
        "it): " in typist.said
    )


def test_a_dash_removes_what_is_optional() -> None:
    mail = {"MAILTRAP_SMTP_HOST": "smtp.example.com", "MAILTRAP_SMTP_PASS": "x"}
    present = {**NEEDED, "GEMINI_API_KEY": "key", "APP_URL": APP_URL, **mail}
    values = Typist(
        SLACK_BOT_TOKEN=["-", TOKEN],
        GEMINI_API_KEY="-",
        APP_URL="-",
        MAILTRAP_SMTP_HOST="-",
    ).fills_in(present)
    assert values.keys() == {*NEEDED, "MONGO_URI", "REDIS_URL"}


def test_http_asks_for_a_public_address_before_the_manifest_and_for_the_signing_secret() -> None:
    typist = Typist(
        connection="2",
        APP_URL=["", "http://help.example.com", APP_URL],
        SLACK_BOT_TOKEN=TOKEN,
        SLACK_SIGNING_SECRET=[TOKEN, SECRET],
        ADMIN_EMAILS=ADMIN,
    )
    values = typist.fills_in()
    assert {"SLACK_APP_TOKEN", "APP_URL", "SLACK_SIGNING_SECRET"} & values.keys() == {
        "APP_URL",
        "SLACK_SIGNING_SECRET",
    }
    assert typist.after("APP_URL (")[:2] == [
        "APP_URL is required.",
        "APP_URL must begin with https://, because Slack calls no other addresses.",
    ]
    assert (
        typist.after("SLACK_SIGNING_SECRET (")[0]
        == "SLACK_SIGNING_SECRET must be 32 characters, 0 to 9 and a to f."
    )
    assert f"the manifest for {APP_URL}" in typist.said
    again = Typist()
    assert again.fills_in(values) == values
    assert "Your choice (Enter: 2): " in again.said
    steps = "\n".join(init_command.next_steps(None, values))
    assert f"\n2. {init_command.VERIFY_URL}\n3. " in steps


def test_a_present_value_of_the_wrong_form_is_asked_for() -> None:
    typist = Typist(SLACK_BOT_TOKEN=["", TOKEN], ADMIN_EMAILS=ADMIN)
    values = typist.fills_in({**TOKENS, "SLACK_BOT_TOKEN": "xoxp-1"})
    assert values["SLACK_BOT_TOKEN"] == TOKEN
    assert typist.after("SLACK_BOT_TOKEN (not shown as you type; Enter") == [
        "SLACK_BOT_TOKEN must begin with xoxb-."
    ]


def test_a_value_that_the_file_cannot_hold_is_asked_for_again() -> None:
    typist = Typist(
        **NEEDED,
        MAILTRAP_SMTP_HOST="smtp.example.com",
        MAILTRAP_SMTP_PORT=["smtp", "587"],
        MAILTRAP_SMTP_USER="desk",
        MAILTRAP_SMTP_PASS=["${HOME}", "it's"],
    )
    assert typist.fills_in()["MAILTRAP_SMTP_PASS"] == "it's"
    said = typist.after("MAILTRAP_SMTP_PASS (")[0]
    assert said == f"MAILTRAP_SMTP_PASS {init_command.UNUSABLE_CHARACTERS}."
    said = typist.after("MAILTRAP_SMTP_PORT (")[0]
    assert said == "MAILTRAP_SMTP_PORT must be a number from 1 to 65535."


def test_with_an_admin_no_other_is_needed() -> None:
    values = Typist(**TOKENS).fills_in(probes=replace(FINE, has_admin=lambda _: True))
    assert "ADMIN_EMAILS" not in values


def test_what_servers_refuse_is_asked_for_again(
    probes: Probes,
    mongo: MongoServer,
    redis: RedisServer,
    slack: RecordingSlack,
    db: Mongo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_checks, "QUERY_TIMEOUT_SECONDS", 0.3)
    slack.app_tokens.add(APP_TOKEN)
    slack.add_channel("C0TRIAGE", name="triage")
    with MailServer(auth=True) as mail:
        typist = Typist(
            SLACK_BOT_TOKEN=["xoxb-wrong", "", TOKEN],
            SLACK_APP_TOKEN=["xapp-wrong", APP_TOKEN],
            MONGO_URI=[NOBODY_LISTENS, mongo.uri_for(db.name)],
            REDIS_URL=["redis://127.0.0.1:9/0", redis.url],
            ADMIN_EMAILS=ADMIN,
            TRIAGE_CHANNEL=["#triage", "C0NONE", "C0TRIAGE"],
            MAILTRAP_SMTP_HOST="127.0.0.1",
            MAILTRAP_SMTP_PORT=str(mail.port),
            MAILTRAP_SMTP_USER=MAIL_USER,
            MAILTRAP_SMTP_PASS=["wrong", MAIL_PASSWORD],
            MAIL_FROM="desk@example.com",
        )
        values = typist.fills_in({"SLACK_API_URL": slack.url}, probes)
    assert values["MAILTRAP_SMTP_PASS"] == MAIL_PASSWORD
    found = [said for said in typist.said if said.startswith(("FAIL", "ok", "warn"))]
    assert [said.split("  ")[0] + said[4:].split(":")[0] for said in found] == [
        "FAIL  Slack token",
        "FAIL  Slack token",
        "ok  Slack token",
        "FAIL  app token",
        "ok  app token",
        "FAIL  MongoDB",
        "ok  MongoDB",
        "FAIL  Redis",
        "ok  Redis",
        "FAIL  triage",
        "warn  triage",  # the bot is not in it yet
        "FAIL  mail",
        "warn  mail",  # without APP_URL
        "ok  mail",
        "warn  mail",
    ]
    assert typist.said.count(init_command.RETRY) == 7
    about = init_command.BOT_TOKEN.questions[0].about
    assert typist.said.count(f"\n{about}") == 1


def test_an_optional_value_that_is_refused_can_be_removed() -> None:
    def run_check(_: str, config: Settings) -> list[Finding]:
        is_refused = config.gemini_api_key == "wrong"
        return fail("it refuses the key", "Put in a valid one.") if is_refused else ok("fine")

    typist = Typist(**NEEDED, GEMINI_API_KEY=["wrong", "", "-"])
    assert "GEMINI_API_KEY" not in typist.fills_in(probes=replace(FINE, run_check=run_check))
    assert typist.said.count(init_command.RETRY) == 2


def test_whether_there_is_an_admin(
    probes: Probes,
    mongo: MongoServer,
    db: Mongo,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uri = mongo.uri_for(db.name)
    assert probes.has_admin(uri) is False
    people.add(Role.ADMIN)
    assert probes.has_admin(uri) is True
    monkeypatch.setattr(database, "TIMEOUT_MS", 200)
    assert probes.has_admin(NOBODY_LISTENS) is False


def test_the_manifest_is_the_commands(probes: Probes) -> None:
    assert probes.manifest(None) == manifest_yaml(http_url=None)
    assert probes.manifest(APP_URL) == manifest_yaml(http_url=APP_URL)


def test_only_a_new_installation_gets_new_secrets() -> None:
    kept = {"JWT_SECRET": JWT_SECRET, "APP_URL": APP_URL}
    values = dict(kept)
    init_command.add_secrets(values)
    assert values == kept
    values = {"APP_URL": APP_URL}
    init_command.add_secrets(values)
    assert {name: len(value) for name, value in values.items()} == {
        "APP_URL": len(APP_URL),
        "JWT_SECRET": 43,
        "METRICS_TOKEN": 43,
    }
    values = {"APP_URL": APP_URL, "METRICS_TOKEN": "mine"}
    init_command.add_secrets(values)
    assert values["METRICS_TOKEN"] == "mine"


class TestWithoutADirectoryToWriteIn:
    @pytest.fixture(autouse=True)
    def read_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)

    def test_the_sentence_names_it(self) -> None:
        assert init_command.why_not_writable() == (
            f"No file can be written in {os.getcwd()}. Change to a directory of yours first."
        )

    def test_a_secret_that_cannot_be_kept_is_missing(self) -> None:
        values = {**NEEDED, "MONGO_URI": "mongodb://h/x", "REDIS_URL": "redis://h/0"}
        with pytest.raises(SettingsError, match=r"^JWT_SECRET is missing$"):
            init_command.read_settings(dict(values), FINE)
        init_command.add_secrets(values)
        assert "JWT_SECRET" not in values

    @pytest.mark.usefixtures("elsewhere")
    def test_the_environment_is_enough(self) -> None:
        values = {**NEEDED, "MONGO_URI": "mongodb://h/x", "REDIS_URL": "redis://h/0"}
        values["JWT_SECRET"] = JWT_SECRET
        init_command.read_settings(values, FINE)
        assert init_command.write_settings(values) is None
        assert os.listdir() == []


def test_it_invites_each_admin_once(users: UserService) -> None:
    users.create(actor=OPERATOR, email="mod@example.com", role=Role.MODERATOR)
    config = Settings.model_validate({"admin_emails": "new@example.com, mod@example.com"})
    to_promote = (
        "mod@example.com has an account that is no admin. To change that, run: "
        "python app.py users role mod@example.com admin"
    )
    invited = "they are one as soon as they open the app in Slack."
    assert init_command.invite_admins(users, config) == [
        to_promote,
        f"new@example.com is invited as an admin: {invited}",
    ]
    assert init_command.invite_admins(users, config) == [
        to_promote,
        "new@example.com is an admin already.",
    ]
    strict = Settings.model_validate({"admin_emails": "a@b.example", "account_linking": "strict"})
    assert init_command.invite_admins(users, strict) == [
        "a@b.example is invited as an admin. With ACCOUNT_LINKING=strict they need a password "
        "first: python app.py users reset a@b.example prints a link to set one."
    ]
