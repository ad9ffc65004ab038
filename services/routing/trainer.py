"""Learns from resolved tickets which label (a skill, a person) a text belongs to.

TF-IDF of words, each weighted besides by how well it tells one label from the others, and a linear
support vector machine a label (liblinear, by scikit-learn). Chosen by cross-validation over naive
Bayes, centroids, nearest neighbours, logistic and ridge regression, bigrams and character n-grams.

Importing this takes a second and 100 MB, so only who learns does it;
`services.routing.learned_model` reads.
"""

import math
import warnings
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from services.routing.features import extract_features
from services.routing.learned_model import (
    COEFFICIENT_STEPS,
    MAX_LABELS,
    MAX_VOCABULARY,
    Example,
    LearnedModel,
)

_Floats = NDArray[np.float64]

# Found by cross-validation: liblinear's C, and what is added to a word's weight in each label so
# that one met once says little.
_SVM_COST = 0.2
_SMOOTHING = 0.1
# A label's few tickets weigh as much as all the others', but each at most so many times its own.
_MAX_CLASS_WEIGHT = 25.0
# So much of the history, the newest, tells whether the model may lead; it is learned from after.
_VALIDATION_SHARE, _MIN_VALIDATION_SIZE, _MAX_VALIDATION_SIZE = 0.2, 25, 500
_CONFIDENCE_Z = 1.96  # standard errors: 95%


class Trainer:
    """Deterministic: the same examples in the same order make the same model."""

    def train(self, examples: Iterable[Example]) -> LearnedModel:
        """Empty where no example has a label. Texts are not kept."""
        return _fit([(extract_features(example.text), example.labels) for example in examples])

    def train_and_compare(
        self, examples: Sequence[Example], match_skills: Callable[[str], Sequence[str]]
    ) -> LearnedModel:
        """As `train`, and whether it is to be preferred: whether it does better than the skills
        that `match_skills` reads from the text itself.

        Tried on the newest fifth by a model of the older ones; `examples` are the oldest first.
        """
        prepared = [(extract_features(example.text), example.labels) for example in examples]
        tried = min(int(len(prepared) * _VALIDATION_SHARE), _MAX_VALIDATION_SIZE)
        model = _fit(prepared)
        if tried < _MIN_VALIDATION_SIZE:
            return model
        trial = _fit(prepared[:-tried])
        return replace(model, is_preferred=_outperforms(trial, examples[-tried:], match_skills))


def _outperforms(
    model: LearnedModel, unseen: Sequence[Example], match_skills: Callable[[str], Sequence[str]]
) -> bool:
    """By a sign test where the two differ: better beyond chance, not just as good."""
    won = lost = 0
    for example in unseen:
        names = match_skills(example.text)
        ranked = model.rank(example.text)
        if names and ranked:
            learned = ranked[0][0] in example.labels
            read = names[0] in example.labels
            won += learned and not read
            lost += read and not learned
    return won - lost > _CONFIDENCE_Z * math.sqrt(won + lost)


def _fit(prepared: Iterable[tuple[Mapping[int, float], tuple[str, ...]]]) -> LearnedModel:
    usable = [(words, set(labels)) for words, labels in prepared if words]
    counted = Counter(label for _, own in usable for label in own)
    common = sorted(counted, key=lambda label: (-counted[label], label))[:MAX_LABELS]
    labels = tuple(sorted(common))
    labelled = [(words, own) for words, own in usable if own & set(labels)]
    if not labelled:
        return LearnedModel()
    matrix, hashes = _matrix([words for words, _ in labelled])
    belongs = [[label in own for _, own in labelled] for label in labels]
    return _fit_matrix(matrix, hashes, labels, belongs)


def _matrix(bags: Sequence[Mapping[int, float]]) -> tuple[Any, list[int]]:
    """A row a text, and the hash of each column's word; of very many words the commonest."""
    spread = Counter(word for bag in bags for word in bag)
    hashes = sorted(sorted(spread, key=lambda word: (-spread[word], word))[:MAX_VOCABULARY])
    columns = {word: column for column, word in enumerate(hashes)}
    values, indices, ends = array("d"), array("l"), array("l", [0])
    for bag in bags:
        for word in sorted(bag.keys() & columns.keys()):
            values.append(bag[word])
            indices.append(columns[word])
        ends.append(len(indices))
    shape = (len(bags), len(hashes))
    return csr_matrix((np.array(values), np.array(indices), np.array(ends)), shape=shape), hashes


def _fit_matrix(
    matrix: Any, hashes: list[int], labels: tuple[str, ...], belongs: Sequence[Sequence[bool]]
) -> LearnedModel:
    from sklearn.preprocessing import normalize

    count, width = matrix.shape
    spread = np.bincount(matrix.indices, minlength=width)
    rarity = np.log((1 + count) / (1 + spread)) + 1
    discrimination = _discrimination(normalize(_apply_weights(matrix, rarity)), belongs)
    # With one label alone, no word tells anything, nor a rare one more: then all count alike.
    weights = rarity * np.sqrt(discrimination) if discrimination.any() else np.ones_like(rarity)
    matrix = normalize(_apply_weights(matrix, weights))
    coefficients = np.empty((width, len(labels)), dtype=np.int16)
    scales, offsets = np.empty(len(labels)), np.empty(len(labels))
    for column, belonging in enumerate(belongs):
        line, offsets[column] = _fit_classifier(matrix, belonging)
        scales[column] = max(float(np.abs(line).max()), 1e-9) / COEFFICIENT_STEPS
        coefficients[:, column] = np.rint(line / scales[column])
    return LearnedModel(
        labels=labels,
        rows={word: row for row, word in enumerate(hashes)},
        weights=array("f", weights),
        unknown_word_weight=float(weights[spread == spread.min()].mean()),
        coefficients=array("h", coefficients.tobytes()),
        scales=array("f", scales),
        offsets=array("f", offsets),
        example_count=count,
    )


def _apply_weights(matrix: Any, weights: _Floats) -> Any:
    return matrix.multiply(weights).tocsr()


def _discrimination(matrix: Any, belongs: Sequence[Sequence[bool]]) -> _Floats:
    """How well each word tells a label from the rest: its largest log ratio between the two."""
    total = np.asarray(matrix.sum(axis=0)).ravel()
    largest = np.zeros(matrix.shape[1])
    for belonging in belongs:
        if all(belonging):  # there is no rest
            continue
        own = np.asarray(matrix[np.array(belonging)].sum(axis=0)).ravel()
        inside, outside = own + _SMOOTHING, np.maximum(total - own, 0) + _SMOOTHING
        ratio = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
        np.maximum(largest, np.abs(ratio), out=largest)
    return largest


def _fit_classifier(matrix: Any, belonging: Sequence[bool]) -> tuple[_Floats, float]:
    """The line between a label's texts and the others, and its offset."""
    count, own = len(belonging), sum(belonging)
    if own == count:  # nothing to tell it from
        return np.zeros(matrix.shape[1]), 1.0
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    shares = {True: own, False: count - own}
    weight = {side: min(count / (2 * share), _MAX_CLASS_WEIGHT) for side, share in shares.items()}
    machine = LinearSVC(C=_SVM_COST, class_weight=weight, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # nearly there is near enough
        machine.fit(matrix, np.array(belonging))
    return machine.coef_[0], float(machine.intercept_[0])
