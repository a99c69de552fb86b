"""What leaving sources out shows, in numbers and as text: per source, and pooled per kind with intervals.

Formulas as in `nlp.evaluate`; `over_sources` says what an interval over sources is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.evaluate import BOOTSTRAP_SAMPLES, MIN_EXAMPLES, score_field
from training.corpus import Corpus, family

KINDS: Final = ("real", "written")
"""Texts of customers, and texts written for this project."""

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Material:
    """What is learnt from and left out in turn."""

    corpus: Corpus
    real: frozenset[str]
    """The sources whose texts customers wrote; the others are of our own writing."""
    files: tuple[Path, ...]
    """What was read."""

    @property
    def sources(self) -> Labels:
        """The source of each item, parts of one set as one."""
        return np.array([family(item.source) for item in self.corpus.items])


@dataclass(frozen=True, slots=True)
class Predicted:
    """Labels that each item got while its source was left out."""

    items: npt.NDArray[np.int64]
    """Index into the corpus."""
    labels: Mapping[str, Labels]
    """Field to the label of each of `items`."""


def figures(material: Material, predicted: Predicted, codebook: Codebook, seed: int) -> dict[str, Any]:
    """Per source and pooled per kind: n, accuracy, macro-F1 over labels with at least ten examples."""
    sources = material.sources[predicted.items]
    kinds = np.where(np.isin(sources, list(material.real)), "real", "written")
    truths = {field: material.corpus.labels(field)[predicted.items] for field in FIELDS}
    pooled: dict[str, Any] = {}
    for kind in KINDS:
        rows = kinds == kind
        if rows.any():
            scores = {
                field: _pooled(
                    truths[field][rows], predicted.labels[field][rows], sources[rows], codebook.labels(field), seed
                )
                for field in FIELDS
            }
            pooled[kind] = {"n": int(rows.sum()), "sources": len(set(sources[rows])), "fields": scores}
    by_source = {}
    for source, count in sorted(Counter(sources.tolist()).items(), key=lambda pair: (-pair[1], pair[0])):
        rows = sources == source
        scores = {field: _plain(truths[field][rows], predicted.labels[field][rows]) for field in FIELDS}
        by_source[source] = {"n": count, "kind": str(kinds[rows][0]), "fields": scores}
    return {"pooled": pooled, "sources": by_source}


def _pooled(truth: Labels, given: Labels, sources: Labels, order: Sequence[str], seed: int) -> dict[str, Any]:
    score = score_field(truth, given, np.zeros(len(truth)), order, seed)
    frequent = [entry.label for entry in score.labels if entry.n >= MIN_EXAMPLES]
    return {
        "accuracy": round(score.accuracy, 4),
        "accuracy_interval": _rounded(score.accuracy_interval),
        "macro_f1": None if score.macro_f1 is None else round(score.macro_f1, 4),
        "macro_f1_interval": None if score.macro_f1_interval is None else _rounded(score.macro_f1_interval),
        "macro_f1_interval_over_sources": over_sources(truth, given, sources, frequent, seed),
        "labels": [{"label": entry.label, "n": entry.n, "f1": round(entry.f1, 4)} for entry in score.labels],
    }


def _plain(truth: Labels, given: Labels) -> dict[str, Any]:
    frequent = [label for label, count in sorted(Counter(truth.tolist()).items()) if count >= MIN_EXAMPLES]
    both, total = _counts(truth, given, np.zeros(len(truth), dtype=np.int64), frequent)
    macro = round(float((2 * both / total).mean()), 4) if frequent else None
    return {"accuracy": round(float((truth == given).mean()), 4), "macro_f1": macro, "labels": len(frequent)}


def over_sources(
    truth: Labels, given: Labels, sources: Labels, labels: Sequence[str], seed: int
) -> list[float] | None:
    """95 % interval of macro-F1 when whole sources are drawn anew; None with fewer than two sources or no label.

    Items of one source are alike, so what a next business brings varies more than drawing items anew shows
    (cluster bootstrap, Davison and Hinkley 1997, section 3.8). A label that no drawn source has is left out of
    that draw's mean.
    """
    names, place = np.unique(sources, return_inverse=True)
    if len(names) < 2 or not labels:
        return None
    both, total = _counts(truth, given, place, labels)
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAP_SAMPLES
    )
    hits, of = drawn @ both, drawn @ total
    scores = np.divide(2 * hits, of, out=np.zeros(of.shape), where=of > 0)
    return _rounded(np.quantile(scores.sum(axis=1) / np.maximum(1, (of > 0).sum(axis=1)), [0.025, 0.975]).tolist())


def _counts(
    truth: Labels, given: Labels, place: npt.NDArray[np.int64], labels: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Per place and label: how often right, and how often meant plus how often given."""
    both, total = np.zeros((place.max() + 1, len(labels))), np.zeros((place.max() + 1, len(labels)))
    for column, label in enumerate(labels):
        meant, said = truth == label, given == label
        np.add.at(both[:, column], place, meant & said)
        np.add.at(total[:, column], place, meant.astype(np.int64) + said)
    return both, total


def _rounded(pair: Sequence[float]) -> list[float]:
    return [round(float(value), 4) for value in pair]


def to_text(found: Mapping[str, Any]) -> str:
    """Tables for a terminal."""
    lines = [
        f"{found['tier']}: {found['n']} items, {len(found['sources'])} sources left out in {found['batches']} "
        f"batches; {found['what']}",
        "pooled, macro-F1 over labels with at least ten examples, its 95 % interval over items and over sources; "
        "accuracy",
    ]
    for kind, part in found["pooled"].items():
        lines.append(f"  {kind}: {part['n']} items of {part['sources']} sources")
        for field, score in part["fields"].items():
            cells = [_shown(score[key]) for key in ("macro_f1_interval", "macro_f1_interval_over_sources")]
            lines.append(
                f"    {field:11}{_number(score['macro_f1'])} {' '.join(cells)}   {_number(score['accuracy'])}"
            )
    lines.append("per source, macro-F1 (accuracy):")
    lines.append(f"  {'':24}{'n':>6}  " + "".join(f"{field:14}" for field in FIELDS))
    for source, part in found["sources"].items():
        cells = [
            f"{_number(score['macro_f1'])} ({_number(score['accuracy'])})  " for score in part["fields"].values()
        ]
        lines.append(f"  {source:24}{part['n']:6}  " + "".join(f"{cell:14}" for cell in cells))
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–   " if value is None else f"{value:.2f}"


def _shown(pair: Sequence[float] | None) -> str:
    return "–" if pair is None else f"[{pair[0]:.2f}, {pair[1]:.2f}]"
