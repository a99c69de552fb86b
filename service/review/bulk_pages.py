"""One decision on all suggestions that fit a filter: what it would do, doing it, and taking it back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from service.dependencies import DatabaseOf, Db, Decider, ReadDb
from service.errors import BadInput, field_errors
from service.review.decision_forms import LATER, decision_fields
from service.review.forms import SignedInForm
from service.review.render import page
from service.review.suggestion_list import LIST, asked_of, filter_pairs, list_address, view_pairs
from service.suggest.bulk import BulkBody, decide_on_all, undo_all
from service.suggest.suggestions import suggestions

router = APIRouter(include_in_schema=False)

FIELDS = ("decision", "reason", "new_owner", "weeks")  # «owner» is a filter of the address
TITLES = {"accept": "Accept", "reject": "Reject", "snooze": "Put off", "note": "Give an owner to"}
DONE = {"accept": "accepted", "reject": "rejected", "snooze": "put off", "note": "noted"}


@router.get("/decide-all")
def preview(request: Request, caller: Decider, session: ReadDb, database: DatabaseOf) -> HTMLResponse:
    """What a decision on all that fit would do, and the button that does it."""
    given = {name: request.query_params.get(name, "") for name in FIELDS}
    query = asked_of(request, session, caller)
    body = _body(given, timezone=caller.timezone, dry_run=True)
    found = decide_on_all(
        session,
        database=database,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        actor=caller.actor,
        query=query,
        body=body,
    )
    listed = suggestions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=query,
        limit=500,
        verbatims=False,
    )
    rows = {row["id"]: row for row in listed["data"]}
    given_pairs = request.query_params.multi_items()
    pairs = [*filter_pairs(given_pairs), *view_pairs(given_pairs)]
    return page(
        "decide_all.html",
        {
            "caller": caller,
            "page": "suggestions",
            "title": TITLES[body.decision],
            "given": given,
            "weeks": dict(LATER).get(given["weeks"], f"{given['weeks']} weeks"),
            "rows": [rows[one] for one in found["decided"] if one in rows],
            "left": [one | {"row": rows.get(one["id"])} for one in found["left"]],
            "count": len(found["decided"]),
            "query": urlencode(pairs),
            "back": list_address(LIST + urlencode(pairs)),
        },
    )


@router.post("/decide-all")
def decide_all(
    request: Request, form: SignedInForm, caller: Decider, session: Db, database: DatabaseOf
) -> RedirectResponse:
    """Decide on all that fit the filters of the address, as many as were shown; then show the list again."""
    found = decide_on_all(
        session,
        database=database,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        actor=caller.actor,
        query=asked_of(request, session, caller),
        body=_body(form, timezone=caller.timezone, dry_run=False),
    )
    given_pairs = request.query_params.multi_items()
    back = LIST + urlencode([*filter_pairs(given_pairs), *view_pairs(given_pairs)])
    more: dict[str, Any] = {"done": f"all-{found['decision']}", "many": len(found["decided"])}
    if found["batch"]:
        more["batch"] = found["batch"]
    return RedirectResponse(list_address(back, **more), status_code=303)


@router.post("/decide-all/undo")
def undo(form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Take back what was decided at once."""
    found = undo_all(session, workspace_id=caller.workspace_id, actor=caller.actor, batch=form.get("batch", ""))
    more = {"done": "undone", "many": len(found["taken_back"]), "left": len(found["left"])}
    return RedirectResponse(list_address(form.get("back", ""), **more), status_code=303)


def _body(form: dict[str, str], *, timezone: str, dry_run: bool) -> BulkBody:
    fields = form | {"owner": form.get("new_owner", "")}
    given = decision_fields(fields, timezone=timezone) | {"dry_run": dry_run}
    if form.get("expected", "").isdecimal():
        given["expected"] = int(form["expected"][:9])
    try:
        return BulkBody.model_validate(given)
    except ValidationError as error:
        raise BadInput("The decision can't be taken like this.", errors=field_errors(error)) from error
