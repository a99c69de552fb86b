"""The map's versions for people: who wrote what, when and why; two of them side by side; restoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from service.dependencies import Db, Decider, ReadDb, Reader
from service.paging import PageQuery, row_id
from service.review import map_rows
from service.review.forms import SignedInForm
from service.review.render import page
from service.suggest import map_document, map_versions, personas

router = APIRouter(include_in_schema=False)

SHOWN: Final = 50
WHAT: Final = {
    "document": "written",
    "import": "taken in from a file",
    "restore": "an earlier version restored",
    "accept": "a suggestion accepted",
    "edit": "a suggestion accepted in other words",
    "roll_back": "a change rolled back",
}
# of the map as a whole
WHOLE: Final = {
    "goal": "Goal of the whole journey",
    "model": "Journey model",
    "order": "Order of the rows",
    "rows": "Own rows",
}


@router.get("/map/versions")
def versions_page(
    caller: Reader, session: ReadDb, persona: str | None = None, cursor: str | None = None
) -> HTMLResponse:
    """All versions of a map, the newest first."""
    asked = PageQuery(limit=SHOWN, cursor=cursor)
    who = personas.one(session, workspace_id=caller.workspace_id, public_id=persona) if persona else None
    found = map_versions.listed(
        session,
        workspace_id=caller.workspace_id,
        limit=SHOWN + 1,
        before_id=asked.key_id(),
        persona=persona or map_document.EVERYBODY,
    )
    shown = found[:SHOWN]
    following = asked.next_after(found, int(shown[-1]["id"]) if shown else None)
    more = {"cursor": following} | ({"persona": persona} if persona else {})
    return page(
        "map_versions.html",
        {
            "caller": caller,
            "page": "map",
            "persona": who,
            "personas": personas.listed(session, workspace_id=caller.workspace_id),
            "rows": shown,
            "newest": cursor is None,
            "what": WHAT,
            "more": f"/map/versions?{urlencode(more)}" if following else None,
        },
    )


@router.get("/map/versions/compare")
def compare_page(caller: Reader, session: ReadDb, older: str = "", newer: str = "") -> Response:
    """What is written differently in two versions, side by side; without ids, in the newest two."""
    if not older and not newer:
        latest = map_versions.listed(
            session, workspace_id=caller.workspace_id, limit=2, persona=map_document.EVERYBODY
        )
        if len(latest) < 2:
            return RedirectResponse("/map/versions", status_code=303)
        newer, older = (one["id"] for one in latest)
    first, second = (row_id(one, "This version") for one in (older, newer))
    found = map_versions.compared(session, workspace_id=caller.workspace_id, version_id=first, to=second)
    written = [
        {
            "stage": one["stage"] or "",
            "name": _name(one["field"]) if one["stage"] else WHOLE[one["field"]],
            "from": _said(one["field"], one["from"]),
            "to": _said(one["field"], one["to"]),
        }
        for one in found["document"]
    ]
    return page(
        "map_version.html",
        {
            "caller": caller,
            "page": "map",
            "older": found["from"],
            "newer": found["to"],
            "written": written,
            "changes": found["changes"],
            "what": WHAT,
            "map": _map_of(found["from"]),
        },
    )


@router.post("/map/versions/{version_id}/restore")
def restore(version_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Write an earlier version again, as a new one."""
    made = map_versions.restore(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        version_id=row_id(version_id, "This version"),
        reason=form.get("reason", "").replace("\x00", "").strip()[:2000] or None,
    )
    joined = "&" if made["persona"] else "?"
    return RedirectResponse(f"{_map_of(made)}{joined}done=restored", status_code=303)


def _map_of(version: Mapping[str, Any]) -> str:
    """The address of the map that a version is of."""
    return "/map?" + urlencode({"persona": version["persona"]}) if version["persona"] else "/map"


def _name(field: str) -> str:
    """A field of a document as its row is called."""
    if field.startswith("rows."):
        return f"«{field.removeprefix('rows.')}»"
    return map_rows.KNOWN[field].name


def _said(field: str, value: Any) -> list[str]:
    """What a field says, as lines; rows by their names."""
    if value is None:
        return []
    if field == "order":
        known = {key: row.name for key, row in map_rows.KNOWN.items()}
        return [known.get(key, key.removeprefix(map_rows.OWN)) for key in value]
    return list(value) if isinstance(value, list) else [str(value)]
