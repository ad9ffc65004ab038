"""`python app.py init`: typed at a terminal, and from the environment alone."""

import logging
import os
import stat
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from dotenv import dotenv_values

import app
from bot.manifest import manifest_yaml
from demo import seed
from demo.binaries import ROOT
from demo.process import Process
from demo.servers import LocalSlack, MongoServer, RedisServer, free_port
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser
from services.core.database import Mongo, connect
from services.core.settings import VARIABLES, load_settings
from services.models.user import Role
from services.ops.init_command import ENVIRONMENT_ADVICE
from services.registry.indexes import missing_indexes
from services.registry.migrations import PROGRAM_VERSION
from tests.conftest import JWT_SECRET, People
from tests.support.processes import run
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.terminal_session import CTRL_C, TerminalSession

pytestmark = pytest.mark.usefixtures("elsewhere")

APP_TOKEN = "xapp-test"
ADMIN = "boss@example.com"
APP = str(ROOT / "app.py")
NEXT = """
Next:
1. Start the three processes, each in its own terminal or service:
     python app.py
     python app.py worker
     python app.py jobs
2. Open the app in Slack, tab Home. It shows admins what is left to set up.
3. Run python app.py doctor. It checks the running processes, too.
"""


@pytest.fixture
def env(
    mongo: MongoServer, redis: RedisServer, slack: RecordingSlack, db: Mongo
) -> Mapping[str, str]:
    slack.app_tokens.add(APP_TOKEN)
    return {
        "MONGO_URI": mongo.uri_for(db.name),
        "REDIS_URL": redis.url,
        "SLACK_API_URL": slack.url,
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "ADMIN_EMAILS": ADMIN,
    }


@pytest.fixture
def new_db(mongo: MongoServer) -> Iterator[Mongo]:
    """A database with nothing in it, not even indexes."""
    made = connect(mongo.uri_for(f"init-{uuid.uuid4().hex}"))
    yield made
    made.client.drop_database(made.name)
    made.client.close()


def written(name: str = ".env") -> dict[str, str | None]:
    return dotenv_values(name)


def test_a_new_user_sets_up_a_workspace_and_starts_the_bot(
    mongo: MongoServer, redis: RedisServer, new_db: Mongo, tmp_path: Path
) -> None:
    """Against the local Slack, with each kind of mistake on the way."""
    secret_uri = mongo.uri_for(new_db.name) + "?appName=s3cret"
    with (
        LocalSlack(seed.workspace_config([seed.ADMIN])) as slack,
        TerminalSession(
            [APP, "init"], env={"SLACK_API_URL": slack.api_url}, directory=tmp_path
        ) as session,
    ):
        session.answer("Your choice (Enter: 1): ", "both")
        session.expect("Type 1 or 2.\n")
        session.answer("Your choice (Enter: 1): ", "")
        session.answer("Is there a Slack app for the help desk already?\ny or n (Enter: n): ", "")
        session.expect(manifest_yaml(http_url=None))
        session.expect('2. Press "Create New App", choose "From a manifest"')
        session.answer("SLACK_BOT_TOKEN (not shown as you type; required): ", "")
        session.expect("SLACK_BOT_TOKEN is required.\n")
        session.answer("SLACK_BOT_TOKEN (", "xoxp-s3cret")
        session.expect("SLACK_BOT_TOKEN must begin with xoxb-.\n")
        session.answer("SLACK_BOT_TOKEN (", seed.BOT_TOKEN)
        session.expect("Checking ...\nok    Slack token:")
        session.answer("SLACK_APP_TOKEN (", seed.APP_TOKEN)
        session.expect("ok    app token:     Socket Mode is open to it\n")
        session.answer("MONGO_URI (", secret_uri.replace("mongodb", "http"))
        session.expect("MONGO_URI must begin with mongodb:// or mongodb+srv://.\n")
        session.answer("MONGO_URI (", "mongodb://127.0.0.1:9/s3cret")
        session.answer("Checking ...\n", "mongodb://s3cret")  # too early
        session.expect("FAIL  MongoDB:       it cannot be reached at MONGO_URI")
        session.expect("Type another value, or press Enter to try the same one again.\n")
        session.answer("MONGO_URI (", secret_uri)
        session.expect("ok    MongoDB:")
        session.answer("REDIS_URL (", redis.url)
        session.expect("ok    Redis:")
        session.answer("APP_URL (Enter: none): ", "help.example.com")
        session.expect("APP_URL must begin with http:// or https://.\n")
        session.answer("APP_URL (Enter: none): ", "https://help.example.com")
        session.answer("ADMIN_EMAILS (required): ", "Ada")
        session.expect("ADMIN_EMAILS must be email addresses with commas between them.\n")
        session.answer("ADMIN_EMAILS (required): ", seed.ADMIN.email)
        for name in ("GEMINI_API_KEY", "TRIAGE_CHANNEL", "MAILTRAP_SMTP_HOST"):
            session.answer(f"{name} (", "")
        assert session.end() == 0
        assert [
            one for one in ("s3cret", seed.BOT_TOKEN, seed.APP_TOKEN) if one in session.screen
        ] == []
        assert session.screen.endswith(NEXT)
        assert (
            f"\n{tmp_path}/.env is written. Only your user can read it.\n"
            "The database has its indexes.\n"
            f"{seed.ADMIN.email} is invited as an admin: they are one as soon as they open the app "
            "in Slack.\n\nThis is what python app.py doctor finds:\nok    program:"
        ) in session.screen

        assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
        values = written()
        secrets = {name: values.pop(name) or "" for name in ("JWT_SECRET", "METRICS_TOKEN")}
        assert values == {
            "MONGO_URI": secret_uri,
            "REDIS_URL": redis.url,
            "SLACK_BOT_TOKEN": seed.BOT_TOKEN,
            "SLACK_APP_TOKEN": seed.APP_TOKEN,
            "SLACK_API_URL": slack.api_url,
            "ADMIN_EMAILS": seed.ADMIN.email,
            "APP_URL": "https://help.example.com",
        }
        assert len({*secrets.values(), "", JWT_SECRET}) == 4
        assert missing_indexes(new_db) == []

        bot = Process(
            "bot",
            [sys.executable, "-m", "demo.run_process", "bot"],  # local-slack needs its adapter
            log=tmp_path / "bot.log",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PORT": str(free_port()),
            },
            cwd=tmp_path,
        )
        bot.start()
        try:
            bot.wait_until(lambda: "the bot is ready" in bot.output(), timeout=30)
            with SlackPage(slack.url) as workspace:
                workspace.wait_for_bot()
                SlackUser(workspace, seed.ADMIN.slack_id).command("/ticket", "list")
            (account,) = new_db.users.find()
            assert (account["email"], account["role"]) == (seed.ADMIN.email, "admin")
            assert new_db.links.find_one({"userId": account["_id"]}) is not None
        finally:
            bot.stop(grace=10)


def test_ctrl_c_leaves_nothing(env: Mapping[str, str], db: Mongo, tmp_path: Path) -> None:
    with TerminalSession([APP, "init"], env=env, directory=tmp_path) as session:
        session.answer("Your choice", "")
        session.answer("y or n (Enter: y): ", "")
        session.expect("SLACK_BOT_TOKEN (not shown as you type; Enter keeps the present value): ")
        session.press(CTRL_C)
        session.expect("\nStopped. Nothing was written.\n")
        assert session.end() == 1
    assert "Traceback" not in session.screen
    assert os.listdir() == []
    assert db.users.count_documents({}) == 0


def test_in_a_terminal_it_needs_a_directory_to_write_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert app._ask_settings({}, app.Hooks()) is False
    expected = f"No file can be written in {os.getcwd()}. Change to a directory of yours first.\n"
    assert capsys.readouterr() == ("", expected)


def test_the_end_of_the_input_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(_: object) -> str:
        raise EOFError

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", ended)
    monkeypatch.setattr(logging, "disable", lambda: None)
    assert app._init(app.Hooks()) == 1
    assert capsys.readouterr().err == "\nStopped. Nothing was written.\n"
    assert os.listdir() == []


def test_ctrl_c_after_the_last_answer_keeps_the_settings(
    env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    for name in VARIABLES:
        monkeypatch.setenv(name, env.get(name, ""))
    monkeypatch.setattr(app, "_doctor", interrupted)
    monkeypatch.setattr(logging, "disable", lambda: None)
    assert app._init(app.Hooks()) == 1
    assert capsys.readouterr().err == (
        "\nStopped. The settings are written; run python app.py init again for the rest.\n"
    )
    assert os.listdir() == [".env"]


def test_it_takes_all_answers_from_the_environment(env: Mapping[str, str], db: Mongo) -> None:
    done = run("init", **env, TICKET_EMOJI="sos")
    assert (done.returncode, done.stderr) == (0, "")
    start = f"{os.getcwd()}/.env is written. Only your user can read it.\n"
    assert done.stdout.startswith(start)
    assert done.stdout.endswith(NEXT)
    assert TOKEN not in done.stdout
    values = written()
    assert len(values.pop("JWT_SECRET") or "") == 43
    assert values == {**env, "TICKET_EMOJI": "sos"}
    assert load_settings("bot", {k: v for k, v in written().items() if v}).ticket_emoji == "sos"
    (account,) = db.users.find()
    assert (account["email"], account["role"], "password" in account) == (ADMIN, "admin", False)


def test_a_second_run_changes_nothing(env: Mapping[str, str], db: Mongo) -> None:
    run("init", **env)
    first, accounts = Path(".env").read_bytes(), list(db.users.find())
    done = run("init")  # from .env alone
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "No file is written: the settings are as they were.\n"
        "The database has its indexes.\n"
        f"{ADMIN} is an admin already.\n\n"
    )
    assert Path(".env").read_bytes() == first
    assert os.listdir() == [".env"]
    assert list(db.users.find()) == accounts


def test_a_file_that_is_there_stays(env: Mapping[str, str]) -> None:
    Path(".env").write_text("# Mine\nLOG_LEVEL=DEBUG\nTICKET_EMOJI=sos\nOTHER=${HOME}\n")
    done = run("init", **env, JWT_SECRET=JWT_SECRET, TICKET_EMOJI="bell")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "There is a .env already, which stays as it is. The new settings are in\n"
        f"{os.getcwd()}/.env.new. Only your user can read it.\n"
    )
    assert (
        "\nNext:\n"
        "1. Compare the two files:    diff .env .env.new\n"
        "   Then use the new one:     mv .env.new .env\n"
        "2. Start the three processes"
    ) in done.stdout
    assert Path(".env").read_text().startswith("# Mine\nLOG_LEVEL=DEBUG\nTICKET_EMOJI=sos\n")
    assert Path(".env.new").read_text().startswith("# Mine\nLOG_LEVEL=DEBUG\nTICKET_EMOJI=bell\n")
    assert stat.S_IMODE(Path(".env.new").stat().st_mode) == 0o600
    others = {"LOG_LEVEL": "DEBUG", "TICKET_EMOJI": "bell", "OTHER": os.environ["HOME"]}
    assert written(".env.new") == {**env, **others, "JWT_SECRET": JWT_SECRET}


def test_what_is_missing_or_bad_is_one_list(slack: RecordingSlack) -> None:
    done = run("init")
    assert done.stderr.splitlines() == [
        "app.py init cannot start:",
        "  - MONGO_URI is missing",
        "  - REDIS_URL is missing",
        "  - SLACK_BOT_TOKEN is missing",
        "  - SLACK_APP_TOKEN or SLACK_SIGNING_SECRET is missing",
        "  - ADMIN_EMAILS is missing",
        ENVIRONMENT_ADVICE,
    ]
    assert (done.returncode, done.stdout) == (2, "")
    done = run(
        "init",
        SLACK_BOT_TOKEN="s3cret",
        SLACK_SIGNING_SECRET="s3cret",
        SLACK_API_URL=slack.url,
        MAILTRAP_SMTP_PASS='it\'s "s3cret"',
    )
    assert [line for line in done.stderr.splitlines() if " must " in line or " has " in line] == [
        "  - SLACK_BOT_TOKEN must begin with xoxb-",
        "  - SLACK_SIGNING_SECRET must be 32 characters, 0 to 9 and a to f",
        "  - MAILTRAP_SMTP_PASS has characters that not every program reads from .env in the same "
        "way, such as ${ or both kinds of quotes: choose a password without them, or in a URL "
        "write them as %24, %27 and %22",
    ]
    assert (done.returncode, done.stdout) == (2, "")
    assert "s3cret" not in done.stderr
    assert slack.calls == []
    assert os.listdir() == []


def test_a_bad_setting_that_it_does_not_ask_for_is_named(env: Mapping[str, str]) -> None:
    done = run("init", **env, LOG_LEVEL="loud")
    assert done.stderr.splitlines() == [
        "app.py init cannot start:",
        "  - LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR",
    ]
    assert done.returncode == 2


def test_what_the_servers_refuse_is_one_list(env: Mapping[str, str], db: Mongo) -> None:
    refused = {"SLACK_BOT_TOKEN": "xoxb-wrong", "SLACK_APP_TOKEN": "xapp-wrong"}
    done = run("init", **{**env, **refused, "TRIAGE_CHANNEL": "C0NONE"})
    heading, *lines = done.stderr.splitlines()
    assert heading == "app.py init has changed nothing:"
    assert [line.split(":")[0] for line in lines] == [
        "FAIL  Slack token",
        "FAIL  app token",
        "FAIL  triage",
    ]
    assert (done.returncode, done.stdout) == (1, "")
    assert "wrong" not in done.stderr
    assert os.listdir() == []
    assert db.users.count_documents({}) == 0


def test_an_installation_with_an_admin_needs_no_other(
    env: Mapping[str, str], people: People
) -> None:
    people.add(Role.ADMIN)
    without = {name: value for name, value in env.items() if name != "ADMIN_EMAILS"}
    assert run("init", **without).returncode == 0


def test_a_database_of_a_newer_release_is_left_alone(env: Mapping[str, str], db: Mongo) -> None:
    db.meta.insert_one({"_id": "schema", "minReader": PROGRAM_VERSION + 1})
    done = run("init", **env)
    assert "Install the newer release and start again." in done.stderr
    assert (done.returncode, done.stdout) == (3, "")
    assert os.listdir() == []
