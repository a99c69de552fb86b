"""Why a label: which of the customer's words weighed for it, by the route and for the item's page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from nlp.artifact import ArtifactError
from nlp.explain import explain
from nlp.pipeline import Pipeline, TextInput
from service.auth import Caller
from service.classify.active_model import Tagger, wanted_tagger
from service.dependencies import ReadDb, Reader, SettingsOf
from service.errors import BadInput, CannotStore, FieldError, Forbidden
from service.idempotency import IdempotentRoute
from service.paging import row_id
from service.review.feedback_view import documents, item_of
from service.settings import Settings

router = APIRouter(tags=["feedback"], route_class=IdempotentRoute)

FieldName = Literal["stage", "emotion", "sentiment", "topic", "touchpoint"]


class Word(BaseModel):
    """A word, or neighbouring words of a long text; offsets in characters of what was read."""

    start: int
    end: int
    text: str
    weight: float = Field(description="Probability of the label with it, less that without it.")


class ExplanationOut(BaseModel):
    """The words with their weights for one label, in the text's order.

    `confidence` is what the live model (`model`) gives the label for this text, or this segment, alone; `words` is
    empty where there is nothing to weigh.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "accurate-20261121",
                "field": "topic",
                "label": "delivery",
                "confidence": 0.88,
                "segment": None,
                "of": "text",
                "words": [
                    {"start": 0, "end": 2, "text": "My", "weight": 0.003},
                    {"start": 3, "end": 9, "text": "parcel", "weight": 0.412},
                    {"start": 10, "end": 14, "text": "came", "weight": 0.021},
                    {"start": 15, "end": 19, "text": "late", "weight": 0.187},
                ],
            }
        }
    )

    model: str
    field: str
    label: str | None
    confidence: float | None
    segment: int | None
    of: Literal["text", "translation"] = Field(
        description="What was read, and what the offsets count: the stored text, or its translation."
    )
    words: list[Word]


@router.get("/v1/feedback/{feedback_id}/explanation", summary="Which words weighed for a label")
def explanation_of_feedback(
    caller: Reader,
    session: ReadDb,
    settings: SettingsOf,
    feedback_id: str,
    field: Annotated[FieldName, Query(description="Which label is explained.")] = "stage",
    segment: Annotated[
        int | None, Query(ge=0, description="Position in the item's `segments`; without it the whole text.")
    ] = None,
) -> ExplanationOut:
    """Each word is left out once; its weight is what the label loses. Roles without words get 403."""
    found = explanation(
        session, caller, settings, row_id(feedback_id, "This feedback item"), field=field, segment=segment
    )
    return ExplanationOut.model_validate(found)


def explanation(
    session: Session, caller: Caller, settings: Settings, item_id: int, *, field: FieldName, segment: int | None
) -> dict[str, Any]:
    """The fields of `ExplanationOut` for the label that is shown, a person's too.

    Raises Forbidden for callers who see numbers only, NotFound, BadInput for a segment that the item has not, and
    CannotStore where no model can be loaded.
    """
    if not caller.may("verbatims"):
        raise Forbidden("Which words weighed shows the customer's words; your role sees numbers only.")
    item = item_of(session, caller, item_id)
    (shown,) = documents(session, [item], verbatims=True)
    text, part = item.text or "", shown
    start = 0
    if segment is not None:
        if segment >= len(shown["segments"]):
            detail = f"the item has {len(shown['segments'])} segments, counted from 0"
            raise BadInput(f"segment: {detail}", errors=[FieldError("/segment", "unknown_segment", detail)])
        part = shown["segments"][segment]
        start = part["start"]
        text = text[start : part["end"]]
    label = part[field]["label"] if part[field] is not None else None
    tagger = _pipeline(settings, caller)
    of = "text"
    if item.translation and tagger.analyze([TextInput(text)])[0].unsure_reason == "unsupported_language":
        # its one segment covers the whole text, whose words the model has never read
        of, text, start = "translation", item.translation, 0
    weighed = None
    if label is not None and isinstance(tagger, Pipeline):
        weighed = explain(tagger, text, item.question, field=field, label=label)
    return {
        "model": tagger.model_version,
        "field": field,
        "label": label,
        "confidence": weighed.confidence if weighed else None,
        "segment": segment,
        "of": of,
        "words": [
            {
                "start": start + word.start,
                "end": start + word.end,
                "text": text[word.start : word.end],
                "weight": word.weight,
            }
            for word in (weighed.words if weighed else ())
        ],
    }


def _pipeline(settings: Settings, caller: Caller) -> Tagger:
    try:
        return wanted_tagger(settings, workspace_id=caller.workspace_id)
    except (ArtifactError, OSError) as error:
        raise CannotStore("No tagging model can be loaded here.", retry_after_seconds=30) from error
