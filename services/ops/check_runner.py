"""Run the checks of `app.py doctor` in order, each with a timeout."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.core.text import strip_invisible

CHECK_TIMEOUT_SECONDS = 5.0


class CheckStatus(StrEnum):
    """The start of a line. FAIL: something does not work; warn: it works, but needs attention;
    skip: not checked, because something else does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, with advice. It quotes no setting, so it contains no secret."""

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


def skip(because: str) -> list[Finding]:
    """`because` names the setting that the check needs."""
    return [Finding(CheckStatus.SKIPPED, because)]


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
    """`depends_on` names the checks that have to succeed before this one is run.

    `seconds` is the check's own timeout, if it may take longer than the others.
    """

    name: str
    run: Callable[[], list[Finding]]
    depends_on: tuple[str, ...] = ()
    seconds: float | None = None


def run_checks(
    checks: Sequence[Check], *, seconds: float = CHECK_TIMEOUT_SECONDS
) -> Iterator[tuple[str, Finding]]:
    """Yield each finding with the name of its check, as it is found; then one for each reason why
    checks were skipped, with all of these."""
    reasons: dict[str, tuple[str, ...]] = {}  # why what depends on a check is skipped
    skipped: dict[tuple[str, ...], list[str]] = {}
    for check in checks:
        missed = dict.fromkeys(r for name in check.depends_on for r in reasons.get(name, ()))
        findings = [] if missed else _run_with_timeout(check.seconds or seconds, check.run)
        for finding in findings:
            if finding.status is CheckStatus.SKIPPED:
                missed[finding.message] = None
                continue
            if finding.status is CheckStatus.FAIL:
                reasons[check.name] = (check.name,)
            yield check.name, finding
        if missed:
            reasons[check.name] = tuple(missed)
            skipped.setdefault(tuple(missed), []).append(check.name)
    for why, names in skipped.items():
        listed = f"{', '.join(names)}, because of {' and '.join(why)}"
        yield "not checked", Finding(CheckStatus.SKIPPED, listed)


def _run_with_timeout(seconds: float, check: Callable[[], list[Finding]]) -> list[Finding]:
    answers: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(check())
        except Exception as error:  # noqa: BLE001  one failing check does not end the others
            # Its text may quote a setting, such as a password.
            answers.put(fail(f"the check broke off ({type(error).__name__})", "Report this."))

    # A daemon thread, so that a check that hangs blocks neither the next one nor the exit.
    threading.Thread(target=answer, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return fail(f"no answer within {seconds:g} s", "Check the network between the two.")


def summary(states: Sequence[CheckStatus]) -> str:
    """Return the last line of the output."""
    failed, warned = states.count(CheckStatus.FAIL), states.count(CheckStatus.WARN)
    if failed:
        return f"{failed} FAIL, {warned} warn. Correct what says FAIL first."
    if warned:
        return f"It works; {warned} warn: have a look at {'these' if warned > 1 else 'this'}."
    return "Everything is in order."
