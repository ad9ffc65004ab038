"""Compare two pieces of work in one run.

Rounds of the two alternate, so that other load on the machine strikes both. A row reports the ratio
of their times (median and quartiles over the rounds), and for each the processor time and database
trips of one operation.
"""

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import psutil
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Round:
    """A number of operations, and the time they took, unless it is that of the whole call."""

    number: int = 1
    seconds: float | None = None


Work = Callable[[], Round | None]
"""Runs one round (None: of one operation)."""


class Counter(Protocol):
    """Counts commands to the database."""

    @property
    def count(self) -> int: ...


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
    """What one operation takes: medians over the rounds. `trips` is None if not counted."""

    ms: float
    cpu_ms: float
    trips: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is the time of `cost` divided by that of `other`; `low` and `high` are its quartiles
    over the rounds, and is at most `at_most`, if that is given. `is_embedded` marks a row whose
    result the embedded database causes."""

    name: str
    cost: Cost
    other: Cost
    other_name: str
    ratio: float
    low: float
    high: float
    at_most: float | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    is_embedded: bool = False

    @property
    def holds(self) -> bool:
        return (self.at_most is None or self.ratio <= self.at_most) and all(
            limit.value <= limit.at_most for limit in self.limits.values()
        )


class Meter:
    """Measures rounds: wall time, processor time, and the trips that `trips` counts.

    The processor time is that of `processes`, and of this process with its children that ended
    unless `is_external`."""

    def __init__(
        self,
        *,
        processes: Sequence[int] = (),
        trips: Counter | None = None,
        is_external: bool = False,
    ) -> None:
        self._processes = processes
        self._trips = trips
        self._is_external = is_external

    def run(self, work: Work) -> Cost:
        """Run one round, and return the cost of one operation."""
        trips, cpu = self._count(), self._cpu_seconds()
        begun = time.perf_counter()
        done = work() or Round()
        seconds = time.perf_counter() - begun if done.seconds is None else done.seconds
        cpu = self._cpu_seconds() - cpu
        made = None if trips is None else ((self._count() or 0) - trips) / done.number
        return Cost(seconds * 1_000 / done.number, cpu * 1_000 / done.number, made)

    def _count(self) -> int | None:
        return None if self._trips is None else self._trips.count

    def _cpu_seconds(self) -> float:
        own = 0.0 if self._is_external else _own_cpu_seconds()
        return own + sum(map(cpu_seconds, self._processes))


def _own_cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


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
    at_most: float | None = None,
    rounds: int = ROUNDS,
    meter: Meter | None = None,
    other_meter: Meter | None = None,
    limits: Callable[[Cost, Cost], Mapping[str, Limit]] = lambda *_: {},
    is_embedded: bool = False,
) -> Row:
    """Measure `work` and `to` alternately, after a warm-up round of each.

    `limits` gets the cost of both. Without `other_meter`, `meter` measures both."""
    meter = meter or Meter()
    other_meter = other_meter or meter
    work()
    to()
    pairs = [(meter.run(work), other_meter.run(to)) for _ in range(rounds)]
    ratios = [ours.ms / other.ms for ours, other in pairs]
    low, ratio, high = statistics.quantiles(ratios, n=4) if rounds > 1 else ratios * 3
    cost, other = _median([ours for ours, _ in pairs]), _median([other for _, other in pairs])
    return Row(
        name=name,
        cost=cost,
        other=other,
        other_name=called,
        ratio=ratio,
        low=low,
        high=high,
        at_most=at_most,
        limits=limits(cost, other),
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
    bound = "" if row.at_most is None else f"{row.at_most:.2f}"
    broken = row.at_most is not None and row.ratio > row.at_most
    yield (
        f"{row.name + mark:<62}{row.ratio:>7.2f}  {row.low:>5.2f}-{row.high:<5.2f}  "
        f"{bound:>6}   {_cost(row.cost)}   {row.other_name}: {_cost(row.other).lstrip()}"
        f"{_broken(broken)}"
    )
    for what, limit in row.limits.items():
        broken = limit.value > limit.at_most
        yield (
            f"    {what + ':':<58}{limit.value:>7.1f}  {'':>11}  {limit.at_most:>6.1f}"
            f"{_broken(broken)}"
        )


def _broken(is_broken: bool) -> str:
    return "  BROKEN" if is_broken else ""


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
