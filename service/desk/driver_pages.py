"""What moves scores and net sentiment, numbers from elsewhere beside it, and what is not heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from service.aggregate.blind_spots import blind_spots
from service.aggregate.drivers import MIN_RESPONSES, ScoreKind, drivers
from service.aggregate.drivers import By as DriverBy
from service.aggregate.journey import journey_map
from service.aggregate.net_change import By as NetBy
from service.aggregate.net_change import net_change
from service.aggregate.query import MapQuery
from service.auth import Caller
from service.dependencies import ReadDb, Reader
from service.desk import driver_charts
from service.desk.asked import asked_of, clean_address
from service.errors import BadInput, FieldError
from service.review.map_view import REASONS
from service.review.render import page
from service.selection import Selection
from service.store.score_effects import in_unit
from service.suggest import suggestions

router = APIRouter(include_in_schema=False)

SHOWN: Final = 15  # drivers drawn; the table has all
RATED: Final = 100  # suggestions among which the most frequent are looked for
PARTS: Final = 10  # parts of a change drawn
SCORES: Final = {"nps": "NPS", "csat": "CSAT (mean)", "ces": "Effort (CES)", "stars": "Stars"}
EVERY: Final = "all"  # kinds of scores together, in standard deviations


@router.get("/themes/drivers")
def drivers_page(request: Request, caller: Reader, session: ReadDb) -> Response:
    """Which topics and themes go with scores, why net sentiment changed, and numbers from elsewhere."""
    if (address := clean_address(request, "/themes/drivers")) is not None:
        return RedirectResponse(address, status_code=303)
    asked = asked_of(request, session, caller)
    selection = asked.selection
    by: DriverBy = _one_of(request, "by", get_args(DriverBy), "topic")
    parts: NetBy = _one_of(request, "parts", get_args(NetBy), "topic")
    whole = journey_map(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=MapQuery.model_validate({**selection.model_dump()}),
        verbatims=0,
        course=False,
    )
    given = _given(whole["totals"]["scores"])
    kind = _one_of(request, "score", (EVERY, *SCORES), next(iter(given), EVERY))
    score: ScoreKind | None = None if kind == EVERY else kind
    moved = drivers(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        selection=selection,
        by=by,
        score=score,
    )
    changed = net_change(
        session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=selection, by=parts
    )
    told = changed["data"][:PARTS]
    both = driver_charts.whiskers([one[part] for one in told for part in ("mix", "rate")])
    lanes = driver_charts.lanes(whole["stages"])
    return page(
        "drivers.html",
        {
            "caller": caller,
            "page": "themes",
            **asked.form(session, caller, request),
            "scores": SCORES,
            "given": given,
            "every": EVERY,
            "kind": kind,
            "by": by,
            "parts_by": parts,
            "by_choices": get_args(DriverBy),
            "parts_choices": get_args(NetBy),
            "moved": moved,
            "unit": "points" if score is not None else "effect",
            "effects": driver_charts.whiskers(
                [one["points" if score is not None else "effect"] for one in moved["data"][:SHOWN]]
            ),
            "shown": SHOWN,
            "needed": MIN_RESPONSES,
            "changed": changed,
            "told": list(zip(told, both[::2], both[1::2], strict=True)),
            "lanes": lanes,
            "rates": _rates(session, caller, selection) if lanes else [],
            "items": whole["totals"]["items"],
            "link": lambda **more: _address(request, more),
            "says_by": _said,
            "plus": driver_charts.plus,
            "in_unit": in_unit,
        },
    )


def _rates(session: Session, caller: Caller, selection: Selection) -> list[dict[str, Any]]:
    """Pain per 1,000 orders by stage and topic, as GET /v1/suggestions tells it."""
    found = suggestions.suggestions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=suggestions.SuggestionQuery(selection=selection),
        limit=RATED,
        verbatims=False,
    )
    return driver_charts.rates(found["data"])


def _given(scores: Mapping[str, Any]) -> dict[str, int]:
    """How many responses gave a score of each kind, most first; kinds that nobody gave are left out."""
    counts = {kind: both["everyone"]["n"] for kind, both in scores.items() if both and both["everyone"]}
    return {kind: n for kind, n in sorted(counts.items(), key=lambda one: -one[1]) if kind in SCORES}


def _said(one: Mapping[str, Any], unit: str, kind: str) -> str:
    """An effect in words, in the unit of the score or in standard deviations."""
    value = one[unit]["value"]
    way = "lower" if value < 0 else "higher"
    if unit == "effect":
        return f"{abs(value):.2f} standard deviations {way}"
    name = SCORES[kind].split(" ")[0]
    return f"{name} {abs(value):.0f} points {way}" if kind == "nps" else f"{name} {abs(value):.2f} {way}"


def _one_of(request: Request, name: str, allowed: tuple[str, ...], otherwise: str) -> Any:
    value = request.query_params.get(name, otherwise)
    if value not in allowed:
        detail = f"«{name}» is one of {', '.join(allowed)}"
        raise BadInput(f"{detail}.", errors=[FieldError(f"/{name}", "unknown", detail)])
    return value


def _address(request: Request, more: Mapping[str, str]) -> str:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in more]
    return f"/themes/drivers?{urlencode([*pairs, *more.items()])}"


@router.get("/themes/blind-spots")
def blind_spots_page(request: Request, caller: Reader, session: ReadDb) -> Response:
    """Which source speaks of which stage, where to start listening, and what is not read."""
    if (address := clean_address(request, "/themes/blind-spots")) is not None:
        return RedirectResponse(address, status_code=303)
    asked = asked_of(request, session, caller)
    selection = asked.selection
    found = blind_spots(session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=selection)
    most = max((items for one in found["sources"] for items in one["stages"].values()), default=0)
    return page(
        "blind_spots.html",
        {
            "caller": caller,
            "page": "themes",
            **asked.form(session, caller, request),
            "found": found,
            "reasons": REASONS,
            "shade": lambda items: driver_charts.shade(items, most),
            "of_cell": lambda source, stage: _cell(asked.of_feedback, source, stage),
        },
    )


def _cell(pairs: list[tuple[str, str]], source: Mapping[str, Any], stage: str) -> str | None:
    """The feedback that a cell of the matrix counts; None for the row that takes the small sources together."""
    if source["source"] is None or source["channel"] is None:
        return None
    kept = [pair for pair in pairs if pair[0] not in ("source", "channel")]
    chosen = [("source", source["source"]), ("channel", source["channel"]), ("stage", stage), ("unsure", "false")]
    return "/feedback?" + urlencode([*kept, *chosen])
