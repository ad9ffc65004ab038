"""How similar two tickets are, by the words of their titles and descriptions.

Compares the words that `services.models.search_words` makes of the texts, and `search` holds, by
their stems. The measure is the angle between the two, so the length of a description does not
matter. Requests that are made alike, for another person, room or number, are no duplicates, so
two texts that differ only in such a place are told apart.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from services.core.stop_words import STOP_WORDS
from services.models.search_words import fold, iter_words, normalized, unique_words
from services.models.ticket import Ticket

# From here on two tickets are about the same problem: `bench/alike.py` measures it. Texts that
# share at most two informative words must share more of all their words.
MIN_ALIKE = 0.45
_MIN_ALIKE_BY_COUNT: Mapping[int, float] = {0: 0.8, 1: 0.8, 2: 0.55}

_TITLE_WEIGHT = 1.5
_WEAK_WEIGHT = 0.5
_CODE_WEIGHT = 1.5
_MIN_CODE_DIGITS = 3  # an error code, an invoice, a room
_MIN_STEM_LENGTH = 3
_SUFFIXES = (
    *("ations", "ation", "ions", "ion", "ings", "ing", "ers", "er", "ed", "es", "en"),
    *("ly", "s", "e"),
)
# So many shared words in the same order, and others between them: one form, filled in twice.
_MIN_FORM_WORDS = 4
_SAME_BEGINNING = 5  # "deploy" and "deployment" are one word in titles
# Words that many tickets have, and that say little about which problem it is.
_WEAK_WORDS = """
    access account anfrage app broken bump call category click colleague company computer consulta
    contact demande description desk email error espero estar file form frage laptop location log
    login mail message muchas new number office page password pc please pregunta press question
    reboot reminder request restart saludo says screen short show sign start support system team
    ticket update urgent user
"""


@dataclass(frozen=True, slots=True)
class TicketWords:
    """The stems of a ticket's words with their weights, in the order of the text; those of the
    title that tell which thing it is about; and its codes."""

    weights: Mapping[str, float]
    title: tuple[str, ...]
    codes: frozenset[str]
    length: float

    @classmethod
    def of_texts(cls, title: str, description: str) -> "TicketWords":
        own = unique_words([title])
        return cls._of(title, unique_words([description], own), len(own))

    @classmethod
    def of_ticket(cls, ticket: Ticket) -> "TicketWords | None":
        """Return the words that are stored for search, without those of comments; None if there
        are none."""
        search = ticket.search
        if search is None:
            return None
        return cls._of(ticket.title, search.public[: search.text_count], search.title_count)

    @classmethod
    def _of(cls, title: str, words: Iterable[str], title_count: int) -> "TicketWords":
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
        return cls(weights, _title_words(title), frozenset(codes), length)

    def similarity(self, other: "TicketWords") -> float:
        """Return the cosine of the angle between the two, 0 to 1."""
        shared = self.weights.keys() & other.weights.keys()
        product = math.fsum(self.weights[stem] * other.weights[stem] for stem in shared)
        return product / (self.length * other.length or 1.0)

    def is_alike(self, other: "TicketWords") -> bool:
        """Return whether the two are probably about the same problem."""
        shared = self.weights.keys() & other.weights.keys()
        informative = sum(max(self.weights[one], other.weights[one]) >= 1 for one in shared)
        least = _MIN_ALIKE_BY_COUNT.get(informative, MIN_ALIKE)
        return self.similarity(other) >= least and not self._is_about_another_thing(other)

    def _is_about_another_thing(self, other: "TicketWords") -> bool:
        """Return whether the two say the same about different things, such as "Access to the
        Finance share" and "Access to the Legal share"."""
        numbers = [frozenset(filter(str.isdigit, each.title)) for each in (self, other)]
        for mine, theirs in ((self.codes, other.codes), numbers):
            if mine and theirs and not mine & theirs:
                return True
        if self._has_own(self.title, other) and other._has_own(other.title, self):
            ours = [word for word in self.title if _is_among(word, other.title)]
            theirs_too = [word for word in other.title if _is_among(word, self.title)]
            if len(ours) == len(theirs_too) > 0 and all(map(_is_same, ours, theirs_too)):
                return True
        if self._has_own(self._informative, other) and other._has_own(other._informative, self):
            shared = [stem for stem in self.weights if stem in other.weights]
            is_in_order = shared == [stem for stem in other.weights if stem in self.weights]
            return is_in_order and len(shared) >= _MIN_FORM_WORDS
        return False

    @property
    def _informative(self) -> Iterable[str]:
        return (stem for stem, weight in self.weights.items() if weight >= 1)

    def _has_own(self, words: Iterable[str], other: "TicketWords") -> bool:
        known = (*other.weights, *other.title)
        return any(not _is_among(word, known) for word in words)


def informative_words(words: Iterable[str]) -> list[str]:
    """Return those of the folded words that say what a ticket is about."""
    return [word for word in words if _analyse(word)[1] >= 1]


def _title_words(title: str) -> tuple[str, ...]:
    """Return stems, numbers of any length, and names, also those that are stop words, as "Mia"."""
    found: dict[str, None] = {}
    text = normalized(title)
    for word in iter_words(text):
        stem, weight, _ = _analyse(word.text)
        is_name = word.start > 0 and word.end - word.start > 2 and text[word.start].isupper()
        if word.text.isdigit() or weight >= 1 or (weight == 0 and is_name):
            found[stem] = None
    return tuple(found)


def _is_among(word: str, others: Collection[str]) -> bool:
    return word in others or any(_is_same(word, other) for other in others)


def _is_same(word: str, other: str) -> bool:
    start = word[:_SAME_BEGINNING]
    return word == other or (len(start) == _SAME_BEGINNING and other.startswith(start))


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
