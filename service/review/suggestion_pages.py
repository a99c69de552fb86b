"""Suggestions for people: the list with its chart, one suggestion with its evidence, the board of changes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import DatabaseOf, Db, Decider, ReadDb, Reader, SettingsOf
from service.errors import CannotStore, Conflict, NotFound
from service.paging import PageQuery
from service.review import charts, suggestion_charts
from service.review.decision_forms import LATER, decision_of, done_text, steps
from service.review.explanation import explanation
from service.review.feedback_view import documents, item_of
from service.review.forms import SignedInForm
from service.review.item_page import marked
from service.review.last_day import last_of
from service.review.render import page
from service.review.suggestion_list import (
    LIST,
    OF_SUGGESTION,
    VIEWS,
    asked_of,
    choices,
    filter_pairs,
    list_address,
    view_of,
    view_pairs,
)
from service.settings import Settings
from service.store import rollup_frame
from service.suggest import suggestions
from service.suggest.impact import impact
from service.suggest.running import changes_by_status, running_changes
from service.suggest.series import weekly_share

router = APIRouter(include_in_schema=False)

SHOWN: Final = 30  # a page of more would be too heavy for a slow line
CHANGES_SHOWN: Final = 12
# the columns of the board: in the address, as shown, which statuses
BOARD: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("", "All", ()),
    ("agreed", "Agreed", ("accepted", "edited")),
    ("planned", "Planned", ("planned",)),
    ("testing", "In test", ("testing",)),
    ("live", "Live", ("live",)),
    ("kept", "Kept", ("kept",)),
    ("rolled_back", "Rolled back", ("rolled_back",)),
)
TABS: Final = (("suggested", "To decide"), ("agreed", "Agreed"), ("rejected", "Put aside"), ("all", "All"))


@router.get("/suggestions")
def suggestions_page(
    request: Request,
    caller: Reader,
    session: ReadDb,
    status: str = "suggested",
    done: str | None = None,
    many: int | None = None,
    left: int | None = None,
    batch: str | None = None,
    cursor: str | None = None,
) -> HTMLResponse:
    """What customers say, what to change, and the decision; the address is the filter."""
    query, view = asked_of(request, session, caller), view_of(request)
    found = suggestions.suggestions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=query,
        limit=SHOWN,
        after=PageQuery(cursor=cursor).key(),
        verbatims=caller.may("verbatims"),
    )
    rows = found["data"]
    pairs = filter_pairs(request.query_params.multi_items())
    seen = view_pairs(request.query_params.multi_items())
    narrowed = [(name, value) for name, value in pairs if name != "status"]
    return page(
        "suggestions.html",
        {
            "caller": caller,
            "page": "suggestions",
            "rows": rows,
            "total": found["total"],
            "dots": suggestion_charts.value_effort(rows),
            "status": status or "suggested",
            "tabs": TABS,
            "nothing_yet": not rows and not rollup_frame.load(session, caller.workspace_id).live.any(),
            "notice": done_text(done, many, left),
            "batch": batch if done != "undone" else None,
            "steps": steps,
            "later": LATER,
            "back": LIST + urlencode([*pairs, *seen]),
            "view": view,
            "views": [
                (name, name.capitalize(), list_address(LIST + urlencode([*pairs, ("view", name)])))
                for name in VIEWS
            ],
            "asked": request.query_params,
            "narrowed": narrowed,
            "staying": urlencode([*narrowed, *seen]),
            "as_table": urlencode([*(("status", one) for one in query.status), *narrowed]),
            "kept": [
                (name, value)
                for name, value in narrowed
                if name not in (*OF_SUGGESTION, "from", "to", "source")
                or len(request.query_params.getlist(name)) > 1
            ]
            + seen,
            "chips": [
                {
                    "name": "until" if name == "to" else name.removeprefix("attr."),
                    "value": (last_of(value) or value)
                    if name == "to"
                    else charts.words(value)
                    if name in ("stage", "topic")
                    else value,
                    "without": urlencode([*(one for one in pairs if one != (name, value)), *seen]),
                }
                for name, value in narrowed
            ],
            "choices": choices(session, caller.workspace_id),
            "more": f"/suggestions?{urlencode([*pairs, *seen, ('cursor', found['next'])])}"
            if found["next"]
            else None,
        },
    )


@router.get("/changes")
def changes_page(
    caller: Reader,
    session: ReadDb,
    status: str = "",
    done: str | None = None,
    batch: str | None = None,
    cursor: str | None = None,
) -> HTMLResponse:
    """The changes that were agreed on, each with what it did so far; `status`: one column of the board."""
    columns = {name: statuses for name, _, statuses in BOARD}
    if status not in columns:
        raise NotFound("There is no such column of changes.")
    found = running_changes(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        limit=CHANGES_SHOWN,
        after=PageQuery(cursor=cursor).key(),
        status=columns[status],
    )
    counts = changes_by_status(session, caller.workspace_id)
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
            "rows": laid_out(rows),
            "notice": done_text(done),
            "batch": batch,
            "steps": steps,
            "later": LATER,
            "more": f"/changes?{urlencode({'status': status, 'cursor': found['next']})}"
            if found["next"]
            else None,
            "column": status,
            "board": [
                {"value": name, "title": title, "count": sum(counts.get(one, 0) for one in statuses or counts)}
                for name, title, statuses in BOARD
            ],
        },
    )


def laid_out(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Changes as cards, two in a line, each with `wide`: whether it takes a whole line.

    One with metrics from elsewhere does, as it is twice as tall as the others, and so does one left without a
    neighbour. The order stays, but that a wide card waits until the line before it is full.
    """
    found: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    alone = False  # whether the last card of `found` has room beside it
    for row in rows:
        wide = bool(row["impact"] and row["impact"]["outcomes"])
        card = {**row, "wide": wide}
        if wide and alone:
            waiting.append(card)
            continue
        found.append(card)
        if not wide:
            alone = not alone
        if not alone:
            found += waiting
            waiting = []
    if alone:
        found[-1]["wide"] = True
    return found + waiting


@router.get("/suggestions/{suggestion_id}")
def suggestion_page(
    suggestion_id: str,
    caller: Reader,
    session: ReadDb,
    settings: SettingsOf,
    done: str | None = None,
    batch: str | None = None,
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
            "batch": batch,
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
    batch = f"s-{secrets.token_hex(8)}"  # of one: so that it can be taken back
    suggestions.decide_on(
        session,
        database=database,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        actor=caller.actor,
        public_id=suggestion_id,
        body=body,
        verbatims=False,
        batch=batch,
    )
    return RedirectResponse(
        address_of(form.get("back", ""), suggestion_id, done=body.decision, batch=batch), status_code=303
    )


def address_of(back: str, suggestion_id: str, **more: Any) -> str:
    """The page that a form was sent from."""
    pages = {"front": "/", "changes": "/changes", "one": f"/suggestions/{suggestion_id}"}
    return f"{pages[back]}?{urlencode(more)}" if back in pages else list_address(back, **more)
