"""The kept frame is never older than the reader's view, and never another workspace's or database's."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sqlalchemy import delete
from sqlmodel import Session, col

from service import auth
from service.store import rollup_codes, rollup_frame, rollups
from service.store.engine import Database
from service.store.rollup_frame import Frame, load
from service.store.schema import RollupBlock, Workspace
from tests.store.items_for_counting import add_items, change_item, delete_item, make_item


def _ids(frame: Frame) -> list[int]:
    return sorted(frame.rows["item_id"][frame.live].tolist())


def test_an_older_reader_gets_no_older_frame(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        first = add_items(session, [make_item(workspace_id, 1)])
    with database.read() as older:
        older.connection()
        load(older, workspace_id)
        with database.write() as session:
            second = add_items(session, [make_item(workspace_id, 2)])
        with database.read() as newer:
            assert _ids(load(newer, workspace_id)) == first + second
        assert _ids(load(older, workspace_id)) in (first, first + second)
        with database.read() as newer:
            assert _ids(load(newer, workspace_id)) == first + second


def test_a_frame_that_was_handed_out_never_changes(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, n) for n in range(3)])
    with database.read() as session:
        before = load(session, workspace_id)
        kept = {name: column.copy() for name, column in before.rows.items()}
    with database.write() as session:
        delete_item(session, workspace_id, ids[0])
        change_item(session, workspace_id, ids[1], stage="usage", respondent="c" * 32)
        add_items(session, [make_item(workspace_id, n) for n in range(10, 20)])
    with database.read() as session:
        assert len(_ids(load(session, workspace_id))) == 12
    assert _ids(before) == ids
    for name, column in kept.items():
        np.testing.assert_array_equal(before.rows[name], column)


def test_merged_blocks_are_not_read_again(
    database: Database, workspace_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        with database.write() as session:
            add_items(session, [make_item(workspace_id, number)])
    with database.read() as session:
        before = load(session, workspace_id)
    with database.write() as session:
        assert rollups.merge(session, workspace_id, full=True)
    monkeypatch.setattr(rollup_frame, "_start", lambda *_: pytest.fail("made anew"))
    with database.read() as session:
        assert load(session, workspace_id) is before
    with database.write() as session:
        add_items(session, [make_item(workspace_id, 9)])
    with database.read() as session:
        assert len(load(session, workspace_id)) == 5


def test_blocks_merged_with_unseen_ones_are_counted_once(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, 1)])
    with database.read() as session:
        load(session, workspace_id)
    with database.write() as session:
        ids += add_items(session, [make_item(workspace_id, 2)])
        rollups.merge(session, workspace_id, full=True)
    with database.read() as session:
        assert _ids(load(session, workspace_id)) == ids


def test_lineages_that_grow_too_long_are_dropped(
    database: Database, workspace_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "MAX_LEAVES", 2)
    ids = []
    for number in range(4):
        with database.write() as session:
            ids += add_items(session, [make_item(workspace_id, number)])
        with database.read() as session:
            load(session, workspace_id)
    with database.write() as session:
        rollups.merge(session, workspace_id, full=True)
    with database.read() as session:
        assert _ids(load(session, workspace_id)) == ids


def test_a_workspace_that_was_removed_and_made_again_starts_empty(database: Database) -> None:
    def make(session: Session) -> int:
        made: Workspace = auth.workspace_named(session, "again", create=True)
        assert made.id is not None
        return made.id

    with database.write() as session:
        first = make(session)
        add_items(session, [make_item(first, n) for n in range(2)])
    with database.read() as session:
        assert len(load(session, first)) == 2
    with database.write() as session:
        session.execute(delete(Workspace).where(col(Workspace.id) == first))
    with database.write() as session:
        second = make(session)  # the same ids again on SQLite
        ids = add_items(session, [make_item(second, 7)])
    with database.read() as session:
        assert _ids(load(session, second)) == ids


def test_an_emptied_workspace_is_empty(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, 1)])
    with database.read() as session:
        load(session, workspace_id)
    with database.write() as session:
        delete_item(session, workspace_id, ids[0])
        rollups.rebuild(session, workspace_id)
    with database.read() as session:
        assert _ids(load(session, workspace_id)) == []
    with database.write() as session:
        session.execute(delete(RollupBlock))
    with database.read() as session:
        assert _ids(load(session, workspace_id)) == []


def test_readers_and_writers_at_once(database: Database, workspace_id: int) -> None:
    seen: list[int] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                with database.read() as session:
                    seen.append(len(_ids(load(session, workspace_id))))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(12):
        with database.write() as session:
            add_items(session, [make_item(workspace_id, number * 10 + i) for i in range(5)])
        if number % 4 == 3:
            with database.write() as session:
                rollups.merge(session, workspace_id, full=True)
    done.set()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert all(count % 5 == 0 for count in seen)  # no half transaction is ever seen
    with database.read() as session:
        assert len(_ids(load(session, workspace_id))) == 60


def test_memory_is_bounded_over_workspaces(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rollup_frame.forget()
    monkeypatch.setattr(rollup_frame, "CACHE_BYTES", 1)
    for name in ("a", "b", "c"):
        with database.write() as session:
            made = auth.workspace_named(session, name, create=True)
            assert made.id is not None
            add_items(session, [make_item(made.id, 1)])
            workspace_id = made.id
        with database.read() as session:
            load(session, workspace_id)
    assert len(rollup_frame._states) == 1


def test_labels_that_left_the_codebook_count_as_none(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        add_items(session, [make_item(workspace_id, 1, stage="unboxing", topic="smell")])
    with database.read() as session:
        frame = load(session, workspace_id)
    code = rollup_codes.codes()
    assert frame.rows["topic"].tolist() == [len(code.labels["topic"])]
    assert frame.rows["place"].tolist()[0] // code.size("touchpoint") == len(code.labels["stage"])
