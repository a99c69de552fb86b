"""How well texts are cut into segments, and how well the segments are labelled, over whole documents.

A boundary is a word that begins a segment, but for a document's first; words are runs of letters and digits.
A boundary that was found matches one that was meant when it is the same word, or, with tolerance, at most two
words away; each counts once. F1 is over all boundaries of all documents.

WindowDiff (Pevzner and Hearst 2002, "A Critique and Improvement of an Evaluation Metric for Text Segmentation",
section 4) is the share of windows of `window` words in which the numbers of boundaries differ, `window` being half
the mean length of a meant segment: 0 is best.

Labels are compared twice: of the meant segments, given as they are; and word by word, the label of the segment
that holds the word against that of the meant one, so that segments count by the words in which they overlap.
Intervals are percentile bootstraps over documents, which keeps the segments of a text together.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.analysis import FIELDS
from nlp.clean import clean
from nlp.decide import Decider, TextRows
from nlp.pipeline import Pipeline, TextInput
from nlp.redact import as_read
from nlp.segment_gold import Document
from nlp.segments import Span
from nlp.sentences import SentenceStarts

TOLERANCE: Final = 2
BOOTSTRAP_SAMPLES: Final = 1_000
OURS: Final = "pipeline"
_REFUSED: Final = "(refused)"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LINE = re.compile(r"[^\n\r]+")

Labels = Mapping[str, str]
Cut = list[tuple[Span, Labels]]
"""A text's segments with what they are labelled."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CutScore:
    """How one way of cutting does."""

    segments: int
    precision: Figure
    recall: Figure
    f1: Figure
    f1_exact: Figure
    window_diff: Figure
    words: dict[str, Figure]
    """Field to the share of words whose segment has the label of the meant one."""


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What `evaluate_segments` found."""

    model: str
    tier: str
    documents: int
    segments: int
    words: int
    boundaries: int
    window: int
    given: dict[str, Figure]
    """Field to the accuracy over the meant segments."""
    cuts: dict[str, CutScore]
    """`pipeline`, and what is simpler: every sentence a segment, the whole document one."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def evaluate_segments(pipeline: Pipeline, documents: Sequence[Document], *, seed: int = 0) -> SegmentReport:
    """Cut and label the documents and compare. The same seed gives the same intervals."""
    words = [[match.start() for match in _WORD.finditer(document.text)] for document in documents]
    meant: list[Cut] = [[*zip(document.spans, document.labels, strict=True)] for document in documents]
    segments = sum(map(len, meant))
    window = max(1, round(sum(map(len, words)) / segments / 2))
    weights = _weights(len(documents), seed)
    labelled = _labelled(pipeline, documents, [document.spans for document in documents])
    pairs = [*zip(meant, labelled, strict=True)]
    given = {field: _ratio([_agreeing(one, other, field) for one, other in pairs], weights) for field in FIELDS}
    starts = SentenceStarts()
    cuts: dict[str, list[Cut]] = {
        OURS: _as_tagged(pipeline, documents),
        "sentences": _labelled(pipeline, documents, [sentences(document.text, starts) for document in documents]),
        "whole": _labelled(pipeline, documents, [[(0, len(document.text))] for document in documents]),
    }
    return SegmentReport(
        model=pipeline.model_version,
        tier=pipeline.tier,
        documents=len(documents),
        segments=segments,
        words=sum(map(len, words)),
        boundaries=segments - len(documents),
        window=window,
        given=given,
        cuts={name: _score(words, meant, cut, window, weights) for name, cut in cuts.items()},
    )


def sentences(text: str, starts: SentenceStarts) -> list[Span]:
    """The sentences of a text; a line end ends one too."""
    spans = []
    for line in _LINE.finditer(text):
        for start, end in pairwise([*starts.starts(text, *line.span()), line.end()]):
            piece = text[start:end]
            if piece.strip():
                spans.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return spans


def boundaries(words: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """The positions, among a text's words, of those that begin a segment; the first segment's is none."""
    firsts = np.searchsorted(words, [start for start, _ in spans[1:]])
    return sorted({int(first) for first in firsts} - {0, len(words)})


def matches(found: Sequence[int], meant: Sequence[int], tolerance: int) -> int:
    """How many of the one can be paired with one of the other, at most `tolerance` apart, each once."""
    count = place = 0
    for boundary in found:
        while place < len(meant) and meant[place] < boundary - tolerance:
            place += 1
        if place < len(meant) and meant[place] <= boundary + tolerance:
            count += 1
            place += 1
    return count


def window_differences(words: int, found: Sequence[int], meant: Sequence[int], window: int) -> tuple[int, int]:
    """In how many windows the numbers of boundaries differ, and how many windows there are."""
    before = np.zeros((2, words + 1), dtype=np.int64)
    for side, marks in zip(before, (found, meant), strict=True):
        side[[mark + 1 for mark in marks]] = 1
    sums = before.cumsum(axis=1)
    # between the words i and i + window: boundaries at i + 1 … i + window
    inside = sums[:, window + 1 :] - sums[:, 1 : words + 1 - window] if words > window else sums[:, :0]
    return int((inside[0] != inside[1]).sum()), inside.shape[1]


def _as_tagged(pipeline: Pipeline, documents: Sequence[Document]) -> list[Cut]:
    analyses = pipeline.analyze([TextInput(document.text) for document in documents])
    return [
        [
            ((segment.start, segment.end), {field: getattr(segment, field).label for field in FIELDS})
            for segment in analysis.segments
        ]
        for analysis in analyses
    ]


def _labelled(pipeline: Pipeline, documents: Sequence[Document], spans: Sequence[Sequence[Span]]) -> list[Cut]:
    """The labels that the model gives to these parts of the documents."""
    parts = [
        document.text[start:end] for document, own in zip(documents, spans, strict=True) for start, end in own
    ]
    texts = [as_read(clean(part)).text for part in parts]
    decider = Decider(pipeline.artifact.model.labels, pipeline.artifact.thresholds)
    rows = [TextRows(row, ()) for row in range(len(texts))]  # each text is its own only segment
    decisions = decider.items(pipeline.probabilities(texts, [None] * len(texts)), rows)
    labels = iter([{field: label.label for field, label in one.segments[0].items()} for one in decisions])
    return [[(span, next(labels)) for span in own] for own in spans]


def _score(
    words: Sequence[Sequence[int]],
    meant: Sequence[Cut],
    found: Sequence[Cut],
    window: int,
    weights: npt.NDArray[np.float64],
) -> CutScore:
    near, exact, of_found, of_meant, windows = [], [], [], [], []
    shares: dict[str, list[tuple[int, int]]] = {field: [] for field in FIELDS}
    for own, right, cut in zip(words, meant, found, strict=True):
        marks, wanted = (boundaries(own, [span for span, _ in side]) for side in (cut, right))
        near.append(matches(marks, wanted, TOLERANCE))
        exact.append(matches(marks, wanted, 0))
        of_found.append(len(marks))
        of_meant.append(len(wanted))
        windows.append(window_differences(len(own), marks, wanted, window))
        for field, counts in shares.items():
            counts.append((_same(_by_word(own, cut, field), _by_word(own, right, field)), len(own)))
    both = [a + b for a, b in zip(of_found, of_meant, strict=True)]
    return CutScore(
        segments=sum(map(len, found)),
        precision=_ratio(zip(near, of_found, strict=True), weights),
        recall=_ratio(zip(near, of_meant, strict=True), weights),
        f1=_ratio(((2 * a, b) for a, b in zip(near, both, strict=True)), weights),
        f1_exact=_ratio(((2 * a, b) for a, b in zip(exact, both, strict=True)), weights),
        window_diff=_ratio(windows, weights),
        words={field: _ratio(counts, weights) for field, counts in shares.items()},
    )


def _by_word(words: Sequence[int], cut: Cut, field: str) -> list[str]:
    """Of each word the label of the segment that holds it."""
    result = []
    for word in words:
        holder = next((labels for (start, end), labels in cut if start <= word < end), None)
        result.append(_REFUSED if holder is None else holder[field])
    return result


def _same(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))


def _agreeing(one: Cut, other: Cut, field: str) -> tuple[int, int]:
    return _same([labels[field] for _, labels in one], [labels[field] for _, labels in other]), len(one)


def _weights(documents: int, seed: int) -> npt.NDArray[np.float64]:
    """How often each document stands in each sample of the bootstrap."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(documents, np.full(documents, 1 / documents), size=BOOTSTRAP_SAMPLES)
    return drawn.astype(np.float64)


def _ratio(counts: Iterable[tuple[int, int]], weights: npt.NDArray[np.float64]) -> Figure:
    """Sum over sum of per-document pairs, with its interval; 0 where the lower sum is 0."""
    pairs = np.array([*counts], dtype=np.float64)
    total = pairs.sum(axis=0)
    samples = weights @ pairs
    values = np.divide(samples[:, 0], samples[:, 1], out=np.zeros(len(samples)), where=samples[:, 1] > 0)
    low, high = np.quantile(values, [0.025, 0.975])
    return Figure(float(total[0] / total[1]) if total[1] else 0.0, float(low), float(high))
