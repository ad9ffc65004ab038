"""The product's three processes: bot, worker and jobs, each with its own log."""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from demo.binaries import ROOT
from demo.process import Process, ProcessError

# The log line that says that the process is ready.
READY = {
    "worker": "the worker is ready",
    "jobs": "the jobs are ready",
    "bot": "the bot is ready",
}
START_SECONDS = 30.0
# Variables of a developer's environment or .env that the demo ignores. They are set to "", because
# an absent one would be read from .env.
UNWANTED = ("ADMIN_EMAILS", "TRIAGE_CHANNEL", "ACCOUNT_LINKING", "SLACK_SIGNING_SECRET",
            "TICKET_EMOJI", "HOST", "PORT", "METRICS_TOKEN", "TRUSTED_PROXIES",
            "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "GEMINI_API_KEY", "GEMINI_MODEL",
            "GEMINI_API_URL", "MAILTRAP_SMTP_HOST", "MAILTRAP_SMTP_PORT", "MAIL_FROM",
            "APP_URL", "LOG_LEVEL")  # fmt: skip


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
