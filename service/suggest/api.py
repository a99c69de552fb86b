"""Suggestions over HTTP: the table, one row with its history, and decisions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from service.dependencies import DatabaseOf, Db, Decider, JsonBody, ReadDb, Reader, json_body, parse_body
from service.idempotency import IdempotentRoute
from service.paging import Page
from service.selection import SelectionQuery
from service.store.personas import of_persona
from service.store.schema import AuditEvent
from service.suggest import suggestions as table
from service.suggest import weights
from service.suggest.answers import BulkAnswer, SuggestionDetail, SuggestionList, UndoAnswer, WeightsAnswer
from service.suggest.bulk import BulkBody, UndoBody, decide_on_all, undo_all
from service.suggest.decisions import DecisionBody, statuses_of
from service.suggest.impact import impact
from service.suggest.impact_answer import ImpactAnswer
from service.suggest.rank_preview import compared
from service.suggest.selected import Kind
from service.suggest.weights import WeightsBody

router = APIRouter(tags=["suggestions"], route_class=IdempotentRoute)

Many = Annotated[list[str] | None, Query(description="Only these; several widen.")]
Persona = Annotated[
    str | None, Query(description="Only what a persona says.", max_length=200, examples=["returning-shopper"])
]
Model = Annotated[
    str | None,
    Query(
        description="Journey model to which `model_stage` belongs; without it the workspace's default.",
        examples=["7-stage"],
    ),
]


@router.get("/v1/suggestions", response_model=SuggestionList, summary="What to change, best first")
def list_suggestions(
    caller: Reader,
    session: ReadDb,
    page: Page,
    selection: SelectionQuery,
    model: Model = None,
    status: Annotated[
        list[str] | None, Query(description="Only these statuses; all without it.", examples=[["suggested"]])
    ] = None,
    kind: Annotated[
        Kind, Query(description="pain: what to change; delight: what to keep and spread.", examples=["delight"])
    ] = "pain",
    persona: Persona = None,
    stage: Many = None,
    topic: Many = None,
    effort: Many = None,
    owner: Many = None,
) -> dict[str, Any]:
    """The table *stage | what customers say | what to change*.

    Every row has its size with n and interval, its evidence in customers' words, and the reason for its rank.
    Filters are those of the map; `attr.<name>=<value>` keeps items with this attribute. `stage`, `topic`, `effort`
    and `owner` («-»: nobody) keep suggestions. Callers who may not read verbatims get the numbers alone.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    query = table.SuggestionQuery(
        selection=selection,
        model=model or caller.journey_model,
        status=statuses_of(status),
        kind=kind,
        stage=tuple(stage or ()),
        topic=tuple(topic or ()),
        effort=tuple(effort or ()),
        owner=tuple(owner or ()),
    )
    return table.suggestions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=query,
        limit=page.limit,
        after=page.key(),
        verbatims=caller.may("verbatims"),
    )


@router.post(
    "/v1/suggestions/decisions",
    response_model=BulkAnswer,
    summary="Decide on all suggestions that fit a filter",
    openapi_extra=json_body(
        BulkBody, {"decision": "reject", "reason": "Not ours to change", "expected": 12, "dry_run": False}
    ),
)
def decide_on_many(
    caller: Decider,
    database: DatabaseOf,
    session: Db,
    selection: SelectionQuery,
    body: JsonBody,
    status: Annotated[list[str] | None, Query(description="Only these statuses.")] = None,
    persona: Persona = None,
    stage: Many = None,
    topic: Many = None,
    effort: Many = None,
    owner: Many = None,
) -> dict[str, Any]:
    """Accept, reject, snooze or note (an owner) on all that the filters of the list keep, not only on one page.

    Each keeps a decision of its own and a line in the audit log. `dry_run` says what would be decided; `expected`
    refuses (409) where another number fits by now. 500 at once at most.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    query = table.SuggestionQuery(
        selection=selection,
        status=statuses_of(status),
        stage=tuple(stage or ()),
        topic=tuple(topic or ()),
        effort=tuple(effort or ()),
        owner=tuple(owner or ()),
    )
    return decide_on_all(
        session,
        database=database,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        actor=caller.actor,
        query=query,
        body=parse_body(BulkBody, body),
    )


@router.post(
    "/v1/suggestions/decisions/undo",
    response_model=UndoAnswer,
    summary="Take decisions back that were taken at once",
    openapi_extra=json_body(UndoBody, {"batch": "b-5f0c9a2e71d34b68"}),
)
def undo_decisions(caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """What stood before stands again, but where somebody has decided since; each is a decision of its own."""
    batch = parse_body(UndoBody, body).batch
    return undo_all(session, workspace_id=caller.workspace_id, actor=caller.actor, batch=batch)


@router.get("/v1/suggestions/weights", response_model=WeightsAnswer, summary="How suggestions are ranked")
def read_weights(caller: Reader, session: ReadDb) -> dict[str, Any]:
    """The weights of the rank's parts, the usual ones, and the largest that each may be."""
    return weights.shown(session, workspace_id=caller.workspace_id)


@router.put(
    "/v1/suggestions/weights",
    response_model=WeightsAnswer,
    summary="Set how suggestions are ranked",
    openapi_extra=json_body(WeightsBody, {"trend": 0.25, "effort": 0.5}),
)
def put_weights(caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """Weights that are left out are the usual ones; 0 takes a part out of the rank."""
    made = weights.put(
        session, workspace_id=caller.workspace_id, actor=caller.actor, body=parse_body(WeightsBody, body)
    )
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id, actor=caller.actor, action="suggestion_weights.set", target="weights"
        )
    )
    return made


class ComparedRank(BaseModel):
    """A suggestion's place now and with the weights asked about."""

    id: str
    stage: str
    topic: str
    says: str
    before: int
    after: int
    priority_before: float
    priority: float


class ComparedRanks(BaseModel):
    """Those of the first ten of either order, in the new order."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "data": [
                    {
                        "id": "delivery.delivery",
                        "stage": "delivery",
                        "topic": "delivery",
                        "says": "Parcels come later than promised",
                        "before": 2,
                        "after": 1,
                        "priority_before": 5.782,
                        "priority": 6.11,
                    }
                ]
            }
        }
    )

    data: list[ComparedRank]


@router.post(
    "/v1/suggestions/weights/compare",
    response_model=ComparedRanks,
    summary="What other weights would do",
    openapi_extra=json_body(WeightsBody, {"trend": 0.25, "effort": 0.5}),
)
def compare_weights(caller: Reader, session: ReadDb, body: JsonBody) -> dict[str, Any]:
    """The best open suggestions in their order now and with these weights; nothing is saved."""
    asked = parse_body(WeightsBody, body)
    return {
        "data": compared(session, workspace_id=caller.workspace_id, timezone=caller.timezone, body=asked),
    }


@router.get("/v1/suggestions/{id}", response_model=SuggestionDetail, summary="One suggestion with its history")
def read_suggestion(id: str, caller: Reader, session: ReadDb, model: Model = None) -> dict[str, Any]:
    """One suggestion over all time, with the arithmetic of its rank and every decision on it."""
    return table.suggestion(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        public_id=id,
        model=model or caller.journey_model,
        verbatims=caller.may("verbatims"),
    )


@router.post(
    "/v1/suggestions/{id}/decision",
    response_model=SuggestionDetail,
    summary="Decide on a suggestion",
    openapi_extra=json_body(
        DecisionBody, {"decision": "accept", "owner": "Maria", "reason": "Worst point of the autumn survey"}
    ),
)
def decide_suggestion(
    id: str, caller: Decider, database: DatabaseOf, session: Db, body: JsonBody
) -> dict[str, Any]:
    """Accept, edit (with `adaptation`), reject (with `reason`), snooze (`until`), and what follows from it.


    What was agreed to is planned (`plan`), tried in a small step (`test`), live (`start`), kept (`complete`) or
    rolled back. `note` writes down a reason, an owner, a due day or a ticket at any time and leaves the status.

    Who, when, what was before and after, why, and the numbers as they stood are kept. 409 where the status does
    not allow it; the answer says what is possible.
    """
    return table.decide_on(
        session,
        database=database,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        actor=caller.actor,
        public_id=id,
        body=parse_body(DecisionBody, body),
        verbatims=caller.may("verbatims"),
    )


@router.get(
    "/v1/suggestions/{id}/impact", response_model=ImpactAnswer, summary="Did it help? An accepted change, measured"
)
def read_impact(id: str, caller: Reader, session: ReadDb) -> dict[str, Any]:
    """Before and after with n and interval, against the stages that were not changed, and a verdict.

    The latest eight weeks, by which suggestions are ranked, stand outside its baseline. Looks before the planned
    end have wider intervals, so that looking often does not mislead. 409 where no change was accepted.
    """
    return impact(session, workspace_id=caller.workspace_id, timezone=caller.timezone, public_id=id)
