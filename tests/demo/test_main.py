"""`app.py demo` as a process: its errors, and that it leaves no process behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from demo.binaries import ROOT
from demo.local_stack import ProductProcesses
from demo.process import ProcessError
from demo.servers import free_port
from demo.smoke import SKILLS, draw_plan
from services.routing.skill_matching import match_skills
from tests.demo.test_process import wait_until_gone

SECONDS = 100
UP = "Ctrl-C stops everything."


class Demo:
    """`app.py demo` as started in a terminal."""

    def __init__(self, output: Path, *arguments: str, port: str) -> None:
        self._output = output
        with output.open("wb") as file:
            self._popen = subprocess.Popen(  # noqa: S603  our own command
                [sys.executable, "app.py", "demo", *arguments],
                cwd=ROOT,
                env={**os.environ, "DEMO_PORT": port, "TMPDIR": str(output.parent)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def directory(self) -> Path:
        """The directory of its temporary files."""
        return self._output.parent

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_until_up(self) -> list[psutil.Process]:
        """Return all its processes once it is ready."""
        deadline = time.monotonic() + SECONDS
        while UP not in self.output:
            assert self._popen.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return psutil.Process(self._popen.pid).children(recursive=True)

    def child(self, command: str) -> int:
        """The process id of the product's bot, worker or jobs."""
        [found] = [
            child.pid
            for child in psutil.Process(self._popen.pid).children()
            if child.cmdline()[-1:] == [command]
        ]
        return found

    def send(self, number: int) -> None:
        self._popen.send_signal(number)

    def exit_code(self) -> int:
        return self._popen.wait(SECONDS)

    def end(self) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
            self._popen.wait(SECONDS)


@pytest.fixture
def demo() -> Iterator[Callable[..., Demo]]:
    """Starts a demo whose files are removed even if it was killed."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as started:

        def start(*arguments: str, port: str | None = None) -> Demo:
            run = Demo(Path(directory, "output"), *arguments, port=port or str(free_port()))
            started.callback(run.end)
            return run

        yield start


def test_a_taken_port_is_told_with_the_way_out(demo: Callable[..., Demo]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = demo(port=str(port))
        assert run.exit_code() == 1
    assert run.output.endswith(
        f"\nPort {port}, which local-slack needs, cannot be used: Address already in use. "
        "End what listens there or choose another port. For example: DEMO_PORT=3001 make demo\n"
    )


@pytest.mark.parametrize("port", ["http", "0", "65536"])
def test_a_senseless_port_is_refused(demo: Callable[..., Demo], port: str) -> None:
    run = demo(port=port)
    assert run.exit_code() == 1
    assert f"DEMO_PORT must be a port from 1 to 65535, not '{port}'." in run.output


def test_ctrl_c_stops_everything(demo: Callable[..., Demo]) -> None:
    run = demo()
    processes = run.wait_until_up()
    # Three servers, three product processes and the worker's children.
    assert len(processes) > 6
    run.send(signal.SIGINT)
    assert run.exit_code() == 0
    assert run.output.endswith("\nStopped.\n")
    for process in processes:
        wait_until_gone(process.pid)
    assert [path.name for path in run.directory.iterdir()] == ["output"]


def test_everything_stops_when_a_part_of_it_ends(demo: Callable[..., Demo]) -> None:
    run = demo()
    processes = run.wait_until_up()
    os.kill(run.child("jobs"), signal.SIGKILL)
    assert run.exit_code() == 1
    assert "The demo stopped: jobs ended by itself (exit -9). Its last output:\n" in run.output
    assert "the jobs are ready" in run.output
    for process in processes:
        wait_until_gone(process.pid)


def test_nothing_outlives_a_demo_that_is_killed(demo: Callable[..., Demo]) -> None:
    run = demo()
    processes = run.wait_until_up()
    run.send(signal.SIGKILL)
    assert run.exit_code() == -signal.SIGKILL
    for process in processes:
        wait_until_gone(process.pid)


def test_the_smoke_passes_and_tells_its_story(demo: Callable[..., Demo]) -> None:
    run = demo("--smoke")
    assert run.exit_code() == 0, run.output
    # The first number, because there are no sample tickets.
    for told in ("Ticket 1 is filed", "Ticket 2 is filed", "Ticket 3 is filed", "presses Resolve"):
        assert told in run.output
    assert "PASSED: 3 tickets" in run.output


def test_a_process_of_ours_that_cannot_start_is_told_with_its_reason(tmp_path: Path) -> None:
    crew = ProductProcesses({}, logs=tmp_path, commands=["jobs"])
    with pytest.raises(ProcessError) as caught:
        crew.start()
    crew.stop()
    assert str(caught.value).startswith("jobs ended by itself (exit 2). Its last output:\n")
    assert "MONGO_URI is missing" in str(caught.value)


@pytest.mark.parametrize("number", range(50))
def test_a_drawn_ticket_names_its_skill_and_no_other(number: int) -> None:
    for filing in draw_plan(number).tickets:
        expected = (filing.why,) if filing.why else ()
        text = f"{filing.title}\n{filing.description}"
        assert match_skills(text, SKILLS) == expected
