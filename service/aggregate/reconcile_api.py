"""The map's numbers beside the sender's over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from service.aggregate.answers import Answer, Scores
from service.aggregate.examples import ESTIMATE
from service.aggregate.reconcile import reconcile
from service.dependencies import ReadDb, Reader
from service.selection import SelectionQuery
from service.store.personas import of_persona

router = APIRouter(tags=["map"])

_SCORES: dict[str, Any] = {"nps": ESTIMATE, "csat": None, "ces": None, "stars": None}
_ENTRY: dict[str, Any] = {
    "sender": {"responses": 320, "answers": 346, "scores": _SCORES},
    "map": {"responses": 281, "answers": 301, "scores": _SCORES},
    "further_answers": 26,
    "reasons": {
        "none": 2,
        "unsure": 9,
        "unsupported_language": 4,
        "meaningless": 0,
        "no_text": 30,
        "untagged": 0,
    },
    "undated": 0,
}
EXAMPLE: dict[str, Any] = {
    "model": "7-stage",
    "from": "2026-09-01T00:00:00Z",
    "to": "2026-10-01T00:00:00Z",
    "timezone": "UTC",
    "every": "month",
    "totals": _ENTRY,
    "sources": [
        {
            "source": "nps-survey",
            **_ENTRY,
            "outside_period": 1043,
            "left_out_by_filter": 0,
            "not_taken": {"duplicate": 12, "rejected": 1, "empty": 0},
            "periods": [{"period": "2026-09", **_ENTRY}],
        }
    ],
}


class ReconciledSide(Answer):
    """One side: `responses`, each counted once; `answers`, each text or score of them; the scores of these."""

    responses: int
    answers: int
    scores: Scores


class ReconciledNumbers(Answer):
    """The sender's numbers beside the map's: responses + further answers = answers = on the map + all reasons."""

    sender: ReconciledSide
    map: ReconciledSide
    further_answers: int = Field(description="Answers beyond the first of a response.")
    reasons: dict[str, int] = Field(description="Answers in no column of the map, by reason.")
    undated: int = Field(description="Answers counted on the day they came: the sender told no time.")


class ReconciledPeriod(ReconciledNumbers):
    """A month (or year) of a source."""

    period: str


class NotTaken(Answer):
    """Rows of a source's files, of all time, that brought nothing."""

    duplicate: int
    rejected: int
    empty: int


class ReconciledSource(ReconciledNumbers):
    """A source, and what of it is in neither count."""

    source: str
    outside_period: int
    left_out_by_filter: int
    not_taken: NotTaken
    periods: list[ReconciledPeriod]


class ReconcileAnswer(Answer):
    """Each source as its sender counts it and as the map does, the largest first."""

    model_config = ConfigDict(
        extra="forbid",
        alias_generator=lambda name: name.rstrip("_"),
        json_schema_extra={"example": EXAMPLE},
    )

    model: str
    from_: str | None
    to: str | None
    timezone: str
    every: Literal["month", "year"]
    totals: ReconciledNumbers
    sources: list[ReconciledSource]


@router.get(
    "/v1/reconcile",
    response_model=ReconcileAnswer,
    response_model_exclude_unset=True,
    summary="The sender's numbers beside the map's",
)
def read_reconciled(
    caller: Reader,
    session: ReadDb,
    selection: SelectionQuery,
    model: Annotated[
        str | None, Query(description="Journey model; the workspace's without it.", examples=["7-stage"])
    ] = None,
    persona: Annotated[
        str | None, Query(max_length=200, description="Only what a persona says.", examples=["buyer"])
    ] = None,
) -> dict[str, Any]:
    """By source and month: responses, answers and scores of everyone, beside those that stand on the map, and the
    number of each reason for the difference. Scores are those of the map (`/v1/journey-map`, `totals.scores`).
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    return reconcile(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        selection=selection,
        model_id=model or caller.journey_model,
    )
