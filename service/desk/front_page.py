"""The front page: what changed, what to do about it, what changes did, and what needs somebody."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from service.aggregate.significant import Change, significant
from service.auth import Caller
from service.dependencies import ReadDb, Reader, SettingsOf
from service.desk.model_figures import STRANGERS, most_telling_first
from service.errors import CannotStore
from service.ingest import sample
from service.ingest.trouble import troubles
from service.learn.api import model
from service.review import suggestion_charts
from service.review.decision_forms import LATER, done_text, steps
from service.review.render import page
from service.settings import Settings
from service.store import rollup_frame
from service.suggest import suggestions
from service.suggest.running import most_telling

router = APIRouter(include_in_schema=False)

TOLD: Final = 3
PLACES: Final = {"stage": "Stage", "topic": "Topic", "emotion": "Emotion"}
ABOUT: Final = {
    "stage": "which step of the journey",
    "topic": "what it is about",
    "touchpoint": "where it happened",
    "emotion": "what they feel",
    "sentiment": "praise or complaint",
}


@router.get("/")
def front_page(caller: Reader, session: ReadDb, settings: SettingsOf, done: str | None = None) -> HTMLResponse:
    """One screen to open on a Monday; in an empty workspace, what to do first."""
    frame = rollup_frame.load(session, caller.workspace_id)
    context: dict[str, Any] = {"caller": caller, "page": "front", "notice": done_text(done)}
    trouble = troubles(session, workspace_id=caller.workspace_id)
    if not frame.live.any():
        return page("front_empty.html", {**context, "trouble": trouble})
    found = suggestions.suggestions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=suggestions.SuggestionQuery(status=suggestions.OPEN, model=caller.journey_model),
        limit=TOLD,
        verbatims=caller.may("verbatims"),
    )
    running = most_telling(session, workspace_id=caller.workspace_id, timezone=caller.timezone, limit=TOLD)
    return page(
        "front.html",
        {
            **context,
            "items": int(frame.live.sum()),
            "sample": sample.is_here(session, caller.workspace_id),
            "changes": strongest(session, caller),
            "suggestions": found["data"],
            "running": running,
            "trouble": trouble,
            "quality": quality(caller, settings, session),
            "steps": steps,
            "later": LATER,
        },
    )


def strongest(session: Session, caller: Caller, most: int = TOLD) -> list[dict[str, Any]]:
    """The most certain of the significant changes, one for a name, each with its weeks and a link to why."""
    found = sorted(
        significant(session, workspace_id=caller.workspace_id, timezone=caller.timezone),
        key=lambda one: (-one.strength, one.by, one.label),
    )
    named: dict[str, Change] = {}
    for one in found:
        named.setdefault(one.label, one)
    return [
        {
            "change": one,
            "place": PLACES.get(one.by, one.by),
            "good": _good(one),
            "line": suggestion_charts.spark(
                [
                    week["items"] if one.measure == "items" else week["net_sentiment"]["value"]
                    for week in one.series[-16:]
                ]
            ),
            "weeks": one.series[-16:],
            "why": _why(one),
        }
        for one in list(named.values())[:most]
    ]


def _good(one: Change) -> bool | None:
    """Whether the change is good news; more or less feedback alone is neither."""
    return one.change > 0 if one.measure == "net_sentiment" else None


def _why(one: Change) -> str:
    asked = {one.by: one.label, "from": one.from_day, "to": one.to_day}
    return "/feedback?" + urlencode({name: value for name, value in asked.items() if value})


def quality(caller: Caller, settings: Settings, session: Session) -> dict[str, Any] | None:
    """How often the labels are right, from GET /v1/model; None where no measured model can be loaded."""
    try:
        live = model(caller, settings, session)
    except CannotStore:
        return None
    report = next(iter(most_telling_first(live.evaluation)), None)
    if report is None:
        return None
    told = report["with_question"]["fields"]
    return {
        "n": report["with_question"]["n"],
        "strangers": report["gold"] == STRANGERS,
        "fields": [
            {
                "name": name,
                "about": about,
                "share": told[name]["accuracy"],
                "low": told[name]["accuracy_interval"][0],
                "high": told[name]["accuracy_interval"][1],
            }
            for name, about in ABOUT.items()
            if name in told
        ],
        "learning": live.learning,
        "model": live.model,
    }
