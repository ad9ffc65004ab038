"""Measure on this machine: `make bench`, or one group of rows with `ROW=name`.

Prints each row as soon as it is measured and writes all of them to `bench.json`. Exits with 1 if a
bound is broken. Rows marked with * are what the embedded database makes of them.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.alike import alike
from bench.answers import api, filing
from bench.assignment import assignment
from bench.choosing import choosing
from bench.history import change, escalation, lists, metrics
from bench.measure import HEADING, Row, as_json, lines
from bench.opening_forms import form
from bench.search import search
from bench.stand import Stand
from bench.starting import memory

Group = Callable[[Stand], Iterator[Row]]
"""Yields its rows as they are measured."""

# Requests first, before the databases with many tickets use memory. After "choosing" more of their
# tickets are open.
GROUPS: Mapping[str, Group] = {
    "form": form,
    "filing": filing,
    "api": api,
    "assignment": assignment,
    "memory": memory,
    "lists": lists,
    "search": search,
    "alike": alike,
    "change": change,
    "metrics": metrics,
    "choosing": choosing,
    "escalation": escalation,
}


def main(groups: Mapping[str, Group], *, wanted: str, results: Path) -> int:
    """Return the exit code."""
    chosen = {name: group for name, group in groups.items() if wanted in name}
    if not chosen:
        print(f"ROW={wanted} names no group. There are: {', '.join(groups)}", file=sys.stderr)
        return 2
    print(HEADING, flush=True)
    measured: list[Row] = []
    with Stand() as stand:
        for group in chosen.values():
            for row in group(stand):
                measured.append(row)
                print(*lines(row), sep="\n", flush=True)
    results.write_text(json.dumps([as_json(row) for row in measured], indent=1))
    return 0 if all(row.holds for row in measured) else 1


if __name__ == "__main__":
    sys.exit(main(GROUPS, wanted=os.environ.get("ROW", ""), results=Path("bench.json")))
