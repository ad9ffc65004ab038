"""Measure and format a figure: the minimum of several rounds, because other load only adds to it,
with its bound and the time of a simple implementation (the baseline) in the same run."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Figure:
    """`ms` is the time of one run, `bound` its limit, `baseline_ms` the time of the baseline, if
    there is one. `note` has further results."""

    name: str
    ms: float
    bound: float
    baseline_ms: float | None = None
    note: str = ""


def milliseconds(work: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    """Return the minimum, after a warm-up round."""
    work()
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1_000)
    return min(taken)


def table(figures: Iterable[Figure]) -> str:
    rows = [("", "ms", "bound", "plain way", "ratio")]
    notes = [""]
    for figure in figures:
        plain, ratio = _beside(figure)
        rows.append((figure.name, f"{figure.ms:.1f}", f"{figure.bound:.0f}", plain, ratio))
        notes.append(figure.note)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip((*row, note), (*widths, 0), strict=True))
        ).rstrip()
        for row, note in zip(rows, notes, strict=True)
    )


def _beside(figure: Figure) -> tuple[str, str]:
    """Format the time of the baseline and its ratio."""
    if figure.baseline_ms is None:
        return "", ""
    ratio = f"{figure.baseline_ms / figure.ms:.1f}x" if figure.ms else ""
    return f"{figure.baseline_ms:.1f}", ratio


def alternately(
    first: Callable[[], object], second: Callable[[], object], *, rounds: int = ROUNDS
) -> tuple[float, float]:
    """Return the median milliseconds of both, measured in turn, so that other load meets both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for work, times in zip((first, second), taken, strict=True):
            begun = time.perf_counter()
            work()
            if number:  # the first round warms up
                times.append((time.perf_counter() - begun) * 1_000)
    return median(taken[0]), median(taken[1])


def growth(name: str, few_ms: float, many_ms: float, *, bound: float, note: str = "") -> Figure:
    """Return the figure of work that may take `bound` times as long among many as among few."""
    ratio = f"{many_ms / few_ms:.2f} times as long as among few, at most {bound:g}"
    return Figure(name, many_ms, few_ms * bound, few_ms, note=f"{ratio}{note}")
