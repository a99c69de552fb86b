"""What the pipeline says about a text: the one shape that service, command line and training share."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

UnsureReason = Literal["low_confidence", "unsupported_language", "empty", "meaningless"]

FIELDS: Final = ("stage", "emotion", "sentiment", "topic", "touchpoint")
"""The five fields of a segment, in the order in which they are always listed."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label of the codebook with its calibrated probability (0 to 1, four decimals)."""

    label: str
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """`{"label", "confidence"}`."""
        return {"label": self.label, "confidence": self.confidence}


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as an encoder read it, by itself and without a question, and the vector that it made of it."""

    text: str
    """Cleaned, and without what is personal."""
    vector: npt.NDArray[np.float32]
    """One row of `nlp.model.Vectors`."""


@dataclass(frozen=True, slots=True)
class SegmentAnalysis:
    """A part of a text that holds one opinion.

    `start` and `end` are character offsets (Python's, end exclusive) into the text as it was given to
    `Pipeline.analyze`; neither points at white space. The sentiment of a segment is never `mixed`.
    """

    start: int
    end: int
    stage: Label
    emotion: Label
    sentiment: Label
    topic: Label
    touchpoint: Label
    reading: Reading | None = field(default=None, compare=False, repr=False)
    """For whoever needs the vector too, so that no text is read twice; None where there is none of this part."""

    def to_dict(self) -> dict[str, Any]:
        """The segment as the public contract shows it."""
        # written out: a large import makes ten thousand of these a second
        return {
            "start": self.start,
            "end": self.end,
            "stage": self.stage.to_dict(),
            "emotion": self.emotion.to_dict(),
            "sentiment": self.sentiment.to_dict(),
            "topic": self.topic.to_dict(),
            "touchpoint": self.touchpoint.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that the pipeline says about one text.

    With `unsure_reason` `low_confidence` the best labels are given all the same. With
    `unsupported_language`, `empty` and `meaningless` the labels are None and there are no segments.
    `stage2` and `emotion2` stand only where a second segment says something else with confidence.
    """

    language: str | None
    """ISO 639-1 code, None where the text is too short or too strange to tell."""
    unsure: bool
    unsure_reason: UnsureReason | None
    stage: Label | None
    stage2: Label | None
    emotion: Label | None
    emotion2: Label | None
    sentiment: Label | None
    topic: Label | None
    touchpoint: Label | None
    segments: tuple[SegmentAnalysis, ...]

    @classmethod
    def unread(cls, reason: UnsureReason, language: str | None = None) -> "Analysis":
        """An analysis without labels, for a text that is not tagged for `reason`."""
        return cls(language, True, reason, None, None, None, None, None, None, None, ())

    def to_dict(self) -> dict[str, Any]:
        """The JSON object "Analysis" of the public contract."""
        return {
            "language": self.language,
            "unsure": self.unsure,
            "unsure_reason": self.unsure_reason,
            "stage": self.stage and self.stage.to_dict(),
            "stage2": self.stage2 and self.stage2.to_dict(),
            "emotion": self.emotion and self.emotion.to_dict(),
            "emotion2": self.emotion2 and self.emotion2.to_dict(),
            "sentiment": self.sentiment and self.sentiment.to_dict(),
            "topic": self.topic and self.topic.to_dict(),
            "touchpoint": self.touchpoint and self.touchpoint.to_dict(),
            "segments": [segment.to_dict() for segment in self.segments],
        }
