"""Child processes end on SIGTERM, on SIGKILL and with their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from demo.process import Process, ProcessError

ROOT = Path(__file__).parents[2]
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)"


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    """Start a process that runs Python code, and kill it after the test."""
    made: list[Process] = []

    def make(code: str) -> Process:
        command = [sys.executable, "-u", "-c", code]
        process = Process("child", command, log=tmp_path / f"{len(made)}.log")
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()


def has_said(process: Process, words: str) -> Callable[[], bool]:
    return lambda: words in process.output()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60  # only bounds a test that fails
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def test_an_early_end_is_told_with_the_last_output(python: Callable[[str], Process]) -> None:
    process = python("print('no such thing'); raise SystemExit(3)")
    process.start()
    with pytest.raises(ProcessError) as caught:
        process.wait_until(lambda: False, timeout=10)
    assert str(caught.value) == ("child ended by itself (exit 3). Its last output:\nno such thing")


def test_a_child_that_is_never_ready_is_told_with_its_last_output(
    python: Callable[[str], Process],
) -> None:
    process = python("import time; print('thinking'); time.sleep(60)")
    process.start()
    process.wait_until(has_said(process, "thinking"), timeout=10)
    with pytest.raises(ProcessError) as caught:
        process.wait_until(lambda: False, timeout=0)
    assert str(caught.value) == ("child was not ready after 0 s. Its last output:\nthinking")


def test_a_long_line_is_shown_from_both_ends(python: Callable[[str], Process]) -> None:
    process = python("print('begin' + 'x' * 5000 + 'end')")
    process.start()
    process.wait_until(has_said(process, "end\n"), timeout=10)
    shown = process.tail()
    assert shown.startswith("beginxxx")
    assert shown.endswith("xxxend")
    assert len(shown) < 700


def test_a_stubborn_child_is_killed_after_the_grace(python: Callable[[str], Process]) -> None:
    process = python(STUBBORN)
    process.start()
    process.wait_until(has_said(process, "up"), timeout=10)
    pid = process.pid
    assert process.stop(grace=0.2) is False
    assert not process.running
    assert is_gone(pid)


def test_an_obedient_child_is_not_killed(python: Callable[[str], Process]) -> None:
    process = python("import time; print('up'); time.sleep(60)")
    process.start()
    process.wait_until(has_said(process, "up"), timeout=10)
    assert process.stop() is True


def test_grandchildren_end_with_it(python: Callable[[str], Process]) -> None:
    process = python(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('grandchild', child.pid, flush=True)\n"
        "child.wait()"
    )
    process.start()
    process.wait_until(has_said(process, "\n"), timeout=10)
    grandchild = int(process.output().split()[-1])
    process.kill()
    wait_until_gone(grandchild)


def test_output_is_that_of_the_last_start(python: Callable[[str], Process]) -> None:
    process = python("import os; print('I am', os.getpid())")
    for _ in range(2):
        process.start()
        process.wait_until(has_said(process, "I am"), timeout=10)
        assert process.output() == f"I am {process.pid}\n"
        process.stop()


def test_it_outlives_the_thread_that_started_it(python: Callable[[str], Process]) -> None:
    process = python("import time; print('up'); time.sleep(60)")
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join()
    process.wait_until(has_said(process, "up"), timeout=10)
    assert process.running


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent_code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from demo.process import Process\n"
        "child = Process('child', ['sleep', '60'], log=Path(sys.argv[1]))\n"
        "child.start()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", parent_code, tmp_path / "child.log"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_gone(child)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until_gone(child)
