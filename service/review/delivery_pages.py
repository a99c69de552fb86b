"""What tools delivered: each call raw beside what was understood, and taking it again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.auth import Caller
from service.dependencies import Admin, Db, ReadDb, Reader, SettingsOf, VaultOf
from service.errors import Forbidden, NotFound
from service.ingest import deliveries
from service.ingest.capacity import RoomLeft
from service.ingest.replays import may_be_retaken
from service.ingest.senders import SENDERS
from service.paging import row_id
from service.review.forms import SignedInForm
from service.review.render import page
from service.store.schema import Delivery, Endpoint, FeedbackItem

router = APIRouter(include_in_schema=False)

LISTED = 50
SHOWN_BODY_CHARS = 20_000
STATES = (
    ("unparsed", "Not understood"),
    ("waiting", "Being fetched"),
    ("ignored", "Left out"),
    ("parsed", "Understood"),
)
RETAKEN = {"unparsed": "not understood", "ignored": "left out", "parsed": "understood"}


def shown(session: Session, caller: Caller, found: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Deliveries of one workspace for the page: as received, and the items that came of each."""
    items: dict[int, list[FeedbackItem]] = {}
    for item in session.execute(
        select(FeedbackItem)
        .where(
            col(FeedbackItem.workspace_id) == caller.workspace_id,
            col(FeedbackItem.delivery_id).in_([one.id for one in found]),
        )
        .order_by(col(FeedbackItem.id))
        .limit(LISTED)
    ).scalars():
        assert item.delivery_id is not None
        items.setdefault(item.delivery_id, []).append(item)
    return [{"row": one, "raw": raw(one), "items": items.get(one.id or 0, [])} for one in found]


def raw(delivery: Delivery) -> str:
    """The body as people read it; JSON with its lines."""
    try:
        text = delivery.body.decode("utf-8")
    except UnicodeDecodeError:
        return f"{len(delivery.body)} bytes that are no text"
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= SHOWN_BODY_CHARS else text[:SHOWN_BODY_CHARS] + "\n…"


def taken_again(count: int | None, queued: bool) -> str | None:
    """What to say after many deliveries were taken again."""
    if count is None:
        return None
    if queued:
        return f"{count:,} deliveries are being taken again; it goes on in the background."
    return "One delivery was taken again." if count == 1 else f"{count:,} deliveries were taken again."


Count = Annotated[int | None, Query(ge=0)]


@router.get("/deliveries")
def deliveries_page(
    caller: Reader, session: ReadDb, state: str = "unparsed", again: Count = None, queued: bool = False
) -> HTMLResponse:
    """The latest deliveries in a state; those that could not be understood first of all."""
    if state not in dict(STATES):
        raise NotFound("There is no such list of deliveries.")
    mine = (col(Delivery.workspace_id) == caller.workspace_id, col(Delivery.state) == state)
    rows = session.execute(
        select(Delivery, Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(*mine)
        .order_by(col(Delivery.id).desc())
        .limit(LISTED)
    ).all()
    counts = session.execute(
        select(Endpoint, func.count())
        .join(Delivery, col(Delivery.endpoint_id) == col(Endpoint.id))
        .where(*mine)
        .group_by(col(Endpoint.id))
        .order_by(func.count().desc())
        .limit(LISTED)
    ).all()
    return page(
        "deliveries.html",
        {
            "caller": caller,
            "page": "sources",
            "states": STATES,
            "state": state,
            "rows": rows,
            "limit": LISTED,
            "counts": counts if state == "unparsed" and caller.may("admin") else [],
            "notice": taken_again(again, queued),
        },
    )


@router.post("/deliveries/replay")
def replay_many_from_page(
    form: SignedInForm, caller: Admin, _room: RoomLeft, session: Db, settings: SettingsOf, vault: VaultOf
) -> RedirectResponse:
    """Take all deliveries of an address that are in a state again, then back to where it was asked for."""
    state = form.get("state", "unparsed")
    if state not in RETAKEN:
        raise NotFound("There is no such list of deliveries.")
    endpoint_id = form.get("endpoint", "")
    taken = deliveries.replay_all(
        session, vault, settings, workspace_id=caller.workspace_id, endpoint_id=endpoint_id, state=state
    )
    said = urlencode({"again": taken.deliveries, "queued": taken.state == "queued"})
    if form.get("back") == "mapping":
        return RedirectResponse(f"/sources/hooks/{endpoint_id}/mapping?{said}", status_code=303)
    return RedirectResponse(f"/deliveries?state={state}&{said}", status_code=303)


@router.get("/deliveries/{delivery_id}")
def delivery_page(delivery_id: str, caller: Reader, session: ReadDb, done: str | None = None) -> HTMLResponse:
    """One delivery, raw beside parsed."""
    if not caller.may("verbatims"):
        raise Forbidden("Deliveries hold what customers wrote; your role sees numbers only.")
    found = session.execute(
        select(Delivery, Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(
            col(Delivery.workspace_id) == caller.workspace_id,
            col(Delivery.id) == row_id(delivery_id, "This delivery"),
        )
    ).first()
    if found is None:
        raise NotFound("There is no such delivery.")
    delivery, endpoint = found
    (one,) = shown(session, caller, [delivery])
    return page(
        "delivery.html",
        {
            "caller": caller,
            "page": "sources",
            "one": one,
            "endpoint": endpoint,
            "title": SENDERS[endpoint.sender].title if endpoint.sender in SENDERS else endpoint.sender,
            "whole": may_be_retaken(delivery),
            "notice": "Taken again." if done else None,
        },
    )


@router.post("/deliveries/{delivery_id}/replay")
def replay_from_page(
    delivery_id: str,
    form: SignedInForm,
    caller: Admin,
    _room: RoomLeft,
    session: Db,
    settings: SettingsOf,
    vault: VaultOf,
) -> RedirectResponse:
    """Take it again, now that its mapping or our reading of it is mended."""
    deliveries.replay(session, vault, settings, workspace_id=caller.workspace_id, delivery_id=delivery_id)
    return RedirectResponse(f"/deliveries/{delivery_id}?done=replay", status_code=303)
