"""The shapes in which feedback is answered: the list, one item with its history, and their examples."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LABEL_EXAMPLE = {"label": "delivery", "confidence": 0.88, "corrected": False}


class ShownLabel(BaseModel):
    """A label as it is shown now: the model's with its calibrated probability, or a person's (confidence null)."""

    label: str
    confidence: float | None
    corrected: bool


class ShownScore(BaseModel):
    """A number the customer gave, with its scale."""

    kind: str
    value: float
    scale_min: float | None
    scale_max: float | None


class Labelled(BaseModel):
    """The seven labels of an item."""

    stage: ShownLabel | None
    stage2: ShownLabel | None
    emotion: ShownLabel | None
    emotion2: ShownLabel | None
    sentiment: ShownLabel | None
    topic: ShownLabel | None
    touchpoint: ShownLabel | None


class SegmentView(BaseModel):
    """A part of the text that holds one opinion; offsets in characters of the stored text."""

    start: int
    end: int
    stage: ShownLabel
    emotion: ShownLabel
    sentiment: ShownLabel
    topic: ShownLabel
    touchpoint: ShownLabel


class FollowUp(BaseModel):
    """Whether someone answered the customer."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"state": "answered", "owner": "ann", "note": "called back"}}
    )

    state: str
    owner: str | None
    note: str | None


class Likeness(BaseModel):
    """How like the likest part of an item is to what was sought: a cosine, and the same in words."""

    value: float
    said: str
    start: int
    end: int
    same_words: bool


class Searched(BaseModel):
    """What a search by meaning looked at.

    `by`: `meaning`, or `words` where the model has no encoder. `found` items are alike enough, of `read` items of
    the selection that were read for it; new ones follow within seconds.
    """

    by: Literal["meaning", "words"]
    found: int
    read: int


ITEM_EXAMPLE: dict[str, Any] = {
    "id": "17",
    "text": "Checkout was easy but my parcel came a week late.",
    "withheld": False,
    "text_version": 1,
    "question": None,
    "translation": None,
    "channel": "review",
    "source": "shop-reviews",
    "external_id": "r-1001",
    "occurred_at": "2026-11-02T10:15:00Z",
    "received_at": "2026-11-02T10:20:00Z",
    "score": {"kind": "stars", "value": 3, "scale_min": 1, "scale_max": 5},
    "respondent": "9f2c51d0a7b3e846c0d91b3f57a2e680",
    "response_id": None,
    "conversation_id": None,
    "url": "https://shop.example/reviews/r-1001",
    "value": None,
    "attributes": {"plan": "pro", "country": "DE"},
    "declared_stage": None,
    "declared_touchpoint": None,
    "declared_language": None,
    "state": "tagged",
    "model": "2026.1",
    "language": "en",
    "unsure": False,
    "unsure_reason": None,
    "stage": LABEL_EXAMPLE,
    "stage2": None,
    "emotion": {"label": "disappointment", "confidence": 0.74, "corrected": False},
    "emotion2": None,
    "sentiment": {"label": "mixed", "confidence": 0.69, "corrected": False},
    "topic": LABEL_EXAMPLE,
    "touchpoint": {"label": "delivery", "confidence": None, "corrected": True},
    "corrected": True,
    "classified_at": "2026-11-02T10:20:01Z",
    "segments": [],
    "follow_up": None,
    "likeness": None,
}


class FeedbackView(Labelled):
    """What one respondent said, with its current labels. `text` is null and `withheld` true for viewers."""

    model_config = ConfigDict(json_schema_extra={"example": ITEM_EXAMPLE})

    id: str
    text: str | None
    withheld: bool
    text_version: int
    question: str | None
    translation: str | None
    channel: str
    source: str
    external_id: str | None
    occurred_at: datetime | None
    received_at: datetime
    score: ShownScore | None
    respondent: str | None
    response_id: str | None
    conversation_id: str | None
    url: str | None
    value: float | None
    attributes: dict[str, str]
    declared_stage: str | None
    declared_touchpoint: str | None
    declared_language: str | None
    state: str
    model: str | None
    language: str | None
    unsure: bool
    unsure_reason: str | None
    corrected: bool
    classified_at: datetime | None
    segments: list[SegmentView]
    follow_up: FollowUp | None
    likeness: Likeness | None = None


class FeedbackPage(BaseModel):
    """A page of the list; `searched` and each item's `likeness` only where `meaning` was asked for."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"data": [ITEM_EXAMPLE], "next": None, "searched": None}}
    )

    data: list[FeedbackView]
    next: str | None
    searched: Searched | None = None


class VersionView(BaseModel):
    """An earlier text."""

    text_version: int
    text: str | None
    replaced_at: datetime


class ClassificationView(BaseModel):
    """What one model version said of one text version (`analysis` as from `POST /v1/tag`)."""

    model: str
    tier: str
    text_version: int
    classified_at: datetime
    analysis: dict[str, Any]


class SpanView(BaseModel):
    """Offsets in characters."""

    start: int
    end: int


class CorrectionView(BaseModel):
    """A person's word. `state`: `standing`, `waiting` (no segment fits now), `lapsed` (other text), `undone`."""

    id: str
    state: str
    labels: dict[str, str | None]
    segment: SpanView | None
    text_version: int
    author: str
    created_at: datetime
    undone_at: datetime | None


class FollowUpStep(BaseModel):
    """Who said what of an item's follow-up, and when."""

    state: str
    before: str | None = Field(description="Null: nobody had said anything. As `state`: owner or note changed.")
    author: str
    at: datetime


class DeliveryOrigin(BaseModel):
    """The webhook call that an item came in with."""

    id: str
    received_at: datetime
    sender: str
    endpoint: str


class ImportOrigin(BaseModel):
    """The file that an item came in with."""

    id: str
    filename: str
    created_at: datetime


class Provenance(BaseModel):
    """Where an item came from; both null for items sent to the API."""

    delivery: DeliveryOrigin | None
    import_: ImportOrigin | None

    model_config = ConfigDict(populate_by_name=True, alias_generator=lambda name: name.rstrip("_"))


DETAIL_EXAMPLE: dict[str, Any] = {
    **ITEM_EXAMPLE,
    "versions": [],
    "classifications": [],
    "corrections": [
        {
            "id": "4",
            "state": "standing",
            "labels": {"touchpoint": "delivery"},
            "segment": None,
            "text_version": 1,
            "author": "person:ann",
            "created_at": "2026-11-03T08:00:00Z",
            "undone_at": None,
        }
    ],
    "follow_ups": [
        {"state": "needs_answer", "before": None, "author": "person:ann", "at": "2026-11-03T08:05:00Z"}
    ],
    "provenance": {"delivery": None, "import": None},
}


class FeedbackDetail(FeedbackView):
    """One item with its history."""

    model_config = ConfigDict(json_schema_extra={"example": DETAIL_EXAMPLE})

    versions: list[VersionView]
    classifications: list[ClassificationView]
    corrections: list[CorrectionView]
    follow_ups: list[FollowUpStep]
    provenance: Provenance
