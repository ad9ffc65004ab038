"""Start, watch and stop the servers and the product: bot, worker and jobs, each with its log."""

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from slack_sdk import WebClient

from demo import seed
from demo.adapter import wrap_client
from demo.binaries import ROOT
from demo.process import Process, ProcessError
from demo.sample_tickets import add_sample_tickets
from demo.servers import LocalSlack, MongoServer, RedisServer, Server, free_port
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser
from demo.welcome import post_welcome
from services.core import database as core_database
from services.core.settings import VARIABLES

DATABASE = "helpdesk"
# The log line that says that the process is ready.
READY = {
    "worker": "the worker is ready",
    "jobs": "the jobs are ready",
    "bot": "the bot is ready",
}
START_SECONDS = 30.0
# Variables of a developer's environment or .env that the demo ignores. They are set to "", because
# an absent one would be read from .env.
UNWANTED = (*VARIABLES, "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET")  # Bolt reads the last two


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with only these settings of the product."""
    return {**os.environ, **dict.fromkeys(UNWANTED, ""), "PYTHONUNBUFFERED": "1", **settings}


class ProductProcesses:
    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        logs: Path,
        commands: Iterable[str] = READY,
    ) -> None:
        """`settings` are the product's environment variables; logs go to `logs`/NAME.log."""
        self.processes = {
            command: Process(
                command,
                [sys.executable, "-m", "demo.run_process", command],
                log=logs / f"{command}.log",
                env=environment(settings),
                cwd=ROOT,
            )
            for command in commands
        }

    def start(self) -> None:
        """Start all processes; return when each is ready."""
        for process in self.processes.values():
            process.start()
        for command in self.processes:
            self.wait_until_ready(command)

    def wait_until_ready(self, command: str) -> None:
        process = self.processes[command]
        process.wait_until(lambda: READY[command] in process.output(), timeout=START_SECONDS)

    def __getitem__(self, command: str) -> Process:
        return self.processes[command]

    def check(self) -> None:
        """Raise `ProcessError` with the last output if a process has ended."""
        for process in self.processes.values():
            if not process.running:
                raise ProcessError(process.describe_end())

    def stop(self, *, grace: float = 10.0) -> list[str]:
        """Send SIGTERM to all, SIGKILL after `grace` seconds; return the names of those killed."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + grace
        return [
            process.name
            for process in self.processes.values()
            if not process.stop(grace=max(0.1, deadline - time.monotonic()))
        ]


def _say(page: SlackPage, member: seed.Member, text: str) -> str:
    """Let the member write in #it-help; return the message's `ts`."""
    user = SlackUser(page, member.slack_id, channel=seed.HELP)
    user.say(text)
    return user.read()[-1].ts


class Stack:
    """Servers and product on this machine. `with Stack() as stack:` leaves no process behind."""

    def __init__(
        self,
        *,
        staff: Sequence[seed.Member] | None = None,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        has_sample_tickets: bool = False,
    ) -> None:
        """`port` is local-slack's; `settings` are further environment variables of the product.

        With `has_sample_tickets` a message in #general says what to try with them.
        """
        self.staff = list(staff if staff is not None else seed.staff())
        self.logs = Path(tempfile.mkdtemp(prefix="helpdesk-demo-"))
        self.mongo = MongoServer(directory=self.logs / "mongodb")
        self.redis = RedisServer()
        self.members = [seed.EMPLOYEE, *seed.COLLEAGUES, *self.staff]
        config = seed.workspace_config(self.members)
        self.slack = LocalSlack(config, port=port, directory=self.logs / "slack")
        self._settings = dict(settings or {})
        self._has_sample_tickets = has_sample_tickets
        self._http_port = free_port()
        self.pages_url = f"http://127.0.0.1:{self._http_port}"
        self.product: ProductProcesses
        self._open = ExitStack()

    def start(self) -> Self:
        """Return once everything is ready; on a failure stop what was started."""
        try:
            self._start()
        except BaseException:  # Ctrl-C too
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self._open.callback(shutil.rmtree, self.logs, ignore_errors=True)
        # Slack first: a taken port is the most likely failure.
        for server in (self.slack, self.mongo, self.redis):
            self._open.enter_context(server)
        db = self.database()
        seed.seed_accounts(db, self.staff)
        seed.seed_request_channel(db)
        if self._has_sample_tickets:  # before the product runs, whose jobs would act on them
            slack = wrap_client(WebClient(token=seed.BOT_TOKEN, base_url=self.slack.api_url))
            post_welcome(slack, self.staff)
            with SlackPage(self.slack.url) as page:
                add_sample_tickets(db, slack, self.members, say=partial(_say, page))
        settings = self._product_settings()
        (self.logs / ".env").write_text("".join(f"{key}={settings[key]}\n" for key in settings))
        self.product = ProductProcesses(settings, logs=self.logs)
        self._open.callback(self.product.stop)
        self.product.start()
        with SlackPage(self.slack.url) as workspace:
            workspace.wait_for_bot()

    def database(self) -> core_database.Mongo:
        """Return a connection that is closed with the stack."""
        db = core_database.connect(self.mongo.uri_for(DATABASE))
        self._open.callback(db.client.close)
        return db

    def _product_settings(self) -> dict[str, str]:
        return {
            "MONGO_URI": self.mongo.uri_for(DATABASE),
            "REDIS_URL": self.redis.url,
            "JWT_SECRET": secrets.token_urlsafe(),
            "SLACK_API_URL": self.slack.api_url,
            "SLACK_BOT_TOKEN": seed.BOT_TOKEN,
            "SLACK_APP_TOKEN": seed.APP_TOKEN,
            "PORT": str(self._http_port),
            "APP_URL": self.pages_url,
            "TRIAGE_CHANNEL": seed.TRIAGE,
            **self._settings,
        }

    def check(self) -> None:
        """Raise `ProcessError` if a process has ended."""
        servers: list[Server] = [self.slack, self.mongo, self.redis]
        for server in servers:
            if server.process and not server.running:
                raise ProcessError(server.process.describe_end())
        self.product.check()

    def stop(self) -> None:
        """Stop the product, then the servers."""
        self._open.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
