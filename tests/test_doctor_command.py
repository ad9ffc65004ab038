"""`python app.py doctor` as a real process: everything fine, then each part broken."""

import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bot.manifest import SCOPES
from demo.servers import MongoServer, RedisServer, free_port
from services.core import schema_version
from services.core.database import Mongo
from services.core.installation import claim_installation
from services.models.user import Role
from services.registry.migrations import PROGRAM_VERSION
from tests.conftest import JWT_SECRET, People
from tests.support.aimock import AIMock
from tests.support.processes import Product, eventually, run
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytestmark = pytest.mark.usefixtures("elsewhere")

APP_TOKEN = "xapp-test"
SECRETS = ("pa55word", "hunter2", "s3cret", TOKEN, APP_TOKEN, JWT_SECRET)
AWAY = "FAIL  MongoDB:       it cannot be reached at MONGO_URI (ServerSelectionTimeoutError)."


def doctor(env: Mapping[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    done = run("doctor", **{**env, **changes})
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    assert done.stderr == ""
    return done


def lines(done: subprocess.CompletedProcess[str], *about: str) -> list[str]:
    """The lines with that status or name, without it."""
    split = [line.split(":", 1) for line in done.stdout.splitlines()[:-1]]
    return [f"{start[:4].strip()} {said.strip()}" for start, said in split if start[6:] in about]


def failed(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line[6:].split(":")[0] for line in done.stdout.splitlines() if line[:6] == "FAIL  "]


@pytest.fixture
def env(
    mongo: MongoServer, redis: RedisServer, slack: RecordingSlack, db: Mongo, people: People
) -> Mapping[str, str]:
    slack.app_tokens.add(APP_TOKEN)
    claim_installation(db, team_id=TEAM_ID)
    people.add(Role.MODERATOR, "VPN")
    people.add(Role.ADMIN)
    return {
        "MONGO_URI": mongo.uri_for(db.name),
        "REDIS_URL": redis.url,
        "JWT_SECRET": JWT_SECRET,
        "SLACK_API_URL": slack.url,
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
    }


@pytest.fixture
def product(
    mongo: MongoServer, slack: RecordingSlack, db: Mongo, tmp_path: Path
) -> Iterator[Product]:
    """With its own Redis, so that no other worker answers."""
    with RedisServer() as own:
        made = Product(mongo_uri=mongo.uri_for(db.name), redis=own, slack=slack, directory=tmp_path)
        yield made
        made.stop()


def test_nothing_is_configured() -> None:
    done = doctor({})
    assert done.returncode == 1
    program, *findings = done.stdout.splitlines()
    assert re.fullmatch(
        r"ok    program:       version \d+\.\d+\.\d+ on Python 3\.\d+\.\d+", program
    )
    assert findings == [
        "FAIL  settings:      MONGO_URI is missing. Set it in the environment or in .env.",
        "FAIL  settings:      REDIS_URL is missing. Set it in the environment or in .env.",
        "FAIL  settings:      JWT_SECRET is missing. Set it in the environment or in .env.",
        "FAIL  settings:      SLACK_BOT_TOKEN is missing. Set it in the environment or in .env.",
        "FAIL  settings:      SLACK_APP_TOKEN or SLACK_SIGNING_SECRET is missing. Set it in the "
        "environment or in .env.",
        "ok    linking:       by Slack's email address; without APP_URL there is no page that "
        "shows codes",
        "ok    app token:     none, so Slack has to reach the bot over HTTP",
        "ok    triage:        off, because TRIAGE_CHANNEL is not set, nor a channel in Settings",
        "ok    emoji:         :ticket:, from TICKET_EMOJI or its default",
        "ok    Gemini:        no GEMINI_API_KEY, so the offline router analyses the tickets",
        "ok    mail:          off, because MAILTRAP_SMTP_HOST is not set",
        "skip  not checked:   MongoDB, clock, data version, indexes, accounts, addresses, private "
        "tickets, events, channels, analyses, jobs, outbox, deliveries, waiting, because of "
        "MONGO_URI",
        "skip  not checked:   Slack token, scopes, because of SLACK_BOT_TOKEN",
        "skip  not checked:   workspace, because of MONGO_URI and SLACK_BOT_TOKEN",
        "skip  not checked:   Redis, sending, worker, because of REDIS_URL",
        "5 FAIL, 0 warn. Correct what says FAIL first.",
        "To set them up step by step, run: python app.py init. To do it by hand, copy .env.example "
        "to .env. To try the product without Slack, run: make demo",
    ]


def test_all_is_well(
    env: Mapping[str, str], product: Product, db: Mongo, slack: RecordingSlack
) -> None:
    product.start("worker")
    product.start("jobs")
    eventually(
        lambda: schema_version.stored_schema(db).version == PROGRAM_VERSION, what="the migrations"
    )
    slack.clear()
    with AIMock() as gemini:
        gemini.answer(skills=["VPN"])
        done = doctor(
            {**env, **product.settings},
            GEMINI_API_KEY="s3cret",
            GEMINI_API_URL=gemini.url,
        )
    said = done.stdout.splitlines()
    assert said.pop(0).startswith("ok    program:       version ")
    # A test's Slack is not Slack's API.
    assert said.pop(0).startswith("warn  settings:      SLACK_API_URL is not Slack's")
    assert said.pop() == "It works; 1 warn: have a look at this."
    assert [line[:6] for line in said] == ["ok    "] * len(said)
    (analysed,) = lines(done, "Gemini")
    assert analysed.startswith("ok gemini-flash-lite-latest analysed a sample ticket: ")
    assert analysed.endswith(" s, 120 tokens")
    (jobs,) = lines(done, "jobs")
    assert jobs.startswith("ok one process leads")
    (worker,) = lines(done, "worker")
    assert worker.startswith("ok celery@")
    assert done.returncode == 0
    synchronisation = ("users.info", "dnd.teamInfo")  # the jobs' calls
    methods = [call.method for call in slack.calls if call.method not in synchronisation]
    assert methods == ["auth.test", "apps.connections.open"]


def test_no_worker_and_no_jobs_run(env: Mapping[str, str]) -> None:
    with RedisServer() as own:
        done = doctor(env, REDIS_URL=own.url)
    assert lines(done, "worker", "jobs") == [
        "FAIL none answers, so no ticket is assigned. Run: python app.py worker",
        "FAIL none leads. Run: python app.py jobs",
    ]
    assert (done.returncode, failed(done)) == (1, ["worker", "jobs"])


def test_mongodb_is_away(env: Mapping[str, str]) -> None:
    gone = f"mongodb://app:pa55word@127.0.0.1:{free_port()}/helpdesk"
    done = doctor(env, MONGO_URI=gone)
    assert done.returncode == 1
    assert failed(done) == ["MongoDB", "worker"]
    assert AWAY in done.stdout


def test_redis_is_away(env: Mapping[str, str]) -> None:
    done = doctor(env, REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    assert failed(done) == ["Redis", "jobs"]
    assert lines(done, "not checked") == ["skip sending, worker, because of Redis"]


def test_slack_refuses_the_token(env: Mapping[str, str]) -> None:
    done = doctor(env, SLACK_BOT_TOKEN="xoxb-s3cret")
    assert failed(done) == ["Slack token", "worker", "jobs"]
    assert lines(done, "not checked") == ["skip scopes, workspace, because of Slack token"]


def test_scopes_app_token_and_workspace_are_wrong(
    env: Mapping[str, str], slack: RecordingSlack, db: Mongo
) -> None:
    slack.scopes = ",".join({*SCOPES, "files:read"} - {"users:read", "chat:write.public"})
    slack.app_tokens.clear()
    db.meta.update_one({"_id": "installation"}, {"$set": {"teamId": "T0OTHER"}})
    done = doctor(env)
    assert lines(done, "scopes", "workspace", "app token") == [
        "warn chat:write.public is missing. Messages go only to channels that the app is a member "
        'of. Add it under "OAuth & Permissions", then reinstall the app under "Install App".',
        "FAIL users:read is missing. New members get no account, and Slack statuses are not "
        'read. Add it under "OAuth & Permissions", then reinstall the app under "Install App".',
        "warn more than needed: files:read. Nothing here needs them: remove them, then reinstall "
        'the app under "Install App".',
        "FAIL the database belongs to T0OTHER, the token to T0TEAM. Use that workspace's token, or "
        "another database.",
        "FAIL Slack answered invalid_auth. Switch Socket Mode on, and make an app-level token "
        'with connections:write under "Basic Information".',
    ]
    assert failed(done) == ["scopes", "workspace", "app token", "worker", "jobs"]


@pytest.mark.usefixtures("indexes_restored")
def test_an_empty_database_with_duplicates(
    env: Mapping[str, str], mongo: MongoServer, db: Mongo
) -> None:
    db.tickets.drop_indexes()
    db.users.insert_many([{"email": "Ann@example.com"}, {"email": "ann@example.com"}])
    done = doctor(env)
    (indexes,) = lines(done, "indexes")
    assert indexes.startswith("FAIL missing or changed: tickets.")
    (accounts_line,) = lines(done, "accounts")
    assert accounts_line.startswith("warn addresses with several accounts: ann@example.com (")
    assert failed(done) == ["indexes", "worker", "jobs"]


def test_everything_bad_is_named_and_the_rest_still_checked(env: Mapping[str, str]) -> None:
    done = doctor(
        env,
        MONGO_URI="postgres://app:pa55word@db",
        LOG_LEVEL="s3cret",
        SLACK_API_URL="s3cret",
        GEMINI_API_KEY="s3cret",
        GEMINI_API_URL="http://127.0.0.1:9",
        MAILTRAP_SMTP_HOST="127.0.0.1",
        MAILTRAP_SMTP_PORT="9",
        MAILTRAP_SMTP_USER="desk",
        MAILTRAP_SMTP_PASS="pa55word",
    )
    about = ["settings", "settings", "settings", "MongoDB", "Slack token", "app token", "mail"]
    assert failed(done) == [*about, "worker"]
    assert lines(done, "Gemini")[0].startswith("warn Gemini gave no usable answer (unavailable)")


def test_servers_that_accept_and_never_answer(env: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        at = f"127.0.0.1:{silent.getsockname()[1]}"
        done = doctor(
            env,
            MONGO_URI=f"mongodb://app:pa55word@{at}/x",
            REDIS_URL=f"redis://:hunter2@{at}/0",
            SLACK_API_URL=f"http://{at}/api/",
            GEMINI_API_KEY="s3cret",
            GEMINI_API_URL=f"http://{at}",
            GEMINI_TIMEOUT="1",
            MAILTRAP_SMTP_HOST="127.0.0.1",
            MAILTRAP_SMTP_PORT=at.rpartition(":")[2],
        )
    assert failed(done) == ["MongoDB", "Slack token", "app token", "Redis", "mail"]
    assert lines(done, "Gemini") == [
        "warn Gemini gave no usable answer (timeout). Until it answers, the offline router "
        "analyses the tickets."
    ]


def test_an_unknown_option_is_usage() -> None:
    assert run("doctor", "--json").returncode == 2
