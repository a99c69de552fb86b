"""A workspace's own journey models: stages in order, each with the codebook stages it covers."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator
from sqlmodel import Session, col, select, update

from nlp.codebook import JourneyModel
from service.aggregate import examples
from service.errors import BadInput, Conflict, FieldError, NotFound
from service.store import schema
from service.store.columns import now
from service.store.journey_models import USUAL_MODEL, journey_model, model_of_row
from service.store.rollup_codes import codebook

MAX_STAGES = 20
MAX_MODELS = 100  # of a workspace


class CoveredStage(BaseModel):
    """A codebook stage, whole or only where the touchpoint is one of these."""

    model_config = ConfigDict(extra="forbid")

    stage: str = Field(examples=["consideration"])
    touchpoints: list[str] | None = Field(default=None, examples=[["website", "mobile_app"]])


class ModelStageBody(BaseModel):
    """A column of a journey model."""

    model_config = ConfigDict(extra="forbid")

    # the map calls a column's name `stage`; who writes a model after the map may do so too
    name: str = Field(
        min_length=1,
        max_length=80,
        examples=["Before buying"],
        validation_alias=AliasChoices("name", "stage"),
    )
    codebook_stages: list[CoveredStage] = Field(min_length=1, max_length=100)

    @field_validator("codebook_stages", mode="before")
    @classmethod
    def _bare_names(cls, value: Any) -> Any:
        # "purchase" is short for {"stage": "purchase"}
        return [{"stage": v} if isinstance(v, str) else v for v in value] if isinstance(value, list) else value


class JourneyModelBody(BaseModel):
    """A journey model as it is created or replaced."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80, examples=["Our three steps"])
    stages: list[ModelStageBody] = Field(min_length=1, max_length=MAX_STAGES)


class JourneyModelAnswer(BaseModel):
    """A journey model. `uncovered`: what of the codebook stands in none of its columns.

    `default`: the map is shown in it unless another is asked for.
    """

    model_config = ConfigDict(json_schema_extra={"example": examples.JOURNEY_MODEL})

    id: str
    name: str
    built_in: bool
    default: bool
    stages: list[ModelStageBody]
    uncovered: list[CoveredStage]


class JourneyModelList(BaseModel):
    """All journey models, the built-in ones first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [examples.JOURNEY_MODEL], "next": None}})

    data: list[JourneyModelAnswer]
    next: None = None


def answer_of(model: JourneyModel, *, built_in: bool, default: str) -> dict[str, Any]:
    """The model as it is answered; `default` is the id of the workspace's choice."""
    return {
        "id": model.id,
        "name": model.name,
        "built_in": built_in,
        "default": model.id == default,
        "stages": [
            {
                "name": column.name,
                "codebook_stages": [
                    {"stage": r.codebook_stage, "touchpoints": list(r.touchpoints) if r.touchpoints else None}
                    for r in column.rules
                ],
            }
            for column in model.stages
        ],
        "uncovered": [
            {"stage": stage, "touchpoints": touchpoints if touchpoints is None else list(touchpoints)}
            for stage, touchpoints in _uncovered(model)
        ],
    }


@lru_cache(maxsize=128)
def _uncovered(model: JourneyModel) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
    """Stages, with those of their touchpoints (None: all) that no column covers."""
    found: list[tuple[str, tuple[str, ...] | None]] = []
    for stage in codebook().labels("stage"):
        left = tuple(
            touchpoint for touchpoint in codebook().labels("touchpoint") if model.column(stage, touchpoint) is None
        )
        if stage != "none" and left:
            whole = len(left) == len(codebook().labels("touchpoint"))
            found.append((stage, None if whole else left))
    return tuple(found)


def list_models(session: Session, workspace_id: int) -> list[dict[str, Any]]:
    """The built-in models in the codebook's order, then the workspace's own by age."""
    chosen = _default(session, workspace_id)
    rows = session.exec(
        select(schema.JourneyModel)
        .where(schema.JourneyModel.workspace_id == workspace_id)
        .order_by(col(schema.JourneyModel.id))
    ).all()
    built_in = [answer_of(model, built_in=True, default=chosen) for model in codebook().journey_models]
    return built_in + [answer_of(model_of_row(row), built_in=False, default=chosen) for row in rows]


def _default(session: Session, workspace_id: int) -> str:
    found = session.exec(
        select(schema.Workspace.journey_model).where(schema.Workspace.id == workspace_id)
    ).one_or_none()
    return found or USUAL_MODEL


def choose_default(session: Session, *, workspace_id: int, model_id: str) -> dict[str, Any]:
    """Show the map in this model unless another is asked for; NotFound for an unknown one."""
    try:
        model = journey_model(session, workspace_id=workspace_id, model_id=model_id, codebook=codebook())
    except BadInput as error:
        raise NotFound("This journey model does not exist.") from error
    session.execute(
        update(schema.Workspace).where(col(schema.Workspace.id) == workspace_id).values(journey_model=model.id)
    )
    built_in = model.id in {one.id for one in codebook().journey_models}
    return answer_of(model, built_in=built_in, default=model.id)


def delete_model(session: Session, *, workspace_id: int, model_id: str) -> None:
    """Remove one of the workspace's own models; Conflict for a built-in one and for the default.

    What was written on a map in this model stays in the map's history.
    """
    row = _own(session, workspace_id, model_id)
    if _default(session, workspace_id) == model_id:
        raise Conflict("The map is shown in this model by default; choose another default first.")
    session.delete(row)
    session.flush()


def create_model(session: Session, *, workspace_id: int, body: JourneyModelBody) -> dict[str, Any]:
    """Store a new model; Conflict where one of this name exists."""
    stages, slug = _checked(body), slug_of(body.name)
    mine = session.exec(select(schema.JourneyModel).where(schema.JourneyModel.workspace_id == workspace_id)).all()
    if slug in {row.slug for row in mine} | {model.id for model in codebook().journey_models}:
        raise Conflict(f"There is already a journey model «{slug}»; replace it with PUT or choose another name.")
    if len(mine) >= MAX_MODELS:
        raise Conflict(f"A workspace has at most {MAX_MODELS} journey models of its own.")
    row = schema.JourneyModel(workspace_id=workspace_id, slug=slug, name=body.name, stages=stages)
    session.add(row)
    session.flush()
    return answer_of(model_of_row(row), built_in=False, default=_default(session, workspace_id))


def replace_model(session: Session, *, workspace_id: int, model_id: str, body: JourneyModelBody) -> dict[str, Any]:
    """Replace name and stages of one of the workspace's own models; its id stays."""
    row = _own(session, workspace_id, model_id)
    row.name, row.stages, row.updated_at = body.name, _checked(body), now()
    session.add(row)
    session.flush()
    return answer_of(model_of_row(row), built_in=False, default=_default(session, workspace_id))


def checked_model(body: JourneyModelBody) -> JourneyModel:
    """The model that this would be, without storing it; BadInput naming every place that can't be used."""
    return model_of_row(schema.JourneyModel(workspace_id=0, slug="draft", name=body.name, stages=_checked(body)))


def _own(session: Session, workspace_id: int, model_id: str) -> schema.JourneyModel:
    """One of the workspace's own models, locked; Conflict for a built-in one."""
    if model_id in {model.id for model in codebook().journey_models}:
        raise Conflict("A built-in journey model can't be changed; create one of your own.")
    row = session.exec(
        select(schema.JourneyModel)
        .where(schema.JourneyModel.workspace_id == workspace_id, schema.JourneyModel.slug == model_id)
        .with_for_update()
    ).first()
    if row is None:
        raise NotFound("This journey model does not exist.")
    return row


def slug_of(name: str) -> str:
    """The id of a model: its name in small ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not slug:
        detail = "the name needs at least one Latin letter or digit, which its id is made of"
        raise BadInput(f"/name: {detail}", errors=[FieldError("/name", "no_id", detail)])
    return slug


def _checked(body: JourneyModelBody) -> list[dict[str, Any]]:
    """The stages as they are stored; BadInput naming every place that can't be used."""
    known_stages = set(codebook().labels("stage")) - {"none"}
    known_touchpoints = set(codebook().labels("touchpoint"))
    errors: list[FieldError] = []
    names: set[str] = set()
    taken: dict[tuple[str, str | None], str] = {}  # (stage, touchpoint; None: without condition) to column
    for s, column in enumerate(body.stages):
        if column.name.strip().casefold() in names:
            errors.append(FieldError(f"/stages/{s}/name", "duplicate", "another stage has this name"))
        names.add(column.name.strip().casefold())
        for c, covered in enumerate(column.codebook_stages):
            at = f"/stages/{s}/codebook_stages/{c}"
            if covered.stage not in known_stages:
                detail = f"codebook stages are {', '.join(sorted(known_stages))}"
                errors.append(FieldError(f"{at}/stage", "unknown_stage", detail))
            if covered.touchpoints is not None and not covered.touchpoints:
                detail = "name at least one touchpoint, or leave touchpoints out"
                errors.append(FieldError(f"{at}/touchpoints", "empty", detail))
            if set(covered.touchpoints or ()) - known_touchpoints:
                detail = f"touchpoints are {', '.join(sorted(known_touchpoints))}"
                errors.append(FieldError(f"{at}/touchpoints", "unknown_touchpoint", detail))
            for touchpoint in covered.touchpoints if covered.touchpoints is not None else [None]:
                other = taken.setdefault((covered.stage, touchpoint), at)
                if other != at:
                    detail = f"already covered by {other}; an item stands in one column only"
                    errors.append(FieldError(at, "covered_twice", detail))
    if errors:
        raise BadInput("; ".join(f"{one.pointer}: {one.detail}" for one in errors[:5]), errors=errors)
    return [
        {
            "name": column.name.strip(),
            "rules": [
                {"codebook_stage": covered.stage, "touchpoints": covered.touchpoints}
                for covered in column.codebook_stages
            ],
        }
        for column in body.stages
    ]
