"""Measure the time that redaction takes for a text, and how many texts it changes.

    make bench-redaction DATA=tickets.csv

The file has the column `text`. If it holds no secrets, the rate of masked texts is the rate of
false positives.
"""

import argparse
import csv
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from services.core.redaction import mask


@dataclass(frozen=True, slots=True)
class Result:
    """`milliseconds` has the time of each text, the shortest first."""

    milliseconds: tuple[float, ...]
    masked: int

    def percentile(self, percent: int) -> float:
        """Return the nearest-rank percentile."""
        return self.milliseconds[math.ceil(percent / 100 * len(self.milliseconds)) - 1]


def read(path: Path) -> list[str]:
    """Read the CSV file. Raises `ValueError` with a message for the user."""
    csv.field_size_limit(1_000_000)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if "text" not in (rows.fieldnames or ()):
            raise ValueError(f"{path} needs the column text")
        return [row["text"] or "" for row in rows]


def measure(texts: Sequence[str]) -> Result:
    """Mask each text. Raises `ValueError` if there are none."""
    if not texts:
        raise ValueError("the file has no texts")
    times, masked = [], 0
    for text in texts:
        start = perf_counter()
        result = mask(text)
        times.append((perf_counter() - start) * 1_000)
        masked += result != text
    return Result(milliseconds=tuple(sorted(times)), masked=masked)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure redaction on texts of tickets.")
    parser.add_argument("data", type=Path, help="CSV file with the column text")
    path: Path = parser.parse_args(arguments).data
    try:
        result = measure(read(path))
    except (OSError, ValueError, csv.Error) as error:
        print(error, file=sys.stderr)
        return 2
    texts = len(result.milliseconds)
    print(f"{texts:,} texts, {result.masked:,} masked ({result.masked / texts:.2%})")
    print(
        f"milliseconds per text: p50 {result.percentile(50):.2f}, p99 {result.percentile(99):.2f},"
        f" max {result.percentile(100):.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
