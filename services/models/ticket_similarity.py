"""How similar two tickets are, by the words of their titles and descriptions.

Compares the words that `services.models.search_words` makes of the texts, and `search` holds, by
their stems. The measure is the angle between the two, so the length of a description does not
matter. Requests that are made alike, for another person, room or number, are no duplicates, so
two texts that differ only in such a place are told apart.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.core.coerce import as_str
from services.core.database import Document
from services.core.stop_words import STOP_WORDS
from services.models.search_words import (
    fold,
    iter_words,
    normalized,
    stored_words,
    unique_words,
)

# From here on two tickets are about the same problem: `bench/alike.py` measures it. Texts that
# share at most two informative words must share more of all their words.
MIN_ALIKE = 0.45
_MIN_ALIKE_BY_COUNT: Mapping[int, float] = {0: 0.8, 1: 0.8, 2: 0.55}

_TITLE_WEIGHT = 1.5
_WEAK_WEIGHT = 0.5
_NUMBER_WEIGHT = 1.5
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
    """The title of a ticket, and the stems of its words with their weights, in the order of the
    text. `length` is that of the vector of weights."""

    title: str
    weights: Mapping[str, float]
    length: float

    @classmethod
    def of_texts(cls, title: str, description: str) -> "TicketWords":
        own = unique_words([title])
        return cls._of(title, unique_words([description], own), len(own))

    @classmethod
    def of_doc(cls, doc: Document) -> "TicketWords":
        """Return the words that a stored ticket is found by, without those of comments."""
        stored, (title_count, text_count) = stored_words(doc.get("search"))
        words = [word for word in stored[:text_count] if isinstance(word, str)]
        return cls._of(as_str(doc.get("title")), words, title_count)

    @classmethod
    def _of(cls, title: str, words: Sequence[str], title_count: int) -> "TicketWords":
        in_title = {
            stem: weight * _TITLE_WEIGHT
            for stem, weight in map(_analyse, words[:title_count])
            if weight
        }
        elsewhere = {stem: weight for stem, weight in map(_analyse, words[title_count:]) if weight}
        weights = {**in_title, **elsewhere, **in_title}  # the order of the first
        return cls(title, weights, math.hypot(*weights.values()))

    def similarity(self, other: "TicketWords") -> float:
        """Return the cosine of the angle between the two, 0 to 1."""
        shared = self.weights.keys() & other.weights.keys()
        product = sum([self.weights[stem] * other.weights[stem] for stem in shared])
        return product / (self.length * other.length or 1.0)

    def max_similarity(self, doc: Document) -> float:
        """Return what the similarity to a stored ticket is at most: the part of this vector that
        has words of the ticket. That is soon known, and little for most tickets."""
        stored, (_, text_count) = stored_words(doc.get("search"))
        words = [word for word in stored[:text_count] if isinstance(word, str)]
        shared = self.weights.keys() & set(map(_stem_of, words))
        return math.hypot(*[self.weights[stem] for stem in shared]) / (self.length or 1.0)

    def is_alike(self, other: "TicketWords") -> bool:
        """Return whether the two are probably about the same problem."""
        shared = self.weights.keys() & other.weights.keys()
        informative = sum(max(self.weights[one], other.weights[one]) >= 1 for one in shared)
        least = _MIN_ALIKE_BY_COUNT.get(informative, MIN_ALIKE)
        return self.similarity(other) >= least and not self._is_about_another_thing(other)

    def _is_about_another_thing(self, other: "TicketWords") -> bool:
        """Return whether the two say the same about different things, such as "Access to the
        Finance share" and "Access to the Legal share"."""
        own_title, other_title = _title_words(self.title), _title_words(other.title)
        numbers = [frozenset(filter(str.isdigit, title)) for title in (own_title, other_title)]
        codes = [frozenset(filter(_is_code, each.weights)) for each in (self, other)]
        for own, others in (codes, numbers):
            if own and others and not own & others:
                return True
        known, known_to_other = (*self.weights, *own_title), (*other.weights, *other_title)
        if _has_more(own_title, known_to_other) and _has_more(other_title, known):
            both = [word for word in own_title if _is_among(word, other_title)]
            both_of_other = [word for word in other_title if _is_among(word, own_title)]
            if len(both) == len(both_of_other) > 0 and all(map(_is_same, both, both_of_other)):
                return True
        if _has_more(self._informative, known_to_other) and _has_more(other._informative, known):
            shared = [stem for stem in self.weights if stem in other.weights]
            is_in_order = shared == [stem for stem in other.weights if stem in self.weights]
            return is_in_order and len(shared) >= _MIN_FORM_WORDS
        return False

    @property
    def _informative(self) -> Iterable[str]:
        return (stem for stem, weight in self.weights.items() if weight >= 1)


def informative_words(words: Iterable[str]) -> list[str]:
    """Return those of the folded words that say what a ticket is about."""
    return [word for word in words if _analyse(word)[1] >= 1]


def _title_words(title: str) -> tuple[str, ...]:
    """Return stems, numbers of any length, and names, also those that are stop words, as "Mia"."""
    found: dict[str, None] = {}
    text = normalized(title)
    for word in iter_words(text):
        stem, weight = _analyse(word.text)
        is_name = word.start > 0 and word.end - word.start > 2 and text[word.start].isupper()
        if word.text.isdigit() or weight >= 1 or (weight == 0 and is_name):
            found[stem] = None
    return tuple(found)


def _has_more(words: Iterable[str], known: Collection[str]) -> bool:
    return any(not _is_among(word, known) for word in words)


def _is_among(word: str, others: Collection[str]) -> bool:
    return word in others or any(_is_same(word, other) for other in others)


def _is_same(word: str, other: str) -> bool:
    start = word[:_SAME_BEGINNING]
    return word == other or (len(start) == _SAME_BEGINNING and other.startswith(start))


@lru_cache(8_192)
def _analyse(word: str) -> tuple[str, float]:
    """Return the stem of a folded word and its weight."""
    if word in _STOP_WORDS:
        return word, 0.0
    if any(map(str.isdigit, word)):
        return word, _NUMBER_WEIGHT
    stem = _stem(word)
    return stem, _WEAK_WEIGHT if stem in _WEAK_STEMS else 1.0


@lru_cache(8_192)
def _stem_of(word: str) -> str:
    return _analyse(word)[0]


def _is_code(stem: str) -> bool:
    return sum(map(str.isdigit, stem)) >= _MIN_CODE_DIGITS


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
