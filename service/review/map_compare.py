"""Two maps side by side: a period and the one before, or two personas, in the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import ReadDb, Reader
from service.errors import BadInput, FieldError
from service.review import charts, map_filters, map_view
from service.review.map_page import counted, said_period, seen_of
from service.review.render import page
from service.selection import Selection
from service.store.columns import now
from service.suggest import personas, suggestions

router = APIRouter(include_in_schema=False)

PREVIOUS: Final = "previous"
EVERYBODY: Final = "everybody"
PERSONA: Final = "persona:"
USUAL: Final = timedelta(weeks=4)
"""Compared with as much before, where the address names no period."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of both maps: a letter, what it is in words, its address, what was counted."""

    letter: str
    name: str
    address: str
    map: dict[str, Any]
    curve: charts.EmotionCurve


@router.get("/map/compare")
def compare_page(request: Request, caller: Reader, session: ReadDb) -> HTMLResponse:
    """Both maps in one table; where they differ it is said how sure that is."""
    given = request.query_params.multi_items()
    pairs = map_filters.view_of(given)
    beside = map_filters.chosen(given, "with") or PREVIOUS
    people = personas.listed(session, workspace_id=caller.workspace_id)
    names = {one["id"]: one["name"] for one in people}
    first, second = _both(pairs, beside, now().date())
    left, right = (
        _side(session, request, caller, letter, found, names, of_period=beside == PREVIOUS)
        for letter, found in (("A", first), ("B", second))
    )
    return page(
        "map_compare.html",
        {
            "caller": caller,
            "page": "map",
            "sides": (left, right),
            "stages": list(zip(left.map["stages"], right.map["stages"], strict=True)),
            "beside": beside,
            "persona": map_filters.chosen(pairs, "persona"),
            "personas": people,
            "pairs": map_filters.without(pairs, "persona", "from", "to"),
            "period": {"from": map_filters.chosen(first, "from"), "to": map_filters.chosen(first, "to")},
            "back": map_filters.address(pairs),
            "difference": partial(difference, of_period=beside == PREVIOUS),
            "interval": map_view.interval,
            "scores": map_view.SCORES,
            "score_text": map_view.score_text,
            "score_interval": map_view.score_interval,
            "words_of": map_view.words_of,
            "sentiment_mix": map_view.sentiment_mix,
        },
    )


def difference(one: Mapping[str, Any], other: Mapping[str, Any], *, of_period: bool) -> str:
    """What the net sentiment of two columns says about each other, in words.

    A period against the one before it goes by the map's own trend, which knows how much a column changes by
    itself. Two personas go by their intervals: where these do not touch, the difference is no chance (a stricter
    rule than a test of the difference); where they do, it may be.
    """
    a, b = one["net_sentiment"], other["net_sentiment"]
    if a["value"] is None or b["value"] is None:
        return ""
    gap = a["value"] - b["value"]
    if of_period:
        trend = one["trend"] and one["trend"]["net_sentiment"]
        if not trend:
            return "too little to compare"
        if not trend["significant"]:
            return "within what it changes by itself"
        return f"{'better' if trend['change'] > 0 else 'worse'} than before, beyond chance"
    if a["low"] is None or b["low"] is None:
        return "too few to compare"
    if a["low"] > b["high"] or b["low"] > a["high"]:
        return f"{'A' if gap > 0 else 'B'} is better, beyond chance"
    return "may be chance"


def _both(pairs: map_filters.Pairs, beside: str, today: date) -> tuple[map_filters.Pairs, map_filters.Pairs]:
    """The views of both sides."""
    if beside == EVERYBODY:
        return pairs, map_filters.without(pairs, "persona")
    if beside.startswith(PERSONA):
        return pairs, [*map_filters.without(pairs, "persona"), ("persona", beside.removeprefix(PERSONA))]
    if beside != PREVIOUS:
        detail = "compare with «previous», «everybody» or «persona:<id>»"
        raise BadInput(detail, errors=[FieldError("/with", "unknown", detail)])
    kept = map_filters.without(pairs, "from", "to")
    try:
        end = date.fromisoformat(map_filters.chosen(pairs, "to") or (today + timedelta(days=1)).isoformat())
        first = date.fromisoformat(map_filters.chosen(pairs, "from") or (end - USUAL).isoformat())
        before = first - (end - first)
    except (ValueError, OverflowError) as error:
        detail = "send dates such as 2026-09-01"
        raise BadInput(detail, errors=[FieldError("/from", "not_a_date", detail)]) from error

    def within(start: date, until: date) -> map_filters.Pairs:
        return [*kept, ("from", start.isoformat()), ("to", until.isoformat())]

    return within(first, end), within(before, first)


def _of_all_time(session: Session, *, selection: Selection, **asked: Any) -> dict[str, list[dict[str, Any]]]:
    """The best suggestions of each stage, whatever period is looked at: two periods have the same."""
    ever = selection.model_copy(update={"from_": None, "to": None})
    return suggestions.suggestions_by_stage(session, selection=ever, **asked)


def _side(
    session: Session,
    request: Request,
    caller: Caller,
    letter: str,
    pairs: map_filters.Pairs,
    names: Mapping[str, str],
    *,
    of_period: bool,
) -> Side:
    seen = seen_of(session, request, caller, pairs)
    found = counted(
        session,
        caller,
        seen,
        course=of_period and letter == "A",  # the change from B to A
        verbatims=1,
        suggested=None if of_period and letter == "B" else _of_all_time,
    )
    who = names.get(seen.persona, "") if seen.persona else "Everybody"
    when = said_period(seen.selection, caller.timezone)
    return Side(
        letter,
        when if of_period else who,
        map_filters.address(pairs),
        found,
        charts.emotion_curve(found["stages"]),
    )
