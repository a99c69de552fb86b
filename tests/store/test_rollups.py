"""The rollups equal a recount, whatever happened in whatever order."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, update
from sqlmodel import col, select

from service import auth
from service.store import rollup_blocks, rollups
from service.store.engine import Database
from service.store.queue import claim
from service.store.rollup_records import reason_of
from service.store.schema import FeedbackItem, Job, RollupBlock, Segment, Workspace
from service.work import Work
from tests.store.items_for_counting import START, add_items, change_item, delete_item, make_item

SEGMENT = ("purchase", "frustration", "negative", "payment", "checkout")
FRESH = dict.fromkeys(("stage", "emotion", "sentiment", "topic", "touchpoint", "model", "language"))

changes = st.fixed_dictionaries(
    {},
    optional={
        "stage": st.sampled_from(["purchase", "usage", "none"]),
        "sentiment": st.sampled_from(["negative", "positive", "mixed"]),
        "score_value": st.sampled_from([None, 0.1, 9.0]),
        "respondent": st.sampled_from([None, "a" * 32]),
        "attributes": st.dictionaries(
            st.sampled_from(["plan", "país"]), st.sampled_from(["pro", "ü"]), max_size=2
        ),
        "corrected": st.booleans(),
        "unsure_reason": st.sampled_from([None, "low_confidence", "meaningless"]),
        "state": st.sampled_from(["tagged", "pending"]),
        "at": st.integers(0, 9).map(lambda days: START + timedelta(days=days)),
        "value": st.sampled_from([None, 12.5]),
    },
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 4), changes),
        st.tuples(st.just("change"), st.integers(0, 30), changes),
        st.tuples(st.just("segments"), st.integers(0, 30), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.integers(0, 30), st.none()),
        st.tuples(st.just("merge"), st.booleans(), st.none()),
        st.tuples(st.just("rebuild"), st.none(), st.none()),
    ),
    max_size=20,
)


def _new_workspace(database: Database) -> int:
    with database.write() as session:
        made: Workspace = auth.workspace_named(session, uuid.uuid4().hex, create=True)
        assert made.id is not None
        return made.id


def _run(database: Database, workspace_id: int, step: tuple[str, Any, Any], ids: list[int], number: int) -> None:
    kind, first, second = step
    with database.write() as session:
        if kind == "add":
            items = [make_item(workspace_id, number * 10 + i, **second) for i in range(first)]
            ids += add_items(session, items, {0: [SEGMENT]})
        elif kind == "merge":
            rollups.merge(session, workspace_id, full=first)
        elif kind == "rebuild":
            rollups.rebuild(session, workspace_id)
        elif ids:
            item_id = ids[first % len(ids)]
            if kind == "change":
                change_item(session, workspace_id, item_id, **second)
            elif kind == "delete":
                delete_item(session, workspace_id, item_id)
                ids.remove(item_id)
            else:
                before = rollups.snapshot(session, workspace_id, [item_id])
                session.execute(delete(Segment).where(col(Segment.item_id) == item_id))
                session.add_all(
                    Segment(
                        workspace_id=workspace_id,
                        item_id=item_id,
                        position=position,
                        start=0,
                        end=1,
                        **dict(zip(rollup_blocks.LABEL_FIELDS, SEGMENT, strict=True)),
                    )
                    for position in range(second)
                )
                session.flush()
                after = rollups.snapshot(session, workspace_id, [item_id])
                rollups.apply(session, workspace_id, before=before, after=after)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=steps)
def test_any_sequence_of_changes_equals_a_recount(
    database: Database, monkeypatch: pytest.MonkeyPatch, sequence: list[tuple[str, Any, Any]]
) -> None:
    monkeypatch.setattr(rollups, "FAN_IN", 3)
    workspace_id = _new_workspace(database)
    ids: list[int] = []
    for number, step in enumerate(sequence):
        _run(database, workspace_id, step, ids, number)
    with database.read() as session:
        assert rollups.verify(session, workspace_id) == []


def test_verify_tells_what_differs(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, n) for n in range(4)])
        session.execute(update(FeedbackItem).where(col(FeedbackItem.id) == ids[0]).values(stage="usage"))
        session.execute(delete(FeedbackItem).where(col(FeedbackItem.id) == ids[1]))
        session.add(make_item(workspace_id, 9))
    with database.read() as session:
        found = rollups.verify(session, workspace_id)
    assert [line.split(" (")[0] for line in found] == [
        "1 items not counted",
        "1 items counted with other values than they have",
        "1 items counted although they are gone",
    ]
    with database.write() as session:
        rollups.rebuild(session, workspace_id)
    with database.read() as session:
        assert rollups.verify(session, workspace_id) == []


def test_an_unchanged_item_appends_nothing(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, 1)])
        change_item(session, workspace_id, ids[0], url="https://shop.example/1")
        count = session.execute(select(func.count()).select_from(RollupBlock)).scalar_one()
    assert count == 1


def test_compaction_leaves_one_record_an_item(work: Work, workspace_id: int) -> None:
    for number in range(rollups.FAN_IN + 3):
        with work.database.write() as session:
            ids = add_items(session, [make_item(workspace_id, number)])
            change_item(session, workspace_id, ids[0], topic="price")
    with work.database.write() as session:
        session.execute(delete(Job))
        rollups._ask_for_compaction(session, workspace_id)
        rollups._ask_for_compaction(session, workspace_id)
    with work.database.write() as session:
        jobs = claim(session, worker="w", lease_seconds=60, limit=5, kinds=["compact"])
    assert len(jobs) == 1
    for _ in rollups.compact(work, jobs):
        pass
    with work.database.read() as session:
        assert rollups.verify(session, workspace_id) == []
        blocks = session.exec(select(RollupBlock)).all()
        assert len(blocks) < rollups.FAN_IN
        assert sum(block.records for block in blocks) == rollups.FAN_IN + 3
        assert session.exec(select(Job)).all() == []


@pytest.mark.parametrize("meanwhile", ["append", "merge", "rebuild"])
def test_a_merge_made_beforehand_takes_the_place_of_blocks_that_are_still_there(
    database: Database, workspace_id: int, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    monkeypatch.setattr(rollups, "FAN_IN", 3)
    with database.write() as session:
        ids = [add_items(session, [make_item(workspace_id, number)])[0] for number in range(4)]
        change_item(session, workspace_id, ids[0], topic="price")
    with database.read() as session:
        merged = rollups._merged(session, workspace_id, full=False)
    assert merged is not None
    with database.write() as session:
        if meanwhile == "append":
            change_item(session, workspace_id, ids[1], topic="price")
        elif meanwhile == "merge":
            assert rollups.merge(session, workspace_id)
        else:
            rollups.rebuild(session, workspace_id)
    with database.write() as session:
        assert rollups._put(session, workspace_id, merged) == (meanwhile == "append")
    with database.read() as session:
        assert rollups.verify(session, workspace_id) == []
        blocks = session.exec(select(RollupBlock)).all()
        assert not merged.of.keys() & {block.id for block in blocks} or meanwhile != "append"


def test_a_full_merge_leaves_nothing_of_a_deleted_item(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, n, attributes={"plan": f"plan {n}"}) for n in range(2)])
        delete_item(session, workspace_id, ids[0])
        assert rollups.merge(session, workspace_id, full=True)
    with database.read() as session:
        payload = session.exec(select(RollupBlock)).one().payload
        block = rollup_blocks.from_bytes(payload)
        assert block.columns["item_id"].tolist() == [ids[1]]
        assert rollups.verify(session, workspace_id) == []
        assert block.words["attribute"] == ["plan\0plan 1"]


def test_concurrent_changes_of_one_item_and_merges(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(session, [make_item(workspace_id, n) for n in range(3)])
    failures: list[BaseException] = []

    def change(topic: str) -> None:
        try:
            for number in range(8):
                with database.write() as session:
                    change_item(session, workspace_id, ids[number % 3], topic=topic, value=float(number))
        except BaseException as error:
            failures.append(error)

    def compact() -> None:
        try:
            for _ in range(6):
                with database.write() as session:
                    rollups.merge(session, workspace_id, full=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=change, args=(topic,)) for topic in ("price", "quality", "staff")]
    threads += [threading.Thread(target=compact) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with database.read() as session:
        assert rollups.verify(session, workspace_id) == []


def test_a_change_of_time_zone_and_writers_end_equal(database: Database, workspace_id: int) -> None:
    late = START.replace(hour=23)

    def write() -> None:
        for number in range(12):
            with database.write() as session:
                add_items(session, [make_item(workspace_id, number, occurred_at=late)])

    thread = threading.Thread(target=write)
    thread.start()
    for zone in ("Asia/Tokyo", "America/New_York", "Asia/Tokyo"):
        with database.write() as session:
            rollups.change_timezone(session, workspace_id, zone)
    thread.join(60)
    with database.read() as session:
        assert rollups.verify(session, workspace_id) == []


def test_damaged_bytes_are_named(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        add_items(session, [make_item(workspace_id, 1)])
        session.execute(update(RollupBlock).values(payload=b"nothing"))
    with database.read() as session:
        assert rollups.verify(session, workspace_id) == ["damaged rollup block (error)"]


def test_bytes_and_back(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ids = add_items(
            session,
            [
                make_item(workspace_id, n, attributes={"plan": "pro", "n": str(n)}, score_value=n / 3)
                for n in range(40)
            ],
            {3: [SEGMENT, SEGMENT], 7: [SEGMENT]},
        )
        block = rollup_blocks.encode_records(list(rollups.snapshot(session, workspace_id, ids)), [])
    again = rollup_blocks.from_bytes(rollup_blocks.to_bytes(block))
    assert again.words == block.words
    for name, column in block.columns.items():
        np.testing.assert_array_equal(again.columns[name], column)
    part = rollup_blocks.take(again, np.array([7, 3]))
    assert part.columns["segment_count"].tolist() == [1, 2]
    assert len(part.columns["segment_stage"]) == 3
    assert [part.words["attribute"][i].split("\0")[1] for i in part.columns["attribute"]] == [
        "7",
        "pro",
        "3",
        "pro",
    ]


@pytest.mark.parametrize(
    ("given_values", "reason"),
    [
        ({"has_text": False}, "no_text"),
        ({"state": "pending", "stage": None}, "untagged"),
        ({"state": "pending", "stage": None, "corrected": True}, "untagged"),
        ({"unsure_reason": "low_confidence"}, "unsure"),
        ({"unsure_reason": "low_confidence", "corrected": True}, ""),
        ({"unsure_reason": "empty", "stage": None}, "meaningless"),
        ({"unsure_reason": "unsupported_language", "stage": None}, "unsupported_language"),
        ({"stage": "none"}, "none"),
        ({"stage": "none", "corrected": True}, "none"),
        ({}, ""),
    ],
)
def test_why_an_item_stands_in_no_column(given_values: dict[str, Any], reason: str) -> None:
    values = {"state": "tagged", "unsure_reason": None, "stage": "usage", "corrected": False, "has_text": True}
    assert reason_of(**(values | given_values)) == reason
