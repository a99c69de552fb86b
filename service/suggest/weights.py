"""How a workspace weighs the parts of the rank; kept with who set them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session, select

from service.moments import rfc3339
from service.store.columns import now
from service.store.schema import SuggestionWeights
from service.suggest.priority import DEFAULT, MOST, Weights


class WeightsBody(BaseModel):
    """Weights of the rank; those left out are the usual ones, 0 takes a part out."""

    model_config = ConfigDict(extra="forbid")

    severity: float = Field(default=DEFAULT.severity, ge=0)
    trend: float = Field(default=DEFAULT.trend, ge=0)
    score: float = Field(default=DEFAULT.score, ge=0)
    money: float = Field(default=DEFAULT.money, ge=0)
    effort: float = Field(default=DEFAULT.effort, ge=0)
    find_out_why: float = Field(default=DEFAULT.find_out_why, ge=0)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        for name, most in MOST.items():
            if not getattr(self, name) <= most:
                raise ValueError(f"{name} must be at most {most:g}")
        return self


def weights_of(session: Session, workspace_id: int) -> Weights:
    """The workspace's weights, else the usual ones."""
    row = _row(session, workspace_id)
    return DEFAULT if row is None else Weights(**(asdict(DEFAULT) | row.weights))


def shown(session: Session, *, workspace_id: int) -> dict[str, Any]:
    """The weights with the usual and the largest ones, and who set them."""
    row = _row(session, workspace_id)
    return {
        "weights": asdict(weights_of(session, workspace_id)),
        "usual": asdict(DEFAULT),
        "most": MOST,
        "actor": row.actor if row is not None else None,
        "updated_at": rfc3339(row.updated_at) if row is not None else None,
    }


def put(session: Session, *, workspace_id: int, actor: str, body: WeightsBody) -> dict[str, Any]:
    """Set the weights; the next reading ranks by them."""
    row = _row(session, workspace_id) or SuggestionWeights(workspace_id=workspace_id, actor=actor)
    row.weights, row.actor, row.updated_at = body.model_dump(), actor, now()
    session.add(row)
    session.flush()
    return shown(session, workspace_id=workspace_id)


def _row(session: Session, workspace_id: int) -> SuggestionWeights | None:
    return session.exec(select(SuggestionWeights).where(SuggestionWeights.workspace_id == workspace_id)).first()
