"""Step 4, calibrate: probabilities and thresholds from predictions for texts that were held out.

reads  the corpus, the features · writes nothing
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from nlp.analysis import FIELDS
from nlp.calibrate import Calibration, FieldCalibration, softmax
from nlp.codebook import Codebook
from nlp.decide import Thresholds, mean_over_segments
from nlp.features import Features, Matrix
from training.corpus import Corpus
from training.fit import FurtherRows, fit_heads
from training.recipe import Decision, Recipe
from training.split import HeldOut

Scores = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Scores of held-out items, by the model of the split that held them out."""

    items: npt.NDArray[np.int64]
    """Index into the corpus of each row of `whole`."""
    whole: Scores
    segments: Scores
    """Scores of the segments of items with several, in order of the items."""


def held_out_scores(
    corpus: Corpus,
    features: Features,
    codebook: Codebook,
    recipe: Recipe,
    splits: Sequence[HeldOut],
    further: Mapping[str, FurtherRows],
) -> HeldOutScores:
    """Fit on each split's training rows, score what it holds out: whole texts and segments."""
    rows = features.transform(corpus.texts, corpus.questions)
    labels = {field: corpus.labels(field) for field in FIELDS}
    items: list[npt.NDArray[np.int64]] = []
    whole: dict[str, list[npt.NDArray[np.float32]]] = {field: [] for field in FIELDS}
    parts: dict[str, list[npt.NDArray[np.float32]]] = {field: [] for field in FIELDS}
    for split in splits:
        heads = fit_heads(
            rows[split.train], {field: labels[field][split.train] for field in FIELDS}, codebook, recipe, further
        )
        items.append(split.predict)
        segment_rows = _segment_rows(corpus, features, split.predict)
        whole_scores, segment_scores = heads.scores(rows[split.predict]), heads.scores(segment_rows)
        for field in FIELDS:
            whole[field].append(whole_scores[field])
            parts[field].append(segment_scores[field])
    return HeldOutScores(
        items=np.concatenate(items),
        whole={field: np.concatenate(whole[field]).astype(np.float64) for field in FIELDS},
        segments={field: np.concatenate(parts[field]).astype(np.float64) for field in FIELDS},
    )


def _segment_rows(corpus: Corpus, features: Features, items: npt.NDArray[np.int64]) -> Matrix:
    several = [int(item) for item in items if len(corpus.segments[item]) > 1]
    texts = [text for item in several for text in corpus.segments[item]]
    questions = [corpus.items[item].question for item in several for _ in corpus.segments[item]]
    return features.transform(texts, questions)


def fit_calibration(
    corpus: Corpus, codebook: Codebook, held_out: Sequence[tuple[HeldOutScores, float]]
) -> dict[str, FieldCalibration]:
    """Per field the temperature with the least log loss on held-out texts, each set of them by its weight.

    The sets are predictions from folds and those for sources left out: a deployed model meets texts of both
    kinds. Shifts per label (vector scaling) were tried: they follow
    the label shares of the gold set, lowered macro-F1 by up to 0.06 and made the shares of labels worse.
    """
    weights = np.concatenate([np.full(len(scores.items), weight) for scores, weight in held_out])
    items = np.concatenate([scores.items for scores, _ in held_out])
    result = {}
    for field in FIELDS:
        order = codebook.labels(field)
        truth = np.array([order.index(label) for label in corpus.labels(field)])
        result[field] = fit_scale(
            np.concatenate([scores.whole[field] for scores, _ in held_out]),
            truth[items],
            weights,
        )
    return result


def fit_scale(
    scores: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
) -> FieldCalibration:
    """The scale with the least weighted log loss; `truth` is the index of the right label of each row."""
    right = np.arange(len(truth)), truth

    def loss(log_scale: float) -> float:
        chances = softmax(np.exp(log_scale) * scores)[right]
        return float(-(weights * np.log(np.maximum(chances, 1e-12))).sum() / weights.sum())

    best = minimize_scalar(loss, bounds=(-3.0, 4.0), method="bounded")
    # rounded, so that the last bits of another machine's arithmetic do not make another artifact
    return FieldCalibration(scale=round(float(np.exp(best.x)), 3))


def fit_thresholds(
    corpus: Corpus,
    codebook: Codebook,
    decision: Decision,
    calibration: Calibration,
    held_out: Sequence[HeldOutScores],
) -> Thresholds:
    """How whole text and segments are blended, and from which probability an item is sure.

    The blend of a field is the one with the least log loss on items of several segments, all sets together;
    sentiment is judged on the whole text by rule. `unsure_share` of the last set's items stay unsure: with the
    left-out sources last, fewer of known ones do.
    """
    shares = {"sentiment": 1.0}
    for field in FIELDS:
        if field not in shares:
            losses = {
                share: _loss_with_several_segments(corpus, codebook, calibration, field, share, held_out)
                for share in decision.whole_shares
            }
            shares[field] = min(losses, key=lambda share: (losses[share], -share))
    confidence = np.concatenate(
        [chances.max(axis=1) for chances in _blended(corpus, calibration, "stage", shares["stage"], held_out[-1])]
    )
    return Thresholds(
        unsure_below=round(float(np.quantile(confidence, decision.unsure_share)), 4),
        second_from=decision.second_from,
        whole_share={field: shares[field] for field in FIELDS},
    )


def _loss_with_several_segments(
    corpus: Corpus,
    codebook: Codebook,
    calibration: Calibration,
    field: str,
    share: float,
    held_out: Sequence[HeldOutScores],
) -> float:
    order = codebook.labels(field)
    loss = 0.0
    for scores in held_out:
        _, several = _blended(corpus, calibration, field, share, scores)
        truths = [
            order.index(corpus.items[item].labels[field])
            for item in scores.items
            if len(corpus.segments[item]) > 1
        ]
        loss -= float(np.log(np.maximum(several[np.arange(len(truths)), truths], 1e-12)).sum())
    return loss


def _blended(
    corpus: Corpus, calibration: Calibration, field: str, share: float, scores: HeldOutScores
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Probabilities of the items with one segment, and of those with several, each in order."""
    whole = calibration[field].probabilities(scores.whole[field])
    parts = calibration[field].probabilities(scores.segments[field])
    single, several = [], [np.empty((0, whole.shape[1]))]
    position = 0
    for row, item in enumerate(scores.items):
        segments = corpus.segments[item]
        if len(segments) == 1:
            single.append(whole[row : row + 1])
            continue
        own = parts[position : position + len(segments)]
        position += len(segments)
        mean = mean_over_segments(own, [len(text.split()) for text in segments])
        several.append((share * whole[row] + (1 - share) * mean)[None])
    return np.concatenate([np.empty((0, whole.shape[1])), *single]), np.concatenate(several)


def describe(thresholds: Thresholds, calibration: Mapping[str, FieldCalibration]) -> str:
    """One line for the log of a training run."""
    scales = ", ".join(f"{field} {calibration[field].scale:.2f}" for field in FIELDS)
    return f"scales {scales}; unsure below {thresholds.unsure_below}; whole text {thresholds.whole_share}"
