"""The map, its trends and journey models over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.aggregate.answers import JourneyMapAnswer, TopQuestionsAnswer, TrendsAnswer, WorkspaceAnswer
from service.aggregate.journey import journey_map
from service.aggregate.journey_models import (
    JourneyModelAnswer,
    JourneyModelBody,
    JourneyModelList,
    choose_default,
    create_model,
    delete_model,
    list_models,
    replace_model,
)
from service.aggregate.query import MapQuery
from service.aggregate.questions import top_questions
from service.aggregate.themes import theme_trends
from service.aggregate.trends import weekly_trends
from service.aggregate.verbatims import SHOWN
from service.dependencies import (
    Admin,
    Db,
    Decider,
    JsonBody,
    ReadDb,
    Reader,
    VerbatimReader,
    json_body,
    parse_body,
)
from service.errors import BadInput, FieldError
from service.idempotency import IdempotentRoute
from service.selection import SelectionQuery
from service.store import rollups
from service.store.personas import of_persona
from service.store.schema import AuditEvent

router = APIRouter(tags=["map"], route_class=IdempotentRoute)

EXAMPLE_MODEL: dict[str, Any] = {
    "name": "Our three steps",
    "stages": [
        {"name": "Before buying", "codebook_stages": ["awareness", "consideration", "decision"]},
        {"name": "Buying", "codebook_stages": ["purchase"]},
        {
            "name": "Living with it",
            "codebook_stages": ["delivery", "onboarding", "usage", "support", "loyalty", "churn", "advocacy"],
        },
    ],
}


PersonaQuery = Annotated[
    str | None, Query(max_length=200, description="Only what a persona says.", examples=["returning-shopper"])
]
ModelQuery = Annotated[
    str | None,
    Query(
        description="Journey model; without it the workspace's default, `7-stage` unless it chose another.",
        examples=["7-stage"],
    ),
]


def _json(answer: dict[str, Any]) -> Response:
    # built by us field by field; a second pass through the answer's model would cost more than the counting
    return Response(orjson.dumps(answer), media_type="application/json")


@router.get("/v1/journey-map", response_model=JourneyMapAnswer, summary="The living journey map")
def read_map(
    request: Request,
    caller: Reader,
    session: ReadDb,
    selection: SelectionQuery,
    model: ModelQuery = None,
    compare_to: Annotated[
        Literal["previous"] | None, Query(description="Adds the equally long period before `from`.")
    ] = None,
    persona: PersonaQuery = None,
) -> Response:
    """Each item of the period in exactly one stage of the model, or in `unassigned` with its reason.

    `from` and `to` are days of the workspace's time zone; without them, all time. `attr.<name>=<value>` keeps
    items with this attribute; a filter that is repeated widens. Every number has its n and 95 % interval over
    respondents. Callers who may not read verbatims get the numbers alone.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    query = MapQuery.model_validate(
        {**selection.model_dump(), "model": model or caller.journey_model, "compare_to": compare_to}
    )
    return _json(
        journey_map(
            session,
            workspace_id=caller.workspace_id,
            timezone=caller.timezone,
            query=query,
            verbatims=SHOWN if caller.may("verbatims") else 0,
            # stages do not know each other: the app says where suggestions come from
            suggestions_by_stage=getattr(request.app.state, "suggestions_by_stage", None),
        )
    )


@router.get("/v1/trends", response_model=TrendsAnswer, summary="Weekly series and which changes are real")
def read_trends(
    caller: Reader,
    session: ReadDb,
    selection: SelectionQuery,
    by: Annotated[
        Literal["stage", "emotion", "sentiment", "topic", "touchpoint", "theme"],
        Query(description="Labels of this field, or themes.", examples=["topic"]),
    ] = "stage",
    persona: PersonaQuery = None,
) -> Response:
    """Items, their share and net sentiment of each label and week, for items whose time the sender gave.

    `trend` compares the period with the one before, or, without `from`, the last four full weeks with the four
    before; the newest week counts once two days have passed since its end, because the last days fill up late.
    Changes are told at a fixed mix of sources and channels; what the mix did stands in `mix`. `significant`: more
    than this and all other labels change by themselves, seen in most of the period, and at most 5 % false alarms
    for all labels together **per look** (one look a period); who looks every week of a year sees false alarms in
    more than 5 % of unchanged years. How many: docs/statistics.md.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    if by == "theme":
        return _json(
            theme_trends(session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=selection)
        )
    return _json(
        weekly_trends(
            session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=selection, by=by
        )
    )


@router.get("/v1/top-questions", response_model=TopQuestionsAnswer, summary="What customers ask, by stage")
def read_questions(
    caller: VerbatimReader,
    session: ReadDb,
    selection: SelectionQuery,
    model: ModelQuery = None,
    persona: PersonaQuery = None,
) -> Response:
    """Question-shaped mentions that share most of their words, each told in one customer's words.

    From the newest 4,000 items of the selection; what one person alone asks is counted, not shown.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    return _json(
        top_questions(
            session,
            workspace_id=caller.workspace_id,
            timezone=caller.timezone,
            selection=selection,
            model_id=model or caller.journey_model,
        )
    )


@router.get("/v1/journey-models", response_model=JourneyModelList, summary="Journey models")
def read_models(caller: Reader, session: ReadDb) -> dict[str, Any]:
    """The built-in projections of the codebook's stages, then the workspace's own."""
    return {"data": list_models(session, caller.workspace_id), "next": None}


@router.post(
    "/v1/journey-models",
    status_code=201,
    response_model=JourneyModelAnswer,
    summary="Create a journey model",
    openapi_extra=json_body(JourneyModelBody, EXAMPLE_MODEL),
)
def add_model(caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """A projection of one's own: stages in order with the codebook stages they cover; nothing is tagged again.

    A codebook stage stands in one column, or in several with different touchpoints. Items of stages that no column
    covers are `unassigned` with the reason `none`; the answer lists them in `uncovered`.
    """
    parsed = parse_body(JourneyModelBody, body)
    made = create_model(session, workspace_id=caller.workspace_id, body=parsed)
    _audit(session, caller.workspace_id, caller.actor, "journey_model.create", made["id"])
    return made


@router.put(
    "/v1/journey-models/{id}",
    response_model=JourneyModelAnswer,
    summary="Replace a journey model",
    openapi_extra=json_body(JourneyModelBody, EXAMPLE_MODEL),
)
def put_model(id: str, caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """Name and stages of one of the workspace's own models; its id stays."""
    parsed = parse_body(JourneyModelBody, body)
    made = replace_model(session, workspace_id=caller.workspace_id, model_id=id, body=parsed)
    _audit(session, caller.workspace_id, caller.actor, "journey_model.replace", id)
    return made


@router.delete("/v1/journey-models/{id}", status_code=204, summary="Remove a journey model")
def remove_model(id: str, caller: Decider, session: Db) -> Response:
    """One of the workspace's own; what was written on a map in it stays in the map's history.

    409 for a built-in one and for the default.
    """
    delete_model(session, workspace_id=caller.workspace_id, model_id=id)
    _audit(session, caller.workspace_id, caller.actor, "journey_model.remove", id)
    return Response(status_code=204)


@router.post(
    "/v1/journey-models/{id}/default",
    response_model=JourneyModelAnswer,
    summary="Show the map in this journey model by default",
)
def put_default(id: str, caller: Decider, session: Db) -> dict[str, Any]:
    """Map, exports and suggestions are projected to it from now on wherever no `model` is asked for."""
    made = choose_default(session, workspace_id=caller.workspace_id, model_id=id)
    _audit(session, caller.workspace_id, caller.actor, "journey_model.default", id)
    return made


class WorkspaceBody(BaseModel):
    """What can be changed of a workspace."""

    model_config = ConfigDict(extra="forbid")

    timezone: str = Field(max_length=64, examples=["Europe/Berlin"], description="IANA name.")


@router.get("/v1/workspace", response_model=WorkspaceAnswer, tags=["workspace"], summary="The caller's workspace")
def read_workspace(caller: Reader) -> dict[str, str]:
    """Name, time zone and default journey model."""
    return {"name": caller.workspace, "timezone": caller.timezone, "journey_model": caller.journey_model}


@router.put(
    "/v1/workspace",
    response_model=WorkspaceAnswer,
    tags=["workspace"],
    summary="Change the time zone",
    openapi_extra=json_body(WorkspaceBody, {"timezone": "Europe/Berlin"}),
)
def put_workspace(caller: Admin, session: Db, body: JsonBody) -> dict[str, str]:
    """Days of the map are days of this zone; everything is counted anew before the answer."""
    timezone = parse_body(WorkspaceBody, body).timezone
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        detail = "no time zone of this name; send an IANA name such as Europe/Berlin"
        raise BadInput(f"/timezone: {detail}", errors=[FieldError("/timezone", "unknown_zone", detail)]) from error
    if timezone != caller.timezone:
        rollups.change_timezone(session, caller.workspace_id, timezone)
        _audit(session, caller.workspace_id, caller.actor, "workspace.timezone", timezone)
    return {"name": caller.workspace, "timezone": timezone, "journey_model": caller.journey_model}


def _audit(session: Db, workspace_id: int, actor: str, action: str, target: str) -> None:
    session.add(AuditEvent(workspace_id=workspace_id, actor=actor, action=action, target=target))
