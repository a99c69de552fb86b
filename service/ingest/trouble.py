"""What needs somebody: deliveries that could not be understood, senders that refuse us, files that failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlmodel import Session, col

from service.store.columns import now
from service.store.schema import Delivery, Endpoint, EndpointApi, FileImport

LOOKED_AT_DAYS: Final = 30
MOST: Final = 6  # of each kind


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that does not go by itself: what it is about, what is wrong, and where it can be mended."""

    name: str
    says: str
    link: str
    at: datetime | None


def troubles(session: Session, *, workspace_id: int) -> list[Trouble]:
    """Of the last LOOKED_AT_DAYS days, at most MOST of each kind; three queries at any size."""
    since = now() - timedelta(days=LOOKED_AT_DAYS)
    return [
        *_waiting_files(session, workspace_id, since),
        *_refused(session, workspace_id),
        *_unparsed(session, workspace_id, since),
    ]


def _unparsed(session: Session, workspace_id: int, since: datetime) -> list[Trouble]:
    rows = session.execute(
        select(Endpoint, func.count(col(Delivery.id)), func.max(col(Delivery.received_at)))
        .join(Delivery, col(Delivery.endpoint_id) == col(Endpoint.id))
        .where(
            col(Endpoint.workspace_id) == workspace_id,
            col(Endpoint.removed_at).is_(None),
            col(Delivery.state) == "unparsed",
            col(Delivery.received_at) >= since,
        )
        .group_by(col(Endpoint.id))
        .order_by(func.count(col(Delivery.id)).desc())
        .limit(MOST)
    ).all()
    return [
        Trouble(
            endpoint.name,
            f"{count:,} {'delivery' if count == 1 else 'deliveries'} could not be understood",
            "/deliveries?state=unparsed",
            last,
        )
        for endpoint, count, last in rows
    ]


def _refused(session: Session, workspace_id: int) -> list[Trouble]:
    rows = session.execute(
        select(Endpoint, EndpointApi)
        .join(EndpointApi, col(EndpointApi.endpoint_id) == col(Endpoint.id))
        .where(
            col(Endpoint.workspace_id) == workspace_id,
            col(Endpoint.removed_at).is_(None),
            col(EndpointApi.trouble).is_not(None),
        )
        .order_by(col(Endpoint.id).desc())
        .limit(MOST)
    ).all()
    return [
        Trouble(endpoint.name, f"can't be asked: {api.trouble}", f"/sources/hooks/{endpoint.public_id}", None)
        for endpoint, api in rows
    ]


def _waiting_files(session: Session, workspace_id: int, since: datetime) -> list[Trouble]:
    rows = session.execute(
        select(FileImport)
        .where(
            col(FileImport.workspace_id) == workspace_id,
            col(FileImport.state).in_(("failed", "needs_input", "partially_succeeded")),
            col(FileImport.created_at) >= since,
        )
        .order_by(col(FileImport.id).desc())
        .limit(MOST)
    ).scalars()
    return [Trouble(one.filename, _said(one), f"/sources/imports/{one.id}", one.created_at) for one in rows]


def _said(one: FileImport) -> str:
    if one.state == "needs_input":
        return "waits for an answer before it is read"
    if one.state == "failed":
        return "could not be read"
    return f"{one.rows_rejected:,} of {one.rows_read:,} rows were refused"
