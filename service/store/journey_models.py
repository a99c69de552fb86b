"""The journey models of a workspace: the built-in ones and its own, read in one place for map and suggestions."""

from __future__ import annotations

from typing import Final

from sqlmodel import Session, select

from nlp.codebook import Codebook, JourneyModel, ModelStage, StageRule
from service.errors import BadInput, FieldError
from service.store import schema

USUAL_MODEL: Final = "7-stage"  # of a workspace that has chosen no other


def journey_model(session: Session, *, workspace_id: int, model_id: str, codebook: Codebook) -> JourneyModel:
    """The model of this id, built-in or the workspace's own; BadInput for an unknown one."""
    for built_in in codebook.journey_models:
        if built_in.id == model_id:
            return built_in
    row = session.exec(
        select(schema.JourneyModel).where(
            schema.JourneyModel.workspace_id == workspace_id,
            schema.JourneyModel.slug == model_id.replace("\x00", ""),
        )
    ).first()
    if row is None:
        known = ", ".join(built_in.id for built_in in codebook.journey_models)
        detail = f"there is no journey model of this id; built in are {known}"
        raise BadInput(f"model: {detail}", errors=[FieldError("/model", "unknown_model", detail)])
    return model_of_row(row)


def model_of_row(row: schema.JourneyModel) -> JourneyModel:
    """A stored model; its stages are `{"name", "rules": [{"codebook_stage", "touchpoints"?}]}`, as in data/."""
    return JourneyModel(
        row.slug,
        row.name,
        tuple(
            ModelStage(
                stage["name"],
                tuple(
                    StageRule(
                        rule["codebook_stage"],
                        tuple(rule["touchpoints"]) if rule.get("touchpoints") is not None else None,
                    )
                    for rule in stage["rules"]
                ),
            )
            for stage in row.stages
        ),
    )
