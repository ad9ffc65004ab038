"""Time until a process is ready, and its memory then."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

import psutil

from bench import bare_servers, bare_worker
from bench.measure import Limit, Round, Row, compare
from bench.stand import Stand
from demo.binaries import ROOT
from demo.local_stack import READY
from tasks.processes.worker import CONCURRENCY

MAX_ROUNDS = 3
# Its threads start, too.
SETTLE_SECONDS = 1.0
MEGABYTE = 1_048_576
Memory = Callable[[psutil.Process], int]


def memory(stand: Stand) -> Iterator[Row]:
    yield compare(
        "app.py --help",
        lambda: _run("app.py", "--help"),
        to=lambda: _run("-c", "pass"),
        called="start Python",
        rounds=stand.sizes.rounds,
        limits=lambda ours, _: {"ms": Limit(ours.ms, 300)},
    )
    bot = _Starts(stand, ["app.py", "bot"], ready=READY["bot"], memory=_resident)
    bare = _Starts(stand, ["-m", "bench.bare_servers"], ready=bare_servers.READY, memory=_resident)
    yield _starts("start a bot", bot, bare, "bare Bolt and Flask", "MB resident", 88)
    worker = _Starts(stand, ["app.py", "worker"], ready=READY["worker"], memory=_proportional)
    command = ["-m", "celery", "--broker", stand.redis.url, "-A", bare_worker.__name__, "worker"]
    bare = _Starts(
        stand,
        [*command, f"--concurrency={CONCURRENCY}", "--loglevel=INFO"],
        ready=bare_worker.READY,
        memory=_proportional,
    )
    yield _starts(
        f"start a worker with a Gemini key, {CONCURRENCY} children",
        worker,
        bare,
        "bare Celery",
        "MB with its children (PSS)",
        300,
    )


class _Starts:
    """Starts a program in each round, and notes the memory."""

    def __init__(self, stand: Stand, program: list[str], *, ready: str, memory: Memory) -> None:
        self.rounds = min(stand.sizes.rounds, MAX_ROUNDS)
        self._stand = stand
        self._program = program
        self._ready = ready
        self._memory = memory
        self._megabytes: list[float] = []

    @property
    def megabytes(self) -> float:
        return median(self._megabytes)

    def __call__(self) -> Round:
        begun = time.perf_counter()
        settings = {"GEMINI_API_KEY": "bench", "FORM_PORT": "0"}
        with self._stand.running(
            *self._program, ready=self._ready, settings=settings, is_counted=False
        ) as program:
            seconds = time.perf_counter() - begun
            time.sleep(SETTLE_SECONDS)
            used = self._memory(psutil.Process(program.process.pid))
        self._megabytes.append(used / MEGABYTE)
        return Round(seconds=seconds)


def _starts(name: str, own: _Starts, other: _Starts, called: str, unit: str, limit: float) -> Row:
    return compare(
        name,
        own,
        to=other,
        called=called,
        rounds=own.rounds,
        limits=lambda *_: {
            unit: Limit(own.megabytes, limit),
        },
    )


def _resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def _proportional(process: psutil.Process) -> int:
    """Memory that several processes share counts in parts."""
    every = [process, *process.children(recursive=True)]
    return sum(int(each.memory_full_info().pss) for each in every)


def _run(*program: str) -> None:
    subprocess.run([sys.executable, *program], cwd=ROOT, check=True, capture_output=True)  # noqa: S603  its own programs
