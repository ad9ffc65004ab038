"""How similar two tickets are, by the words of their titles and descriptions.

Compares the words that `services.models.search_words` makes of the texts, and `search` holds, by
their stems. A ticket of a few words and one of many are compared by the angle between them, so the
length of a description does not matter.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from services.core.stop_words import STOP_WORDS
from services.models.search_words import SearchWords, fold, unique_words

# From here on two tickets are about the same problem: `bench/alike.py` measures it.
MIN_ALIKE = 0.5
MIN_SHARED_WORDS = 3
# Texts of one or two words share no more; then nearly all has to be the same.
MIN_ALIKE_FEW_WORDS = 0.8

_TITLE_WEIGHT = 1.5
_WEAK_WEIGHT = 0.5
_CODE_WEIGHT = 1.5
_MIN_CODE_DIGITS = 3  # an error code, an invoice, a room
_MIN_STEM_LENGTH = 3
_SUFFIXES = (
    *("ations", "ation", "ions", "ion", "ings", "ing", "ers", "er", "ed", "es", "en"),
    *("ly", "s", "e"),
)
# Words that many tickets have, and that say little about which problem it is.
_WEAK_WORDS = """
    access account app click colleague computer desk email error file laptop log login mail message
    new office page password pc please press reboot request restart says screen show sign start
    system team update user
"""


@dataclass(frozen=True, slots=True)
class TicketWords:
    """The stems of a ticket's words with their weights, and which of them are codes."""

    weights: Mapping[str, float]
    codes: frozenset[str]
    length: float

    @classmethod
    def of_texts(cls, title: str, description: str) -> "TicketWords":
        own = unique_words([title])
        return cls._of(unique_words([description], own), len(own))

    @classmethod
    def of_search(cls, search: SearchWords) -> "TicketWords":
        """Of the stored words, without those of comments."""
        return cls._of(search.public[: search.text_count], search.title_count)

    @classmethod
    def _of(cls, words: Iterable[str], title_count: int) -> "TicketWords":
        weights: dict[str, float] = {}
        codes = set()
        for place, word in enumerate(words):
            stem, weight, is_code = _analyse(word)
            if is_code:
                codes.add(stem)
            if place < title_count:
                weight *= _TITLE_WEIGHT
            if weight > weights.get(stem, 0):
                weights[stem] = weight
        length = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
        return cls(weights, frozenset(codes), length)

    def similarity(self, other: "TicketWords") -> float:
        """Return the cosine of the angle between the two, 0 to 1."""
        shared = self.weights.keys() & other.weights.keys()
        product = math.fsum(self.weights[stem] * other.weights[stem] for stem in shared)
        return product / (self.length * other.length or 1.0)

    def is_alike(self, other: "TicketWords") -> bool:
        """Return whether the two are probably about the same problem."""
        if self.codes and other.codes and not self.codes & other.codes:
            return False
        count = len(self.weights.keys() & other.weights.keys())
        least = MIN_ALIKE if count >= MIN_SHARED_WORDS else MIN_ALIKE_FEW_WORDS
        return count > 0 and self.similarity(other) >= least


@lru_cache(8_192)
def _analyse(word: str) -> tuple[str, float, bool]:
    """Return the stem of a folded word, its weight, and whether it is a code."""
    if word in _STOP_WORDS:
        return word, 0.0, False
    digits = sum(map(str.isdigit, word))
    if digits:
        return word, _CODE_WEIGHT, digits >= _MIN_CODE_DIGITS
    stem = _stem(word)
    return stem, _WEAK_WEIGHT if stem in _WEAK_STEMS else 1.0, False


def _stem(word: str) -> str:
    """Return the word without an ending of English inflection, which similar languages share."""
    if not word.isascii():
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM_LENGTH:
            word = word[: -len(suffix)]
            break
    is_doubled = len(word) > _MIN_STEM_LENGTH and word[-1] == word[-2]
    return word[:-1] if is_doubled else word


_STOP_WORDS = frozenset(map(fold, STOP_WORDS))
_WEAK_STEMS = frozenset(map(_stem, _WEAK_WORDS.split()))
