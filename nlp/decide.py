"""From probabilities of segments and of the whole text to labels.

An item's probabilities are a mean of what the heads say about the whole text and about its segments, each
segment by its number of words; of a text with one segment they are that segment's. Which share the whole text
gets is measured per field when the artifact is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nlp.analysis import Label
from nlp.calibrate import Probabilities

FieldProbabilities = Mapping[str, Probabilities]
Row = npt.NDArray[np.float64]

_MIXED, _NONE = "mixed", "none"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the training measured for deciding."""

    unsure_below: float
    """An item whose stage is less probable than this is unsure: it stands in no column of the map."""
    second_from: float
    """A second stage or emotion is given from this probability in its segment."""
    whole_share: Mapping[str, float]
    """Per field the weight of the whole text's probabilities; the rest is the segments'. Sentiment: 1."""


@dataclass(frozen=True, slots=True)
class TextRows:
    """Where a text stands among the probability rows: its whole, then, if there are several, its segments."""

    first: int
    """The row of the whole text; of a text with one segment it is that segment's as well."""
    words: Sequence[int]
    """The number of words of each segment, if there are several; else empty."""


@dataclass(frozen=True, slots=True)
class ItemDecision:
    """The labels of one item and of its segments."""

    labels: Mapping[str, Label]
    stage2: Label | None
    emotion2: Label | None
    unsure: bool
    segments: Sequence[Mapping[str, Label]]


class Decider:
    """Chooses labels; knows the label order and the thresholds of one artifact."""

    def __init__(self, labels: Mapping[str, tuple[str, ...]], thresholds: Thresholds) -> None:
        self._labels = labels
        self._thresholds = thresholds
        self._mixed = labels["sentiment"].index(_MIXED)

    def items(self, probabilities: FieldProbabilities, texts: Sequence[TextRows]) -> list[ItemDecision]:
        """One decision per text; `probabilities` has the rows of all of them."""
        # all rows at once, because a call of numpy costs as much for one row as for a hundred
        best = {field: self._best(field, chances) for field, chances in probabilities.items()}
        parts = best | {"sentiment": self._best("sentiment", self._without_mixed(probabilities["sentiment"]))}
        several = [text for text in texts if text.words]
        means = self._means(probabilities, several) if several else {}
        place = 0
        decisions = []
        for text in texts:
            if text.words:
                rows = range(text.first + 1, text.first + 1 + len(text.words))
                labels = {field: means[field][place] for field in self._labels}
                place += 1
                segments = [{field: parts[field][row] for field in self._labels} for row in rows]
                stage2 = self._second("stage", labels["stage"], segments, skip=_NONE)
                emotion2 = self._second("emotion", labels["emotion"], segments, skip="neutral")
            else:
                labels = {field: best[field][text.first] for field in self._labels}
                segments = [labels | {"sentiment": parts["sentiment"][text.first]}]
                stage2 = emotion2 = None
            unsure = labels["stage"].confidence < self._thresholds.unsure_below
            decisions.append(ItemDecision(labels, stage2, emotion2, unsure, segments))
        return decisions

    def _means(self, probabilities: FieldProbabilities, texts: Sequence[TextRows]) -> dict[str, list[Label]]:
        """The labels of texts with several segments, from whole and segments together."""
        whole = [text.first for text in texts]
        rows = [row for text in texts for row in range(text.first + 1, text.first + 1 + len(text.words))]
        words = [count for text in texts for count in text.words]
        starts = np.cumsum([0, *(len(text.words) for text in texts[:-1])])
        labels = {}
        for field, share in self._thresholds.whole_share.items():
            own = means_over_segments(probabilities[field][rows], words, starts)
            labels[field] = self._best(field, share * probabilities[field][whole] + (1 - share) * own)
        return labels

    def _without_mixed(self, chances: Probabilities) -> Probabilities:
        """`mixed` is no sentiment of a segment; the others share its probability."""
        chances = chances.copy()
        chances[:, self._mixed] = 0.0
        result: Probabilities = chances / np.maximum(chances.sum(axis=1, keepdims=True), 1e-12)
        return result

    def _best(self, field: str, chances: Probabilities) -> list[Label]:
        names = self._labels[field]
        numbers = chances.argmax(axis=1)
        confidences = np.round(chances[np.arange(len(chances)), numbers], 4)
        return list(map(Label, [names[number] for number in numbers.tolist()], confidences.tolist()))

    def _second(
        self, field: str, first: Label, segments: Sequence[Mapping[str, Label]], *, skip: str
    ) -> Label | None:
        others = [
            segment[field]
            for segment in segments
            if segment[field].label not in (first.label, skip)
            and segment[field].confidence >= self._thresholds.second_from
        ]
        return max(others, key=lambda label: label.confidence, default=None)


def mean_over_segments(probabilities: Probabilities, words: Sequence[int]) -> Row:
    """The mean over the segments of one text by their words; one weighs at most as much as twenty words."""
    result: Row = means_over_segments(probabilities, words, (0,))[0]
    return result


def means_over_segments(
    probabilities: Probabilities, words: Sequence[int], starts: npt.ArrayLike
) -> Probabilities:
    """The same of several texts, one row for each; `starts` are the places of their first segments."""
    weights = np.clip(np.array(words, dtype=np.float64), 1.0, 20.0)
    places = np.asarray(starts)
    sums = np.add.reduceat(weights[:, None] * probabilities, places, axis=0)
    result: Probabilities = sums / np.add.reduceat(weights, places)[:, None]
    return result
