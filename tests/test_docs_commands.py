"""Every command of the pages runs as written, or stands in `NOT_RUN` with its reason.

They run in an empty directory, with the servers of the tests and one bot process.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from demo.binaries import ROOT
from demo.servers import RedisServer
from services.accounts.users import UserService
from services.core.database import Mongo
from services.core.redis_client import connect_redis
from services.models.permissions import OPERATOR
from services.models.slack_member import link_id
from services.models.user import Role
from services.registry.services import Services
from tests.conftest import APP_URL, People, build_services, file_ticket
from tests.support.http_bot import SECRET, HttpBot
from tests.support.markdown_page import Page, read_pages
from tests.support.mongosh import run as run_in_mongosh
from tests.support.processes import Product, run
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.product"]

# What the bot writes, and what has changed, is left out.
PAGES = read_pages(without=["messages.md", "CHANGELOG.md"])
PAGE = PAGES["docs/accounts.md"].text
# A command begins with one of these, after its variables.
PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:\S*/)?(?:python3?|pip3?|pytest|make|curl|cp|\.|docker|mongo\w+|redis-cli"
    r"|systemctl|journalctl|sudo|apt\S*|git|npm|npx|sh|bash|celery|kubectl|cosign|chmod|gpg|age)"
    r"(?= )|app\.py(?= )|mongo(?:dump|restore|sh)$"
)
LANGUAGES = {"sh": True, "json": False, "yaml": False, "python": False, "mermaid": False}
# The blocks without a language that hold no commands, by their beginning.
TEXTS = ("MONGO_URI=mongodb+srv:", "          ")

MINUTES = "takes minutes; the nightly workflow or a developer runs it"
OTHER_PROGRAM = "needs MongoDB's own tools, which no package registry has"
DOCKER, INTERNET, SYSTEMD = "needs docker", "needs the internet", "needs systemd"
IN_CI = "runs this test, or is a step of its own in CI"
# By the beginning of a command: why it does not run here.
NOT_RUN: Mapping[str, str] = {
    "docker compose": DOCKER,
    "sudo": SYSTEMD,
    "journalctl": SYSTEMD,
    "git fetch": INTERNET,
    "mongodump": OTHER_PROGRAM,
    "mongorestore": OTHER_PROGRAM,
    "python3 -m venv .venv": INTERNET,
    ".venv/bin/python -m pip install": INTERNET,
    ". .venv/bin/activate": "has an effect in a shell with that environment only",
    "make demo": "waits for Ctrl-C; tests/demo/test_main.py runs it",
    "make smoke": "tests/demo/test_main.py runs it",
    "make test": IN_CI,
    "make test-all": MINUTES,
    "make lint": IN_CI,
    "make chaos": f"{MINUTES}; tests/chaos/test_chaos.py runs less of it",
    "make mutations": MINUTES,
    "make fuzz-api": MINUTES,
    "make messages": "tests/messages/test_messages.py compares its outcome",
    "make screenshots": MINUTES,
    "make bench": f"{MINUTES}; tests/bench runs parts of it",
    "make bench-router": "tests/bench/test_router.py runs it",
    "make bench-redaction": "tests/bench/test_redaction.py runs it",
    "make clean": "removes the environment that this test runs in",
    ".venv/bin/python -m pytest": "a test run within a test run",
    "python -m pytest": "a test run within a test run",
    "RECORD=again python -m pytest": "a test run within a test run",
    "python app.py worker": "tests/test_doctor_command.py starts it",
    "python app.py jobs": "tests/test_doctor_command.py starts it",
}
ACCOUNTS = ["mod@example.com", "ann@example.com"]
# What a reader replaces.
EXAMPLES = {"ADDRESS": "mod@example.com", "ROLE": "moderator"}
EXAMPLE = re.compile(r"^```sh\n(.*?)^```\n(?:\n```json\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
TICKET = "65f0c0ffee65f0c0ffee0012"
SHAPES = {
    "an id": re.compile(r"[0-9a-f]{24}"),
    "a date": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "a token": re.compile(r"eyJ(…|[\w.-]+)"),
}


class Shell:
    """Runs the examples in order, with tokens and ids from the previous answers."""

    def __init__(self, url: str) -> None:
        self._lines = ["set -e"]
        self._url = url
        self._token = self._ticket = ""

    def run(self, example: str) -> Any:
        """Return what the example prints. Its variables stay set for the next examples."""
        example = example.replace("https://desk.example.com", self._url)
        example = example.replace("eyJ…", self._token).replace(TICKET, self._ticket)
        set_, _, call = example.rpartition("curl ")
        self._lines += [line for line in set_.splitlines() if line]
        script = "\n".join([*self._lines, f"curl {call}"])
        done = subprocess.run(  # noqa: S603  examples of our own page
            ["/bin/bash", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": os.environ["PATH"]},
            check=True,
        )
        answer = json.loads(done.stdout)
        self._token = answer.get("token") or self._token
        self._ticket = answer.get("ticket", {}).get("_id") or self._ticket
        return answer


def shape(value: Any) -> Any:
    """Replace the values that differ between runs."""
    if isinstance(value, dict):
        return {name: shape(held) for name, held in value.items()}
    if isinstance(value, list):
        return [shape(held) for held in value]
    found = (name for name, shape in SHAPES.items() if shape.fullmatch(str(value)))
    return next(found, value)


def test_every_example_works_as_it_stands(
    http_bot: HttpBot, users: UserService, services: Services
) -> None:
    sign_up = services.sign_in.sign_up
    sign_up(email="mod@example.com", password="four words by chance")
    users.confirm_email(actor=OPERATOR, email="mod@example.com")
    users.update(actor=OPERATOR, email="mod@example.com", role=Role.MODERATOR)
    shell, seen = Shell(http_bot.url), []
    for example, answer in EXAMPLE.findall(PAGE):
        answered = shell.run(example)
        seen.append(answered)
        if answer:
            assert shape(answered) == shape(json.loads(answer))
    assert len(seen) == PAGE.count("curl ")
    (page,) = [answer for answer in seen if "tickets" in answer]
    assert [ticket["title"] for ticket in page["tickets"]] == ["The VPN drops"]
    assert page["nextCursor"] is None
    (one,) = [answer["ticket"] for answer in seen if set(answer) == {"ticket"}]
    assert one["createdBy"]["email"] == "ann@example.com"
    (updated,) = [answer for answer in seen if answer.get("message") == "Ticket updated."]
    assert updated["ticket"]["resolution"] == "Renewed the certificate."


def block_commands(block: str) -> Iterator[str]:
    """Yield the commands of a block: of a session with its output, the lines that begin with $."""
    lines = block.strip("\n").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    command = ""
    for line in lines:
        command = f"{command}\n{line.strip()}" if command else line.strip()
        if command.endswith("\\"):
            continue
        try:
            shlex.split(command, comments=True)
        except ValueError:  # an open quote
            continue
        if command:
            yield command
        command = ""


def commands(page: Page) -> list[str]:
    """Return the commands of a page, each once, without comments."""
    found: list[str] = []
    for block in page.blocks:
        if LANGUAGES[block.language] if block.language else not block.text.startswith(TEXTS):
            found += block_commands(block.text)
    found += [span for span in page.spans if PROGRAM.match(span)]
    return list(dict.fromkeys(re.sub(r"\s+# .*", "", command) for command in found))


def reason(command: str) -> str | None:
    """Return why the command does not run here, None if it does."""
    return next((why for start, why in NOT_RUN.items() if begins(command, start)), None)


def begins(command: str, start: str) -> bool:
    return f"{command} ".startswith(f"{start} ")


class Server:
    """An operator's machine."""

    def __init__(self, http_bot: HttpBot, product: Product, db: Mongo, redis: RedisServer) -> None:
        self._bot, self._db, self._redis = http_bot, db, redis
        self._env = product.settings | {
            "LOG_LEVEL": "INFO",
            "SLACK_SIGNING_SECRET": SECRET,
            "APP_URL": APP_URL,
            "ADMIN_EMAILS": "boss@example.com",
            "METRICS_TOKEN": "",
        }

    def run(self, command: str) -> None:
        """Run the command. Fails if it does not do what it says."""
        for name, value in EXAMPLES.items():
            command = re.sub(rf"\b{name}\b", value, command)
        command, _, output = command.partition(" > ")
        match shlex.split(command):
            case ["python", "app.py"]:
                assert self._bot.process.running
            case ["python", "app.py", *arguments]:
                Path(output or os.devnull).write_text(self._run_app(arguments))
            case ["mongosh", "$MONGO_URI", "--eval", statement]:
                run_in_mongosh(self._db, statement)
            case ["redis-cli", *arguments]:
                with connect_redis(self._redis.url) as client:
                    client.execute_command(*arguments)
            case ["curl" | "cp" | "python3", *_]:
                self._run_in_shell(command)
            case _:
                pytest.fail(f"Run this in `Server.run`, or give the reason in `NOT_RUN`: {command}")

    def _run_app(self, arguments: Sequence[str]) -> str:
        if {*ACCOUNTS} & {*arguments}:
            self._make_accounts(is_new="create" in arguments)
        done = run(*arguments, **self._env)
        # The doctor finds neither a worker nor jobs.
        assert done.returncode == ("FAIL  worker" in done.stdout), done
        return done.stdout

    def _make_accounts(self, *, is_new: bool) -> None:
        """Make the accounts that the examples name, each with a linked member. If `is_new`, remove
        them."""
        self._db.users.delete_many({"email": {"$in": ACCOUNTS}})
        users = build_services(self._db).users
        for number, email in enumerate([] if is_new else ACCOUNTS):
            user, member = users.create(actor=OPERATOR, email=email), f"U{number}"
            link = {"teamId": TEAM_ID, "slackUserId": member, "userId": user.id}
            self._db.links.replace_one({"_id": link_id(TEAM_ID, member)}, link, upsert=True)

    def _run_in_shell(self, command: str) -> None:
        command = command.replace("http://127.0.0.1:5000", self._bot.url)
        command = command.replace("curl ", "curl --silent --show-error --fail ")
        env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(["/bin/bash", "-c", command], env=env, check=True, timeout=60)  # noqa: S603  our own pages


def test_every_command_runs_or_has_a_reason(
    http_bot: HttpBot,
    product: Product,
    db: Mongo,
    redis: RedisServer,
    people: People,
    elsewhere: None,
) -> None:
    shutil.copy(ROOT / ".env.example", ".env.example")
    people.add(Role.ADMIN)  # the last one cannot be erased
    ticket = file_ticket(build_services(db).tickets, people.add())
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"number": 12}})
    server, done = Server(http_bot, product, db, redis), set[str]()
    for name, page in PAGES.items():
        for command in commands(page):
            is_example = name == "docs/accounts.md" and re.match("curl |[A-Z]+=", command)
            # An example is run by `test_every_example_works_as_it_stands`.
            if reason(command) is None and not is_example and command not in done:
                server.run(command)
                done.add(command)


def test_each_reason_is_needed() -> None:
    found = [command for page in PAGES.values() for command in commands(page)]
    assert [start for start in NOT_RUN if not any(begins(one, start) for one in found)] == []
    for why in NOT_RUN.values():
        for path in re.findall(r"tests/\S+\.py", why):
            assert (ROOT / path).exists()
