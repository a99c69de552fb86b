"""Rows changed by their ids, many at once, as each database stores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import event, select

from service.store import bulk
from service.store.bulk_update import update_by_id
from service.store.engine import Database
from service.store.schema import Workspace
from service.store.shown import delete_segments
from tests.store.test_bulk import MOMENT, TABLE, columns


@pytest.fixture
def workspace_id(database: Database) -> int:
    with database.write() as session:
        row = Workspace(name="bulk")
        session.add(row)
        session.flush()
        assert row.id is not None
        return row.id


@pytest.fixture
def ids(database: Database, workspace_id: int) -> list[int]:
    with database.write() as session:
        made = bulk.insert_with_ids(session, TABLE, [columns(workspace_id, f"id:{n}") for n in range(4)])
    assert made is not None
    return made


def _stored(database: Database) -> list[tuple[Any, ...]]:
    wanted = TABLE.c.state, TABLE.c.corrected, TABLE.c.classified_at, TABLE.c.stage, TABLE.c.score_value
    with database.read() as session:
        return [tuple(row) for row in session.execute(select(*wanted).order_by(TABLE.c.id))]


def test_only_what_is_named_changes_and_only_there(database: Database, ids: list[int]) -> None:
    later = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    rows = [
        {
            "id": ids[2],
            "state": "tagged",
            "corrected": True,
            "classified_at": later,
            "stage": 'a"\\ä',
            "score_value": 4,
        },
        {
            "id": ids[0],
            "state": "tagged",
            "corrected": False,
            "classified_at": MOMENT,
            "stage": None,
            "score_value": None,
        },
        {
            "id": 10**9,
            "state": "gone",
            "corrected": False,
            "classified_at": None,
            "stage": None,
            "score_value": 1.5,
        },
    ]
    with database.write() as session:
        update_by_id(session, TABLE, rows)
    untouched = ("no_text", False, None, None, None)
    assert _stored(database) == [
        ("tagged", False, MOMENT, None, None),
        untouched,
        ("tagged", True, datetime(2026, 5, 1, 12, tzinfo=UTC), 'a"\\ä', 4.0),
        untouched,
    ]


def test_what_all_rows_have_alike_is_told_once_and_changes_all(database: Database, ids: list[int]) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(database.writer, "before_cursor_execute", note)
    same = {"state": "tagged", "corrected": False, "classified_at": MOMENT, "score_value": None}
    with database.write() as session:
        update_by_id(session, TABLE, [{"id": ids[n], **same, "stage": f"{n}"} for n in (0, 1, 3)])
        update_by_id(session, TABLE, [{"id": ids[2], **same, "stage": None}])
    event.remove(database.writer, "before_cursor_execute", note)
    assert _stored(database) == [("tagged", False, MOMENT, stage, None) for stage in ("0", "1", None, "3")]
    if not database.is_sqlite:
        [(_, some), (_, one)] = [pair for pair in asked if pair[0].startswith("UPDATE feedback_item")]
        moment = MOMENT.astimezone(UTC).isoformat()
        assert some == (moment, False, None, "tagged", '{"0","1","3"}', bulk.pg_array([ids[0], ids[1], ids[3]]))
        assert one == (moment, False, None, None, "tagged", bulk.pg_array([ids[2]]))


def test_nothing_is_nothing_and_json_is_refused(database: Database, ids: list[int]) -> None:
    with database.write() as session:
        update_by_id(session, TABLE, [])
        with pytest.raises(ValueError, match="JSON"):
            update_by_id(session, TABLE, [{"id": ids[0], "attributes": {"a": "b"}}])


def test_rows_that_are_there_are_not_stored_again(database: Database, ids: list[int], workspace_id: int) -> None:
    with pytest.raises(RuntimeError, match="there already"), database.write() as session:
        bulk.insert_all(session, TABLE, [columns(workspace_id, "id:1")])


def test_segments_are_taken_away_by_their_items(database: Database) -> None:
    """Not by their workspace: a file's tagging would read all its segments again for every few hundred rows."""
    if database.writer.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by what is in the table")
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(database.writer, "before_cursor_execute", note)
    with database.write() as session:
        delete_segments(session, 1, [1, 2, 3])
        [statement] = [one for one in asked if one.startswith("DELETE FROM segment")]
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (1, 2, 3, 0, 1)).all()
    event.remove(database.writer, "before_cursor_execute", note)
    assert all("item_id=?" in row[3] for row in plan), plan
