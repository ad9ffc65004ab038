"""Train a model on resolved tickets that predicts the label (skill, user) of a text.

TF-IDF of words, also weighted by how well they separate the labels, and a linear support vector
machine per label (liblinear, by scikit-learn). Chosen by cross-validation over naive Bayes,
centroids, nearest neighbours, logistic and ridge regression, bigrams and character n-grams.

Importing this takes a second and 100 MB, so only the process that trains does it;
`services.routing.learned_model` reads the model.
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

from services.routing.learned_model import (
    COEFFICIENT_STEPS,
    MAX_LABELS,
    MAX_VOCABULARY,
    Example,
    LearnedModel,
    extract_features,
)

_Floats = NDArray[np.float64]

# Found by cross-validation: liblinear's C, and the smoothing that makes a word seen once count
# little.
_SVM_COST = 0.2
_SMOOTHING = 0.1
# A label's tickets weigh as much as all others together, but each at most this many times as much.
_MAX_CLASS_WEIGHT = 25.0
# The newest part of the history decides whether the model is preferred. The model learns it, too.
_VALIDATION_SHARE, _MIN_VALIDATION_SIZE, _MAX_VALIDATION_SIZE = 0.2, 25, 500
_CONFIDENCE_Z = 1.96  # standard errors: 95%


class Trainer:
    """Deterministic: the same examples in the same order make the same model."""

    def train(self, examples: Iterable[Example]) -> LearnedModel:
        """Return a model, an empty one if no example has a label. Texts are not kept."""
        return _fit([(extract_features(example.text), example.labels) for example in examples])

    def train_and_compare(
        self, examples: Sequence[Example], match_skills: Callable[[str], Sequence[str]]
    ) -> LearnedModel:
        """As `train`, and set `is_preferred` if the model does better than the skills that
        `match_skills` finds in the text.

        A model of the older four fifths is tested on the newest fifth; `examples` are the oldest
        first.
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
    """Whether the model is significantly better, by a sign test on the tickets that differ."""
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
    """Return a row per text and the word hash of each column: only the most common words."""
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
    # With only one label no word is informative: then all count the same.
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
    """Return how well each word separates a label from the rest: its largest log ratio."""
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
    """Return the coefficients and offset of the line between a label's texts and the others."""
    count, own = len(belonging), sum(belonging)
    if own == count:  # only one label
        return np.zeros(matrix.shape[1]), 1.0
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    shares = {True: own, False: count - own}
    weight = {side: min(count / (2 * share), _MAX_CLASS_WEIGHT) for side, share in shares.items()}
    machine = LinearSVC(C=_SVM_COST, class_weight=weight, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an approximate solution is enough
        machine.fit(matrix, np.array(belonging))
    return machine.coef_[0], float(machine.intercept_[0])
