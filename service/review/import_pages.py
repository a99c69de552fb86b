"""Files: send one, see how it is read before anything is stored, mend what was guessed wrong, watch it come in."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from sqlmodel import Session, col, select

from service.auth import Caller
from service.dependencies import DatabaseOf, Db, Importer, ReadDb, Reader, SettingsOf
from service.errors import BadInput, Conflict, FieldError, Gone, JourneymapError, field_errors
from service.ingest.import_answers import DryRun, Reading, answer_of
from service.ingest.import_files import checked_options, layout_of, plan_of, preview, remembering
from service.ingest.import_requests import (
    OPEN_STATES,
    cancel_import,
    change_reading,
    create_import,
    get_import,
    read_otherwise,
    upload_of,
)
from service.ingest.presets import PRESETS
from service.ingest.rejects import reject_header
from service.ingest.uploads import FileOfPage
from service.paging import row_id
from service.review.forms import SignedInForm
from service.review.import_form import CHANNELS, FIELD_GROUPS, ITEM_WORDS, field_now, reading_from
from service.review.render import page
from service.settings import Settings
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import FileImport, ImportReject

router = APIRouter(include_in_schema=False)

LOOKED_AT_ROWS = 2000  # on every showing of the page; the import itself reads all
SHOWN_ITEMS = 5
SHOWN_REJECTS = 20
SHOWN_CELLS = 12
REASONS = 3  # columns in front of a refused row in rejected.csv: row, code, detail
STATES = {
    "needs_input": "waits for you",
    "queued": "waits for its turn",
    "running": "coming in",
    "succeeded": "done",
    "partially_succeeded": "done, some rows refused",
    "failed": "failed",
    "canceled": "stopped",
}
PRESET_WORDS = {"generic": "none in particular"}
ZONES = sorted(one for one in available_timezones() if "/" in one and not one.startswith("Etc/"))


@router.get("/sources/import")
def upload_page(caller: Importer, settings: SettingsOf) -> HTMLResponse:
    """Choose a file, or drop it."""
    return _upload(caller, settings)


def _upload(caller: Caller, settings: Settings, error: JourneymapError | None = None) -> HTMLResponse:
    return page(
        "import_new.html",
        {
            "caller": caller,
            "page": "sources",
            "error": error,
            "max_bytes": settings.max_import_bytes,
            "max_mb": settings.max_import_bytes // 1024**2,
        },
        status=error.status if error is not None else 200,
    )


@router.post("/sources/import", response_model=None)
def upload_from_page(
    caller: Importer, received: FileOfPage, database: DatabaseOf, session: Db, settings: SettingsOf
) -> HTMLResponse | RedirectResponse:
    """Take the file and say how it would be read: nothing of it is stored before somebody has looked."""
    if isinstance(received, JourneymapError):
        return _upload(caller, settings, received)
    upload, options = received.upload, received.options
    kept = False
    try:
        remember = remembering(database, workspace_id=caller.workspace_id, upload=upload, options=options)
        layout = layout_of(
            upload.path(settings), upload.filename, options, settings, timezone=caller.timezone, remember=remember
        )
        found = create_import(
            session, workspace_id=caller.workspace_id, upload=upload, options=options, layout=layout, hold=True
        )
        kept = True
    except BadInput as error:
        return _upload(caller, settings, error)
    finally:
        if not kept:
            received.discard(settings)
    return RedirectResponse(f"/sources/imports/{found.id}", status_code=303)


@router.get("/sources/imports/{import_id}")
def import_page(import_id: str, caller: Reader, database: DatabaseOf, settings: SettingsOf) -> HTMLResponse:
    """One file: how it is or was read, how far it is, what was refused."""
    return _page(database, settings, caller, _number(import_id))


@router.get("/sources/imports/{import_id}/live")
def import_live(import_id: str, caller: Reader, session: ReadDb) -> HTMLResponse:
    """How far it is; its page asks for this again and again."""
    found = get_import(session, workspace_id=caller.workspace_id, import_id=_number(import_id))
    return page("import_live.html", {"caller": caller, **_progress(session, found)})


@router.post("/sources/imports/{import_id}/mapping", response_model=None)
def mend_reading(
    import_id: str,
    form: SignedInForm,
    caller: Importer,
    database: DatabaseOf,
    session: Db,
    settings: SettingsOf,
) -> HTMLResponse | RedirectResponse:
    """Read it as the form says: look again, or begin."""
    number = _number(import_id)
    with database.read() as look:
        before = get_import(look, workspace_id=caller.workspace_id, import_id=number)
    try:
        reading = Reading.model_validate(reading_from(form, before))
        changed = reading.model_dump(exclude_unset=True)
        options, layout = read_otherwise(database, settings, caller, import_id=number, changed=changed)
    except ValidationError as error:
        return _page(database, settings, caller, number, form=form, errors=field_errors(error))
    except BadInput as error:
        errors = list(error.errors) or [FieldError("", "bad", error.detail)]
        return _page(database, settings, caller, number, form=form, errors=errors)
    change_reading(
        session,
        workspace_id=caller.workspace_id,
        import_id=number,
        options=options,
        layout=layout,
        hold=form.get("do") != "start",
    )
    return RedirectResponse(f"/sources/imports/{number}", status_code=303)


@router.post("/sources/imports/{import_id}/cancel")
def cancel_from_page(import_id: str, form: SignedInForm, caller: Importer, session: Db) -> RedirectResponse:
    """Stop it; what is stored stays."""
    number = _number(import_id)
    with contextlib.suppress(Conflict):  # it ended by itself meanwhile, which its page says
        cancel_import(session, workspace_id=caller.workspace_id, import_id=number)
    return RedirectResponse(f"/sources/imports/{number}", status_code=303)


def _number(import_id: str) -> int:
    return row_id(import_id, "This import")


def _progress(session: Session, found: FileImport) -> dict[str, Any]:
    return {
        "one": answer_of(session, found),
        "state_words": STATES.get(found.state, found.state),
        "open": found.state in OPEN_STATES,
        "read_fraction": found.read_fraction,
        "checked_at": now(),
    }


def _page(
    database: Database,
    settings: Settings,
    caller: Caller,
    number: int,
    *,
    form: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> HTMLResponse:
    with database.read() as session:
        found = get_import(session, workspace_id=caller.workspace_id, import_id=number)
        rejects = _rejects(session, found) if caller.may("verbatims") else []
        context = _progress(session, found)
    may_change = caller.may("ingest") or caller.may("files")
    shown = None
    if found.state == "needs_input" and may_change and caller.may("verbatims"):
        try:
            shown = _dry_run(settings, found)
        except (BadInput, Gone) as error:
            errors = [*errors, FieldError("", "bad", error.detail)]
    plan = plan_of(found.layout)
    own = reject_header(found.layout)[REASONS:]
    widest = max((len(row.columns) for row in rejects), default=0)
    return page(
        "import.html",
        {
            "caller": caller,
            "page": "sources",
            **context,
            "layout": found.layout,
            "plan": plan,
            "preset_words": PRESET_WORDS.get(plan.preset, plan.preset),
            "may_change": may_change,
            "shown": shown,
            "now_of": field_now,
            "field_words": ITEM_WORDS,
            "form": form or {},
            "told": found.options,
            "errors": errors,
            "groups": FIELD_GROUPS,
            "channels": [(one, one) for one in CHANNELS],
            "presets": [(one, PRESET_WORDS.get(one, one)) for one in sorted(PRESETS)],
            "zones": ZONES,
            "shown_items": SHOWN_ITEMS,
            "own_columns": own,
            "beyond": max(0, min(SHOWN_CELLS, widest) - len(own)),
            "rejects": rejects,
            "shown_cells": SHOWN_CELLS,
            "shown_rejects": SHOWN_REJECTS,
        },
        status=422 if errors else 200,
    )


def _dry_run(settings: Settings, found: FileImport) -> DryRun:
    """What `POST /v1/imports?dry_run=true` would answer for it, of its first rows."""
    upload = upload_of(found)
    path = upload.path(settings)
    if not found.path or not path.exists():
        raise Gone("The uploaded file is no longer there; send it again.")
    options = checked_options({name: value for name, value in found.options.items() if value is not None})
    return DryRun.model_validate(
        preview(path, found.filename, options, settings, layout=found.layout, rows=LOOKED_AT_ROWS)
    )


def _rejects(session: Session, found: FileImport) -> list[ImportReject]:
    return list(
        session.exec(
            select(ImportReject)
            .where(ImportReject.workspace_id == found.workspace_id, ImportReject.import_id == found.id)
            .order_by(col(ImportReject.row))
            .limit(SHOWN_REJECTS)
        )
    )
