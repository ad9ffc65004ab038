"""The product's three processes: bot, worker and jobs, each with a log of its own."""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from demo.binaries import ROOT
from demo.process import Process, ProcessError

# The line in its log that says it is at work.
READY = {
    "worker": "the worker is ready",
    "jobs": "the jobs are ready",
    "bot": "the bot is ready",
}
START_SECONDS = 30.0
# What the product may find in a developer's environment or .env and the demo must not obey.
# Set empty, because an absent one would be read from .env after all.
UNWANTED = ("ADMIN_EMAILS", "TRIAGE_CHANNEL", "ACCOUNT_LINKING", "SLACK_SIGNING_SECRET",
            "TICKET_EMOJI", "HOST", "PORT", "METRICS_TOKEN", "TRUSTED_PROXIES",
            "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "GEMINI_API_KEY", "GEMINI_MODEL",
            "GEMINI_API_URL", "MAILTRAP_SMTP_HOST", "MAILTRAP_SMTP_PORT", "MAIL_FROM",
            "APP_URL", "LOG_LEVEL")  # fmt: skip


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings of the product and no others."""
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
        """All at once; returns when each is at work."""
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
        """`ProcessError` with its last output if one has ended by itself."""
        for process in self.processes.values():
            if not process.running:
                raise ProcessError(process.describe_end())

    def stop(self, *, grace: float = 10.0) -> list[str]:
        """SIGTERM to all, SIGKILL after `grace` seconds; the names of those it took."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + grace
        return [
            process.name
            for process in self.processes.values()
            if not process.stop(grace=max(0.1, deadline - time.monotonic()))
        ]
