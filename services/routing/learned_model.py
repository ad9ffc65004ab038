"""A model learned from resolved tickets: a linear one, as plain numbers. Pure.

It is read without scikit-learn, which made it (services/routing/trainer.py): a worker needs neither
its memory nor its start.
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
from services.routing.features import extract_features
from services.routing.stop_words import STOP_WORDS

FORMAT_VERSION = 1
# 30,000 words times 200 labels are 12 MB at two bytes each; MongoDB takes 16 MB.
MAX_VOCABULARY = 30_000
MAX_LABELS = 200
COEFFICIENT_STEPS = 32_767  # of a coefficient, either way

# Turns margins into shares that come true as often as they say; found by cross-validation, and the
# same for 40 examples as for 900.
_SHARPNESS = 4.0
# A single word is shared by chance. Found by cross-validation: with one skill learned from ten
# tickets, so few of other subjects are taken for it (4%, without it 40%).
_MIN_KNOWN_WORDS = 2
# So many tickets have met most subjects: there the bound would cost 2% of right guesses.
_LARGE_HISTORY = 500


@dataclass(frozen=True, slots=True)
class Example:
    """A resolved ticket's text, and the skills it took or the person who resolved it."""

    text: str
    labels: tuple[str, ...]


class UnreadableModel(Exception):
    """A stored model that is damaged, or another version's."""


@dataclass(frozen=True, slots=True)
class LearnedModel:
    """`coefficients` has a row for each known word and a column for each label, in steps of the
    column's `scales`.

    `rows` finds a word's row by its hash; `weights` is how much a word tells at all, by row, and
    `unknown_word_weight` that of a word never met. `is_preferred`: with the skills named in a text,
    this model has shown on tickets it was not trained on that it knows better than those names.
    """

    labels: tuple[str, ...] = ()
    rows: Mapping[int, int] = field(default_factory=dict)
    weights: Sequence[float] = ()
    unknown_word_weight: float = 1.0
    coefficients: Sequence[int] = ()
    scales: Sequence[float] = ()
    offsets: Sequence[float] = ()
    example_count: int = 0
    is_preferred: bool = False

    def rank(self, text: str) -> list[tuple[str, float]]:
        """Every label with its share, the likeliest first; shares add up to at most 1.

        What is left to 1 is doubt: few examples, or words the model never met.
        """
        if not self.labels:
            return []
        counts = extract_features(text)
        met = {
            row: n * self.weights[row] for w, n in counts.items() if (row := self._row_of(w)) >= 0
        }
        margins = self._margins(met, math.sqrt(sum(value * value for value in met.values())))
        _, known, strange = self._informative_words(counts)
        trust = known / (known + strange or 1.0) * self.example_count / (self.example_count + 1)
        powers = [math.exp(_SHARPNESS * (margin - max(margins))) for margin in margins]
        total = sum(powers)
        shares = [trust * power / total for power in powers]
        order = sorted(range(len(shares)), key=lambda i: (-margins[i], self.labels[i]))
        return [(self.labels[i], shares[i]) for i in order]

    def is_familiar_with(self, text: str) -> bool:
        """Whether what a text is about was met before: two words that tell something, and by weight
        half of all it has. Else it is like nothing that was learned, whatever `rank` says.

        So a short history speaks of texts much like its own, a longer one of more and more, and a
        long one of all.
        """
        if self.example_count >= _LARGE_HISTORY:
            return True
        met, known, strange = self._informative_words(extract_features(text))
        return met >= _MIN_KNOWN_WORDS and known >= strange

    def _informative_words(self, counts: Mapping[int, float]) -> tuple[int, float, float]:
        """Of the words that tell something: how many it met before, how much these weigh, and how
        much the others."""
        informative = [
            (n, self._row_of(word)) for word, n in counts.items() if word not in STOP_WORDS
        ]
        known = [(n * self.weights[row]) ** 2 for n, row in informative if row >= 0]
        strange = [(n * self.unknown_word_weight) ** 2 for n, row in informative if row < 0]
        return len(known), sum(known), sum(strange)

    def _row_of(self, word: int) -> int:
        return self.rows.get(word, -1)

    def _margins(self, met: Mapping[int, float], length: float) -> list[float]:
        sums = [0.0] * len(self.labels)
        for row, value in met.items():
            start = row * len(self.labels)
            row_coefficients = self.coefficients[start : start + len(self.labels)]
            sums = [
                total + value * step for total, step in zip(sums, row_coefficients, strict=True)
            ]
        return [
            total / length * scale + offset if length else offset
            for total, scale, offset in zip(sums, self.scales, self.offsets, strict=True)
        ]


def to_doc(model: LearnedModel) -> Document:
    """As stored: numbers as packed little-endian bytes, and a checksum over everything."""
    doc: Document = {
        "format": FORMAT_VERSION,
        "labels": list(model.labels),
        "examples": model.example_count,
        "leads": model.is_preferred,
        "strange": model.unknown_word_weight,
        "words": _pack("I", list(model.rows)),
        "weights": _pack("f", model.weights),
        "coefficients": _pack("h", model.coefficients),
        "scales": _pack("f", model.scales),
        "offsets": _pack("f", model.offsets),
    }
    return {**doc, "checksum": _checksum(doc)}


def from_doc(doc: Mapping[str, Any]) -> LearnedModel:
    """Raises `UnreadableModel`."""
    try:
        if doc["format"] != FORMAT_VERSION:
            raise UnreadableModel(f"format {doc['format']!r}")
        if doc["checksum"] != _checksum(doc):
            raise UnreadableModel("checksum")
        words = _unpack("I", doc["words"])
        model = LearnedModel(
            labels=tuple(doc["labels"]),
            rows={word: row for row, word in enumerate(words)},
            weights=_unpack("f", doc["weights"]),
            unknown_word_weight=doc["strange"],
            coefficients=_unpack("h", doc["coefficients"]),
            scales=_unpack("f", doc["scales"]),
            offsets=_unpack("f", doc["offsets"]),
            example_count=doc["examples"],
            is_preferred=doc["leads"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableModel(type(error).__name__) from error
    columns = len(model.labels)
    if (
        len(model.weights) != len(words)
        or len(model.coefficients) != len(words) * columns
        or not len(model.scales) == len(model.offsets) == columns
        or not all(isinstance(label, str) for label in model.labels)
    ):
        raise UnreadableModel("size")
    return model


def _checksum(doc: Mapping[str, Any]) -> str:
    """Of a document with or without one."""
    parts = ("format", "labels", "examples", "leads", "strange")
    digest = hashlib.sha256(repr([doc[name] for name in parts]).encode())
    for name in ("words", "weights", "coefficients", "scales", "offsets"):
        digest.update(len(doc[name]).to_bytes(8, "little") + doc[name])
    return digest.hexdigest()


def _pack(kind: str, numbers: Sequence[float]) -> Binary:
    return Binary(_little_endian(array(kind, numbers)).tobytes())


def _unpack(kind: str, packed: bytes) -> "array[Any]":
    numbers: array[Any] = array(kind)
    numbers.frombytes(packed)
    return _little_endian(numbers)


def _little_endian(numbers: "array[Any]") -> "array[Any]":
    """Little-endian, here as in the database."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
