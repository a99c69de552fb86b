"""Suggestions to take away: `GET /v1/suggestions.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.dependencies import ReadDb, Reader
from service.review.export import spreadsheet_cell
from service.selection import SelectionQuery
from service.store.personas import of_persona
from service.suggest.api import Many, Model, Persona
from service.suggest.decisions import statuses_of
from service.suggest.selected import Kind
from service.suggest.suggestions import SuggestionQuery, suggestions

router = APIRouter(tags=["suggestions"])

ALL: Final = 10_000  # rows; a workspace has at most one for each stage and topic

PLAIN: Final = (
    *("id", "status", "stage", "model_stage", "topic", "theme", "touchpoint", "pain", "adaptation", "why"),
    *("priority", "severity", "effort", "confidence", "customers_per_month"),
)
SIZE: Final = ("count", "n", "share", "low", "high", "respondents", "value")
TREND: Final = ("change", "low", "high", "significant", "days")
RATE: Final = ("per", "value", "low", "high")
LAST: Final = (
    *("metric", "test", "owner", "usual_owner", "due", "ticket", "snoozed_until", "created_at", "updated_at"),
    *("verbatim", "verbatim_feedback_id"),
)
COLUMNS: Final = (
    *PLAIN,
    *SIZE,
    *(f"trend_{name}" for name in TREND),
    *(f"rate_{name}" for name in RATE),
    *LAST,
)


def suggestions_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row a suggestion, in their order.

    The newest telling verbatim stands in `verbatim`, empty where the caller may not read them. A cell that a
    spreadsheet would run as a formula starts with «'».
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        said = row["evidence"][0] if row["evidence"] else {}
        rate = row.get("rate") or {}
        flat = {
            **{name: row[name] for name in PLAIN},
            **{name: row["size"][name] for name in SIZE},
            **{f"trend_{name}": row["trend"][name] for name in TREND},
            **{f"rate_{name}": rate.get(name) for name in RATE},
            **{name: row[name] for name in LAST[:-2]},
            "verbatim": said.get("verbatim"),
            "verbatim_feedback_id": said.get("feedback_id"),
        }
        writer.writerow([spreadsheet_cell(flat[name]) for name in COLUMNS])
    return out.getvalue()


@router.get(
    "/v1/suggestions.csv",
    operation_id="read_suggestions_as_csv",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {"example": "id,status,stage\r\npurchase.payment,suggested,purchase"}}}
    },
    summary="The suggestions as a table for spreadsheets",
)
def read_suggestions_as_csv(
    caller: Reader,
    session: ReadDb,
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
) -> Response:
    """All rows of `GET /v1/suggestions` with the same filters, best first, in one file."""
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    found = suggestions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=SuggestionQuery(
            selection=selection,
            model=model or caller.journey_model,
            status=statuses_of(status),
            kind=kind,
            stage=tuple(stage or ()),
            topic=tuple(topic or ()),
            effort=tuple(effort or ()),
            owner=tuple(owner or ()),
        ),
        limit=ALL,
        verbatims=caller.may("verbatims"),
    )
    name = f"suggestions-{found['as_of'][:10]}.csv"
    return Response(
        caller.table_mark + suggestions_csv(found["data"]),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
