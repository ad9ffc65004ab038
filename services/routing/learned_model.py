"""A model learned from resolved tickets: a linear one, as plain numbers. Pure.

It is read without scikit-learn, which made it (services/routing/trainer.py): a worker needs neither
its
memory nor its start.
"""

import hashlib
import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import Binary

from services.core.database import Document
from services.routing.features import features
from services.routing.stop_words import EVERYDAY

FORMAT = 1
# 30,000 words times 200 labels are 12 MB at two bytes each; MongoDB takes 16 MB.
MAX_WORDS = 30_000
MAX_LABELS = 200
STEPS = 32_767  # of a coefficient, either way

# Turns margins into shares that come true as often as they say; found by cross-validation, and the
# same for 40 examples as for 900.
_SHARPNESS = 4.0
# A single word is shared by chance. Found by cross-validation: with one skill learned from ten
# tickets, so few of other subjects are taken for it (4%, without it 40%).
_LEAST_MET = 2
# So many tickets have met most subjects: there the bound would cost 2% of right guesses.
_LONG = 500


@dataclass(frozen=True, slots=True)
class Example:
    """A resolved ticket's text, and the skills it took or the person who resolved it."""

    text: str
    labels: tuple[str, ...]


class Unreadable(Exception):
    """A stored model that is damaged, or another version's."""


@dataclass(frozen=True, slots=True)
class Model:
    """`coefficients` are `words` rows of a column a label, in steps of the column's `scales`.

    `rows` finds a word's row by its hash; `weights` is how much a word tells at all, by row, and
    `strange` that of a word never met. `leads`: with the skills named in a text, this model has
    shown on tickets it had not seen that it knows better than those names.
    """

    labels: tuple[str, ...] = ()
    rows: Mapping[int, int] = field(default_factory=dict)
    weights: Sequence[float] = ()
    strange: float = 1.0
    coefficients: Sequence[int] = ()
    scales: Sequence[float] = ()
    offsets: Sequence[float] = ()
    examples: int = 0
    leads: bool = False

    def rank(self, text: str) -> list[tuple[str, float]]:
        """Every label with its share, the likeliest first; shares add up to at most 1.

        What is left to 1 is doubt: few examples, or words the model never met.
        """
        if not self.labels:
            return []
        counts = features(text)
        met = {row: n * self.weights[row] for w, n in counts.items() if (row := self._row(w)) >= 0}
        margins = self._margins(met, math.sqrt(sum(value * value for value in met.values())))
        _, known, strange = self._told(counts)
        trust = known / (known + strange or 1.0) * self.examples / (self.examples + 1)
        powers = [math.exp(_SHARPNESS * (margin - max(margins))) for margin in margins]
        whole = sum(powers)
        shares = [trust * power / whole for power in powers]
        order = sorted(range(len(shares)), key=lambda i: (-margins[i], self.labels[i]))
        return [(self.labels[i], shares[i]) for i in order]

    def knows(self, text: str) -> bool:
        """Whether what a text is about was met before: two words that tell something, and by weight
        half of all it has. Else it is like nothing that was learned, whatever `rank` says.

        So a short history speaks of texts much like its own, a longer one of more and more, and a
        long one of all.
        """
        if self.examples >= _LONG:
            return True
        met, known, strange = self._told(features(text))
        return met >= _LEAST_MET and known >= strange

    def _told(self, counts: Mapping[int, float]) -> tuple[int, float, float]:
        """Of the words that tell something: how many it met before, how much these weigh, and how
        much the others."""
        told = [(n, self._row(word)) for word, n in counts.items() if word not in EVERYDAY]
        known = [(n * self.weights[row]) ** 2 for n, row in told if row >= 0]
        strange = [(n * self.strange) ** 2 for n, row in told if row < 0]
        return len(known), sum(known), sum(strange)

    def _row(self, word: int) -> int:
        return self.rows.get(word, -1)

    def _margins(self, met: Mapping[int, float], length: float) -> list[float]:
        sums = [0.0] * len(self.labels)
        for row, value in met.items():
            start = row * len(self.labels)
            ours = self.coefficients[start : start + len(self.labels)]
            sums = [total + value * step for total, step in zip(sums, ours, strict=True)]
        return [
            total / length * scale + offset if length else offset
            for total, scale, offset in zip(sums, self.scales, self.offsets, strict=True)
        ]


def to_doc(model: Model) -> Document:
    """As stored: numbers as packed little-endian bytes, and a checksum over everything."""
    doc: Document = {
        "format": FORMAT,
        "labels": list(model.labels),
        "examples": model.examples,
        "leads": model.leads,
        "strange": model.strange,
        "words": _packed("I", list(model.rows)),
        "weights": _packed("f", model.weights),
        "coefficients": _packed("h", model.coefficients),
        "scales": _packed("f", model.scales),
        "offsets": _packed("f", model.offsets),
    }
    return {**doc, "checksum": _checksum(doc)}


def from_doc(doc: Mapping[str, Any]) -> Model:
    """Raises `Unreadable`."""
    try:
        if doc["format"] != FORMAT:
            raise Unreadable(f"format {doc['format']!r}")
        if doc["checksum"] != _checksum(doc):
            raise Unreadable("checksum")
        words = _unpacked("I", doc["words"])
        model = Model(
            labels=tuple(doc["labels"]),
            rows={word: row for row, word in enumerate(words)},
            weights=_unpacked("f", doc["weights"]),
            strange=doc["strange"],
            coefficients=_unpacked("h", doc["coefficients"]),
            scales=_unpacked("f", doc["scales"]),
            offsets=_unpacked("f", doc["offsets"]),
            examples=doc["examples"],
            leads=doc["leads"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(type(error).__name__) from error
    columns = len(model.labels)
    if (
        len(model.weights) != len(words)
        or len(model.coefficients) != len(words) * columns
        or not len(model.scales) == len(model.offsets) == columns
        or not all(isinstance(label, str) for label in model.labels)
    ):
        raise Unreadable("size")
    return model


def _checksum(doc: Mapping[str, Any]) -> str:
    """Of a document with or without one."""
    parts = ("format", "labels", "examples", "leads", "strange")
    digest = hashlib.sha256(repr([doc[name] for name in parts]).encode())
    for name in ("words", "weights", "coefficients", "scales", "offsets"):
        digest.update(len(doc[name]).to_bytes(8, "little") + doc[name])
    return digest.hexdigest()


def _packed(kind: str, numbers: Sequence[float]) -> Binary:
    return Binary(_ordered(array(kind, numbers)).tobytes())


def _unpacked(kind: str, packed: bytes) -> "array[Any]":
    numbers: array[Any] = array(kind)
    numbers.frombytes(packed)
    return _ordered(numbers)


def _ordered(numbers: "array[Any]") -> "array[Any]":
    """Little-endian, here as in the database."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
