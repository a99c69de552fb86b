"""Many stored deliveries taken again, after a parser or mapping was mended: a few at once, more by a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest.deliver import stored_call, take
from service.ingest.senders import SENDERS
from service.settings import Settings
from service.store import queue
from service.store.queue import Priority
from service.store.schema import Delivery, Endpoint
from service.work import Work

AT_ONCE = 50  # deliveries taken in one transaction


def may_be_retaken(delivery: Delivery) -> bool:
    """Whether its content is still here; an empty call that nobody understood is whole as it is."""
    return bool(delivery.body) or (delivery.state == "unparsed" and "erased" not in delivery.detail)


def retake(session: Session, vault: Vault, settings: Settings, *, endpoint: Endpoint, delivery: Delivery) -> None:
    """Take a stored delivery once more, as if it arrived when it did: nothing newer is overwritten."""
    call = stored_call(delivery)
    take(session, vault, settings, endpoint=endpoint, delivery=delivery, call=call, replayed=True)


def replay_many(
    session: Session,
    vault: Vault,
    settings: Settings,
    *,
    workspace_id: int,
    endpoint: Endpoint | None,
    state: str,
) -> tuple[int, bool]:
    """Take all deliveries in this state again (of one endpoint, or of all): how many, and whether that is done.

    More than a few are left to a job, which ends with those that there are now.
    """
    endpoint_id = endpoint.id if endpoint is not None else None
    which = _which(workspace_id, endpoint_id, state)
    count, last = session.execute(select(func.count(), func.max(col(Delivery.id))).where(*which)).one()
    if count > AT_ONCE:
        queue.enqueue(
            session,
            workspace_id=workspace_id,
            kind="replay",
            payload={"endpoint_id": endpoint_id, "state": state, "last": last},
            priority=Priority.BULK,
            dedupe_key=f"{workspace_id}:{endpoint_id}:{state}",
        )
        return count, False
    _retake_some(session, vault, settings, which)
    return count, True


def _which(workspace_id: int, endpoint_id: int | None, state: str) -> list[ColumnElement[bool]]:
    found = [col(Delivery.workspace_id) == workspace_id, col(Delivery.state) == state]
    return found if endpoint_id is None else [*found, col(Delivery.endpoint_id) == endpoint_id]


def _retake_some(
    session: Session, vault: Vault, settings: Settings, which: Sequence[ColumnElement[bool]]
) -> int | None:
    """Take the first of these again; the id of the last one looked at, None where there was none."""
    rows: Sequence[Any] = session.execute(
        select(Delivery, Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(*which)
        .order_by(col(Delivery.id))
        .limit(AT_ONCE)
        .with_for_update(of=Delivery)
    ).all()
    for delivery, endpoint in rows:
        if endpoint.sender in SENDERS and may_be_retaken(delivery):
            retake(session, vault, settings, endpoint=endpoint, delivery=delivery)
    return rows[-1][0].id if rows else None


def replay(work: Work, jobs: Sequence[queue.ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "replay": slice by slice; begun again, it goes over what is still in this state."""
    for job in jobs:
        told = job.payload
        which = _which(job.workspace_id, told["endpoint_id"], told["state"])
        which.append(col(Delivery.id) <= told["last"])
        after: int | None = 0
        while after is not None:
            with work.database.write() as session:
                queue.hold(session, job)
                more = [*which, col(Delivery.id) > after]
                after = _retake_some(session, work.vault, work.settings, more)
                if after is None:
                    queue.finish(session, job)
            yield
