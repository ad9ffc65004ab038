"""What `app.py doctor` says: checks in order, each bounded in time, none in the way of the next."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.core.text import strip_invisible

SECONDS = 5.0


class State(StrEnum):
    """How a line begins. FAIL: something does not work; warn: it works, but look at it."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and what to do about it. Never holds a secret: values are not quoted."""

    state: State
    found: str
    advice: str = ""

    def line(self, about: str) -> str:
        said = f"{self.found}. {self.advice}" if self.advice else self.found
        return f"{self.state:<4}  {about + ':':<14} {' '.join(strip_invisible(said).split())}"


def ok(found: str) -> list[Finding]:
    return [Finding(State.OK, found)]


def warn(found: str, advice: str) -> list[Finding]:
    return [Finding(State.WARN, found, advice)]


def fail(found: str, advice: str) -> list[Finding]:
    return [Finding(State.FAIL, found, advice)]


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def span(age: timedelta) -> str:
    seconds = round(age.total_seconds())
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


@dataclass(frozen=True, slots=True)
class Check:
    """`needs` names the checks without whose success this one could find nothing."""

    about: str
    look: Callable[[], list[Finding]]
    needs: tuple[str, ...] = ()


def run(checks: Sequence[Check], *, seconds: float = SECONDS) -> Iterator[tuple[str, Finding]]:
    """Every finding with what it is about, as soon as it is there."""
    failed: set[str] = set()
    for check in checks:
        missed = [name for name in check.needs if name in failed]
        if missed:
            findings = warn(f"not looked at, because of {' and '.join(missed)}", "")
            failed.add(check.about)
        else:
            findings = _within(seconds, check.look)
        for finding in findings:
            if finding.state is State.FAIL:
                failed.add(check.about)
            yield check.about, finding


def _within(seconds: float, look: Callable[[], list[Finding]]) -> list[Finding]:
    answers: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(look())
        except Exception as error:  # noqa: BLE001  whatever breaks one check, the others run
            # Its text may quote what it was given, a password among it.
            answers.put(fail(f"the check broke off ({type(error).__name__})", "Report this."))

    # A daemon, so that a check that hangs holds up neither the next one nor the exit.
    threading.Thread(target=answer, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return fail(f"no answer within {seconds:g} s", "Check the network between the two.")


def summary(states: Sequence[State]) -> str:
    """The last line: how it stands altogether."""
    failed, warned = states.count(State.FAIL), states.count(State.WARN)
    if failed:
        return f"{failed} FAIL, {warned} warn: what says FAIL has to be mended."
    if warned:
        return f"It works; {warned} warn: have a look at {'these' if warned > 1 else 'this'}."
    return "Everything is in order."
