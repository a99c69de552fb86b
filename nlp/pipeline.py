"""Text in, Analysis out: the order of all steps on one screen.

    clean -> substance -> redact -> language -> segments -> model -> calibrate -> decide

Results do not depend on which texts share a batch, and no string makes `analyze` raise.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nlp import artifact as artifacts
from nlp.analysis import Analysis, Reading, SegmentAnalysis
from nlp.artifact import Artifact
from nlp.calibrate import Probabilities
from nlp.clean import MAX_CHARS, Cleaned, clean
from nlp.codebook import load_codebook
from nlp.decide import Decider, ItemDecision, TextRows
from nlp.heads import Scores
from nlp.language import LanguageDetector
from nlp.model import Vectors
from nlp.redact import as_read
from nlp.segments import Segmenter, Span
from nlp.substance import nothing_said

CHUNK_ITEMS = 512
CHUNK_CHARS = 200_000
"""Texts are worked off in chunks of at most so many items and (but for one text) characters."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class TextInput:
    """A text, and the survey's open question that it answers where there was one."""

    text: str
    question: str | None = None


@dataclass(frozen=True, slots=True)
class _Readable:
    """A text that is worth tagging: its place in the batch, its words, where its rows begin."""

    position: int
    language: str | None
    cleaned: Cleaned
    segments: list[Span]
    question: str | None


class Pipeline:
    """A loaded artifact with what it needs to read texts. May be shared between threads."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.model_version = artifact.manifest.version
        self.codebook_version = artifact.manifest.codebook_version
        self.tier = artifact.manifest.tier
        self._language = LanguageDetector()
        self._segmenter = Segmenter()
        self._decider = Decider(artifact.model.labels, artifact.thresholds)
        self._readers: ThreadPoolExecutor | None = None
        """Where a model computes outside Python: two chunks at a time, one is read while the other is computed."""

    @classmethod
    def load(
        cls, folder: Path | None = None, tier: str | None = None, *, threads: int | None = None
    ) -> "Pipeline":
        """Load an artifact: that of a folder, or the shipped one of a tier, by default the shipped default.

        `threads` is how many forward passes of an encoder run at a time. Raises ArtifactError where the artifact
        is missing, was changed, does not fit codebook or libraries, or is of another tier than the one asked for.
        """
        if folder is None:
            folder = artifacts.default_folder() if tier is None else artifacts.tier_folder(tier)
        loaded = artifacts.load(folder, load_codebook(), threads=threads)
        if tier not in (None, loaded.manifest.tier):
            raise artifacts.ArtifactError(
                f"artifact {loaded.manifest.version} is of the tier {loaded.manifest.tier}, not {tier}"
            )
        pipeline = cls(loaded)
        if loaded.manifest.kind != "linear" and (threads or os.cpu_count() or 1) > 1:
            pipeline._readers = ThreadPoolExecutor(2, thread_name_prefix="reader")
        return pipeline

    def analyze(self, inputs: Sequence[TextInput]) -> list[Analysis]:
        """One analysis per input, in their order."""
        chunks = list(_chunks(inputs))
        readers = self._readers if len(chunks) > 1 else None
        parts: Iterator[list[Analysis]] = (map if readers is None else readers.map)(self._analyze_chunk, chunks)
        return [analysis for part in parts for analysis in part]

    def _analyze_chunk(self, inputs: Sequence[TextInput]) -> list[Analysis]:
        results: dict[int, Analysis] = {}
        readable = []
        for position, given in enumerate(inputs):
            cleaned = clean(given.text)
            reason = nothing_said(cleaned.text, has_question=bool(given.question))
            if reason is not None:
                results[position] = Analysis.unread(reason)
                continue
            cleaned = as_read(cleaned)  # what is personal never becomes a feature
            language = self._language.detect(cleaned.text)
            if not language.supported:
                results[position] = Analysis.unread("unsupported_language", language.code)
                continue
            readable.append((position, language.code, cleaned, given.question))
        segments = self._segmenter.segments([cleaned.text for _, _, cleaned, _ in readable])
        texts = [
            _Readable(position, code, cleaned, spans, question)
            for (position, code, cleaned, question), spans in zip(readable, segments, strict=True)
        ]
        results |= self._label(texts)
        return [results[position] for position in range(len(inputs))]

    def _label(self, texts: Sequence[_Readable]) -> dict[int, Analysis]:
        """Rows of a text: the whole text, then, if there are several, its segments."""
        rows: list[str] = []
        questions: list[str | None] = []
        places: list[TextRows] = []
        for text in texts:
            first = len(rows)
            words: tuple[int, ...] = ()
            rows.append(text.cleaned.text)
            if len(text.segments) > 1:
                rows += [text.cleaned.text[start:end] for start, end in text.segments]
                words = tuple(len(_WORD.findall(text.cleaned.text, *span)) for span in text.segments)
            questions += [text.question] * (len(rows) - first)
            places.append(TextRows(first, words))
        vectors: Vectors | None = None
        if self.artifact.manifest.kind == "linear":
            chances = self.probabilities(rows, questions)
        else:
            look = self.artifact.model.look(rows, questions)
            chances, vectors = self._calibrated(look.scores), look.vectors
        decisions = self._decider.items(chances, places)
        return {
            text.position: _analysis(text, decision, _readings(text, place, rows, vectors))
            for text, place, decision in zip(texts, places, decisions, strict=True)
        }

    def probabilities(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Probabilities]:
        """Calibrated probabilities per field (texts × labels) of texts as they are, neither cleaned nor cut."""
        return self._calibrated(self.artifact.model.scores(texts, questions))

    def _calibrated(self, scores: Mapping[str, Scores]) -> dict[str, Probabilities]:
        return {field: self.artifact.calibration[field].probabilities(scores[field]) for field in scores}


def _readings(
    text: _Readable, place: TextRows, rows: Sequence[str], vectors: Vectors | None
) -> Sequence[Reading | None]:
    """What the encoder read of each segment; an answer is read with its question, so that it says nothing here."""
    if vectors is None or text.question:
        return [None] * len(text.segments)
    first = place.first + (len(text.segments) > 1)  # the whole text stands before its segments
    # copied: a row alone is kept, not all that were read with it
    return [Reading(rows[at], vectors[at].copy()) for at in range(first, first + len(text.segments))]


def _analysis(text: _Readable, decision: ItemDecision, readings: Sequence[Reading | None]) -> Analysis:
    spans = [text.cleaned.original_span(start, end) for start, end in text.segments]
    return Analysis(
        language=text.language,
        unsure=decision.unsure,
        unsure_reason="low_confidence" if decision.unsure else None,
        stage2=decision.stage2,
        emotion2=decision.emotion2,
        segments=tuple(
            SegmentAnalysis(start, end, **labels, reading=reading)
            for (start, end), labels, reading in zip(spans, decision.segments, readings, strict=True)
        ),
        **decision.labels,
    )


def _chunks(inputs: Sequence[TextInput]) -> Iterator[Sequence[TextInput]]:
    start, characters = 0, 0
    for position, given in enumerate(inputs):
        length = min(len(given.text), MAX_CHARS)
        if position - start >= CHUNK_ITEMS or (position > start and characters + length > CHUNK_CHARS):
            yield inputs[start:position]
            start, characters = position, 0
        characters += length
    if start < len(inputs):
        yield inputs[start:]
