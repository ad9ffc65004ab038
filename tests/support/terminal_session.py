"""A command in a pseudo-terminal of its own, as a person at a keyboard sees and uses it."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

# The terminal becomes the controlling one, so that Ctrl-C and getpass work as at a keyboard. Tests
# that a shell runs in the background ignore Ctrl-C.
_START = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
CTRL_C = "\x03"
SECONDS = 60.0  # only bounds a test that fails


class TerminalSession:
    """`screen` has everything that was shown, with what was typed if the terminal echoed it."""

    def __init__(self, args: Sequence[str], *, env: Mapping[str, str], directory: Path) -> None:
        self._terminal, inner = pty.openpty()
        self._process = subprocess.Popen(  # noqa: S603  the product
            [sys.executable, "-c", _START, sys.executable, *args],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={"PATH": os.environ["PATH"], "TERM": "dumb", **env},
            cwd=directory,
            start_new_session=True,
        )
        os.close(inner)
        self.screen = ""
        self._seen = 0

    def expect(self, text: str) -> None:
        """Wait until the text is shown, after what was expected before."""
        deadline = monotonic() + SECONDS
        while (found := self.screen.find(text, self._seen)) < 0:
            assert monotonic() < deadline, f"{text!r} is not in:\n{self.screen[self._seen :]}"
            assert self._read(), f"it ended without {text!r}:\n{self.screen[self._seen :]}"
        self._seen = found + len(text)

    def answer(self, prompt: str, typed: str) -> None:
        """Wait for the prompt, then type a line."""
        self.expect(prompt)
        self.press(f"{typed}\n")

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self) -> int:
        """Read to the end and return the exit status."""
        while self._read():
            pass
        return self._process.wait(timeout=SECONDS)

    def _read(self) -> bool:
        """Return False at the end."""
        if not select.select([self._terminal], [], [], SECONDS)[0]:
            return False
        try:
            shown = os.read(self._terminal, 65_536)
        except OSError:  # Linux's end of a terminal
            return False
        self.screen += shown.decode(errors="replace").replace("\r\n", "\n")
        return bool(shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(timeout=SECONDS)
        os.close(self._terminal)
