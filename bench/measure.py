"""Compare two pieces of work in one run.

Rounds of the two alternate, so that other load on the machine strikes both. A row reports the ratio
of their times (median and quartiles over the rounds), and for each the processor time and database
trips of one operation.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

ROUNDS = 9

Work = Callable[[], int | None]
"""Runs one round, and returns its number of operations (None: one)."""


class Trips(CommandListener):
    """Counts the commands of a client: `MongoClient(uri, event_listeners=[trips])`."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: CommandStartedEvent) -> None:  # noqa: ARG002  the interface
        self.count += 1

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


@dataclass(frozen=True, slots=True)
class Limit:
    """An absolute bound of a row, beside its ratio."""

    value: float
    at_most: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one operation takes: medians over the rounds. `trips` is None if nobody counted."""

    ms: float
    cpu_ms: float
    trips: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is the time of `cost` divided by that of `other`; `low` and `high` are its quartiles
    over the rounds. `is_embedded` marks a row whose result the embedded database causes."""

    name: str
    cost: Cost
    other: Cost
    other_name: str
    ratio: float
    low: float
    high: float
    at_most: float
    limits: Mapping[str, Limit] = field(default_factory=dict)
    is_embedded: bool = False

    @property
    def holds(self) -> bool:
        return self.ratio <= self.at_most and all(
            limit.value <= limit.at_most for limit in self.limits.values()
        )


class Meter:
    """Measures rounds: wall time, the processor time of this process and of `processes`, and the
    trips that `trips` counts."""

    def __init__(self, *, processes: Sequence[int] = (), trips: Trips | None = None) -> None:
        self._processes = processes
        self._trips = trips

    def run(self, work: Work) -> Cost:
        """Run one round, and return the cost of one operation."""
        trips, cpu = self._count(), self._cpu_seconds()
        begun = time.perf_counter()
        number = work() or 1
        ms = (time.perf_counter() - begun) * 1_000
        cpu_ms = (self._cpu_seconds() - cpu) * 1_000
        made = None if trips is None else ((self._count() or 0) - trips) / number
        return Cost(ms / number, cpu_ms / number, made)

    def _count(self) -> int | None:
        return None if self._trips is None else self._trips.count

    def _cpu_seconds(self) -> float:
        return time.process_time() + sum(map(cpu_seconds, self._processes))


def cpu_seconds(process_id: int) -> float:
    """Return the processor time of a running process, without its children."""
    times = psutil.Process(process_id).cpu_times()
    return times.user + times.system


def compare(
    name: str,
    work: Work,
    *,
    to: Work,
    called: str,
    at_most: float,
    rounds: int = ROUNDS,
    meter: Meter | None = None,
    limits: Callable[[Cost], Mapping[str, Limit]] = lambda _: {},
    is_embedded: bool = False,
) -> Row:
    """Measure `work` and `to` alternately, after a warm-up round of each."""
    meter = meter or Meter()
    work()
    to()
    pairs = [(meter.run(work), meter.run(to)) for _ in range(rounds)]
    ratios = [ours.ms / other.ms for ours, other in pairs]
    low, ratio, high = statistics.quantiles(ratios, n=4) if rounds > 1 else ratios * 3
    cost = _median([ours for ours, _ in pairs])
    return Row(
        name=name,
        cost=cost,
        other=_median([other for _, other in pairs]),
        other_name=called,
        ratio=ratio,
        low=low,
        high=high,
        at_most=at_most,
        limits=limits(cost),
        is_embedded=is_embedded,
    )


def _median(costs: Sequence[Cost]) -> Cost:
    trips = [cost.trips for cost in costs if cost.trips is not None]
    return Cost(
        ms=statistics.median(cost.ms for cost in costs),
        cpu_ms=statistics.median(cost.cpu_ms for cost in costs),
        trips=statistics.median(trips) if trips else None,
    )


HEADING = (
    f"{'':<62}{'ratio':>7}  {'quartiles':>11}  {'bound':>6}   "
    f"{'ms':>8} {'CPU ms':>7} {'trips':>5}   compared with"
)


def lines(row: Row) -> Iterator[str]:
    """Format a row: one line, and one for each absolute bound."""
    mark = " *" if row.is_embedded else ""
    yield (
        f"{row.name + mark:<62}{row.ratio:>7.2f}  {row.low:>5.2f}-{row.high:<5.2f}  "
        f"{row.at_most:>6.2f}   {_cost(row.cost)}   {row.other_name}: {_cost(row.other).lstrip()}"
        f"{'' if row.ratio <= row.at_most else '  BROKEN'}"
    )
    for what, limit in row.limits.items():
        broken = "" if limit.value <= limit.at_most else "  BROKEN"
        yield f"    {what + ':':<58}{limit.value:>7.1f}  {'':>11}  {limit.at_most:>6.1f}{broken}"


def _cost(cost: Cost) -> str:
    trips = "" if cost.trips is None else f"{cost.trips:.1f}"
    return f"{cost.ms:>8.2f} {cost.cpu_ms:>7.2f} {trips:>5}"


def as_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "ratio": row.ratio,
        "quartiles": [row.low, row.high],
        "at_most": row.at_most,
        "cost": _cost_json(row.cost),
        "other": {"name": row.other_name, **_cost_json(row.other)},
        "limits": {
            what: {"value": limit.value, "at_most": limit.at_most}
            for what, limit in row.limits.items()
        },
        "is_embedded": row.is_embedded,
        "holds": row.holds,
    }


def _cost_json(cost: Cost) -> dict[str, float | None]:
    return {"ms": cost.ms, "cpu_ms": cost.cpu_ms, "trips": cost.trips}
