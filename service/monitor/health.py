"""Is it running, and can it take feedback and tag it?"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from service.dependencies import DatabaseOf, SettingsOf
from service.errors import CannotStore
from service.store.columns import now
from service.store.migrate import current
from service.store.schema import ProcessBeat

router = APIRouter(tags=["running it"])

MIN_FRESH_SECONDS = 5.0


class Health(BaseModel):
    """The web process answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Feedback can be taken, stored and tagged."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ready", "model": "2026-11-1", "workers": 1}}
    )

    status: Literal["ready"] = "ready"
    model: str  # the version that the youngest worker has loaded
    workers: int  # alive, with a model


@router.get("/healthz", response_model=Health)
def healthz() -> Health:
    """200 while the process answers at all; for restarting one that hangs."""
    return Health()


@router.get("/readyz", response_model=Readiness)
def readyz(database: DatabaseOf, settings: SettingsOf) -> Readiness:
    """200 once the database is migrated and a worker is alive that has loaded the model; else 503 saying why."""
    try:
        if not current(database):
            raise CannotStore("The database is not migrated; run `journeymap migrate`.")
        # a worker beats three times a lease
        fresh = now() - timedelta(seconds=max(MIN_FRESH_SECONDS, settings.lease_seconds))
        with database.read() as session:
            beats = session.execute(
                select(col(ProcessBeat.state))
                .where(col(ProcessBeat.kind) == "worker", col(ProcessBeat.beat_at) > fresh)
                .order_by(col(ProcessBeat.started_at).desc())
            ).scalars()
            states = list(beats)
    except SQLAlchemyError as error:
        raise CannotStore("The database can't be reached.") from error
    models = [state["model"] for state in states if state.get("model")]
    if not states:
        raise CannotStore("No worker is alive; start `journeymap work`, or set EMBEDDED_WORKER.")
    if not models:
        raise CannotStore("A worker is alive and has not loaded the model yet.")
    return Readiness(model=models[0], workers=len(models))
