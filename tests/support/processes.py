"""Processes of the product as in production, with the servers of the tests."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep

from celery import Celery

from demo.binaries import ROOT
from demo.local_stack import READY, environment
from demo.process import Process
from demo.servers import RedisServer
from services.core.database import Mongo
from tasks.queue.celery_app import celery
from tests.conftest import JWT_SECRET
from tests.support.forked_app import FORKED_APP, ForkedProcess
from tests.support.recording_slack import TOKEN, RecordingSlack


def run(command: str, *more: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `app.py` with this environment only."""
    return FORKED_APP.run([*command.split(), *more], env={"PATH": os.environ["PATH"], **env})


class Product:
    """Starts bot, worker and jobs processes and writes their logs to `directory`."""

    def __init__(
        self,
        *,
        mongo_uri: str,
        redis: RedisServer,
        slack: RecordingSlack,
        directory: Path,
        root: Path = ROOT,
    ) -> None:
        """`root` is the directory of the program."""
        self.settings = {
            "MONGO_URI": mongo_uri,
            "REDIS_URL": redis.url,
            "JWT_SECRET": JWT_SECRET,
            "SLACK_API_URL": slack.url,
            "SLACK_BOT_TOKEN": TOKEN,
            "LOG_LEVEL": "DEBUG",
        }
        self._directory = directory
        self.root = root
        self.ready_seconds = 30.0
        self.processes: list[Process] = []

    def start(
        self,
        command: str,
        *,
        program: Sequence[str] = (),
        until: str = "",
        **settings: str,
    ) -> Process:
        """Start the process and return when it is ready, or has logged `until`.

        `program` is run in place of `app.py`.
        """
        log = self._directory / f"{command}-{len(self.processes)}.log"
        settings = self.settings | settings
        env = environment(settings)
        if not program and (
            self.root != ROOT or any(name.startswith("PYTHON") for name in settings)
        ):
            program = (sys.executable, "app.py")  # an interpreter of its own
        process: Process = (
            Process(command, [*program, command], log=log, env=env, cwd=self.root)
            if program
            else ForkedProcess(command, [command], log=log, env=env)
        )
        self.processes.append(process)
        process.start()
        process.wait_until(
            lambda: (until or READY[command]) in process.output(), timeout=self.ready_seconds
        )
        return process

    def logs(self) -> str:
        return "".join(process.log.read_text() for process in self.processes)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.stop()


def eventually(condition: Callable[[], bool], *, what: str, seconds: float = 60) -> None:
    """Wait until `condition` holds; `seconds` only limits a test that fails."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"never came true: {what}"
        sleep(0.1)


def is_outbox_empty(db: Mongo) -> bool:
    return db.tickets.count_documents({"outbox": True}) == 0


def celery_for(redis_url: str) -> Celery:
    """Return a Celery app configured like the product's, for a publisher to this Redis.

    The product's own app keeps its connections to the first Redis it published to.
    """
    made = Celery("test", broker=redis_url)
    for name in ("broker_transport_options", "task_queues", "task_default_queue"):
        made.conf[name] = celery.conf[name]
    return made
