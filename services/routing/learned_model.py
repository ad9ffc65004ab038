"""A linear model learned from resolved tickets, as plain numbers, and the features of a text. Pure.

services/routing/trainer.py trains it with scikit-learn. Reading it needs no scikit-learn, which
saves every worker its memory and start-up time.

The features are hashes of words, with weights. In scripts without spaces between words each pair of
letters counts as a word, unless both are hiragana: those are mostly grammar. Hashes keep names and
addresses out of a stored model; secrets are masked before. CRC-32 is the same in every process and
version, and collisions among a team's words hardly matter.
"""

import hashlib
import math
import re
import sys
import unicodedata
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bson import Binary

from services.core.database import Document
from services.core.redaction import mask
from services.core.stop_words import STOP_WORDS
from services.core.text import UNSPACED_SCRIPT_RANGES

# A ticket has at most 3,150 characters; the legacy backend's may be of any length.
MAX_TEXT_LENGTH = 20_000
# `\w` does not match the vowel marks of India's scripts, so their blocks are listed.
_WORD_PATTERN = re.compile(
    rf"(?P<unspaced>[{UNSPACED_SCRIPT_RANGES}]+)|(?:[^\W_{UNSPACED_SCRIPT_RANGES}]|[\u0900-\u0963\u0966-\u0dff])+"
)
_HIRAGANA = re.compile(r"[\u3041-\u309f]+")
# Longer runs are keys and hashes, which do not recur.
_MIN_WORD_LENGTH, _MAX_WORD_LENGTH = 2, 30
FORMAT_VERSION = 1
# 30,000 words times 200 labels are 12 MB at two bytes each; MongoDB takes 16 MB.
MAX_VOCABULARY = 30_000
MAX_LABELS = 200
COEFFICIENT_STEPS = 32_767  # a coefficient is stored as a signed 16-bit integer

# Turns margins into calibrated shares; found by cross-validation, the same for 40 and 900 examples.
_SHARPNESS = 4.0
# A single common word is chance. By cross-validation, a model of one skill and ten tickets then
# misroutes 4% of the tickets on other subjects, without this bound 40%.
_MIN_KNOWN_WORDS = 2
# This many tickets cover most subjects; the bound would cost 2% of the right predictions.
_LARGE_HISTORY = 500
# As `extract_features` hashes them.
STOP_FEATURES = frozenset(zlib.crc32(word.encode()) for word in STOP_WORDS)


@dataclass(frozen=True, slots=True)
class Example:
    """A resolved ticket's text, and the skills it needed or the user who resolved it."""

    text: str
    labels: tuple[str, ...]


class UnreadableModel(Exception):
    """A stored model is damaged or of another version."""


@dataclass(frozen=True, slots=True)
class LearnedModel:
    """`coefficients` has a row per known word and a column per label, in units of the column's
    `scales`.

    `rows` maps a word's hash to its row; `weights` is how informative each row's word is, and
    `unknown_word_weight` that of an unknown word. `is_preferred`: on tickets it was not trained on,
    this model did better than the skills named in the text.
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
        """Return all labels with their shares, the likeliest first; the sum is at most 1.

        The rest to 1 is doubt: few examples, or unknown words.
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
        """Whether the text resembles the training texts: at least two informative words are known,
        and by weight half of all. Otherwise `rank` means nothing.

        So a model of few tickets answers only for similar texts, and one of many for all.
        """
        if self.example_count >= _LARGE_HISTORY:
            return True
        met, known, strange = self._informative_words(extract_features(text))
        return met >= _MIN_KNOWN_WORDS and known >= strange

    def _informative_words(self, counts: Mapping[int, float]) -> tuple[int, float, float]:
        """Return the number of known informative words, their weight, and that of the unknown
        ones."""
        informative = [
            (n, self._row_of(word)) for word, n in counts.items() if word not in STOP_FEATURES
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
    """Return the stored form: numbers as little-endian bytes, with a checksum of everything."""
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
    """Read the stored form. Raises `UnreadableModel`."""
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
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def extract_features(text: str) -> Mapping[int, float]:
    """Map each word's hash to log(1 + count), for the first 20,000 characters."""
    plain = unicodedata.normalize("NFKC", mask(text[:MAX_TEXT_LENGTH])).casefold()
    counts = Counter(zlib.crc32(word.encode()) for word in _words(plain))
    return {word: math.log1p(count) for word, count in counts.items()}


def _words(text: str) -> Iterator[str]:
    for run in _WORD_PATTERN.finditer(text):
        word = run[0]
        if run["unspaced"]:
            pairs = map("".join, pairwise(word)) if len(word) > 1 else (word,)
            yield from (pair for pair in pairs if not _HIRAGANA.fullmatch(pair))
        elif _MIN_WORD_LENGTH <= len(word) <= _MAX_WORD_LENGTH:
            yield word
