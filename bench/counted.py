"""Run a Python program, and append one byte to a file for each command that it and the processes it
forks send to MongoDB: `python -m bench.counted FILE app.py bot`."""

import os
import runpy
import sys
from pathlib import Path

from pymongo import monitoring
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)


class FileTrips:
    """Reads what a counted program appends."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def count(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0


class _Appending(CommandListener):
    def __init__(self, file: str) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def started(self, event: CommandStartedEvent) -> None:  # noqa: ARG002  the interface
        os.write(self._descriptor, b".")

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


if __name__ == "__main__":
    _, file, *sys.argv = sys.argv
    monitoring.register(_Appending(file))
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
