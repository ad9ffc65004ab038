"""Measure the top-1 and top-3 accuracy of the offline router.

    make bench-router DATA=tickets.csv

The file has the columns `text` and `group`, the oldest ticket first. The first 1,000 rows are the
training set; accuracy is measured on the rest. The code is that of production: `Trainer` learns,
`rank_skills` answers; groups are used as skills.
"""

import argparse
import csv
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from services.routing.learned_model import Example
from services.routing.router import match_skills, rank_skills
from services.routing.trainer import Trainer

HISTORY = 1_000
Z_95 = 1.959964  # standard deviations


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    group: str


@dataclass(frozen=True, slots=True)
class Result:
    """Of `asked` new tickets, how many had their group first or among the first three."""

    asked: int
    first: int
    three: int
    keywords: int
    learn_seconds: float
    answer_ms: float


def read(path: Path) -> list[Row]:
    """Read the CSV file. Raises `ValueError` with a message for the user."""
    csv.field_size_limit(1_000_000)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not {"text", "group"} <= set(rows.fieldnames or ()):
            raise ValueError(f"{path} needs the columns text and group")
        return [Row(row["text"] or "", (row["group"] or "").strip()) for row in rows]


def measure(rows: Sequence[Row]) -> Result:
    """Train and measure. Raises `ValueError` if there are no new tickets."""
    history, new = rows[:HISTORY], rows[HISTORY:]
    if not new:
        raise ValueError(f"{len(rows)} rows are too few: the first {HISTORY:,} are history")
    groups = sorted({row.group for row in history})
    began = perf_counter()
    learned = Trainer().train_and_compare(
        [Example(row.text, (row.group,)) for row in history], partial(match_skills, skills=groups)
    )
    taught = perf_counter()
    answers = [rank_skills(row.text, groups, learned) for row in new]
    answered = perf_counter()
    return Result(
        asked=len(new),
        first=sum(row.group in answer[:1] for row, answer in zip(new, answers, strict=True)),
        three=sum(row.group in answer[:3] for row, answer in zip(new, answers, strict=True)),
        keywords=sum(row.group in match_skills(row.text, groups)[:1] for row in new),
        learn_seconds=taught - began,
        answer_ms=(answered - taught) / len(new) * 1_000,
    )


def interval(right: int, asked: int) -> tuple[float, float]:
    """Return the 95% Wilson interval: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212."""
    share, square = right / asked, Z_95 * Z_95
    middle = (share + square / (2 * asked)) / (1 + square / asked)
    spread = share * (1 - share) / asked + square / (4 * asked * asked)
    half = Z_95 * math.sqrt(spread) / (1 + square / asked)
    return middle - half, middle + half


def lines(result: Result) -> list[str]:
    return [
        f"{result.asked:,} new tickets, learned from {HISTORY:,}",
        _line("top-1", result.first, result.asked),
        _line("top-3", result.three, result.asked),
        _line("named skills alone, top-1", result.keywords, result.asked),
        f"learning {result.learn_seconds:.2f} s, an answer {result.answer_ms:.2f} ms",
    ]


def _line(what: str, right: int, asked: int) -> str:
    low, high = interval(right, asked)
    return f"{what} {right / asked:.4f}  95% [{low:.4f}, {high:.4f}]"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.router")
    parser.add_argument("data", type=Path, help="a CSV file with the columns text and group")
    path: Path = parser.parse_args(argv).data
    try:
        result = measure(read(path))
    except (OSError, ValueError) as error:
        print(f"bench-router: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
