"""The rank of suggestions: its formula on one screen, its weights, and what other weights would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import Db, Decider, ReadDb, Reader
from service.desk.settings_frame import checked, settings_page
from service.errors import JourneymapError
from service.review.forms import SignedInForm
from service.suggest import api as routes
from service.suggest.rank_preview import SHOWN, compared
from service.suggest.weights import WeightsBody

router = APIRouter(include_in_schema=False)

AT: Final = "/settings/rank"
# weight, what it does, what 0 and the largest mean
PARTS: Final = (
    ("severity", "Severity", "How bad it feels: from a fault told calmly to open anger.", "0: every pain alike"),
    ("trend", "Rise", "More of it lately, beyond noise. It adds to the size, never more than this part of it.",
     "0: a rise changes nothing"),
    ("score", "Scores", "How much lower NPS, CSAT or stars of customers with this pain are, for certain.",
     "0: scores change nothing"),
    ("money", "Money", "What orders behind the pain are worth, beside all others.", "0: money changes nothing"),
    ("effort", "Effort", "What the change costs by the playbook's guess: low 1, medium 2, high 4.",
     "0: effort changes nothing"),
    ("find_out_why", "Reason unknown", "Pains whose reason has to be found out first count this part.",
     "1: as much as known ones"),
)  # fmt: skip


@router.get(AT)
def rank_page(caller: Reader, session: ReadDb, done: str | None = None) -> HTMLResponse:
    """Formula, weights and the order as it is."""
    notice = "Saved. Suggestions are ranked so from now on." if done else None
    found = routes.read_weights(caller, session)
    return _page(caller, session, found["weights"], {"notice": notice})


@router.post(AT)
def change(form: SignedInForm, caller: Decider, session: Db) -> Response:
    """Show what other weights would do; save them when asked to."""
    if form.get("do") == "usual":
        return _page(caller, session, WeightsBody().model_dump(), {})
    given = {name: form.get(name, "").strip().replace(",", ".") for name, *_ in PARTS}
    try:
        body = checked(WeightsBody, given)
    except JourneymapError as error:
        return _page(caller, session, given, {"problem": error.detail}, status=error.status)
    if form.get("do") != "save":
        return _page(caller, session, body.model_dump(), {})
    routes.put_weights(caller, session, body.model_dump_json().encode())
    return RedirectResponse(f"{AT}?done=saved", status_code=303)


def _page(
    caller: Caller, session: Session, given: Mapping[str, Any], context: Mapping[str, Any], *, status: int = 200
) -> HTMLResponse:
    found = routes.read_weights(caller, session)
    rows: list[dict[str, Any]] = []
    if status == 200:
        body = WeightsBody.model_validate(given)
        rows = compared(session, workspace_id=caller.workspace_id, timezone=caller.timezone, body=body)
    other = {name: value for name, value in given.items() if value != found["weights"][name]}
    return settings_page(
        "settings_rank.html",
        caller,
        AT,
        {"parts": PARTS, "given": given, "saved": found, "rows": rows, "most": SHOWN, "other": other, **context},
        status=status,
    )
