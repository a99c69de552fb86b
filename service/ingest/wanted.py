"""What deliveries only name: asked of the sender's API by jobs, and what becomes of a delivery by the answers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.ingest.incoming import Wanted
from service.ingest.senders import SENDERS
from service.settings import Settings
from service.store import queue
from service.store.columns import now
from service.store.queue import Priority
from service.store.schema import Delivery, Endpoint, EndpointApi, WantedFetch

UNTRACKED = {"synchronize_session": False}
NOT_THERE = "what it names is not there any more"


def key_of(wanted: Wanted) -> str:
    """The same for the same thing, whichever delivery names it."""
    return hashlib.sha256(orjson.dumps([wanted.what, wanted.ids], option=orjson.OPT_SORT_KEYS)).hexdigest()


def ask_for(session: Session, *, endpoint: Endpoint, delivery: Delivery, wanted: Sequence[Wanted]) -> str:
    """Have the API asked for what a delivery names, in its transaction; why it waits, or "" where nothing is.

    What an earlier reading of the delivery wanted is replaced.
    """
    mine = (col(WantedFetch.workspace_id) == endpoint.workspace_id, col(WantedFetch.delivery_id) == delivery.id)
    session.execute(delete(WantedFetch).where(*mine), execution_options=UNTRACKED)
    by_key = {key_of(one): one for one in wanted}
    if not by_key:
        return ""
    assert endpoint.id is not None
    assert delivery.id is not None
    has_credentials = _held_api(session, endpoint)
    detail = _waits_for(endpoint, has_credentials=has_credentials)
    for key, one in sorted(by_key.items()):
        session.add(
            WantedFetch(
                workspace_id=endpoint.workspace_id,
                endpoint_id=endpoint.id,
                delivery_id=delivery.id,
                key=key,
                what=one.what,
                ids=one.ids,
                detail=detail,
            )
        )
        if has_credentials:
            _enqueue(session, endpoint, key)
    session.flush()
    return detail


def _held_api(session: Session, endpoint: Endpoint) -> bool:
    """Whether there are credentials; nobody changes that until this transaction ends."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(
        dialect.insert(EndpointApi)
        .values(workspace_id=endpoint.workspace_id, endpoint_id=endpoint.id, failures=0, cursor={})
        .on_conflict_do_nothing()
    )
    found = select(col(EndpointApi.credentials)).where(col(EndpointApi.endpoint_id) == endpoint.id)
    return session.execute(found.with_for_update(read=True)).scalar_one() is not None


def _waits_for(endpoint: Endpoint, *, has_credentials: bool) -> str:
    title = SENDERS[endpoint.sender].title
    if has_credentials:
        return f"waits for the answer of {title}'s API"
    return f"waits until this address has credentials for {title}'s API"


def _enqueue(session: Session, endpoint: Endpoint, key: str) -> None:
    queue.enqueue(
        session,
        workspace_id=endpoint.workspace_id,
        kind="fetch",
        payload={"endpoint_id": endpoint.id, "key": key},
        priority=Priority.READ_FILE,
        dedupe_key=f"{endpoint.id}:{key}",
    )


def ask_again(session: Session, endpoint: Endpoint) -> None:
    """There are new credentials: all that still waits, and all that was given up, is asked for now."""
    open_rows = (
        col(WantedFetch.workspace_id) == endpoint.workspace_id,
        col(WantedFetch.endpoint_id) == endpoint.id,
        col(WantedFetch.state).in_(("waiting", "failed")),
    )
    rows = session.execute(select(col(WantedFetch.key), col(WantedFetch.delivery_id)).where(*open_rows)).all()
    session.execute(
        update(WantedFetch)
        .where(*open_rows)
        .values(state="waiting", created_at=now(), detail=_waits_for(endpoint, has_credentials=True)),
        execution_options=UNTRACKED,
    )
    for key in sorted({row.key for row in rows}):
        _enqueue(session, endpoint, key)
    _settle(session, {row.delivery_id for row in rows})


def settle(
    session: Session,
    settings: Settings,
    *,
    endpoint: Endpoint,
    keys: Collection[str],
    up_to: int,
    state: str,
    detail: str = "",
) -> None:
    """Note what became of things that were asked for, for those who wanted them then (ids up to `up_to`)."""
    these = (
        col(WantedFetch.workspace_id) == endpoint.workspace_id,
        col(WantedFetch.endpoint_id) == endpoint.id,
        col(WantedFetch.key).in_(keys),
        col(WantedFetch.id) <= up_to,
        col(WantedFetch.state) == "waiting",
    )
    deliveries = set(session.execute(select(col(WantedFetch.delivery_id)).where(*these)).scalars())
    session.execute(
        update(WantedFetch).where(*these).values(state=state, detail=detail), execution_options=UNTRACKED
    )
    _settle(session, deliveries, redact=settings.redact_stored)


def _settle(session: Session, delivery_ids: Collection[int], *, redact: bool = False) -> None:
    """The state of deliveries by what became of all that they want."""
    if not delivery_ids:
        return
    told: dict[int, list[Any]] = {}
    wants = select(WantedFetch).where(col(WantedFetch.delivery_id).in_(delivery_ids)).order_by(col(WantedFetch.id))
    for row in session.execute(wants).scalars():
        told.setdefault(row.delivery_id, []).append(row)
    held = select(Delivery).where(col(Delivery.id).in_(delivery_ids)).order_by(col(Delivery.id)).with_for_update()
    for delivery in session.execute(held).scalars():
        rows = told.get(delivery.id or 0, [])
        if any(result.get("status") == "rejected" for result in delivery.results):
            continue  # it is unparsed for a reason of its own
        delivery.state, delivery.detail = _state_of(rows, has_items=bool(delivery.results))
        if redact and delivery.state in ("parsed", "ignored"):
            delivery.body = b""
        session.add(delivery)
    session.flush()


def _state_of(rows: Sequence[WantedFetch], *, has_items: bool) -> tuple[str, str]:
    for state, shown in (("waiting", "waiting"), ("failed", "unparsed")):
        for row in rows:
            if row.state == state:
                return shown, row.detail
    if has_items or any(row.state == "done" for row in rows):
        return "parsed", ""
    return "ignored", NOT_THERE
