"""The live model of a workspace: what it is, learning from corrections, rolling back."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlmodel import Session, col

from service.classify.api import ModelOut, default_model
from service.dependencies import Admin, Db, JsonBody, ReadDb, Reader, SettingsOf, json_body, parse_body
from service.errors import Conflict
from service.idempotency import IdempotentRoute
from service.learn import records
from service.learn.examples import standing
from service.learn.records import Record
from service.learn.retrain import changes
from service.learn.rollback import roll_back
from service.settings import Settings
from service.store.learned import ask_retrain
from service.store.schema import Job

router = APIRouter(tags=["labels"], route_class=IdempotentRoute)

HISTORY = 20

_ACCURACY: dict[str, Any] = {
    "n": 120,
    "before": {"value": 0.74, "low": 0.66, "high": 0.81},
    "after": {"value": 0.79, "low": 0.71, "high": 0.85},
}
_FIELD: dict[str, Any] = {
    "adopted": True,
    "strength": 1.0,
    "remembered": True,
    "reason": None,
    "corrections": _ACCURACY | {"labels": []},
    "evaluation": _ACCURACY | {"n": 600, "labels": []},
}
_ATTEMPT: dict[str, Any] = {
    "number": 3,
    "model": "accurate-20261121-ccf4fd1c+3-9f2c1a",
    "outcome": "published",
    "because": "corrections",
    "actor": "worker",
    "created_at": "2026-11-21T20:15:00Z",
    "texts": 120,
    "seconds": 0.8,
    "active": True,
    "can_roll_back_to": True,
    "fields": {"touchpoint": _FIELD},
}


class Estimate(BaseModel):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


class Accuracy(BaseModel):
    """Accuracy of the default model (before) and with what was learnt (after), on the same n texts."""

    n: int
    before: Estimate
    after: Estimate


class LabelAccuracy(Accuracy):
    """The same on the texts of one label."""

    label: str


class AccuracyByLabel(Accuracy):
    """The same, and by label where it has at least ten texts."""

    labels: list[LabelAccuracy]


class LearntField(BaseModel):
    """What became of one field: `strength` of what was learnt (0 to 1), whether corrected texts are remembered.

    `corrections` were held out from what was learnt from; `evaluation` is our own evaluation set.
    """

    adopted: bool
    strength: float
    remembered: bool
    reason: str | None
    corrections: AccuracyByLabel
    evaluation: AccuracyByLabel


class Attempt(BaseModel):
    """One attempt to learn from corrections."""

    number: int
    model: str | None
    outcome: Literal["published", "refused", "unchanged"]
    because: Literal["asked", "corrections", "erasure", "model"]
    actor: str
    created_at: str
    texts: int
    seconds: float
    active: bool
    can_roll_back_to: bool
    fields: dict[str, LearntField]


class Corrections(BaseModel):
    """Corrections that stand, those since the last attempt, and after how many the next one comes by itself."""

    total: int
    since_last: int
    retrain_after: int


class Learning(BaseModel):
    """What the workspace has learnt: `state` is of the next attempt, `attempts` the last ones, newest first."""

    state: Literal["idle", "queued", "running"]
    corrections: Corrections
    attempts: list[Attempt]


class LiveModelOut(ModelOut):
    """The model that tags this workspace's feedback: `default`, or a version on top of it.

    `evaluation` is the default's, as measured when it was trained; what was learnt since is in `learning`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "accurate-20261121-ccf4fd1c+3-9f2c1a",
                "default": "accurate-20261121-ccf4fd1c",
                "codebook": "1.0",
                "tier": "accurate",
                "created": "2026-11-21T19:57:34Z",
                "labels": {"sentiment": ["negative", "neutral", "positive", "mixed"]},
                "evaluation": [],
                "learning": {
                    "state": "idle",
                    "corrections": {"total": 126, "since_last": 6, "retrain_after": 20},
                    "attempts": [_ATTEMPT],
                },
            }
        }
    )

    default: str
    learning: Learning


class RetrainOut(BaseModel):
    """The attempt is queued; `GET /v1/model` shows how it ends."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "queued", "corrections": 126}})

    status: Literal["queued"]
    corrections: int


class RollbackIn(BaseModel):
    """Where to: a version of `GET /v1/model`, the default's included; empty: the one before the present."""

    model_config = ConfigDict(extra="forbid")

    to: str | None = Field(default=None, max_length=200)


class RollbackOut(BaseModel):
    """The model in use now, and the one before; items are being tagged again."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "accurate-20261121-ccf4fd1c+2-b0c4d1",
                "before": "accurate-20261121-ccf4fd1c+3-9f2c1a",
            }
        }
    )

    model: str
    before: str


@router.get("/v1/model", summary="The live model, how good it is, and what it has learnt from corrections")
def model(caller: Reader, settings: SettingsOf, session: ReadDb) -> LiveModelOut:
    """Scores per label and calibration of the default model; accuracy before and after each attempt to learn."""
    default = default_model(settings)
    active = records.in_use(settings, caller.workspace_id, default.model)
    found = records.records(settings, caller.workspace_id)
    learning = Learning(
        state=_state(session, caller.workspace_id),
        corrections=Corrections(
            total=standing(session, caller.workspace_id),
            since_last=changes(session, caller.workspace_id, found[0] if found else None),
            retrain_after=settings.retrain_after,
        ),
        attempts=[
            _attempt(settings, caller.workspace_id, one, base=default.model, active=active.number if active else 0)
            for one in found[:HISTORY]
        ],
    )
    live = active.version if active else default.model
    return LiveModelOut(**default.model_dump() | {"model": live}, default=default.model, learning=learning)


def _state(session: Session, workspace_id: int) -> Literal["idle", "queued", "running"]:
    states = set(
        session.execute(
            select(col(Job.state)).where(col(Job.workspace_id) == workspace_id, col(Job.kind) == "retrain")
        ).scalars()
    )
    if "running" in states:
        return "running"
    return "queued" if "queued" in states else "idle"


def _attempt(settings: Settings, workspace_id: int, record: Record, *, base: str, active: int) -> Attempt:
    shown = {name: record[name] for name in Attempt.model_fields if name in record}
    return Attempt(
        **shown,
        active=record["number"] == active,
        can_roll_back_to=records.can_return_to(settings, workspace_id, record, base),
    )


@router.post("/v1/model/retrain", status_code=202, summary="Learn from the corrections made so far")
def retrain_now(caller: Admin, session: Db) -> RetrainOut:
    """Takes seconds; what passes the gates is used at once, and items are tagged again, unsure ones first.

    409 where nobody has corrected anything. By itself this happens after every so many corrections.
    """
    found = standing(session, caller.workspace_id)
    if not found:
        raise Conflict("There are no corrections to learn from yet.")
    ask_retrain(session, caller.workspace_id, because="asked", actor=caller.actor)
    return RetrainOut(status="queued", corrections=found)


@router.post(
    "/v1/model/rollback",
    summary="Use the version before, or a named one",
    openapi_extra=json_body(RollbackIn, {"to": None}),
)
def roll_back_now(body: JsonBody, caller: Admin, settings: SettingsOf, session: Db) -> RollbackOut:
    """Without a body: the version before the present one, at last the default model. Items are tagged again."""
    given = parse_body(RollbackIn, body) if body.strip() else RollbackIn()
    base = default_model(settings).model
    found = roll_back(session, settings, caller, base=base, to=given.to)
    return RollbackOut(model=found.after, before=found.before)
