"""What moves the numbers, and what they do not hear of, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from service.aggregate.api import PersonaQuery
from service.aggregate.blind_spot_answers import BlindSpotsAnswer
from service.aggregate.blind_spots import blind_spots
from service.aggregate.driver_answers import DRIVERS, DriversAnswer, NetChangeAnswer
from service.aggregate.drivers import ScoreKind, drivers
from service.aggregate.net_change import net_change
from service.dependencies import ReadDb, Reader
from service.errors import BadInput, FieldError
from service.selection import SelectionQuery
from service.store.personas import of_persona

router = APIRouter(tags=["map"])


@router.get(
    "/v1/drivers",
    response_model=DriversAnswer | NetChangeAnswer,
    summary="What goes with scores, and what moved net sentiment",
    responses={200: {"content": {"application/json": {"example": DRIVERS}}}},
)
def read_drivers(
    caller: Reader,
    session: ReadDb,
    selection: SelectionQuery,
    of: Annotated[Literal["score", "net_sentiment"], Query(description="What is to be explained.")] = "score",
    by: Annotated[
        Literal["topic", "stage", "theme", "source", "channel"],
        Query(description="Labels that explain: themes for `score` only, sources and channels for the other."),
    ] = "topic",
    score: Annotated[ScoreKind | None, Query(description="Only this kind of score; all kinds without it.")] = None,
    persona: PersonaQuery = None,
) -> dict[str, Any]:
    """Of scores: how much more or less those gave who mention a topic (stage, theme), over co-occurring ones,
    within source and month, with 95 % intervals by respondent. These are associations, not causes; the tone of the
    text, which the model reads, is left out.

    Of net sentiment: its change from the period before (without `from`: the last four full weeks against the four
    before), taken apart into what is talked about (mix) and how (rate). Filters are those of the map.
    """
    workspace_id, timezone = caller.workspace_id, caller.timezone
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    if of == "net_sentiment":
        if score is not None:
            detail = "net sentiment has no kind of score; leave «score» out"
            raise BadInput(f"score: {detail}", errors=[FieldError("/score", "not_here", detail)])
        if by == "theme":
            detail = "net sentiment is taken apart by topic, stage, source or channel"
            raise BadInput(f"by: {detail}", errors=[FieldError("/by", "not_here", detail)])
        return net_change(session, workspace_id=workspace_id, timezone=timezone, selection=selection, by=by)
    if by == "source" or by == "channel":
        detail = "scores are compared within each source and channel; ask by topic, stage or theme"
        raise BadInput(f"by: {detail}", errors=[FieldError("/by", "not_here", detail)])
    return drivers(session, workspace_id=workspace_id, timezone=timezone, selection=selection, by=by, score=score)


@router.get("/v1/blind-spots", response_model=BlindSpotsAnswer, summary="What is not heard, and where to listen")
def read_blind_spots(
    caller: Reader, session: ReadDb, selection: SelectionQuery, persona: PersonaQuery = None
) -> dict[str, Any]:
    """Which source speaks of which stage, stages that nobody speaks of with where to start listening and what to
    ask, and the share of feedback that is not read, by reason. Filters are those of the map.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    return blind_spots(session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=selection)
