"""Pages about people over time: one respondent's timeline, and where people go next."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from service.aggregate.transitions import By, transitions
from service.dependencies import ReadDb, Reader, VaultOf
from service.review.feedback_page import score_said
from service.review.render import page
from service.review.timeline import timeline
from service.selection import SelectionQuery

router = APIRouter(include_in_schema=False)

LEVELS = ((0.5, 4), (0.25, 3), (0.1, 2), (0.0, 1))  # shares from which a cell is coloured so strongly


@router.get("/respondents/{key:path}")
def respondent_page(key: str, caller: Reader, session: ReadDb, vault: VaultOf) -> HTMLResponse:
    """What one respondent said, in order."""
    found = timeline(session, vault, caller, key).model_dump()
    rows = [one | {"score": score_said(one["item"]["score"])} for one in found["data"]]
    return page("timeline.html", {"caller": caller, "page": "feedback", "found": found, "rows": rows})


@router.get("/transitions")
def transitions_page(
    caller: Reader, session: ReadDb, selection: SelectionQuery, by: Annotated[By, Query()] = "stage"
) -> HTMLResponse:
    """A matrix: from each stage or channel, where people go next."""
    found = transitions(
        session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=selection, by=by
    )
    columns = [row["label"] for row in found["data"]]
    return page(
        "transitions.html",
        {
            "caller": caller,
            "page": "map",
            "found": found,
            "columns": columns,
            "rows": [_row(row, columns) for row in found["data"]],
            "most": _most(found["data"]),
        },
    )


def _row(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    following = {one["label"]: one for one in row["next"]}
    return row | {
        "cells": [_cell(following.get(label), label == row["label"], few=row["few"]) for label in columns]
    }


def _cell(step: dict[str, Any] | None, itself: bool, *, few: bool) -> dict[str, Any]:
    """A share of few people is not made to stand out."""
    level = 0 if step is None else 1 if few else next(level for least, level in LEVELS if step["share"] >= least)
    return {"step": step, "level": level, "itself": itself}


def _most(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The most frequent steps to another label, for a list that reads without the matrix."""
    found = [one | {"start": row["label"], "n": row["n"]} for row in rows for one in row["next"]]
    moves = [one for one in found if one["label"] != one["start"]]
    return sorted(moves, key=lambda one: -one["count"])[:5]
