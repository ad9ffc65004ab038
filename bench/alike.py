"""How well tickets about the same problem are recognised, on labelled pairs of tickets."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz import fuzz

from bench.measure import Limit, Round, Row, compare
from bench.stand import Stand
from services.models.ticket_similarity import TicketWords

PAIRS = Path(__file__).with_name("alike_pairs.csv")
MIN_PRECISION = 0.8


@dataclass(frozen=True, slots=True)
class Pair:
    """Title and description of two tickets, and whether they are about the same problem."""

    one: tuple[str, str]
    other: tuple[str, str]
    is_alike: bool

    @property
    def is_recognised(self) -> bool:
        return TicketWords.of_texts(*self.one).is_alike(TicketWords.of_texts(*self.other))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares, 0 to 1: `precision` of the pairs called alike, `recall` of those that are."""

    precision: float
    recall: float


def read(path: Path = PAIRS) -> list[Pair]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Pair(
                one=(row["title_a"], row["text_a"]),
                other=(row["title_b"], row["text_b"]),
                is_alike=row["alike"] == "yes",
            )
            for row in csv.DictReader(file)
        ]


def measure(pairs: Sequence[Pair]) -> Accuracy:
    called = [pair for pair in pairs if pair.is_recognised]
    right = sum(pair.is_alike for pair in called)
    return Accuracy(right / len(called), right / sum(pair.is_alike for pair in pairs))


def alike(stand: Stand) -> Iterator[Row]:
    pairs = read()
    accuracy = measure(pairs)

    def work() -> Round:
        measure(pairs)
        return Round(len(pairs))

    def baseline() -> Round:
        for pair in pairs:
            fuzz.token_set_ratio("\n".join(pair.one), "\n".join(pair.other))
        return Round(len(pairs))

    yield compare(
        f"compare {len(pairs)} pairs of tickets",
        work,
        to=baseline,
        called="rapidfuzz",
        rounds=stand.sizes.rounds,
        limits=lambda *_: {
            "not alike, % of those called alike": Limit(
                100 * (1 - accuracy.precision), 100 * (1 - MIN_PRECISION)
            ),
            "not recognised, % of those alike": Limit(100 * (1 - accuracy.recall), 60),
        },
    )
