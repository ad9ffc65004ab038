"""How like two texts are: by their words, of which the rare ones count more. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from services.features import features

# A word counts at least once and at most twice. When everybody reports the same, the words that say
# so are not rare, and must weigh all the same.
LEAST, MOST = 1.0, 2.0


def likeness(text: str, others: Sequence[str]) -> list[float]:
    """Of each of the others, 0 to 1: the cosine of its words and the text's.

    What is rare is told from these texts alone.
    """
    own, bags = features(text), [features(other) for other in others]
    spread = Counter(word for bag in (own, *bags) for word in bag)
    weights = {word: _weight(len(bags) + 1, count) for word, count in spread.items()}
    length = _length(own, weights)
    return [_shared(own, bag, weights) / (length * _length(bag, weights) or 1.0) for bag in bags]


def _weight(texts: int, count: int) -> float:
    return min(max(math.log(1 + texts / count), LEAST), MOST)


def _shared(
    one: Mapping[int, float], other: Mapping[int, float], weights: Mapping[int, float]
) -> float:
    both = one.keys() & other.keys()
    return math.fsum(weights[word] * one[word] * other[word] for word in both)


def _length(bag: Mapping[int, float], weights: Mapping[int, float]) -> float:
    return math.sqrt(math.fsum(weights[word] * count**2 for word, count in bag.items()))
