"""What is kept only for a time: uploaded files, raw deliveries, rejected rows, replays, links and sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, select, update
from sqlmodel import Session, SQLModel, col

from service.settings import Settings
from service.store import queue
from service.store.columns import now
from service.store.schema import (
    BlankResponse,
    BrowserSession,
    Delivery,
    FileImport,
    IdempotencyKey,
    ImportReject,
    ProcessBeat,
    SignInLink,
)
from service.work import Work

SLICE = 500  # rows deleted in one transaction: short enough that a webhook never waits for it
DELIVERY_KEYS = timedelta(days=7)
"""For so long a delivery that comes again is known, however short the raw one is kept: senders try for days."""
OUTLIVED = "erased: older than raw deliveries are kept"


def upkeep(work: Work, jobs: Sequence[queue.ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "upkeep": remove what has outlived its time, in short transactions."""
    for job in jobs:
        for model, expired in _expiring(work.settings, job.workspace_id):
            while True:
                with work.database.write() as session:
                    queue.hold(session, job)
                    gone = _delete_some(session, model, expired)
                yield
                if gone < SLICE:
                    break
        yield from _empty_deliveries(work, job)
        yield from _expire_files(work, job)
        with work.database.write() as session:
            session.execute(
                delete(ProcessBeat).where(col(ProcessBeat.beat_at) < now() - timedelta(days=1)),
                execution_options={"synchronize_session": False},
            )
            queue.finish(session, job)


def _expiring(settings: Settings, workspace_id: int) -> list[tuple[type[SQLModel], ColumnElement[bool]]]:
    moment = now()
    raw = moment - timedelta(days=settings.delivery_retention_days)
    here: list[tuple[Any, ColumnElement[bool]]] = [
        (Delivery, col(Delivery.received_at) < min(raw, moment - DELIVERY_KEYS)),
        (
            ImportReject,
            col(ImportReject.import_id).in_(select(col(FileImport.id)).where(col(FileImport.created_at) < raw)),
        ),
        # what a stored delivery could bring back has gone by then
        (BlankResponse, col(BlankResponse.told_at) < min(raw, moment - DELIVERY_KEYS)),
        (IdempotencyKey, col(IdempotencyKey.expires_at) < moment),
        (SignInLink, col(SignInLink.expires_at) < moment - timedelta(days=30)),
        (BrowserSession, col(BrowserSession.expires_at) < moment),
    ]
    return [(model, (col(model.workspace_id) == workspace_id) & condition) for model, condition in here]


def _empty_deliveries(work: Work, job: queue.ClaimedJob) -> Iterator[None]:
    """Where raw deliveries are kept for less time than senders try again, only their keys are left."""
    before = now() - timedelta(days=work.settings.delivery_retention_days)
    expired = (
        col(Delivery.workspace_id) == job.workspace_id,
        col(Delivery.received_at) < before,
        col(Delivery.state) != "waiting",  # what the sender's API is still asked for
        func.length(col(Delivery.body)) > 0,
    )
    why = case((col(Delivery.state) == "unparsed", OUTLIVED), else_=col(Delivery.detail))
    while True:
        with work.database.write() as session:
            queue.hold(session, job)
            ids = session.execute(select(col(Delivery.id)).where(*expired).limit(SLICE)).scalars().all()
            session.execute(
                update(Delivery).where(col(Delivery.id).in_(ids)).values(body=b"", headers={}, detail=why),
                execution_options={"synchronize_session": False},
            )
        yield
        if len(ids) < SLICE:
            return


def _delete_some(session: Session, model: type[SQLModel], expired: ColumnElement[bool]) -> int:
    key = col(model.id)  # type: ignore[attr-defined]
    ids = session.execute(select(key).where(expired).limit(SLICE)).scalars().all()
    if ids:
        session.execute(delete(model).where(key.in_(ids)), execution_options={"synchronize_session": False})
    return len(ids)


def _expire_files(work: Work, job: queue.ClaimedJob) -> Iterator[None]:
    """Remove uploaded files some days after their import ended, and files that no import knows."""
    before = now() - timedelta(days=work.settings.import_retention_days)
    with work.database.write() as session:
        queue.hold(session, job)
        session.execute(
            update(FileImport)
            .where(
                col(FileImport.workspace_id) == job.workspace_id,
                col(FileImport.state) == "needs_input",
                col(FileImport.created_at) < before,
            )
            .values(
                state="canceled",
                # in the past, so that this very round takes the file away
                finished_at=col(FileImport.created_at),
                error="Nobody answered its questions in time; send the file again.",
            ),
            execution_options={"synchronize_session": False},
        )
        ended = session.execute(
            select(col(FileImport.id), col(FileImport.path)).where(
                col(FileImport.workspace_id) == job.workspace_id,
                # a file holds what REDACT_STORED keeps out of the items
                col(FileImport.finished_at) < (now() if work.settings.redact_stored else before),
                col(FileImport.path) != "",
            )
        ).all()
        session.execute(
            update(FileImport).where(col(FileImport.id).in_([row.id for row in ended])).values(path=""),
            execution_options={"synchronize_session": False},
        )
    for row in ended:
        resolve_import(work.settings, row.path).unlink(missing_ok=True)
    yield
    with work.database.read() as session:
        known = {Path(path).name for path in session.execute(select(col(FileImport.path))).scalars() if path}
    if work.settings.imports_dir.exists():
        for path in work.settings.imports_dir.iterdir():
            # an upload that broke off leaves a file without a row; a running one is younger than a day
            if path.name not in known and path.is_file() and path.stat().st_mtime < now().timestamp() - 86_400:
                path.unlink(missing_ok=True)


def resolve_import(settings: Settings, path: str) -> Path:
    """The file of an import; its row holds the name below the imports folder."""
    return settings.imports_dir / Path(path).name
