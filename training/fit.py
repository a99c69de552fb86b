"""Step 3, fit: features and the five linear heads.

reads  the corpus, rows to train on · writes nothing
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.svm import LinearSVC

from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.features import Features, Matrix
from nlp.heads import Heads
from training.corpus import Corpus
from training.goemotions import FurtherTexts
from training.recipe import Recipe

UNSEEN_BIAS = -10.0
"""Score of a label that no training row has: its probability is then next to nothing."""


@dataclass(frozen=True, slots=True)
class FurtherRows:
    """Rows of further texts for one field, with their labels."""

    rows: Matrix
    labels: npt.NDArray[np.str_]


def fit_features(corpus: Corpus, further: FurtherTexts, recipe: Recipe) -> Features:
    """The vocabulary, from the training texts alone. Labels play no part in it."""
    others = [text for texts in further.texts.values() for text in texts]
    return Features.fit(
        [*corpus.texts, *others],
        [*corpus.questions, *[None] * len(others)],
        min_documents=recipe.min_documents,
    )


def further_rows(features: Features, further: FurtherTexts) -> dict[str, FurtherRows]:
    """Field to its further rows; fields without any are left out."""
    return {
        field: FurtherRows(features.transform(texts, [None] * len(texts)), np.array(further.labels[field]))
        for field, texts in further.texts.items()
    }


def fit_heads(
    rows: Matrix,
    labels: Mapping[str, npt.NDArray[np.str_]],
    codebook: Codebook,
    recipe: Recipe,
    further: Mapping[str, FurtherRows],
) -> Heads:
    """Fit all heads on the same rows, some fields on further rows too. `labels` has one label per row."""
    order = {field: codebook.labels(field) for field in FIELDS}
    fitted = [_fit_head(rows, labels[field], order[field], recipe, further.get(field)) for field in FIELDS]
    return Heads(
        labels=order,
        weights=np.concatenate([weights for weights, _ in fitted], axis=1),
        bias=np.concatenate([bias for _, bias in fitted]),
    )


def _balance(labels: npt.NDArray[np.str_], power: float) -> npt.NDArray[np.float64]:
    """A weight per row: (mean count of a label / count of its label) ** power."""
    present, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    result: npt.NDArray[np.float64] = ((len(labels) / len(present) / counts) ** power)[place]
    return result


def _fit_head(
    rows: Matrix,
    labels: npt.NDArray[np.str_],
    order: Sequence[str],
    recipe: Recipe,
    further: FurtherRows | None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    weights = np.zeros((rows.shape[1], len(order)), dtype=np.float32)
    bias = np.full(len(order), UNSEEN_BIAS, dtype=np.float32)
    row_weights = _balance(labels, recipe.balance)
    if further is not None:
        rows = sparse.vstack([rows, further.rows], format="csr")
        more = recipe.goemotions_weight * _balance(further.labels, recipe.balance)
        labels, row_weights = np.concatenate([labels, further.labels]), np.concatenate([row_weights, more])
    present = np.unique(labels)
    if len(present) == 1:
        bias[order.index(present[0])] = 1.0
        return weights, bias
    model = LinearSVC(C=recipe.regularisation, random_state=recipe.seed, max_iter=5_000)
    model.fit(rows, labels, sample_weight=row_weights)
    if len(present) == 2:  # one column for two labels: the second label's
        coefficients = np.concatenate([-model.coef_, model.coef_])
        intercepts = np.concatenate([-model.intercept_, model.intercept_])
    else:
        coefficients, intercepts = model.coef_, model.intercept_
    for position, label in enumerate(model.classes_):
        weights[:, order.index(label)] = coefficients[position]
        bias[order.index(label)] = intercepts[position]
    return weights, bias
