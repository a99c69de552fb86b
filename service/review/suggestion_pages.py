"""Suggestions for people: the list with its chart, one suggestion with its evidence, the board of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import DatabaseOf, Db, Decider, ReadDb, Reader, SettingsOf
from service.errors import CannotStore, Conflict, NotFound
from service.paging import PageQuery
from service.review import suggestion_charts
from service.review.decision_forms import LATER, decision_of, done_text, steps
from service.review.explanation import explanation
from service.review.feedback_view import documents, item_of
from service.review.forms import SignedInForm
from service.review.item_page import marked
from service.review.render import page
from service.settings import Settings
from service.store import rollup_frame
from service.suggest import suggestions
from service.suggest.decisions import STATUSES
from service.suggest.impact import impact
from service.suggest.impact_plan import AGREED
from service.suggest.running import running_changes
from service.suggest.series import weekly_share

router = APIRouter(include_in_schema=False)

SHOWN: Final = 100
CHANGES_SHOWN: Final = 12
TABS: Final = (("suggested", "To decide"), ("agreed", "Agreed"), ("rejected", "Put aside"), ("all", "All"))
LISTS: Final[dict[str, tuple[str, ...]]] = {
    "suggested": suggestions.OPEN,
    "agreed": tuple(AGREED),
    "rejected": tuple(one for one in STATUSES if one not in AGREED and one not in suggestions.OPEN),
    "all": (),
}


@router.get("/suggestions")
def suggestions_page(
    caller: Reader, session: ReadDb, status: str = "suggested", done: str | None = None, cursor: str | None = None
) -> HTMLResponse:
    """What customers say, what to change, and the decision."""
    if status not in LISTS:
        raise NotFound("There is no such list of suggestions.")
    found = suggestions.suggestions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=suggestions.SuggestionQuery(status=LISTS[status], model=caller.journey_model),
        limit=SHOWN,
        after=PageQuery(cursor=cursor).key(),
        verbatims=caller.may("verbatims"),
    )
    rows = found["data"]
    return page(
        "suggestions.html",
        {
            "caller": caller,
            "page": "suggestions",
            "rows": rows,
            "dots": suggestion_charts.value_effort(rows),
            "status": status,
            "tabs": TABS,
            "notice": done_text(done),
            "nothing_yet": not rows and not rollup_frame.load(session, caller.workspace_id).live.any(),
            "steps": steps,
            "later": LATER,
            "more": f"/suggestions?{urlencode({'status': status, 'cursor': found['next']})}"
            if found["next"]
            else None,
        },
    )


@router.get("/changes")
def changes_page(
    caller: Reader, session: ReadDb, done: str | None = None, cursor: str | None = None
) -> HTMLResponse:
    """The changes that were agreed on, each with what it did so far."""
    found = running_changes(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        limit=CHANGES_SHOWN,
        after=PageQuery(cursor=cursor).key(),
    )
    rows = [
        one
        | {
            "weeks": suggestion_charts.weeks(one["impact"]["series"]) if one["impact"] else None,
            "bars": suggestion_charts.before_after(one["impact"]),
        }
        for one in found["data"]
    ]
    return page(
        "changes.html",
        {
            "caller": caller,
            "page": "suggestions",
            "rows": rows,
            "notice": done_text(done),
            "steps": steps,
            "later": LATER,
            "more": f"/changes?{urlencode({'cursor': found['next']})}" if found["next"] else None,
        },
    )


@router.get("/suggestions/{suggestion_id}")
def suggestion_page(
    suggestion_id: str,
    caller: Reader,
    session: ReadDb,
    settings: SettingsOf,
    done: str | None = None,
    words: bool = False,
) -> HTMLResponse:
    """One suggestion: evidence, trend, the arithmetic of its rank, every decision, and what a change did.

    With `words` the words that weighed for the topic are marked, which the model works out for each verbatim.
    """
    found = suggestions.suggestion(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        public_id=suggestion_id,
        verbatims=caller.may("verbatims"),
    )
    try:
        measured = impact(
            session, workspace_id=caller.workspace_id, timezone=caller.timezone, public_id=suggestion_id
        )
    except Conflict:
        measured = None
    series = weekly_share(session, workspace_id=caller.workspace_id, public_id=suggestion_id)
    return page(
        "suggestion.html",
        {
            "caller": caller,
            "page": "suggestions",
            "row": found,
            "evidence": _evidence(session, caller, settings, found["evidence"], weigh=words),
            "weighed": words,
            "weeks": suggestion_charts.weeks(series),
            "impact": measured,
            "impact_weeks": suggestion_charts.weeks(measured["series"]) if measured else None,
            "bars": suggestion_charts.before_after(measured),
            "notice": done_text(done),
            "steps": steps,
            "later": LATER,
        },
    )


def _evidence(
    session: Session, caller: Caller, settings: Settings, evidence: Sequence[Mapping[str, Any]], *, weigh: bool
) -> list[dict[str, Any]]:
    """Each verbatim in pieces, with those words marked that weighed for its topic where `weigh` asks for it."""
    found = []
    for one in evidence:
        parts = _weighed(session, caller, settings, one) if weigh else None
        found.append({**one, "parts": parts or marked(one["verbatim"], [])})
    return found


def _weighed(
    session: Session, caller: Caller, settings: Settings, one: Mapping[str, Any]
) -> list[dict[str, str | None]] | None:
    """None where the words can't be weighed: the shown text is another than the one that was read, or no model."""
    item_id = int(one["feedback_id"])
    (item,) = documents(session, [item_of(session, caller, item_id)], verbatims=True)
    text = (item["text"] or "")[one["start"] : one["end"]]
    number = next(
        (
            index
            for index, part in enumerate(item["segments"])
            if (part["start"], part["end"]) == (one["start"], one["end"])
        ),
        None,
    )
    if number is None or text.strip() != one["verbatim"].strip():
        return None
    try:
        why = explanation(session, caller, settings, item_id, field="topic", segment=number)
    except CannotStore:
        return None
    if why["of"] != "text":
        return None
    moved = [
        {**word, "start": word["start"] - one["start"], "end": word["end"] - one["start"]} for word in why["words"]
    ]
    return marked(text, moved)


@router.post("/suggestions/{suggestion_id}/decision")
def decide(
    suggestion_id: str, form: SignedInForm, caller: Decider, session: Db, database: DatabaseOf
) -> RedirectResponse:
    """Take a decision from a page's form, then show that page again."""
    body = decision_of(form, timezone=caller.timezone)
    suggestions.decide_on(
        session,
        database=database,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        actor=caller.actor,
        public_id=suggestion_id,
        body=body,
        verbatims=False,
    )
    back = form.get("back", "")
    address = {"front": "/?", "changes": "/changes?", "one": f"/suggestions/{suggestion_id}?"}.get(
        back, f"/suggestions?status={back if back in LISTS else 'suggested'}&"
    )
    return RedirectResponse(f"{address}done={body.decision}", status_code=303)
