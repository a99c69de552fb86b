"""Whether anything was committed: by anyone else, whenever it was, and never forgotten."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import select, text
from sqlmodel import col

from service.store import queue
from service.store.changes import Changes
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import Job


def _enqueue(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        queue.enqueue(
            session, workspace_id=workspace_id, kind="one", payload={"n": 1}, priority=Priority.READ_FILE
        )


def _quiet(changes: Changes) -> None:
    """Until an answer is no: PostgreSQL's own upkeep of a new database counts as well."""
    while changes.seen():
        pass


def test_every_commit_is_told_once(database: Database, workspace_id: int) -> None:
    with Changes(database) as changes:
        assert changes.seen()  # nobody asked before
        for _ in range(3):
            _quiet(changes)
            _enqueue(database, workspace_id)
            assert changes.seen()
        _quiet(changes)


def test_what_is_written_and_not_committed_yet_is_told_at_its_commit(
    database: Database, workspace_id: int
) -> None:
    with Changes(database) as changes:
        _quiet(changes)
        with database.write() as session:
            queue.enqueue(session, workspace_id=workspace_id, kind="one", payload={}, priority=Priority.SINGLE)
            session.flush()
            changes.seen()  # PostgreSQL: a transaction has begun
            assert not changes.seen()
        assert changes.seen()


def test_whoever_was_told_finds_it(database: Database, workspace_id: int) -> None:
    with Changes(database) as changes:
        _quiet(changes)
        _enqueue(database, workspace_id)
        assert changes.seen()
        with database.read() as session:
            assert session.execute(select(col(Job.kind))).scalars().all() == ["one"]


def test_asking_keeps_nobody_from_writing_or_tidying_up(database: Database, workspace_id: int) -> None:
    """It holds no transaction, which would keep what is deleted from being given free."""
    with Changes(database) as changes:
        changes.seen()
        _enqueue(database, workspace_id)
        changes.seen()
        with database.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if database.is_sqlite:
                busy, *_ = connection.connection.driver_connection.execute(  # type: ignore[union-attr]
                    "PRAGMA wal_checkpoint(TRUNCATE)"
                ).fetchone()
                assert busy == 0
            else:
                open_ones = connection.execute(
                    text("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
                ).scalar_one()
                assert open_ones == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_broke_is_made_anew(database: Database, workspace_id: int) -> None:
    with Changes(database) as changes:
        _quiet(changes)
        address = database.url.replace("postgresql+psycopg://", "postgresql://", 1)
        with psycopg.connect(address, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert changes.seen()
        _quiet(changes)
        database.dispose()  # the others' connections broke as well
        _enqueue(database, workspace_id)
        assert changes.seen()


def test_a_database_that_is_away_is_looked_at() -> None:
    """The look says what is wrong; asking says only that it can't tell."""
    with Changes(Database("postgresql+psycopg://nobody@127.0.0.1:1/none")) as changes:
        assert changes.seen()
        assert changes.seen()
