"""The sample, one click away where nothing has come in yet: loaded with its progress, and taken out again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import Db, Decider, ReadDb, Reader
from service.ingest import sample
from service.review.forms import SignedInForm
from service.review.render import page

router = APIRouter(include_in_schema=False)


@router.get("/sample")
def sample_page(caller: Reader, session: ReadDb) -> HTMLResponse:
    """How far loading or removing is; what to look at once it is done."""
    return page("sample.html", _context(caller, session))


@router.get("/sample/live")
def live_part(caller: Reader, session: ReadDb) -> HTMLResponse:
    """The moving part of it; the page asks for it again and again."""
    return page("sample_live.html", _context(caller, session))


@router.post("/sample")
def load(form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Load the sample."""
    sample.ask_to_load(session, workspace_id=caller.workspace_id, actor=caller.actor)
    return RedirectResponse("/sample", status_code=303)


@router.post("/sample/remove")
def remove(form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Take it out."""
    sample.ask_to_remove(session, workspace_id=caller.workspace_id, actor=caller.actor)
    return RedirectResponse("/sample", status_code=303)


def _context(caller: Caller, session: Session) -> dict[str, Any]:
    found = sample.state_of(session, caller.workspace_id)
    read = found.items - found.waiting
    return {
        "caller": caller,
        "sample": found,
        "read": read,
        # half of the way is storing, half reading
        "share": min(1.0, (found.items + read) / (2 * found.total)) if found.total else 0.0,
    }
