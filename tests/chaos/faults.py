"""The faults of a run, and their schedule, which depends on the seed only. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

PROCESSES = ("bot", "worker", "jobs")
SERVERS = ("MongoDB", "Redis")
INSTANCES = 2  # of each process
WARM_UP_SHARE, COOL_DOWN_SHARE = 0.05, 0.05  # of the run, without faults


class FaultKind(StrEnum):
    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    TERMINATE = "SIGTERM"
    FLUSH = "FLUSHALL"
    ERROR = "500"
    RATE_LIMIT = "429"
    HANG = "no answer"
    GARBAGE = "garbage"
    HANG_UP = "connection closed"


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` and `lasts` are seconds; `instance` says which of two processes is hit."""

    at: float
    kind: FaultKind
    target: str
    instance: int
    lasts: float

    @property
    def name(self) -> str:
        return f"{self.target}: {self.kind}"


Cause = tuple[str, FaultKind]
SIGNALS: Sequence[Cause] = (
    *((target, FaultKind.KILL) for target in (*PROCESSES, "worker's child", *SERVERS)),
    *((target, FaultKind.STOP) for target in (*PROCESSES, *SERVERS)),
    *((target, FaultKind.TERMINATE) for target in (*PROCESSES, *SERVERS)),
    ("Redis", FaultKind.FLUSH),
)
ANSWERS: Sequence[Cause] = tuple(
    (target, kind)
    for target in ("Slack", "Gemini")
    for kind in (
        FaultKind.ERROR,
        FaultKind.RATE_LIMIT,
        FaultKind.HANG,
        FaultKind.GARBAGE,
        FaultKind.HANG_UP,
    )
)
ALL_KINDS = frozenset(f"{target}: {kind}" for target, kind in (*SIGNALS, *ANSWERS))
SLOT_SECONDS = 12.0


def schedule(seed: int, seconds: float) -> tuple[list[Fault], list[Fault]]:
    """Return what happens to processes and servers, and concurrently to Slack and Gemini.

    Each kind strikes at least once; in a long run, one of each list every `SLOT_SECONDS`.
    """
    random = Random(seed)  # noqa: S311  a reproducible schedule
    return list(_spread(random, SIGNALS, seconds)), list(_spread(random, ANSWERS, seconds))


def _spread(random: Random, causes: Sequence[Cause], seconds: float) -> Iterator[Fault]:
    start, end = seconds * WARM_UP_SHARE, seconds * (1 - COOL_DOWN_SHARE)
    count = max(len(causes), int((end - start) / SLOT_SECONDS))
    slot = (end - start) / count
    hits: dict[str, int] = {}
    for number in range(count):
        if number % len(causes) == 0:
            order = random.sample(causes, len(causes))
        target, kind = order[number % len(causes)]
        hits[target] = hits.get(target, random.randrange(INSTANCES)) + 1
        at = start + slot * number + random.uniform(0, slot * 0.2)
        lasts = random.uniform(0.2, 0.7) * slot
        yield Fault(at, kind, target, hits[target] % INSTANCES, lasts)
