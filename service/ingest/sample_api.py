"""The bundled sample over HTTP: load it into an empty workspace to look around, take it out again."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.dependencies import Db, Decider, ReadDb, Reader
from service.idempotency import IdempotentRoute
from service.ingest import sample

router = APIRouter(tags=["workspace"], route_class=IdempotentRoute)


class SampleState(BaseModel):
    """How far the sample is."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"state": "loading", "items": 240, "waiting": 180, "total": 790}}
    )

    state: Literal["absent", "loading", "loaded", "removing"]
    items: int = Field(description="Of the sample, stored here.")
    waiting: int = Field(description="Of these, still to be read by the model.")
    total: int = Field(description="What the whole sample has.")


@router.get("/v1/sample", response_model=SampleState, summary="Is the sample here")
def read_sample(caller: Reader, session: ReadDb) -> sample.State:
    """The sample of an invented shop: whether it is in this workspace, and how far it is loaded."""
    return sample.state_of(session, caller.workspace_id)


@router.post("/v1/sample", status_code=202, response_model=SampleState, summary="Load the sample")
def load_sample(caller: Decider, session: Db) -> sample.State:
    """About 800 pieces of feedback, the newest of yesterday. 409 where there is feedback of one's own."""
    return sample.ask_to_load(session, workspace_id=caller.workspace_id, actor=caller.actor)


@router.delete("/v1/sample", status_code=202, response_model=SampleState, summary="Take the sample out")
def remove_sample(caller: Decider, session: Db) -> sample.State:
    """Its feedback, files and webhook address, and nothing else; it may be loaded again."""
    return sample.ask_to_remove(session, workspace_id=caller.workspace_id, actor=caller.actor)
