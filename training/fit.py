"""Step 3, fit: features and the five linear heads.

reads  the corpus, rows to train on · writes nothing
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.svm import LinearSVC

from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.features import Features, Matrix
from nlp.heads import Heads
from training.corpus import Corpus
from training.recipe import Recipe

UNSEEN_BIAS = -10.0
"""Score of a label that no training row has: its probability is then next to nothing."""


def fit_features(corpus: Corpus, recipe: Recipe) -> Features:
    """The vocabulary, from the training texts alone. Labels play no part in it."""
    return Features.fit(corpus.texts, corpus.questions, min_documents=recipe.min_documents)


def fit_heads(
    rows: Matrix, labels: Mapping[str, npt.NDArray[np.str_]], codebook: Codebook, recipe: Recipe
) -> Heads:
    """Fit all heads on the same rows. `labels` gives per field one label per row."""
    order = {field: codebook.labels(field) for field in FIELDS}
    fitted = [_fit_head(rows, labels[field], order[field], recipe) for field in FIELDS]
    return Heads(
        labels=order,
        weights=np.concatenate([weights for weights, _ in fitted], axis=1),
        bias=np.concatenate([bias for _, bias in fitted]),
    )


def _fit_head(
    rows: Matrix, labels: npt.NDArray[np.str_], order: Sequence[str], recipe: Recipe
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    weights = np.zeros((rows.shape[1], len(order)), dtype=np.float32)
    bias = np.full(len(order), UNSEEN_BIAS, dtype=np.float32)
    present, counts = np.unique(labels, return_counts=True)
    if len(present) == 1:
        bias[order.index(present[0])] = 1.0
        return weights, bias
    balance = {
        label: float((len(labels) / len(present) / count) ** recipe.balance)
        for label, count in zip(present, counts, strict=True)
    }
    model = LinearSVC(C=recipe.regularisation, class_weight=balance, random_state=recipe.seed, max_iter=5_000).fit(
        rows, labels
    )
    if len(present) == 2:  # one column for two labels: the second label's
        coefficients = np.concatenate([-model.coef_, model.coef_])
        intercepts = np.concatenate([-model.intercept_, model.intercept_])
    else:
        coefficients, intercepts = model.coef_, model.intercept_
    for position, label in enumerate(model.classes_):
        weights[:, order.index(label)] = coefficients[position]
        bias[order.index(label)] = intercepts[position]
    return weights, bias
