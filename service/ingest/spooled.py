"""A delivery in the spool: sealed when it is put there, delivered when the database is back."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from service.auth import Vault
from service.ingest.deliver import NOT_STORED_HEADERS
from service.ingest.deliver_together import Arrival, deliver_together
from service.ingest.incoming import Call
from service.settings import Settings
from service.store.schema import Delivery, Endpoint, ErasureMark

log = logging.getLogger(__name__)

ERASED_MEANWHILE = "somebody was erased here while this waited to be stored, so its content is not kept"


@dataclass(frozen=True, slots=True)
class Verified:
    """A call that was found to be from who holds the endpoint's secret, and when it came."""

    endpoint_id: int
    received_at: datetime
    call: Call


def sealed(vault: Vault, verified: Verified) -> bytes:
    """The delivery as an entry of the spool, encrypted: there are customers' words in it."""
    call = verified.call
    told = {
        "endpoint": verified.endpoint_id,
        "received_at": verified.received_at.isoformat(),
        "headers": {name: value for name, value in call.headers.items() if name not in NOT_STORED_HEADERS},
        "method": call.method,
        "url": call.url,
        "fetched": call.fetched,
    }
    return vault.seal(json.dumps(told).encode() + b"\n" + call.body)


def unsealed(vault: Vault, entry: bytes) -> Verified:
    """The delivery again; ValueError if the entry was sealed under another key or holds something else."""
    first_line, _, body = vault.unseal(entry).partition(b"\n")
    told = json.loads(first_line)
    try:
        call = Call(
            headers=told["headers"], body=body, method=told["method"], url=told["url"], fetched=told["fetched"]
        )
        return Verified(int(told["endpoint"]), datetime.fromisoformat(told["received_at"]), call)
    except (KeyError, TypeError) as error:
        raise ValueError("not an entry of this program") from error


def deliver_spooled(session: Session, vault: Vault, settings: Settings, entries: Sequence[bytes]) -> list[bytes]:
    """Deliver entries of the spool in their order, with the time at which they came; those that can't be.

    What came before is not counted as a repeat, so that after a crash the same entries can be taken again.
    Deliveries to an address that was removed before they came are dropped: the process that took them could not
    know yet.
    """
    failed: list[bytes] = []
    found: list[tuple[bytes, Verified]] = []
    for entry in entries:
        try:
            found.append((entry, unsealed(vault, entry)))
        except ValueError:
            failed.append(entry)
    ids = {one.endpoint_id for _, one in found}
    endpoints = {row.id: row for row in session.exec(select(Endpoint).where(col(Endpoint.id).in_(ids)))}
    taken: list[bytes] = []
    arrivals: list[Arrival] = []
    for entry, one in found:
        endpoint = endpoints.get(one.endpoint_id)
        if endpoint is not None and (endpoint.removed_at is None or endpoint.removed_at > one.received_at):
            taken.append(entry)
            arrivals.append(Arrival(endpoint, one.call, one.received_at))
    if len(arrivals) < len(found):
        dropped = len(found) - len(arrivals)
        log.warning("dropped %d spooled deliveries to addresses that were removed before they came", dropped)
    stored = deliver_together(session, vault, settings, arrivals, count_repeats=False)
    _forget_unread(session, arrivals)
    return failed + [taken[number] for number in stored]


def _forget_unread(session: Session, arrivals: Sequence[Arrival]) -> None:
    """Keep nothing of what could not be read and came before somebody was erased.

    Erased people are told by their marks. Those are hashes: what is no item can't be searched for them.
    """
    by_workspace: dict[int, list[Arrival]] = {}
    for one in arrivals:
        by_workspace.setdefault(one.endpoint.workspace_id, []).append(one)
    for workspace_id, own in by_workspace.items():
        latest = session.exec(
            select(func.max(col(ErasureMark.created_at))).where(col(ErasureMark.workspace_id) == workspace_id)
        ).one()
        before = {one.received_at for one in own if latest is not None and one.received_at <= latest}
        if not before:
            continue
        session.execute(
            update(Delivery)
            .where(
                col(Delivery.workspace_id) == workspace_id,
                col(Delivery.endpoint_id).in_({one.endpoint.id for one in own}),
                col(Delivery.received_at).in_(before),
                col(Delivery.state) != "parsed",
            )
            .values(body=b"", detail=ERASED_MEANWHILE)
            .execution_options(synchronize_session=False)
        )
