"""Threads, open files and memory of each process of the product, from warm to its end."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

from demo.process import Process

SAMPLE_SECONDS = 5.0
WARM_SECONDS = 30.0
"""After it was first seen: pools of threads and connections are filled by then."""
WATCHED_SECONDS = 60.0
"""A process that did not live this long after it was warm does not count."""
BOUNDS = {"threads": 40, "open files": 60, "memory in MB": 150}
"""How much more a process may have at its end than when it was warm. A jobs process that takes over
loads scikit-learn to train the router: 102 MB, once."""

Usage = Mapping[str, int]


@dataclass
class _Watched:
    name: str
    seen: float
    warm_at: float = 0.0
    warm: Usage | None = None
    last_at: float = 0.0
    last: Usage | None = None

    def add(self, usage: Usage, now: float) -> None:
        if now - self.seen < WARM_SECONDS:
            return
        if self.warm is None:
            self.warm, self.warm_at = usage, now
        self.last, self.last_at = usage, now


class LeakWatch:
    """Measures every `SAMPLE_SECONDS` with psutil: from /proc, so also a stopped process."""

    def __init__(self, processes: Callable[[], Mapping[str, Sequence[Process]]]) -> None:
        self._processes = processes
        self._watched: dict[tuple[int, float], _Watched] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leaks")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def growth(self) -> dict[str, dict[str, int]]:
        """Return for each measure how much more the worst process of each kind had at its end."""
        grown: dict[str, dict[str, int]] = {measure: {} for measure in BOUNDS}
        for each in list(self._watched.values()):
            if not each.warm or not each.last or each.last_at - each.warm_at < WATCHED_SECONDS:
                continue
            for measure in BOUNDS:
                more = each.last[measure] - each.warm[measure]
                grown[measure][each.name] = max(more, grown[measure].get(each.name, more))
        return grown

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            for command, processes in self._processes().items():
                for process in list(processes):
                    self._sample(command, process)

    def _sample(self, command: str, process: Process) -> None:
        try:
            main = psutil.Process(process.pid)
            self._add(command, main)
            for child in main.children():
                self._add(f"{command}'s child", child)
        except (psutil.Error, OSError, RuntimeError):  # it was killed
            return

    def _add(self, name: str, process: psutil.Process) -> None:
        now = time.monotonic()
        with process.oneshot():
            usage = {
                "threads": process.num_threads(),
                "open files": process.num_fds(),
                "memory in MB": process.memory_info().rss // 1_000_000,
            }
            key = process.pid, process.create_time()
        self._watched.setdefault(key, _Watched(name, now)).add(usage, now)
