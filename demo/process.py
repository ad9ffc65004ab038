"""A child process that writes to a log file and is always stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
POLL_SECONDS = 0.03
MAX_LINE_LENGTH = 600  # characters of an output line that are shown

# The parent-death signal fires when the *thread* that forked ends, so one thread that lives as long
# as this process forks all children.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


class ProcessError(RuntimeError):
    """A child could not be started or ended too early; `str(error)` is shown to the user."""


class PortTakenError(ProcessError):
    """Another process listens on the port."""


class Process:
    """A command in a new session, so that the terminal's Ctrl-C reaches only this process."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._env = dict(env) if env is not None else None
        self._cwd = cwd
        self._log_start = 0
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll() if self._popen else None

    def start(self) -> None:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._popen = _forker.submit(self._fork).result()

    def _fork(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-I",
            "-S",
            str(DIE_WITH_PARENT),
            str(os.getpid()),
            *self._command,
        ]
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603  every command here is ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Wait for `ready()`. Raises `ProcessError` if the child ends or after `timeout` s."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise ProcessError(self.describe_end())
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"{self.name} was not ready after {timeout:.0f} s. {self._last_output()}"
                )
            time.sleep(POLL_SECONDS)

    def describe_end(self) -> str:
        return f"{self.name} ended by itself (exit {self.exit_code}). {self._last_output()}"

    def output(self) -> str:
        """Return the output since the last start."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._log_start :].decode(errors="replace")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the output."""
        return "\n".join(_truncate(line) for line in self.output().strip().splitlines()[-lines:])

    def _last_output(self) -> str:
        tail = self.tail()
        return f"Its last output:\n{tail}" if tail else "It said nothing."

    def terminate(self) -> None:
        """Send SIGTERM without waiting."""
        if self.running:
            self._started().terminate()

    def stop(self, *, grace: float = 10.0) -> bool:
        """Send SIGTERM, and SIGKILL after `grace` seconds. Return False if it had to be killed."""
        if self._popen is None:
            return True
        obeyed = True
        self.terminate()
        try:
            self._popen.wait(grace)
        except subprocess.TimeoutExpired:
            obeyed = False
        self.kill()
        return obeyed

    def kill(self) -> None:
        """Send SIGKILL to its process group."""
        if self._popen is None:
            return
        self._signal_group(signal.SIGKILL)
        self._popen.wait()
        self._popen = None

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self._started().pid, number)
        except (ProcessLookupError, PermissionError):
            return  # no process is left (macOS raises PermissionError)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._popen is None:
            raise ProcessError(f"{self.name} is not running.")
        return self._popen


def _truncate(line: str) -> str:
    """Keep the beginning and the end: a line may hold a traceback, which ends with the error."""
    return (
        line
        if len(line) <= MAX_LINE_LENGTH
        else f"{line[: MAX_LINE_LENGTH // 3]} ... {line[-MAX_LINE_LENGTH * 2 // 3 :]}"
    )
