"""What `app.py doctor` says: checks in order, each bounded in time, none in the way of the next."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.core.text import strip_invisible

CHECK_TIMEOUT_SECONDS = 5.0


class CheckStatus(StrEnum):
    """How a line begins. FAIL: something does not work; warn: it works, but look at it."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and what to do about it. Never holds a secret: values are not quoted."""

    status: CheckStatus
    message: str
    advice: str = ""

    def format_line(self, name: str) -> str:
        text = f"{self.message}. {self.advice}" if self.advice else self.message
        return f"{self.status:<4}  {name + ':':<14} {' '.join(strip_invisible(text).split())}"


def ok(message: str) -> list[Finding]:
    return [Finding(CheckStatus.OK, message)]


def warn(message: str, advice: str) -> list[Finding]:
    return [Finding(CheckStatus.WARN, message, advice)]


def fail(message: str, advice: str) -> list[Finding]:
    return [Finding(CheckStatus.FAIL, message, advice)]


def pluralize(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def format_duration(age: timedelta) -> str:
    seconds = round(age.total_seconds())
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


@dataclass(frozen=True, slots=True)
class Check:
    """`depends_on` names the checks without whose success this one could find nothing."""

    name: str
    run: Callable[[], list[Finding]]
    depends_on: tuple[str, ...] = ()


def run_checks(
    checks: Sequence[Check], *, seconds: float = CHECK_TIMEOUT_SECONDS
) -> Iterator[tuple[str, Finding]]:
    """Every finding with what it is about, as soon as it is there."""
    failed: set[str] = set()
    for check in checks:
        missed = [name for name in check.depends_on if name in failed]
        if missed:
            findings = warn(f"not looked at, because of {' and '.join(missed)}", "")
            failed.add(check.name)
        else:
            findings = _run_with_timeout(seconds, check.run)
        for finding in findings:
            if finding.status is CheckStatus.FAIL:
                failed.add(check.name)
            yield check.name, finding


def _run_with_timeout(seconds: float, check: Callable[[], list[Finding]]) -> list[Finding]:
    answers: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(check())
        except Exception as error:  # noqa: BLE001  whatever breaks one check, the others run
            # Its text may quote what it was given, a password among it.
            answers.put(fail(f"the check broke off ({type(error).__name__})", "Report this."))

    # A daemon, so that a check that hangs holds up neither the next one nor the exit.
    threading.Thread(target=answer, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return fail(f"no answer within {seconds:g} s", "Check the network between the two.")


def summary(states: Sequence[CheckStatus]) -> str:
    """The last line: how it stands altogether."""
    failed, warned = states.count(CheckStatus.FAIL), states.count(CheckStatus.WARN)
    if failed:
        return f"{failed} FAIL, {warned} warn: what says FAIL has to be mended."
    if warned:
        return f"It works; {warned} warn: have a look at {'these' if warned > 1 else 'this'}."
    return "Everything is in order."
