"""On SQLite, slices are found by their ids and walks go on where they stopped, whatever else is asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlmodel import Session, col

from service.classify.tagging import read_inputs
from service.review.export import export_rows
from service.review.feedback_query import FeedbackFilters
from service.store.bulk import one_of
from service.store.engine import Database
from service.store.meaning_blocks import unread
from service.store.migrate import migrate
from service.store.planner_statistics import STATISTICS
from service.store.rollup_records import read_records, zone_of
from service.store.schema import AuditEvent, FeedbackItem, Segment
from service.store.shown import standing_corrections

IDS = list(range(1, 501))  # as many as one transaction tags


@contextmanager
def _asked(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    for engine in (database.writer, database.reader):
        event.listen(engine, "before_cursor_execute", note)
    yield found
    for engine in (database.writer, database.reader):
        event.remove(engine, "before_cursor_execute", note)


def _plans(database: Database, ask: Callable[[Session], Any]) -> list[str]:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL plans by what is in the table")
    with _asked(database) as asked, database.read() as session:
        ask(session)
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
        return [
            row[3]
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_items_of_a_slice_are_found_by_their_ids(database: Database, workspace_id: int) -> None:
    def ask(session: Session) -> None:
        waiting = one_of(session, col(FeedbackItem.id), IDS), col(FeedbackItem.state) == "pending"
        read_inputs(session, workspace_id, *waiting)

    assert _plans(database, ask) == ["SEARCH feedback_item USING INTEGER PRIMARY KEY (rowid=?)"]


def test_what_is_counted_of_a_slice_is_found_by_ids(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        zone = zone_of(session, workspace_id)
    plans = _plans(database, lambda session: read_records(session, workspace_id, IDS, zone=zone, lock=False))
    assert plans == ["SEARCH feedback_item USING INTEGER PRIMARY KEY (rowid=?)"]


def test_segments_and_corrections_of_items_are_found_by_them(database: Database, workspace_id: int) -> None:
    def ask(session: Session) -> None:
        of_items = (col(Segment.workspace_id) == workspace_id, one_of(session, col(Segment.item_id), IDS))
        session.execute(select(col(Segment.stage)).where(*of_items).order_by(col(Segment.item_id)))
        standing_corrections(session, dict.fromkeys(IDS, 1))

    plans = _plans(database, ask)
    assert plans[0] == "SEARCH segment USING INDEX sqlite_autoindex_segment_1 (item_id=?)"
    assert plans[1] == "SEARCH correction USING INDEX ix_correction_item_id (item_id=?)"


@pytest.mark.parametrize(
    "walk",
    [
        lambda session, workspace_id: read_inputs(
            session, workspace_id, col(FeedbackItem.state) == "tagged", col(FeedbackItem.id) < 900, newest=500
        ),
        lambda session, workspace_id: unread(session, workspace_id, vectors="v", below=900, limit=400),
        lambda session, workspace_id: unread(session, workspace_id, vectors="v", below=None, limit=400),
    ],
)
def test_walks_sort_nothing(walk: Callable[[Session, int], Any], database: Database, workspace_id: int) -> None:
    plans = _plans(database, lambda session: walk(session, workspace_id))
    assert plans
    assert not any("TEMP B-TREE" in one or "USING INDEX ix_" in one for one in plans), plans


def test_an_export_goes_on_where_it_stopped(database: Database, workspace_id: int) -> None:
    wanted = FeedbackFilters(stage=["delivery"], topic=["speed"])
    plans = _plans(database, lambda _: list(export_rows(database, workspace_id, wanted)))
    assert plans[0] == "SEARCH feedback_item USING INTEGER PRIMARY KEY (rowid>?)"


def test_figures_are_of_all_indexes_of_their_tables(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        for table, own in STATISTICS.items():
            indexes = {row[1] for row in connection.execute(f"PRAGMA index_list({table})")}
            assert set(own) == indexes, table
            for index, figures in own.items():
                columns = len(list(connection.execute(f"PRAGMA index_info({index})")))
                assert len(figures.split()) == 1 + columns, index
        told = list(connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1"))
        connection.execute("DELETE FROM sqlite_stat1")
        connection.commit()
    migrate(f"sqlite:///{path}")  # nothing to upgrade, but what the planner knew is gone
    with closing(sqlite3.connect(path)) as connection:
        assert sorted(connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1")) == sorted(told)


def test_the_audit_log_of_one_thing_is_found_by_it(database: Database, workspace_id: int) -> None:
    def ask(session: Session) -> None:
        target = (col(AuditEvent.workspace_id) == workspace_id, col(AuditEvent.target) == "feedback:7")
        session.execute(select(col(AuditEvent.at)).where(*target).order_by(col(AuditEvent.id)))

    [plan, *_] = _plans(database, ask)
    assert "USING INDEX ix_audit_event_workspace_id_target (workspace_id=? AND target=?)" in plan
