"""A delivery in the spool: sealed when it is put there, delivered when the database is back."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from service.auth import Vault
from service.errors import crossed_locks, database_away
from service.ingest.deliver import NOT_STORED_HEADERS, deliver
from service.ingest.incoming import Call
from service.settings import Settings
from service.store.schema import Endpoint, ErasureMark

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
    dropped = 0
    for entry, one in found:
        endpoint = endpoints.get(one.endpoint_id)
        if endpoint is None or (endpoint.removed_at is not None and endpoint.removed_at <= one.received_at):
            dropped += 1
            continue
        try:
            with session.begin_nested():
                _deliver(session, vault, settings, endpoint, one)
        except Exception as error:
            if database_away(error) or crossed_locks(error):
                raise
            log.error("a spooled delivery of %s can't be stored: %s", endpoint.sender, type(error).__name__)
            failed.append(entry)
    if dropped:
        log.warning("dropped %d spooled deliveries to addresses that were removed before they came", dropped)
    return failed


def _deliver(session: Session, vault: Vault, settings: Settings, endpoint: Endpoint, one: Verified) -> None:
    delivery = deliver(
        session,
        vault,
        settings,
        endpoint=endpoint,
        call=one.call,
        received_at=one.received_at,
        count_repeats=False,
    )
    if delivery is None or delivery.state == "parsed":
        return  # erased people are told by their marks
    # what could not be read may name somebody; marks are hashes, so that it can't be searched for them
    if _erased_since(session, endpoint.workspace_id, one.received_at):
        delivery.body, delivery.detail = b"", ERASED_MEANWHILE
        session.add(delivery)


def _erased_since(session: Session, workspace_id: int, moment: datetime) -> bool:
    found = select(ErasureMark.id).where(
        col(ErasureMark.workspace_id) == workspace_id, col(ErasureMark.created_at) >= moment
    )
    return session.exec(found.limit(1)).first() is not None
