"""Step 4 of the accurate tier, last layer: some heads are fitted once more, to the encoder as it will be shipped.

reads  the exported encoder, the corpus · writes heads.npz

The heads have learnt beside an encoder that moved, with dropout and by a moving average, so they are not the best
ones for where it came to rest, nor for its vectors after quantisation. Here the encoder stands still and each head
is a weighted softmax regression on its vectors, drawn towards what it was (P. Kirichenko et al., "Last layer
re-training is sufficient for robustness to spurious correlations", 2023, do so on texts kept back; here it is the
texts of training, so the pull matters). Minimised per field, with probabilities p, targets t and weights w:

    mean(w_i · Σ_l −t_il · ln p_il) / mean(w) + pull · |W − W₀|²
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from nlp.codebook import Codebook
from nlp.encoder import HEADS_FILE, EncoderModel
from nlp.heads import Heads
from training.corpus import Corpus
from training.encoder_data import label_weights, target_of
from training.encoder_recipe import FitChoices, LastLayerChoices

Floats = npt.NDArray[np.float64]
_STEPS = 200


def refit_heads(
    model: EncoderModel, corpus: Corpus, codebook: Codebook, fit: FitChoices, choices: LastLayerChoices
) -> Heads:
    """The model's heads, those of `choices.fields` fitted anew; items with a question also without it.

    Every source has its own weight here, also where the encoder was learnt with `fit.source_balance`.
    """
    asked = [place for place, item in enumerate(corpus.items) if item.question]
    places = [*range(len(corpus.items)), *asked]
    vectors = model.pooled(
        [corpus.texts[place] for place in places],
        [*(item.question for item in corpus.items), *[None] * len(asked)],
    ).astype(np.float64)
    shown = np.where(np.arange(len(places)) < len(corpus.items), 1.0, fit.without_question)
    weights, bias = model.heads.weights.astype(np.float64), model.heads.bias.astype(np.float64)
    for field in choices.fields:
        order = codebook.labels(field)
        meant = np.stack([target_of(corpus.items[place], field, order, fit) for place in places])
        by_label = label_weights((meant * shown[:, None]).sum(axis=0), fit)
        targets = meant.astype(np.float64) * (1 - fit.label_smoothing) + fit.label_smoothing / len(order)
        columns = model.heads.columns(field)
        weights[:, columns], bias[columns] = fitted(
            vectors, targets, (targets @ by_label) * shown, weights[:, columns], bias[columns], choices.pull
        )
    return Heads(model.heads.labels, weights.astype(np.float32), bias.astype(np.float32))


def fitted(
    vectors: Floats, targets: Floats, weights: Floats, first: Floats, first_bias: Floats, pull: float
) -> tuple[Floats, Floats]:
    """Weights and bias of one head, from what they were (features × labels, labels); the bias is not pulled."""
    rows = weights / weights.sum()

    def loss(values: Floats) -> tuple[float, Floats]:
        matrix, bias = values[: first.size].reshape(first.shape), values[first.size :]
        chances = log_softmax(vectors @ matrix + bias, axis=1)
        moved = matrix - first
        total = -float(rows @ (targets * chances).sum(axis=1)) + pull * float((moved**2).sum())
        # each row's targets sum to one
        error = (np.exp(chances) - targets) * rows[:, None]
        return total, np.concatenate([(vectors.T @ error + 2 * pull * moved).ravel(), error.sum(axis=0)])

    start = np.concatenate([first.ravel(), first_bias])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    return found[: first.size].reshape(first.shape), found[first.size :]


def write_heads(folder: Path, heads: Heads) -> None:
    """Replace the heads of an exported encoder."""
    np.savez(folder / HEADS_FILE, weights=heads.weights, bias=heads.bias)
