"""An import whose tagging is given up ends, and says so; nothing waits for ever."""

from __future__ import annotations

from sqlmodel import select

from service.classify.batch import given_up
from service.store.queue import ClaimedJob
from service.store.schema import FileImport
from service.work import Work


def test_the_import_ends_and_says_so(work: Work, workspace_id: int) -> None:
    with work.database.write() as session:
        row = FileImport(
            workspace_id=workspace_id,
            filename="f.csv",
            path="",
            sha256="x",
            source="s",
            channel="survey",
            state="running",
            read_done=True,
            to_tag=5,
            tagged=3,
        )
        session.add(row)
        session.flush()
        import_id = row.id
    payload = {"items": [1, 2], "import_id": import_id}
    job = ClaimedJob(
        id=1,
        workspace_id=workspace_id,
        kind="classify",
        payload=payload,
        attempts=5,
        lease_token="t",
        crashes=0,
        priority=20,
    )
    given_up(work, job, "ValueError")
    with work.database.read() as session:
        found = session.exec(select(FileImport).where(FileImport.id == import_id)).one()
        assert found.state == "partially_succeeded"
        assert found.error is not None
        assert "could not be tagged" in found.error
        assert found.finished_at is not None
