"""Labels for texts that are not stored, and what the live model is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nlp import artifact as artifacts
from nlp.artifact import ArtifactError, Manifest
from nlp.codebook import DATA_FOLDER
from service.classify.active_model import Tagger, analyze, wanted_tagger
from service.dependencies import Reader, SettingsOf, json_body, parse_body, unpacked_within
from service.errors import BadInput, CannotStore, FieldError
from service.idempotency import IdempotentRoute
from service.settings import Settings

log = logging.getLogger(__name__)
router = APIRouter(tags=["labels"], route_class=IdempotentRoute)

MAX_TEXTS = 1000
EVALUATION_FILE = "evaluation.json"
CALIBRATION = DATA_FOLDER / "evaluation" / "calibration.json"  # made by training.calibration_bins


class LabelOut(BaseModel):
    """A label of the codebook with its calibrated probability."""

    label: str
    confidence: float


class SegmentOut(BaseModel):
    """A part that holds one opinion; offsets in characters of the text as sent."""

    start: int
    end: int
    stage: LabelOut
    emotion: LabelOut
    sentiment: LabelOut
    topic: LabelOut
    touchpoint: LabelOut


class AnalysisOut(BaseModel):
    """What the model says about one text; labels are null where it can't be read."""

    language: str | None
    unsure: bool
    unsure_reason: Literal["low_confidence", "unsupported_language", "empty", "meaningless"] | None
    stage: LabelOut | None
    stage2: LabelOut | None
    emotion: LabelOut | None
    emotion2: LabelOut | None
    sentiment: LabelOut | None
    topic: LabelOut | None
    touchpoint: LabelOut | None
    segments: list[SegmentOut]


class TagItem(BaseModel):
    """A text, and the open question that it answers where there was one."""

    model_config = ConfigDict(extra="forbid")

    text: str
    question: str | None = None


class TagIn(BaseModel):
    """Either `texts` or `items`."""

    model_config = ConfigDict(extra="forbid")

    texts: list[str] | None = Field(default=None, max_length=MAX_TEXTS)
    items: list[TagItem] | None = Field(default=None, max_length=MAX_TEXTS)

    @model_validator(mode="after")
    def _exactly_one(self) -> TagIn:
        if (self.texts is None) == (self.items is None):
            raise ValueError("give either «texts» or «items»")
        return self


_DELIVERY = {"label": "delivery", "confidence": 0.88}
_SEGMENT_LABELS = {
    "stage": _DELIVERY,
    "emotion": {"label": "disappointment", "confidence": 0.74},
    "sentiment": {"label": "negative", "confidence": 0.91},
    "topic": _DELIVERY,
    "touchpoint": _DELIVERY,
}
_ANALYSIS: dict[str, Any] = {
    "language": "en",
    "unsure": False,
    "unsure_reason": None,
    "stage2": None,
    "emotion2": None,
    **_SEGMENT_LABELS,
    "segments": [{"start": 0, "end": 32, **_SEGMENT_LABELS}],
}


class TagOut(BaseModel):
    """One analysis a text, in their order, and which model said so."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": "fast-1", "codebook": "1.0", "results": [_ANALYSIS]}}
    )

    model: str
    codebook: str
    results: list[AnalysisOut]


class ModelOut(BaseModel):
    """A model. `evaluation` holds a report per data set: n, scores per field and label, calibration.

    A field's `bins` are its calibration picture where one was made: items by confidence, cut into parts of equal
    size, with how sure the model was of each part on average and which share was right.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "fast-1",
                "codebook": "1.0",
                "tier": "fast",
                "created": "2026-11-21T19:57:34Z",
                "labels": {"sentiment": ["negative", "neutral", "positive", "mixed"]},
                "evaluation": [],
            }
        }
    )

    model: str
    codebook: str
    tier: str
    created: str
    labels: dict[str, list[str]]
    evaluation: list[dict[str, Any]]


async def _tag_body(request: Request, _caller: Reader, settings: SettingsOf) -> bytes:
    return await unpacked_within(request, settings.max_batch_bytes)


@router.post(
    "/v1/tag",
    summary="Tag texts; nothing is stored",
    response_model=TagOut,
    openapi_extra=json_body(TagIn, {"texts": ["My parcel came a week too late."]}),
)
def tag(body: Annotated[bytes, Depends(_tag_body)], caller: Reader, settings: SettingsOf) -> JSONResponse:
    """Up to 1,000 texts. Unreadable ones are answered too, as unsure with the reason."""
    given = parse_body(TagIn, body)
    pairs: list[tuple[str, str | None]] = [(text, None) for text in given.texts or ()]
    pairs += [(one.text, one.question) for one in given.items or ()]
    _check_lengths([text for text, _ in pairs], settings, "texts" if given.texts is not None else "items")
    pipeline = _pipeline(settings, caller.workspace_id)
    answer = {
        "model": pipeline.model_version,
        "codebook": pipeline.codebook_version,
        "results": [analysis.to_dict() for analysis in analyze(pipeline, pairs)],
    }
    return JSONResponse(answer)  # made by us in this shape: checking a thousand of them again would cost more


def _check_lengths(texts: list[str], settings: Settings, field: str) -> None:
    limit = settings.max_text_chars
    part = "" if field == "texts" else "/text"
    errors = [
        FieldError(f"/{field}/{position}{part}", "too_long", f"at most {limit} characters")
        for position, text in enumerate(texts)
        if len(text) > limit
    ]
    if errors:
        raise BadInput(f"{errors[0].pointer}: {errors[0].detail}", errors=errors)


def _pipeline(settings: Settings, workspace_id: int) -> Tagger:
    try:
        return wanted_tagger(settings, workspace_id=workspace_id)
    except (ArtifactError, OSError) as error:
        raise _no_model(error) from error


def _no_model(error: Exception) -> CannotStore:
    log.error("the model can't be loaded: %s", error)
    return CannotStore(
        "No tagging model can be loaded here; `journeymap doctor` says why.", retry_after_seconds=30
    )


def default_model(settings: Settings) -> ModelOut:
    """The default model, as measured when it was trained, on texts that it had not seen.

    Raises CannotStore (503) where there is none.
    """
    try:
        folder = settings.models_dir or artifacts.default_folder()
        manifest = artifacts.read_manifest(folder)
        return _described(manifest, folder)
    except (ArtifactError, OSError, orjson.JSONDecodeError) as error:
        raise _no_model(error) from error


def _with_bins(version: str, evaluation: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reports, those of artifacts that were published without a calibration picture with it."""
    if CALIBRATION.exists():
        told = orjson.loads(CALIBRATION.read_bytes()).get(version, {})
        for report in evaluation:
            for field, bins in told.get(report["gold"], {}).items():
                score = report["with_question"]["fields"].get(field)
                if score is not None and not score.get("bins"):
                    score["bins"] = [{"n": n, "confidence": sure, "right": right} for n, sure, right in bins]
    return evaluation


def _described(manifest: Manifest, folder: Path) -> ModelOut:
    report = folder / EVALUATION_FILE
    return ModelOut(
        model=manifest.version,
        codebook=manifest.codebook_version,
        tier=manifest.tier,
        created=manifest.created,
        labels={field: list(labels) for field, labels in manifest.labels.items()},
        evaluation=_with_bins(manifest.version, orjson.loads(report.read_bytes())) if report.exists() else [],
    )
