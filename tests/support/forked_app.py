"""`app.py` in processes forked from one that has imported the product already.

What runs is the command line in a process, environment, session and directory of its own, as after
`python app.py`; only the second or two of imports is not repeated for each process that tests
start. `python -m tests.support.forked_app` is the process that forks: it reads a request a line
(JSON), and answers each at once.
"""

import atexit
import ctypes
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from demo.binaries import ROOT
from demo.die_with_parent import PR_SET_PDEATHSIG
from demo.process import Process

APP = str(ROOT / "app.py")
TIMEOUT_SECONDS = 60  # only bounds a test that fails
POLL_SECONDS = 0.01
# What the commands import when they begin.
PRELOADED = (
    "app",
    "bot.bootstrap",
    "bot.doctor",
    "bot.manifest",
    "bot.views.explain.terminal",
    "services.assignment.explanation",
    "services.ops.database_checks",
    "tasks.doctor",
    "tasks.processes.scheduler",
    "tasks.processes.worker",
    "tasks.runtime",
)


class ForkedApp:
    """The forking process of this test process; started at its first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None

    def run(
        self, args: Sequence[str], *, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run `app.py ARGS` to its end, here and with only this environment."""
        with tempfile.TemporaryDirectory() as directory:
            outputs = [Path(directory, name) for name in ("stdout", "stderr")]
            child = self.start(args, env=env, cwd=Path.cwd(), outputs=outputs)
            try:
                status = child.wait(TIMEOUT_SECONDS)
            finally:
                child.kill()
            texts = [path.read_text() for path in outputs]
        return subprocess.CompletedProcess([APP, *args], status, *texts)

    def start(
        self, args: Sequence[str], *, env: Mapping[str, str], cwd: Path, outputs: Sequence[Path]
    ) -> "ForkedChild":
        """Start `app.py ARGS`, which appends its standard output and its errors to `outputs`."""
        pid = self.ask(
            args=list(args), env=dict(env), cwd=str(cwd), outputs=[str(path) for path in outputs]
        )
        return ForkedChild(self, int(pid))

    def ask(self, **request: object) -> Any:
        with self._lock:
            server = self._running()
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

    def _running(self) -> subprocess.Popen[str]:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forked_app"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            atexit.register(self._server.communicate)  # the end of its input ends it
        return self._server


FORKED_APP = ForkedApp()


class ForkedChild:
    """As `subprocess.Popen`, as far as `Process` uses it."""

    def __init__(self, app: ForkedApp, pid: int) -> None:
        self._app = app
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._app.ask(pid=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(APP, timeout or 0)
            time.sleep(POLL_SECONDS)
        return status

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkedProcess(Process):
    """A process of the product."""

    def __init__(
        self, name: str, args: Sequence[str], *, log: Path, env: Mapping[str, str]
    ) -> None:
        super().__init__(name, args, log=log, env=env, cwd=ROOT)

    def _fork(self) -> "subprocess.Popen[bytes]":
        return FORKED_APP.start(  # type: ignore[return-value]  # what `Process` uses is there
            self._command, env=self._env or {}, cwd=ROOT, outputs=[self.log, self.log]
        )


def _serve() -> None:
    for module in PRELOADED:
        __import__(module)
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_answer(request)), flush=True)  # noqa: T201  the answer


def _answer(request: Mapping[str, Any]) -> int | None:
    """Return the id of the process that was forked, or the status of the one that was asked for,
    None while it runs."""
    if asked := request.get("pid"):
        ended, status = os.waitpid(asked, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if ended else None
    return os.fork() or _become_app(request)


def _become_app(request: Mapping[str, Any]) -> NoReturn:
    """Run the command. The interpreter then ends as after `python app.py`: it waits for threads,
    calls what is registered for its end, and prints an error that was not caught."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for stream, path in zip((1, 2), request["outputs"], strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = [APP, *request["args"]]
    runpy.run_path(APP, run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    _serve()
