"""The playbook: what to try for which pain, searched and read; own entries added, worded anew and removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import Db, Decider, ReadDb, Reader
from service.desk.settings_frame import checked, settings_page
from service.errors import JourneymapError
from service.review.forms import SignedInForm
from service.store.rollup_codes import codebook
from service.suggest import playbook_api as routes
from service.suggest.playbook import EFFORTS, FALLBACK_TOPIC
from service.suggest.playbook_own import PlaybookBody, Wanted, listed
from service.suggest.proposals import proposals

router = APIRouter(include_in_schema=False)

AT: Final = "/settings/playbook"
SHOWN: Final = 40
DONE: Final = {
    "saved": "Saved. Suggestions use it from the next reading on, where customers' words fit.",
    "removed": "Removed.",
}
EMPTY: Final = {
    "stage": "", "topics": [], "pain": "", "patterns": [], "adaptation": "", "effort": "medium",
    "metric": "", "owner": "", "test": "", "idea": "",
}  # fmt: skip


@router.get(AT)
def playbook_page(
    caller: Reader,
    session: ReadDb,
    stage: str = "",
    topic: str = "",
    touchpoint: str = "",
    q: Annotated[str, Query(max_length=200)] = "",
    whose: str = "",
    skip: Annotated[int, Query(ge=0, le=10_000)] = 0,
    done: str | None = None,
) -> HTMLResponse:
    """Entries by how often they are used, with a search."""
    wanted = Wanted(stage or None, topic or None, touchpoint or None, q or None)
    everything = listed(session, workspace_id=caller.workspace_id, wanted=wanted)
    found = [one for one in everything if not whose or one["origin"] != "shipped"]
    now_by = Counter(
        one.entry.id
        for one in proposals(session, workspace_id=caller.workspace_id, timezone=caller.timezone)
        if one.status == "suggested" and one.exact
    )
    found.sort(key=lambda one: (one["origin"] == "shipped", -now_by[one["id"]], -one["used"]["agreed"], one["id"]))
    asked = {"stage": stage, "topic": topic, "touchpoint": touchpoint, "q": q, "whose": whose}
    told = {name: value for name, value in asked.items() if value}
    return settings_page(
        "settings_playbook.html",
        caller,
        AT,
        {
            "rows": found[skip : skip + SHOWN],
            "count": len(found),
            "first": skip + 1,
            "asked": asked,
            "now_by": now_by,
            "choices": _choices(),
            "more": f"{AT}?{urlencode({**told, 'skip': skip + SHOWN})}" if len(found) > skip + SHOWN else None,
            "notice": DONE.get(done or ""),
        },
    )


@router.get(f"{AT}/new")
def new_page(caller: Decider) -> HTMLResponse:
    """An empty form."""
    return _form(caller, EMPTY, None)


@router.get(f"{AT}/{{entry_id}}")
def entry_page(entry_id: str, caller: Decider, session: ReadDb) -> HTMLResponse:
    """One entry as a form."""
    one = routes.read_entry(entry_id, caller, session)
    return _form(caller, one, one)


@router.post(AT)
def make(form: SignedInForm, caller: Decider, session: Db) -> Response:
    """A new entry."""
    return _take(form, caller, session, None)


@router.post(f"{AT}/{{entry_id}}")
def change(entry_id: str, form: SignedInForm, caller: Decider, session: Db) -> Response:
    """An own entry, or a shipped one in the workspace's words."""
    return _take(form, caller, session, routes.read_entry(entry_id, caller, session))


@router.post(f"{AT}/{{entry_id}}/remove")
def remove(entry_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Remove an own entry, or go back to the shipped wording."""
    routes.delete_entry(entry_id, caller, session)
    return RedirectResponse(f"{AT}?done=removed", status_code=303)


def _take(form: Mapping[str, str], caller: Caller, session: Session, one: dict[str, Any] | None) -> Response:
    given: dict[str, Any] = {name: form.get(name, "").strip() for name in EMPTY}
    given["topics"] = [topic for topic in codebook().labels("topic") if form.get(f"topic.{topic}")]
    given["patterns"] = [line.strip() for line in form.get("patterns", "").splitlines() if line.strip()]
    try:
        encoded = checked(PlaybookBody, {**given, "idea": given["idea"] or None}).model_dump_json().encode()
        if one is None:
            routes.add_entry(caller, session, encoded)
        else:
            routes.put_entry(one["id"], caller, session, encoded)
    except JourneymapError as error:
        return _form(caller, given, one, problem=error.detail, status=error.status)
    return RedirectResponse(f"{AT}?done=saved&whose=ours", status_code=303)


def _choices() -> dict[str, list[str]]:
    book = codebook()
    return {
        "stage": [one for one in book.labels("stage") if one != "none"],
        "topic": [one for one in book.labels("topic") if one != FALLBACK_TOPIC],
        "touchpoint": [one for one in book.labels("touchpoint") if one != "unknown"],
    }


def _form(
    caller: Caller,
    given: Mapping[str, Any],
    one: dict[str, Any] | None,
    *,
    problem: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    return settings_page(
        "settings_playbook_form.html",
        caller,
        AT,
        {"given": given, "one": one, "choices": _choices(), "efforts": EFFORTS, "problem": problem},
        status=status,
    )
