"""A small pipeline for tests: it says what the words of a text tell it, so that a test knows what to expect.

Texts name their labels: "stage=usage topic=price. stage=support" has two segments, cut at full stops; what is
not named gets a default. Labels carry the confidence 0.9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nlp.analysis import FIELDS, Analysis, Label, SegmentAnalysis
from nlp.pipeline import TextInput

DEFAULTS = {
    "stage": "usage",
    "emotion": "neutral",
    "sentiment": "neutral",
    "topic": "general",
    "touchpoint": "product",
}


class WordPipeline:
    """Stands in for `nlp.pipeline.Pipeline`; keeps what it was asked."""

    codebook_version = "1"
    tier = "fast"

    def __init__(self, model_version: str = "words-1", **defaults: str) -> None:
        self.model_version = model_version
        self.defaults = DEFAULTS | defaults
        self.asked: list[tuple[str, str | None]] = []

    def analyze(self, texts: Sequence[TextInput]) -> list[Analysis]:
        self.asked += [(one.text, one.question) for one in texts]
        return [self._analyze(one.text) for one in texts]

    def _analyze(self, text: str) -> Analysis:
        if "(foreign)" in text:
            return Analysis.unread("unsupported_language", "fi")
        if not re.search(r"\w", text):
            return Analysis.unread("meaningless")
        segments = [
            SegmentAnalysis(found.start(), found.end(), **self._labels(found.group()))
            for found in re.finditer(r"\S[^.]*\.?", text)
        ]
        first = segments[0]
        unsure = "(unsure)" in text
        mixed = {one.sentiment.label for one in segments} >= {"positive", "negative"}
        return Analysis(
            language="en",
            unsure=unsure,
            unsure_reason="low_confidence" if unsure else None,
            stage=first.stage,
            stage2=None,
            emotion=first.emotion,
            emotion2=None,
            sentiment=Label("mixed", 0.9) if mixed else first.sentiment,
            topic=first.topic,
            touchpoint=first.touchpoint,
            segments=tuple(segments),
        )

    def _labels(self, text: str) -> dict[str, Label]:
        named = dict(re.findall(r"(\w+)=(\w+)", text))
        return {field: Label(named.get(field, self.defaults[field]), 0.9) for field in FIELDS}
