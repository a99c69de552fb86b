"""A backup is one moment of a running installation, and comes back whole, in the other kind of database too."""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from service.aggregate.journey import journey_map
from service.aggregate.query import MapQuery
from service.auth import Vault
from service.classify.active_model import set_pipeline
from service.classify.batch import classify
from service.errors import BadInput, Conflict
from service.ingest.incoming import IncomingItem
from service.ingest.receive import receive
from service.monitor import doctor
from service.monitor.backup import backup, restore
from service.settings import Settings
from service.store import queue, rollups
from service.store.engine import Database
from service.store.schema import FeedbackItem, RollupBlock
from service.work import Work
from tests.classify.tagging import WordPipeline


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())  # type: ignore[arg-type]
    yield
    set_pipeline(None)


def _receive(work: Work, workspace_id: int, first: int, count: int) -> None:
    items = [
        IncomingItem.model_validate(
            {"text": f"sentiment=negative stage=delivery topic=delivery no. {n}", "external_id": f"i{n}",
             "occurred_at": "2026-10-05T10:00:00Z", "respondent": f"r{n % 7}", "channel": "survey"}
        )
        for n in range(first, first + count)
    ]  # fmt: skip
    with work.database.write() as session:
        receive(
            session,
            Vault(work.settings),
            workspace_id=workspace_id,
            source_default="test",
            items=items,
            priority=queue.Priority.BULK,
        )


def _fill(work: Work, workspace_id: int, count: int = 60) -> None:
    _receive(work, workspace_id, 0, count)
    with work.database.write() as session:
        jobs = queue.claim(session, worker="t", lease_seconds=60, limit=50, kinds=["classify"])
    for _ in classify(work, jobs):
        pass


def _map(database: Database, workspace_id: int) -> dict[str, Any]:
    with database.read() as session:
        found = journey_map(session, workspace_id=workspace_id, timezone="UTC", query=MapQuery())
    return {key: value for key, value in found.items() if key != "as_of"}


@pytest.fixture
def other_settings(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """An empty installation on the other kind of database."""
    if settings.database_url.startswith("postgresql"):
        yield settings.model_copy(update={"database_url": "", "data_dir": tmp_path / "other"})
        return
    import uuid

    import psycopg

    server = request.getfixturevalue("postgresql_server")
    name = f"restored_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    head, _, query = server.partition("?")
    url = head.rsplit("/", 1)[0] + "/" + name + (f"?{query}" if query else "")
    yield settings.model_copy(update={"database_url": url, "data_dir": tmp_path / "other"})
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_comes_back_whole_in_the_other_database(
    work: Work, workspace_id: int, other_settings: Settings, tmp_path: Path
) -> None:
    _fill(work, workspace_id)
    counts = backup(work.settings, work.database, tmp_path / "backup.tar.gz")
    assert counts["feedback_item"] == 60
    restored = restore(other_settings, tmp_path / "backup.tar.gz")
    assert restored == counts
    other = Database(other_settings.sqlalchemy_url)
    try:
        assert _map(other, workspace_id) == _map(work.database, workspace_id)
        with other.read() as session:
            assert rollups.verify(session, workspace_id) == []
        # ids go on behind the restored ones
        there = Work(settings=other_settings, database=other, vault=Vault(other_settings))
        _receive(there, workspace_id, 1000, 3)
        with other.read() as session:
            assert session.execute(select(func.count()).select_from(FeedbackItem)).scalar_one() == 63
    finally:
        other.dispose()


def test_is_one_moment_while_others_write(work: Work, workspace_id: int, tmp_path: Path) -> None:
    _fill(work, workspace_id)
    stop = threading.Event()
    written = []

    def keep_writing() -> None:
        n = 1000
        while not stop.is_set() and n < 3000:
            _receive(work, workspace_id, n, 2)
            written.append(2)
            n += 2

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        while not written:  # the backup begins when writing is under way
            stop.wait(0.01)
        counts = backup(work.settings, work.database, tmp_path / "backup.tar.gz")
    finally:
        stop.set()
        writer.join()
    # every item of the moment has its counted record: pairs of rows were never torn apart
    assert (counts["feedback_item"] - 60) % 2 == 0
    empty = work.settings.model_copy(update={"database_url": "", "data_dir": tmp_path / "other"})
    restore(empty, tmp_path / "backup.tar.gz")
    other = Database(empty.sqlalchemy_url)
    with other.read() as session:
        assert rollups.verify(session, workspace_id) == []
    other.dispose()


def test_refuses_what_would_destroy_or_is_no_backup(work: Work, workspace_id: int, tmp_path: Path) -> None:
    _fill(work, workspace_id, 3)
    backup(work.settings, work.database, tmp_path / "backup.tar.gz")
    with pytest.raises(Conflict, match="not empty"):
        restore(work.settings, tmp_path / "backup.tar.gz")
    empty = work.settings.model_copy(update={"database_url": "", "data_dir": tmp_path / "other"})
    (tmp_path / "noise.tar.gz").write_bytes(b"no archive at all")
    with pytest.raises(BadInput, match="not a whole backup"):
        restore(empty, tmp_path / "noise.tar.gz")
    whole = (tmp_path / "backup.tar.gz").read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput):
        restore(empty, tmp_path / "half.tar.gz")
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as archive:
        archive.add(__file__, "something.py")
    with pytest.raises(BadInput, match="no backup"):
        restore(empty, tmp_path / "other.tar.gz")
    # after all these attempts the empty installation still takes a good one
    restore(empty, tmp_path / "backup.tar.gz")


def test_doctor_finds_and_repairs_wrong_numbers(work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, 20)
    sound = {one.check: one.state for one in doctor.examine(work.settings)}
    assert sound["numbers of default"] == "ok"
    assert sound["database"] == "ok"
    assert sound["model"] == "ok"
    with work.database.write() as session:
        first = session.execute(select(func.min(col(RollupBlock.id)))).scalar_one()
        session.execute(text("DELETE FROM rollup_block WHERE id = :id"), {"id": first})
    found = {one.check: one for one in doctor.examine(work.settings)}
    assert found["numbers of default"].state == "failed"
    assert "--repair" in found["numbers of default"].detail
    repaired = {one.check: one.state for one in doctor.examine(work.settings, repair=True)}
    assert repaired["numbers of default"] == "repaired"
    after = {one.check: one.state for one in doctor.examine(work.settings)}
    assert after["numbers of default"] == "ok"


def test_doctor_names_a_key_that_does_not_fit(work: Work, client: Any) -> None:
    client.post("/v1/endpoints", json={"sender": "standard-webhooks", "name": "Desk"})
    other = work.settings.model_copy(update={"secret_key": "another"})
    found = {one.check: one for one in doctor.examine(other)}
    assert found["secrets"].state == "failed"
    assert "Desk" in found["secrets"].detail


def test_doctor_says_when_the_database_is_old_or_away(tmp_path: Path) -> None:
    empty = Settings(data_dir=tmp_path)
    found = list(doctor.examine(empty))
    assert [one.state for one in found] == ["failed"]
    assert "journeymap migrate" in found[0].detail
    away = Settings(data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")
    found = list(doctor.examine(away))
    assert [one.state for one in found] == ["failed"]
    assert "DATABASE_URL" in found[0].detail
