"""Writing on the map from its page: a row at a time, each time a new version with who and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import Db, Decider
from service.errors import BadInput, Conflict, JourneymapError, NotFound, field_errors
from service.paging import row_id
from service.review import map_filters, map_rows
from service.review.forms import SignedInForm
from service.review.map_page import Editing, shown, written_on_nothing
from service.review.map_rows import OWN, WHOLE, Row
from service.store.journey_models import journey_model
from service.store.rollup_codes import codebook
from service.suggest import map_document, map_versions
from service.suggest.map_document import DocumentBody

router = APIRouter(include_in_schema=False)

MOST_COLUMNS: Final = 20


@router.post("/map")
def write(form: SignedInForm, request: Request, caller: Decider, session: Db) -> Response:
    """What a lead writes: a row, the goal of the whole map, a row of one's own, another order of rows."""
    pairs = map_filters.view_of_text(form.get("view", ""))
    pairs = map_filters.without(pairs, "model")
    persona = map_filters.chosen(pairs, "persona")
    model = form.get("model", "")
    pairs.append(("model", model))
    try:
        with session.begin_nested():
            done, more = _written(session, caller, form, persona, model)
    except (BadInput, Conflict) as error:
        return _again(session, request, caller, form, pairs, error)
    anchor = more.pop("at", None)  # never beside a field that takes the focus: browsers then leave it where it is
    target = map_filters.address(pairs, "/map", done=done, **more)
    return RedirectResponse(target + (f"#{anchor}" if anchor else ""), status_code=303)


def _written(
    session: Session, caller: Caller, form: Mapping[str, str], persona: str | None, model: str
) -> tuple[str, dict[str, str]]:
    """What was done, and what the page is to show then."""
    current = map_document.current(session, workspace_id=caller.workspace_id, persona=persona)
    document = current["document"]
    if document["model"] != model:
        if not written_on_nothing(document):
            raise Conflict(f"This map is written on the journey model «{document['model']}»; write on that one.")
        document = document | {
            "model": model,
            "stages": [],
            "rows": [one | {"cells": {}} for one in document["rows"]],
        }
    columns = [
        column.name
        for column in journey_model(
            session, workspace_id=caller.workspace_id, model_id=model, codebook=codebook()
        ).stages
    ]
    # columns that the model has lost: their words stay in the versions before
    document["stages"] = [stage for stage in document["stages"] if stage["stage"] in columns]
    document["rows"] = [
        row | {"cells": {name: text for name, text in row["cells"].items() if name in columns}}
        for row in document["rows"]
    ]
    what = form.get("do", "")
    key = form.get("row", "")
    reason = form.get("reason", "").strip() or None
    if what == "write" and key == WHOLE:
        _untouched(session, caller, form, document, persona, key, columns)
        changed, then = document | {"goal": form.get("cell0", "").strip() or None}, {"at": "whole"}
    elif what == "write":
        row = _row(document, key)
        _untouched(session, caller, form, document, persona, key, columns)
        texts = [form.get(f"cell{number}", "") for number in range(len(columns))]
        changed, then = map_rows.with_row(document, row, columns, texts), {"at": f"row-{key}"}
        reason = reason or f"Row «{row.name}» written"
    elif what == "add":
        name = " ".join(form.get("name", "").split())
        key = f"{OWN}{name}"
        changed = document | {"rows": [*document["rows"], {"name": name, "cells": {}}]}
        reason, then = reason or f"Row «{name}» added", {"edit": key}
    elif what == "remove" and key.startswith(OWN):
        row = _row(document, key)
        kept = [one for one in document["rows"] if one["name"] != row.name]
        order = [one for one in document["order"] if one != key]
        changed, reason, then = (
            document | {"rows": kept, "order": order},
            reason or f"Row «{row.name}» removed",
            {},
        )
    else:
        changed, reason, then = _ordered(document, form)
    # compared as they will be kept: an entry without any words is the same as none
    if map_versions.same(document, changed) and document["model"] == current["document"]["model"]:
        return "nothing", then
    _put(session, caller, persona, changed, reason)
    done = {"write": "written", "add": "added", "remove": "removed"}.get(what, "moved")
    return done, then


def _ordered(document: dict[str, Any], form: Mapping[str, str]) -> tuple[dict[str, Any], str, dict[str, str]]:
    """Another order of rows: a row moved by its buttons (`up`, `down`), or all of them as dragged (`order`)."""
    every = {row.key: row for row in map_rows.rows_of(document)}
    over = [key for key in form.get("shown", "").splitlines() if key in every]
    for name, by in (("up", -1), ("down", 1)):
        if name in form:
            row = _row(document, form[name])
            order = map_rows.moved(list(every), row.key, by, over=over)
            then = {"arrange": row.key}
            return document | {"order": order}, f"Row «{row.name}» moved {name}", then
    dragged = [key for key in form.get("order", "").splitlines() if key in every]
    if not dragged:
        raise BadInput("Nothing was moved.")
    # what is not shown keeps its place behind the row that it followed
    order = list(dragged)
    for before, key in zip([None, *every], every, strict=False):
        if key not in order:
            order.insert(order.index(before) + 1 if before in order else 0, key)
    key = form.get("row", "")
    said = f"Row «{every[key].name}» moved" if key in every else "Rows in another order"
    return document | {"order": order}, said, {"arrange": key or "1"}


def _row(document: dict[str, Any], key: str) -> Row:
    for row in map_rows.rows_of(document):
        if row.key == key:
            return row
    raise NotFound("There is no such row on the map.")


def _untouched(
    session: Session,
    caller: Caller,
    form: Mapping[str, str],
    document: dict[str, Any],
    persona: str | None,
    key: str,
    columns: list[str],
) -> None:
    """Conflict where somebody wrote in this row after the page was opened; other rows do not matter."""
    based_on = form.get("based_on", "")
    now = document["goal"] if key == WHOLE else map_rows.cells_of(document, key, columns)
    if based_on:
        version_id = row_id(based_on, "This version")
        before = map_versions.one(session, workspace_id=caller.workspace_id, version_id=version_id)
        if (before["persona"] or None) != (persona or None):
            raise NotFound("This version does not exist.")
        old = before["document"]
    else:
        old = map_document.Document().model_dump()
    own = {row["name"] for row in old["rows"]}
    known = not key.startswith(OWN) or key.removeprefix(OWN) in own
    was = old["goal"] if key == WHOLE else map_rows.cells_of(old, key, columns) if known else None
    if (was is not None and was != now) or (was is None and now and key == WHOLE):
        raise Conflict("Somebody wrote in this row meanwhile. The fields hold what you typed.")


def _put(
    session: Session, caller: Caller, persona: str | None, document: dict[str, Any], reason: str | None
) -> None:
    try:
        body = DocumentBody.model_validate({"document": document, "reason": reason})
    except ValidationError as error:
        found = field_errors(error)
        raise BadInput("; ".join(one.detail for one in found[:3]), errors=found) from error
    map_document.put(session, workspace_id=caller.workspace_id, actor=caller.actor, persona=persona, body=body)


def _again(
    session: Session,
    request: Request,
    caller: Caller,
    form: Mapping[str, str],
    pairs: map_filters.Pairs,
    error: JourneymapError,
) -> Response:
    """The page with what was typed still in its fields, and why it could not be kept."""
    writes = form.get("do") == "write"
    editing = Editing(
        row=form.get("row") if writes else None,
        arrange=None if writes else "1",
        typed=[form.get(f"cell{number}", "") for number in range(MOST_COLUMNS)] if writes else None,
        reason=form.get("reason", ""),
        wrong=error.detail,
        status=error.status,
    )
    return shown(session, request, caller, pairs, editing)
