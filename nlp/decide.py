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
class ItemDecision:
    """The labels of one item."""

    labels: Mapping[str, Label]
    stage2: Label | None
    emotion2: Label | None
    unsure: bool


class Decider:
    """Chooses labels; knows the label order and the thresholds of one artifact."""

    def __init__(self, labels: Mapping[str, tuple[str, ...]], thresholds: Thresholds) -> None:
        self._labels = labels
        self._thresholds = thresholds
        self._mixed = labels["sentiment"].index(_MIXED)

    def segment(self, probabilities: FieldProbabilities, row: int) -> dict[str, Label]:
        """The labels of one segment; `mixed` is left out and the rest of the sentiments share its probability."""
        result = {}
        for field in self._labels:
            chances = probabilities[field][row]
            if field == "sentiment":
                chances = chances.copy()
                chances[self._mixed] = 0.0
                chances /= max(chances.sum(), 1e-12)
            result[field] = self._best(field, chances)
        return result

    def item(
        self,
        whole: Mapping[str, Row],
        segments: Sequence[Mapping[str, Label]],
        segment_probabilities: Mapping[str, Probabilities],
        words: Sequence[int],
    ) -> ItemDecision:
        """The labels of an item with at least one segment.

        `whole` has one probability row per field; `segment_probabilities` and `words` one row and one number
        of words per segment.
        """
        labels = {}
        for field in self._labels:
            chances = whole[field]
            if len(segments) > 1:
                share = self._thresholds.whole_share[field]
                chances = share * chances + (1 - share) * mean_over_segments(segment_probabilities[field], words)
            labels[field] = self._best(field, chances)
        return ItemDecision(
            labels=labels,
            stage2=self._second("stage", labels["stage"], segments, skip=_NONE),
            emotion2=self._second("emotion", labels["emotion"], segments, skip="neutral"),
            unsure=labels["stage"].confidence < self._thresholds.unsure_below,
        )

    def _best(self, field: str, chances: Row) -> Label:
        index = int(chances.argmax())
        return Label(self._labels[field][index], round(float(chances[index]), 4))

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
    """The mean over segments by their words; a long segment weighs at most as much as twenty words."""
    weights = np.minimum(np.maximum(np.array(words, dtype=np.float64), 1.0), 20.0)
    result: Row = (weights[:, None] * probabilities).sum(axis=0) / weights.sum()
    return result
