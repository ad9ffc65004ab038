"""The command line, as real processes."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo.errors import OperationFailure

import app
from demo.binaries import ROOT
from demo.servers import MongoServer, RedisServer, free_port
from services.accounts.users import UserService
from services.audit import audit_log
from services.audit.audit_log import AuditEntry
from services.core.database import Mongo, connect
from services.core.settings import REQUIRED_VARIABLES, SETUP_ADVICE
from services.models.permissions import OPERATOR
from services.models.user import Role
from services.registry.services import Services
from tests.conftest import JWT_SECRET, NOBODY_LISTENS
from tests.support.http_bot import SECRET
from tests.support.processes import run
from tests.support.proxies import FullDiskProxy
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.slack_workspace import TEAM_ID

COMMANDS = ("bot", "worker", "jobs", "users list", "explain 12")
SECONDS = 60  # only bounds a test that fails


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_it_names_all_that_is_missing(command: str) -> None:
    done = run(command)
    name = command.split(maxsplit=1)[0] if command else "bot"
    assert done.stderr.splitlines() == [
        f"app.py {name} cannot start:",
        *(f"  - {missing} is missing" for missing in REQUIRED_VARIABLES[name]),
        SETUP_ADVICE,
    ]
    assert (done.returncode, done.stdout) == (2, "")


def test_it_names_all_that_is_bad() -> None:
    secret = "s3cret"
    done = run(
        "bot",
        MONGO_URI=f"http://user:{secret}@h/",
        REDIS_URL=f"http://:{secret}@h/",
        JWT_SECRET=secret,
        SLACK_BOT_TOKEN=secret,
        SLACK_APP_TOKEN=secret,
        LOG_LEVEL="loud",
    )
    for name in ("MONGO_URI", "REDIS_URL", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "LOG_LEVEL"):
        assert f"  - {name} must b" in done.stderr
    assert done.returncode == 2
    assert secret not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "uri", ["mongodb://", "mongodb://h:99999/", "mongodb://[::1", "mongodb://u:p@ss@h/x"]
)
def test_it_does_not_start_on_an_address_nobody_can_read(uri: str) -> None:
    done = run("users list", MONGO_URI=uri)
    assert done.returncode == 2
    assert "MONGO_URI" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", ["nonsense", "users", "users create", "users role a@b.example", "explain"]
)
def test_it_explains_its_usage(command: str) -> None:
    done = run(command)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: app.py")


class Users:
    """`app.py users` on the test's own database."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.env: dict[str, str] = {}

    def __call__(self, *args: str) -> str:
        """What it prints when all goes well."""
        done = run("users", *args, MONGO_URI=self._uri, **self.env)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def refusal(self, *args: str) -> tuple[int, str]:
        done = run("users", *args, MONGO_URI=self._uri)
        assert done.stdout == ""
        return done.returncode, done.stderr


def uri_of(db: Mongo) -> str:
    host, port = db.client.address or ("", 0)
    return f"mongodb://{host}:{port}/{db.name}"


@pytest.fixture
def manage(db: Mongo) -> Users:
    db.command("ping")
    return Users(uri_of(db))


def test_it_manages_accounts(manage: Users) -> None:
    assert manage("list") == ""
    assert manage("create", "Ann@Example.com") == "Ann@Example.com  user  -\n"
    assert (
        manage("create", "ben@example.com", "--role", "moderator", "--skills", " VPN, dns,,vpn")
        == "ben@example.com  moderator  VPN, dns\n"
    )
    assert manage("role", "ann@example.com", "admin") == "Ann@Example.com  admin  -\n"
    assert manage("skills", "BEN@example.com", "C++, C#") == "ben@example.com  moderator  C++, C#\n"
    assert manage("list") == "Ann@Example.com  admin  -\nben@example.com  moderator  C++, C#\n"
    assert manage("skills", "ben@example.com", "") == "ben@example.com  moderator  -\n"


def test_it_gives_an_unconfirmed_account_no_role(
    manage: Users, db: Mongo, slack: RecordingSlack
) -> None:
    jo = {"_id": ObjectId(), "email": "jo@example.com", "password": "hash", "role": "user"}
    db.users.insert_one(jo)
    refused = (
        1,
        "It is not confirmed that jo@example.com is the address of this account's owner, so it "
        "gets no role. If you know the owner, confirm it on the server: python app.py users "
        "confirm jo@example.com\n",
    )
    assert manage.refusal("role", "jo@example.com", "moderator") == refused
    slack.add_member("U0JO", email="jo@example.com", name="Jo")
    ids = {"teamId": TEAM_ID, "slackUserId": "U0JO", "userId": jo["_id"]}
    db.links.insert_one({"_id": f"{TEAM_ID}:U0JO", **ids})
    assert manage.refusal("role", "jo@example.com", "moderator") == refused  # without a token
    manage.env = {"SLACK_BOT_TOKEN": "xoxb-test", "SLACK_API_URL": slack.url}
    assert manage("role", "jo@example.com", "moderator") == "jo@example.com  moderator  -\n"
    db.users.insert_one({"email": "al@example.com", "password": "hash", "role": "user"})
    assert manage("confirm", "AL@example.com") == "al@example.com  user  -\n"
    assert manage("role", "al@example.com", "admin") == "al@example.com  admin  -\n"
    nobody = (1, "There is no account with that address.\n")
    assert manage.refusal("confirm", "nobody@example.com") == nobody


def test_it_frees_an_account_of_its_slack_member(manage: Users, db: Mongo) -> None:
    manage("create", "jo@example.com")
    none = (1, "No Slack member is linked to that account.\n")
    assert manage.refusal("unlink", "jo@example.com") == none
    [jo] = db.users.distinct("_id")
    ids = {"teamId": TEAM_ID, "slackUserId": "U0JO", "userId": jo}
    db.links.insert_one({"_id": f"{TEAM_ID}:U0JO", **ids})
    assert manage("unlink", "Jo@example.com") == "Jo@example.com is no longer linked to U0JO.\n"
    assert db.links.count_documents({}) == 0
    assert [(mail["kind"], mail["userId"]) for mail in db.letters.find()] == [("unlinked", jo)]
    nobody = (1, "There is no account with that address.\n")
    assert manage.refusal("unlink", "nobody@example.com") == nobody


def test_it_lists_who_is_deactivated(manage: Users, db: Mongo) -> None:
    manage("create", "ann@example.com")
    db.users.update_one({}, {"$set": {"active": False}})
    assert manage("list") == "ann@example.com  user  -  (deactivated)\n"


def test_an_invitation_has_the_name_it_is_given(manage: Users, db: Mongo) -> None:
    manage("create", "ann@example.com", "--name", "Ann")
    assert db.users.distinct("name") == ["Ann"]


def test_it_refuses_in_sentences(manage: Users) -> None:
    manage("create", "ann@example.com")
    assert manage.refusal("create", "ANN@example.com") == (
        1,
        "There is an account with that address already.\n",
    )
    assert manage.refusal("create", "ann") == (
        1,
        "That is not an email address. Write it like name@example.com.\n",
    )
    nobody = (1, "There is no account with that address.\n")
    assert manage.refusal("role", "nobody@example.com", "admin") == nobody
    assert manage.refusal("skills", "nobody@example.com", "VPN") == nobody
    assert manage.refusal("skills", "ann@example.com", "x" * 51) == (
        1,
        "A skill has at most 50 characters.\n",
    )
    assert manage.refusal("role", "ann@example.com", "emperor")[0] == 2


def test_it_prints_a_link_to_set_a_password_by(
    manage: Users, db: Mongo, services: Services
) -> None:
    manage("create", "ann@example.com", "--role", "moderator")
    env = {
        "MONGO_URI": uri_of(db),
        "JWT_SECRET": JWT_SECRET,
        "APP_URL": "https://desk.example.com/",
    }
    done = run("users reset", "ANN@example.com", **env)
    assert (done.returncode, done.stderr) == (0, "")
    at, _, code = done.stdout.rstrip("\n").partition("?code=")
    assert at == "https://desk.example.com/reset"
    services.password_resets.reset(code=code, password="correct horse")
    user = services.sign_in.sign_in(email="ann@example.com", password="correct horse")
    assert user.role is Role.MODERATOR
    unknown = run("users reset", "x@example.com", **env)
    assert last_line(unknown) == (1, "There is no account with that address.")
    assert run("users reset", "ann@example.com", MONGO_URI=uri_of(db)).stderr.splitlines() == [
        "app.py users cannot start:",
        "  - JWT_SECRET is missing",
        "  - APP_URL is missing",
        SETUP_ADVICE,
    ]


def test_it_prints_who_changed_what(users: UserService, db: Mongo) -> None:
    ann, ben = (
        users.create(actor=OPERATOR, email=f"{name}@example.com") for name in ("ann", "ben")
    )
    users.update(actor=OPERATOR, email=ben.email, role="moderator")
    users.update(actor=OPERATOR, email=ben.email, skills=["VPN", "<b>"])
    uri = uri_of(db)
    old = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
    entry = AuditEntry(old, ann.id, "account.capacity", ben.id, 8, 3)
    gone = AuditEntry(old, ObjectId(), "settings.clock", "targets", None, "around")
    audit_log.record(db, entry, gone)
    of_ben = f"{ben.id} ben@example.com"
    every = run("audit", MONGO_URI=uri).stdout.splitlines()
    assert every[:2] == [
        f"2026-01-01T09:30:00Z  {ann.id} ann@example.com  account.capacity  {of_ben}  8 -> 3",
        f'2026-01-01T09:30:00Z  {gone.by} (erased)  settings.clock  targets  null -> "around"',
    ]
    assert len(every) == 6
    found = run("audit", "--since", "2026-02-01", "--of", "BEN@example.com", MONGO_URI=uri)
    assert (found.returncode, found.stderr) == (0, "")
    assert [line.partition("Z  ")[2] for line in found.stdout.splitlines()] == [
        f'command line  account.created  {of_ben}  null -> "user"',
        f'command line  account.role  {of_ben}  "user" -> "moderator"',
        f'command line  account.skills  {of_ben}  [] -> ["VPN", "<b>"]',
    ]
    assert last_line(run("audit", "--of", "x@example.com", MONGO_URI=uri)) == (
        1,
        "There is no account with that address.",
    )
    assert last_line(run("audit", "--since", "monday", MONGO_URI=uri)) == (
        2,
        "app.py audit: error: argument --since: 'monday' is no date; write one like 2026-03-01",
    )


def test_it_explains_a_ticket_with_mongodb_alone(db: Mongo) -> None:
    old = {"title": "The printer jams", "description": "Paper", "password": "x"}
    ticket_id = db.tickets.insert_one(old).inserted_id
    done = run("explain", str(ticket_id), MONGO_URI=uri_of(db))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Ticket (Open)\n")
    assert "printer" not in done.stdout
    assert last_line(run("explain 99", MONGO_URI=uri_of(db))) == (
        1,
        "There is no ticket 99. A ticket of the legacy backend gets its number from the jobs; "
        "until then, type its id.",
    )
    assert last_line(run("explain twelve", MONGO_URI=uri_of(db))) == (
        1,
        "Write a ticket's number, for example 12, or its id.",
    )


def test_mongodb_is_away() -> None:
    assert last_line(run("users list", MONGO_URI=NOBODY_LISTENS)) == (
        1,
        "MongoDB cannot be reached at MONGO_URI (ServerSelectionTimeoutError).",
    )


def test_mongodb_stores_nothing(mongo: MongoServer, db: Mongo) -> None:
    with FullDiskProxy(mongo.port) as disk:
        disk.is_full = True
        done = run(
            "jobs", MONGO_URI=disk.uri_for(f"{db.name}-new"), REDIS_URL="redis://127.0.0.1:9"
        )
    assert last_line(done) == (
        1,
        "MongoDB answers, but cannot do its work (OperationFailure, error 14031). Look at its log, "
        "the free space of its disk and the rights of the user in MONGO_URI.",
    )


@pytest.fixture
def settings(db: Mongo, slack: RecordingSlack) -> Mapping[str, str]:
    """Good ones for the bot, on a Slack that opens no connection for its app token."""
    db.command("ping")
    slack.tokens.add("xapp-test")
    return {
        "MONGO_URI": uri_of(db),
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "JWT_SECRET": JWT_SECRET,
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_APP_TOKEN": "xapp-test",
        "SLACK_API_URL": slack.url,
    }


def last_line(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stderr.splitlines()[-1]


def test_an_index_that_mongodb_refuses_is_not_called_unreachable() -> None:
    message = app._startup_error_message(OperationFailure("it conflicts with another", code=85))
    assert message.startswith(
        "MongoDB answers, but cannot do its work (OperationFailure, error 85)"
    )


def test_a_wrong_bot_token(settings: Mapping[str, str], db: Mongo) -> None:
    done = run("bot", **{**settings, "SLACK_BOT_TOKEN": "xoxb-wrong"})
    assert last_line(done) == (1, "The bot cannot start: Slack answered invalid_auth.")
    assert db.meta.count_documents({}) == 0
    assert "xoxb-wrong" not in done.stderr


def test_a_wrong_app_token(settings: Mapping[str, str]) -> None:
    assert last_line(run("bot", **settings)) == (
        1,
        "The bot cannot start: Slack answered not_allowed_token_type.",
    )


def test_slack_is_away(settings: Mapping[str, str]) -> None:
    away = {**settings, "SLACK_API_URL": f"http://127.0.0.1:{free_port()}/api"}
    assert last_line(run("bot", **away)) == (
        1,
        "The bot cannot start: Slack cannot be reached (ConnectionRefusedError).",
    )


def test_the_bot_refuses_another_workspaces_database(
    settings: Mapping[str, str], db: Mongo
) -> None:
    db.meta.insert_one({"_id": "installation", "teamId": "T0OTHER"})
    assert last_line(run("bot", **settings)) == (
        1,
        "This database belongs to the Slack workspace T0OTHER, but the bot token is for "
        f"{TEAM_ID}. Use that workspace's token, or another database.",
    )


def test_the_bot_remembers_its_workspace(settings: Mapping[str, str], db: Mongo) -> None:
    run("bot", **settings)
    assert db.meta.distinct("teamId") == [TEAM_ID]


@pytest.fixture
def duplicates(db: Mongo, indexes_restored: None) -> list[str]:
    """The ids of two tickets of one number, in a database of which the unique index is lost."""
    db.tickets.drop_index("teamId_1_number_1")
    made = db.tickets.insert_many([{"teamId": "T1", "number": 7, "title": "a"} for _ in range(2)])
    return [str(ticket_id) for ticket_id in made.inserted_ids]


@pytest.mark.parametrize("command", ["bot", "worker", "jobs"])
def test_documents_that_a_unique_index_forbids_are_named(
    settings: Mapping[str, str], duplicates: list[str], command: str
) -> None:
    assert last_line(run(command, **settings)) == (
        3,
        "The unique index tickets.teamId_1_number_1 cannot be built: documents of tickets have "
        f"the same teamId and number. _id {', '.join(duplicates)}. Change or delete all but one "
        "of each group, and start again.",
    )


@pytest.mark.parametrize("command", ["users list", "explain 12", "doctor"])
def test_commands_build_no_index(mongo: MongoServer, command: str) -> None:
    name = f"test-{uuid.uuid4().hex}"
    run(command, MONGO_URI=mongo.uri_for(name))
    db = connect(mongo.uri_for(name))
    with db.client:
        found = {coll: set(db[coll].index_information()) for coll in db.list_collection_names()}
        assert [name for name, indexes in found.items() if indexes != {"_id_"}] == []


# What only the worker, the jobs or their training need; each costs a start tens of milliseconds
# and megabytes.
FOREIGN_TO_THE_BOT = {
    "apscheduler",
    "cryptography",
    "google",
    "holidays",
    "numpy",
    "rapidfuzz",
    "scipy",
    "sklearn",
}
MODULES_AT_EXIT = """
import atexit, sys
import app
names = lambda: sorted(name for name, module in sys.modules.items() if module)
atexit.register(lambda: print("imported:", *names()))
sys.exit(app.main(["bot"]))
"""


def test_a_started_bot_has_imported_nothing_that_only_others_need(
    settings: Mapping[str, str], db: Mongo
) -> None:
    env = {
        **settings,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PORT": str(free_port()),
        "SLACK_SIGNING_SECRET": SECRET,
    }
    del env["SLACK_APP_TOKEN"]
    bot = subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, "-c", MODULES_AT_EXIT],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with bot:
        assert bot.stderr is not None
        assert any("the bot is ready" in line for line in bot.stderr)
        bot.send_signal(signal.SIGTERM)
        printed, _ = bot.communicate(timeout=SECONDS)
    imported = printed.removeprefix("imported: ").split()
    assert "bot.bootstrap" in imported
    # A .pth file of Google's packages makes the bare name `google` in every process.
    assert [name for name in imported if name.split(".")[0] in FOREIGN_TO_THE_BOT] in (
        [],
        ["google"],
    )


def test_help_imports_no_library() -> None:
    imported = "import sys; before = set(sys.modules); import app; app._parser([]).format_help();"
    report = "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-c", imported + report],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"app"}


def test_it_reads_the_env_file_here(manage: Users, db: Mongo) -> None:
    manage("create", "ann@example.com")
    Path(".env").write_text(f"# the database\nMONGO_URI={uri_of(db)}\n")
    done = run("users list")
    assert (done.returncode, done.stdout) == (0, "ann@example.com  user  -\n")


def test_the_environment_is_stronger_than_the_env_file(manage: Users) -> None:
    Path(".env").write_text("MONGO_URI=http://not.a.database/\n")
    assert manage("list") == ""
    assert run("users list").returncode == 2


@pytest.fixture
def jobs(db: Mongo, redis: RedisServer) -> Iterator[subprocess.Popen[str]]:
    db.command("ping")
    env = {"PATH": os.environ["PATH"], "MONGO_URI": uri_of(db), "REDIS_URL": redis.url}
    started = subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, ROOT / "app.py", "jobs"], env=env, stderr=subprocess.PIPE, text=True
    )
    with started:
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(jobs: subprocess.Popen[str], db: Mongo, number: signal.Signals) -> None:
    assert jobs.stderr is not None
    assert any("the jobs are ready" in line for line in jobs.stderr)
    jobs.send_signal(number)
    assert jobs.wait(SECONDS) == 0
    assert db.leases.count_documents({}) == 0


def test_output_that_is_not_read_to_its_end_is_no_error() -> None:
    """Such as `python app.py users list | head`."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(  # noqa: S603  the product
        [sys.executable, ROOT / "app.py", "manifest"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
        env={"PATH": os.environ["PATH"]},
        check=False,
    )
    os.close(write_end)
    assert (done.stderr, done.returncode) == (b"", 1)


@pytest.mark.parametrize("command", ["doctor", "init", "manifest", "users list"])
def test_a_file_of_another_user_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    def refused(_: object) -> None:
        raise PermissionError  # the tests may run as root, who reads every file

    monkeypatch.setattr("dotenv.load_dotenv", refused)
    assert app.main(command.split()) == 2
    assert capsys.readouterr() == (
        "",
        "You may not read the file .env in this directory. Run this as its owner, for example "
        "with sudo --user helpdesk.\n",
    )
