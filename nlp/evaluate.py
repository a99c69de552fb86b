"""How well a pipeline does on labelled items: agreement, its intervals, and whether probabilities hold.

Sources of the formulas: macro-F1 as the mean of per-label F1 over labels with at least ten examples;
intervals by the percentile bootstrap over items (Efron and Tibshirani 1993, chapter 13); calibration error as
in Guo et al. 2017 with bins of equal size; its debiased form, the root of the squared error less what chance
alone adds, after Kumar, Liang and Ma 2019, "Verified Uncertainty Calibration", section 5.

A text that the pipeline finds empty or meaningless counts as labelled with what the codebook has for texts
that say nothing (`none`, `neutral`, `neutral`, `general`, `unknown`); one refused for its language has no
labels and is wrong in every field. Unsure items count with their best labels.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nlp.analysis import FIELDS, Analysis
from nlp.codebook import Codebook, load_codebook
from nlp.gold import GoldItem, read_gold
from nlp.pipeline import Pipeline, TextInput

MIN_EXAMPLES = 10
BOOTSTRAP_SAMPLES = 1_000
CALIBRATION_BINS = 15
_SAYS_NOTHING = {
    "stage": "none",
    "emotion": "neutral",
    "sentiment": "neutral",
    "topic": "general",
    "touchpoint": "unknown",
}
_REFUSED = "(refused)"

Interval = tuple[float, float]
"""95 %, low and high."""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How one label does. `f1` is 0 where it was neither given nor meant."""

    label: str
    n: int
    predicted: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Items of nearly equal confidence: how many, how sure on average, and the share that is right."""

    n: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class FieldScore:
    """How one field does over `n` items."""

    n: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float | None
    """Over labels with at least ten examples, None where there is no such label."""
    macro_f1_interval: Interval | None
    calibration_error: float
    calibration_error_debiased: float
    confident_accuracy: float
    """Of the most confident 80 % of the items."""
    share_error: float
    """Mean over labels of the difference between the predicted and the true share."""
    labels: tuple[LabelScore, ...]
    bins: tuple[Bin, ...] = ()
    """Least confident first, of equal size: the picture of the calibration errors, which are made of them."""


@dataclass(frozen=True, slots=True)
class Run:
    """One reading of a gold file: how many items, how many unsure and why, the five fields."""

    n: int
    unsure: dict[str, float]
    """Reason to share of items."""
    fields: dict[str, FieldScore]
    sources: dict[str, dict[str, float]]
    """Source to its `n`, and per field accuracy (`stage_accuracy`) and share error (`stage_share_error`)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `evaluate` found. `without_question` is None where no item has a question."""

    gold: str
    model: str
    codebook: str
    with_question: Run
    without_question: Run | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """Tables for a terminal or a file, without colours."""
        from nlp.evaluate_text import report_text  # there, because tables are a subject of their own

        return report_text(self)


def evaluate(pipeline: Pipeline, gold_path: Path, *further: Path, seed: int = 0) -> Report:
    """Tag the items of a gold file, or of several together, and compare. Raises GoldError for a file that is none.

    Calibration needs more items than one file may hold: an error of 0.05 shows beyond chance from a thousand on.

    `seed` is the bootstrap's: the same seed gives the same intervals.
    """
    codebook = load_codebook()
    paths = [gold_path, *further]
    items = [item for path in paths for item in read_gold(path, codebook)]
    asked = any(item.question for item in items)
    return Report(
        gold=" + ".join(path.name for path in paths),
        model=pipeline.model_version,
        codebook=pipeline.codebook_version,
        with_question=_run(pipeline, codebook, items, seed, questions=True),
        without_question=_run(pipeline, codebook, items, seed, questions=False) if asked else None,
    )


def _run(pipeline: Pipeline, codebook: Codebook, items: Sequence[GoldItem], seed: int, *, questions: bool) -> Run:
    analyses = pipeline.analyze([TextInput(item.text, item.question if questions else None) for item in items])
    reasons = Counter(analysis.unsure_reason for analysis in analyses if analysis.unsure_reason)
    fields = {}
    sources: dict[str, dict[str, float]] = {
        source: {"n": count} for source, count in sorted(Counter(item.source for item in items).items())
    }
    by_source = np.array([item.source for item in items])
    for field in FIELDS:
        truth = np.array([item.labels[field] for item in items])
        given, confidence = _predictions(analyses, field)
        fields[field] = score_field(truth, given, confidence, codebook.labels(field), seed)
        for source, figures in sources.items():
            own = by_source == source
            figures[f"{field}_accuracy"] = float((truth[own] == given[own]).mean())
            figures[f"{field}_share_error"] = share_error(truth[own], given[own], codebook.labels(field))
    return Run(
        n=len(items),
        unsure={reason: count / len(items) for reason, count in sorted(reasons.items())},
        fields=fields,
        sources=sources,
    )


def _predictions(analyses: Sequence[Analysis], field: str) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.float64]]:
    labels, confidences = [], []
    for analysis in analyses:
        label = getattr(analysis, field)
        if label is not None:
            labels.append(label.label)
            confidences.append(label.confidence)
        elif analysis.unsure_reason == "unsupported_language":
            labels.append(_REFUSED)
            confidences.append(0.0)
        else:
            labels.append(_SAYS_NOTHING[field])
            confidences.append(1.0)
    return np.array(labels), np.array(confidences, dtype=np.float64)


def score_field(
    truth: npt.NDArray[np.str_],
    given: npt.NDArray[np.str_],
    confidence: npt.NDArray[np.float64],
    order: Sequence[str],
    seed: int,
) -> FieldScore:
    """Score one field over items; `order` are its labels. Raises ValueError without items."""
    if not len(truth):
        raise ValueError("nothing to score: no items")
    labels = tuple(_label_score(truth, given, label) for label in order)
    frequent = [entry.label for entry in labels if entry.n >= MIN_EXAMPLES]
    right = truth == given
    accuracies, macros = bootstrap(truth, given, frequent, seed)
    most_confident = np.argsort(-confidence, kind="stable")[: max(1, round(0.8 * len(truth)))]
    error, debiased = calibration_errors(confidence, right)
    return FieldScore(
        n=len(truth),
        accuracy=float(right.mean()),
        accuracy_interval=interval(accuracies),
        macro_f1=float(np.mean([entry.f1 for entry in labels if entry.label in frequent])) if frequent else None,
        macro_f1_interval=interval(macros) if frequent else None,
        calibration_error=error,
        calibration_error_debiased=debiased,
        confident_accuracy=float(right[most_confident].mean()),
        share_error=share_error(truth, given, order),
        labels=labels,
        bins=calibration_bins(confidence, right),
    )


def _label_score(truth: npt.NDArray[np.str_], given: npt.NDArray[np.str_], label: str) -> LabelScore:
    meant, said = truth == label, given == label
    n, predicted, both = int(meant.sum()), int(said.sum()), int((meant & said).sum())
    return LabelScore(
        label=label,
        n=n,
        predicted=predicted,
        precision=both / predicted if predicted else 0.0,
        recall=both / n if n else 0.0,
        f1=2 * both / (n + predicted) if n + predicted else 0.0,
    )


def bootstrap(
    truth: npt.NDArray[np.str_], given: npt.NDArray[np.str_], labels: Sequence[str], seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Accuracy and macro-F1 over `labels` of resampled items. A label missing from a sample counts as 0."""
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=BOOTSTRAP_SAMPLES)
    accuracy = weights @ (truth == given) / len(truth)
    scores = np.zeros((BOOTSTRAP_SAMPLES, len(labels)))
    for column, label in enumerate(labels):
        meant, said = truth == label, given == label
        both, total = weights @ (meant & said), weights @ meant + weights @ said
        scores[:, column] = np.divide(2 * both, total, out=np.zeros(BOOTSTRAP_SAMPLES), where=total > 0)
    return accuracy, scores.mean(axis=1) if labels else accuracy


def interval(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def calibration_errors(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Expected calibration error in bins of equal size, plain (L1) and debiased (root of debiased L2).

    Per bin b with n_b items, mean confidence c_b and share right r_b: the plain error is the n_b-weighted mean
    of |c_b - r_b|; the debiased one is the root of the n_b-weighted mean of
    (c_b - r_b)^2 - r_b (1 - r_b) / (n_b - 1), at least 0.
    """
    plain = squared = 0.0
    for part in calibration_bins(confidence, right):
        gap, weight = part.confidence - part.right, part.n / len(confidence)
        plain += weight * abs(gap)
        squared += weight * (gap**2 - (part.right * (1 - part.right) / (part.n - 1) if part.n > 1 else 0.0))
    return float(plain), float(np.sqrt(max(0.0, squared)))


def calibration_bins(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Items in order of confidence, cut into bins of equal size."""
    order = np.argsort(confidence, kind="stable")
    return tuple(
        Bin(len(part), float(confidence[part].mean()), float(right[part].mean()))
        for part in np.array_split(order, min(CALIBRATION_BINS, max(1, len(order) // 2)))
    )


def share_error(truth: npt.NDArray[np.str_], given: npt.NDArray[np.str_], order: Sequence[str]) -> float:
    """Mean over labels of |predicted share - true share|."""
    return float(np.mean([abs((given == label).mean() - (truth == label).mean()) for label in order]))
