"""The pages: sign in, journey map, suggestions. They show what the API answers, from the same functions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from nlp.codebook import JourneyModel
from service import auth
from service.aggregate.journey import journey_map
from service.aggregate.journey_models import list_models
from service.aggregate.query import MapQuery
from service.dependencies import (
    COOKIE,
    Db,
    ReadDb,
    Reader,
    SettingsOf,
)
from service.errors import JourneymapError, NotFound, Unauthorized
from service.review import charts, sources, suggestion_pages
from service.review.feedback_query import Place, codebook
from service.review.forms import Form, SignedInForm
from service.review.render import STATIC, page, wants_page
from service.selection import selection_query
from service.store.columns import now
from service.store.journey_models import journey_model
from service.suggest import suggestions

router = APIRouter(include_in_schema=False)
router.include_router(sources.router)
router.include_router(suggestion_pages.router)

CHANNELS = ("survey", "review", "ticket", "chat", "call", "social", "other")
REASONS = {
    "none": "tells no stage",
    "unsure": "not sure enough",
    "unsupported_language": "language not read yet",
    "meaningless": "without meaning",
    "no_text": "score only",
    "untagged": "waiting to be read",
}


def install(app: FastAPI) -> None:
    """Let errors be pages where a person's browser asked."""

    def error_page(request: Request, error: JourneymapError) -> Response | None:
        if not wants_page(request):
            return None
        if isinstance(error, Unauthorized) and request.url.path != "/sign-in":
            return RedirectResponse("/sign-in", status_code=303)
        if isinstance(error, Unauthorized):
            context = {"token": None, "heading": "This link does not hold", "message": error.detail}
            return page("sign_in.html", context, status=error.status)
        return page("error.html", {"title": error.title, "detail": error.detail}, status=error.status)

    app.state.error_page = error_page


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """Our own styles, scripts and pictures."""
    path = STATIC / name
    if path.parent != STATIC or not path.is_file():
        raise NotFound("There is no such file.")
    return FileResponse(
        path, headers={"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    )


@router.get("/sign-in")
def sign_in_page(token: str | None = None) -> HTMLResponse:
    """A button (and a script that presses it): fetching the address alone does not use the link up."""
    return page("sign_in.html", {"token": token, "heading": None, "message": None})


@router.post("/sign-in")
def sign_in(form: Form, session: Db, settings: SettingsOf) -> RedirectResponse:
    """Use up the link, give the browser its session."""
    cookie = auth.sign_in(session, form.get("token", ""), hours=settings.session_hours)
    answer = RedirectResponse("/map", status_code=303)
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=settings.session_hours * 3600,
        httponly=True,
        samesite="lax",
        secure=settings.public_url.startswith("https://"),
    )
    return answer


@router.post("/sign-out")
def sign_out(form: SignedInForm, request: Request, session: Db) -> RedirectResponse:
    """End the browser's session."""
    auth.sign_out(session, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


def _map_query(request: Request, caller: auth.Caller) -> MapQuery:
    """The map's query from an address; an empty form field means "not filtered"."""
    asked = request.query_params

    def chosen(name: str) -> list[str]:
        return [value for value in asked.getlist(name) if value]

    selection = selection_query(
        request, asked.get("from"), asked.get("to"), chosen("channel"), chosen("source"), chosen("language")
    )
    return MapQuery.model_validate({**selection.model_dump(), "model": asked.get("model") or caller.journey_model})


def _interval(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "nothing to count"
    if estimate["low"] is None:
        return f"n {estimate['n']}: too few for an interval"
    low, high = charts.signed(estimate["low"]), charts.signed(estimate["high"])
    return f"{low} to {high}, n {estimate['n']:,}"


def _score_text(kind: str, score: Mapping[str, Any]) -> str:
    if kind == "nps":
        return charts.signed(score["value"])
    return f"{score['value']:.0f}\u00a0%" if kind == "csat" else f"{score['value']:.1f}"


def _score_interval(kind: str, score: Mapping[str, Any]) -> str:
    if score["low"] is None:
        return f"n {score['n']}: too few for an interval"
    bounds = [_score_text(kind, {"value": score[side]}) for side in ("low", "high")]
    return f"{bounds[0]} to {bounds[1]}, n {score['n']:,}"


def _sentiment_mix(stage: Mapping[str, Any]) -> list[dict[str, Any]]:
    counts = {label: stage["sentiments"].get(label, 0) for label in ("positive", "mixed", "neutral", "negative")}
    total = sum(counts.values()) or 1
    parts, start = [], 0.0
    for label, n in counts.items():
        width = 100 * n / total
        if n:
            parts.append({"label": label, "share": n / total, "start": round(start, 2), "width": round(width, 2)})
        start += width
    return parts


def places_of(model: JourneyModel, column: int) -> list[Place]:
    """Which stages, or touchpoints of them, stand in a column of a journey model."""
    found = []
    touchpoints = codebook().labels("touchpoint")
    for stage in codebook().labels("stage"):
        inside = tuple(one for one in touchpoints if model.column(stage, one) == column)
        if model.column(stage, None) == column:
            outside = tuple(one for one in touchpoints if one not in inside)
            found.append(Place(stage, outside, but=bool(outside)))
        elif inside:
            found.append(Place(stage, inside))
    return found


def _feedback_of(request: Request, model: JourneyModel, column: int, **more: str) -> str:
    """The list of what a cell of the map counts: the map's period and filters, the places of the column."""
    pairs = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if value and (name in ("from", "to", "channel", "source", "language") or name.startswith("attr."))
    ]
    found = places_of(model, column)
    plain = not any(place.touchpoints for place in found)
    pairs += [("stage" if plain else "place", str(place)) for place in found]
    return "/feedback?" + urlencode([*pairs, ("unsure", "false"), *more.items()])


@router.get("/map")
def map_page(request: Request, caller: Reader, session: ReadDb) -> HTMLResponse:
    """The journey map with stages as columns."""
    query = _map_query(request, caller)
    model = journey_model(session, workspace_id=caller.workspace_id, model_id=query.model, codebook=codebook())
    found = journey_map(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=query,
        verbatims=caller.may("verbatims"),
        suggestions_by_stage=suggestions.suggestions_by_stage,
    )
    most = max([stage["items"] for stage in found["stages"]] + [1])
    period = "All time"
    if query.from_ or query.to:
        period = f"From {query.from_ or 'the beginning'} until before {query.to or 'now'}"
    return page(
        "map.html",
        {
            "caller": caller,
            "page": "map",
            "map": found,
            "query": query,
            "filtered": bool(query.filters() or query.from_ or query.to),
            "models": list_models(session, caller.workspace_id),
            "channels": CHANNELS,
            "period": period,
            "as_of": now().strftime("%H:%M UTC"),
            "away": urlencode([pair for pair in request.query_params.multi_items() if pair[1]]),
            "curve": charts.emotion_curve(found["stages"]),
            "reasons": REASONS,
            "bar": lambda items: round(100 * items / most, 1),
            "feedback_of": partial(_feedback_of, request, model),
            "interval": _interval,
            "score_text": _score_text,
            "score_interval": _score_interval,
            "sentiment_mix": _sentiment_mix,
        },
    )
