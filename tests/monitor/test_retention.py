"""What outlives its time goes, what is younger stays, on both databases."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from service.ingest.replays import may_be_retaken
from service.monitor.retention import upkeep
from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Delivery, Endpoint, FileImport, ImportReject, Job
from service.work import Work


def _import(session: Session, workspace_id: int, name: str, *, days_old: int, **more: Any) -> FileImport:
    moment = now() - timedelta(days=days_old)
    fields = {"path": name, "state": "succeeded", "finished_at": moment, **more}
    row = FileImport(
        workspace_id=workspace_id,
        filename=f"{name}.csv",
        sha256=name,
        source="s",
        channel="survey",
        created_at=moment,
        **fields,
    )
    session.add(row)
    session.flush()
    return row


def _endpoint(session: Session, workspace_id: int) -> int:
    row = Endpoint(
        workspace_id=workspace_id, public_id="e", sender="standard-webhooks", name="n", source="s", secrets="x"
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def _run(work: Work, workspace_id: int) -> None:
    with work.database.write() as session:
        queue.enqueue(
            session, workspace_id=workspace_id, kind="upkeep", payload={}, priority=queue.Priority.UPKEEP
        )
    with work.database.write() as session:
        jobs = queue.claim(session, worker="test", lease_seconds=60)
    for _ in upkeep(work, jobs):
        pass


def test_old_files_go_young_and_open_ones_stay(work: Work, workspace_id: int) -> None:
    folder = work.settings.imports_dir
    folder.mkdir(parents=True)
    for name in ("old", "young", "open", "asking", "stray-old", "stray-young"):
        (folder / name).write_text("x")
    for name in ("old", "stray-old"):
        moment = (now() - timedelta(days=10)).timestamp()
        os.utime(folder / name, (moment, moment))
    with work.database.write() as session:
        old = _import(session, workspace_id, "old", days_old=8).id
        _import(session, workspace_id, "young", days_old=6)
        _import(session, workspace_id, "open", days_old=30, finished_at=None, state="running")
        asking = _import(session, workspace_id, "asking", days_old=8, finished_at=None, state="needs_input").id
    _run(work, workspace_id)
    assert {path.name for path in folder.iterdir()} == {"young", "open", "stray-young"}
    with work.database.read() as session:
        assert session.exec(select(FileImport.path).where(FileImport.id == old)).one() == ""
        assert session.exec(select(Job)).all() == []
        forgotten = session.exec(select(FileImport).where(FileImport.id == asking)).one()
        assert forgotten.state == "canceled"
        assert "send the file again" in (forgotten.error or "")


def test_raw_deliveries_and_rejected_rows_go_after_their_days(work: Work, workspace_id: int) -> None:
    with work.database.write() as session:
        endpoint_id = _endpoint(session, workspace_id)
        for name, days in (("old", 91), ("young", 89)):
            session.add(
                Delivery(
                    workspace_id=workspace_id,
                    endpoint_id=endpoint_id,
                    external_id=name,
                    received_at=now() - timedelta(days=days),
                    body=b"{}",
                    state="parsed",
                )
            )
            found = _import(session, workspace_id, name, days_old=days, path="")
            assert found.id is not None
            session.add(
                ImportReject(
                    workspace_id=workspace_id, import_id=found.id, row=1, code="c", detail="d", columns=[]
                )
            )
    _run(work, workspace_id)
    with work.database.read() as session:
        assert session.exec(select(Delivery.external_id)).all() == ["young"]
        assert len(session.exec(select(ImportReject)).all()) == 1


def test_a_delivery_is_known_for_a_week_however_short_its_content_is_kept(work: Work, workspace_id: int) -> None:
    work = replace(work, settings=work.settings.model_copy(update={"delivery_retention_days": 2}))
    states = {
        "a": ("parsed", 1),
        "b": ("unparsed", 3),
        "c": ("waiting", 3),
        "d": ("ignored", 3),
        "e": ("parsed", 8),
    }
    with work.database.write() as session:
        endpoint_id = _endpoint(session, workspace_id)
        for name, (state, days) in states.items():
            session.add(
                Delivery(
                    workspace_id=workspace_id,
                    endpoint_id=endpoint_id,
                    external_id=name,
                    received_at=now() - timedelta(days=days),
                    headers={"x": "y"},
                    body=b"{}",
                    state=state,
                    detail="why",
                )
            )
    _run(work, workspace_id)
    with work.database.read() as session:
        left = {row.external_id: row for row in session.exec(select(Delivery)).all()}
    assert sorted(left) == ["a", "b", "c", "d"]
    assert {name: row.body for name, row in left.items()} == {"a": b"{}", "b": b"", "c": b"{}", "d": b""}
    assert left["b"].headers == {}
    assert not may_be_retaken(left["b"])
    assert (left["d"].detail, left["a"].headers) == ("why", {"x": "y"})


def test_another_workspace_is_left_alone(
    work: Work, database: Database, workspace_id: int, tmp_path: Path
) -> None:
    from service import auth

    with database.write() as session:
        other = auth.workspace_named(session, "other", create=True).id
        assert other is not None
        _import(session, other, "theirs", days_old=50)
    work.settings.imports_dir.mkdir(parents=True)
    (work.settings.imports_dir / "theirs").write_text("x")
    _run(work, workspace_id)
    assert (work.settings.imports_dir / "theirs").exists()
