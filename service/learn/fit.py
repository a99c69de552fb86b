"""From corrected texts to one field's head: a penalised logistic regression on top of the default model.

With the default's ln p as offset o, features x and shift s = xW + b, minimised over W and b is

    - sum over corrections of ln softmax(o + s)[label]
    + REPLAY_WEIGHT · sum over our own texts of the cross-entropy between softmax(o) and softmax(o + s)
    + WEIGHT_PENALTY / 2 · |W|² + BIAS_PENALTY / 2 · |b|²

by L-BFGS (Liu and Nocedal 1989). At zero the default model stands unchanged; the penalties are what a few
corrections must overcome. Chosen on texts of our own and on `dev.tsv` by source, see `benchmarks/README.md`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from nlp.overlay import Head, LogChances, Rows

WEIGHT_PENALTY: Final = 3.0
BIAS_PENALTY: Final = 5.0
REPLAY_WEIGHT: Final = 0.05
ROUNDS: Final = 30

Array32 = npt.NDArray[np.float32]


def fit_head(
    features: Rows,
    offsets: LogChances,
    labels: npt.NDArray[np.int16],
    replay_features: Rows,
    replay_offsets: LogChances,
) -> Head:
    """The head that these corrections ask for; `labels` are positions, one per row of `features`."""
    count, width = offsets.shape[1], features.shape[1]
    rows = np.concatenate([features, replay_features]).astype(np.float32)
    offset = np.concatenate([offsets, replay_offsets]).astype(np.float32)
    weight = np.ones((len(rows), 1), dtype=np.float32)
    weight[len(features) :] = REPLAY_WEIGHT
    target = np.zeros_like(offset)
    target[np.arange(len(features)), labels] = 1.0
    target[len(features) :] = np.exp(_log_softmax(replay_offsets.astype(np.float32)))

    def loss(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, bias = _parts(values, width, count)
        logs = _log_softmax(offset + rows @ weights.astype(np.float32) + bias.astype(np.float32))
        penalty = WEIGHT_PENALTY / 2 * (weights**2).sum() + BIAS_PENALTY / 2 * (bias**2).sum()
        gap = weight * (np.exp(logs) - target)
        slope = (rows.T @ gap).astype(np.float64) + WEIGHT_PENALTY * weights
        slope_bias = gap.sum(axis=0, dtype=np.float64) + BIAS_PENALTY * bias
        total = -float((weight * target * logs).sum(dtype=np.float64)) + float(penalty)
        return total, np.concatenate([slope.ravel(), slope_bias])

    start = np.zeros((width + 1) * count)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS})
    weights, bias = _parts(found.x, width, count)
    return Head(weights.astype(np.float32), bias.astype(np.float32))


def _parts(values: npt.NDArray[np.float64], width: int, count: int) -> tuple[Rows, npt.NDArray[np.float64]]:
    return values[: width * count].reshape(width, count), values[width * count :]


def _log_softmax(scores: Array32) -> Array32:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float32)
