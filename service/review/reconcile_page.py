"""The map's numbers beside those of the tools that sent the feedback, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.aggregate.reconcile import reconcile
from service.dependencies import ReadDb, Reader
from service.review import map_filters, map_view
from service.review.map_page import said_period, seen_of
from service.review.render import page
from service.store.columns import now

router = APIRouter(include_in_schema=False)

# why an answer stands in no column, and what to do about it where there is something
REASONS: Final = {
    "no_text": ("a score without words", "Counted in scores, placed nowhere."),
    "unsure": ("the model is not sure enough", "Review places them."),
    "unsupported_language": ("not in English", "Send a translation beside the text."),
    "meaningless": ("no meaning in the words", ""),
    "none": ("tells of no stage of this journey", ""),
    "untagged": ("waiting to be read", "They follow by themselves."),
}


@router.get("/reconcile")
def reconcile_page(request: Request, caller: Reader, session: ReadDb) -> HTMLResponse:
    """Per source and month: what the sender counts, what the map counts, and every reason between them."""
    pairs = map_filters.view_of(request.query_params.multi_items())
    seen = seen_of(session, request, caller, pairs)
    found = reconcile(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        selection=seen.selection,
        model_id=seen.model.id,
    )
    today = now().date()
    return page(
        "reconcile.html",
        {
            "caller": caller,
            "page": "map",
            "found": found,
            "query": seen.query,
            "filtered": bool(seen.query.filters()),
            "pairs": map_filters.without(pairs, "from", "to", *map_filters.SHOWN),
            "periods": map_filters.periods(pairs, today, path="/reconcile"),
            "period": said_period(seen.selection, caller.timezone),
            "back": map_filters.address(pairs),
            "reasons": REASONS,
            "scores": map_view.SCORES,
            "score_text": map_view.score_text,
            "score_interval": map_view.score_interval,
            "steps": steps,
        },
    )


def steps(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sum between both sides as lines: what, how many, what helps; the last line is what the map counts."""
    told = [{"what": "responses, as the sender counts them", "n": numbers["sender"]["responses"], "sign": ""}]
    if numbers["further_answers"]:
        told.append(
            {"what": "further answers of the same responses", "n": numbers["further_answers"], "sign": "+"}
        )
    for name, (what, helps) in REASONS.items():
        if numbers["reasons"][name]:
            told.append({"what": what, "n": numbers["reasons"][name], "sign": "−", "helps": helps, "why": name})
    told.append({"what": "on the map", "n": numbers["map"]["answers"], "sign": "="})
    return told
