"""`app.py` in a process forked from one that has imported the product already.

What runs is the command line in a process, environment and directory of its own, as after
`python app.py`; only the half second of imports is not repeated for each of the many short commands
that tests call. `python -m tests.support.forked_app` is the process that forks: it reads a request
a line (JSON), and answers with the exit status.
"""

import atexit
import json
import os
import runpy
import select
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.binaries import ROOT

APP = str(ROOT / "app.py")
TIMEOUT_SECONDS = 60  # only bounds a test that fails
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
        with self._lock, tempfile.TemporaryDirectory() as directory:
            outputs = [Path(directory, name) for name in ("stdout", "stderr")]
            request = {"args": list(args), "env": dict(env), "cwd": os.getcwd()}
            status = self._ask({**request, "outputs": [str(path) for path in outputs]})
            texts = [path.read_text() for path in outputs]
        return subprocess.CompletedProcess([APP, *args], status, *texts)

    def _ask(self, request: Mapping[str, object]) -> int:
        server = self._running()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], TIMEOUT_SECONDS)[0]:
            server.kill()
            self._server = None
            raise subprocess.TimeoutExpired(APP, TIMEOUT_SECONDS)
        return int(server.stdout.readline())

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


def _serve() -> None:
    for module in PRELOADED:
        __import__(module)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_app(request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  the answer


def _become_app(request: Mapping[str, object]) -> None:
    """Never returns."""
    for stream, path in zip((1, 2), request["outputs"], strict=True):  # type: ignore[call-overload]
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))
    sys.argv = [APP, *request["args"]]  # type: ignore[misc]
    status = 0
    try:
        runpy.run_path(APP, run_name="__main__")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter does with what nobody caught
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve()
