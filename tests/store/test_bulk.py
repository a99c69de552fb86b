"""Rows written in bulk are what any other statement would have written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DataError, IntegrityError

from service.store import bulk, rollups
from service.store.engine import Database
from service.store.rollup_records import new_record, read_records, zone_of
from service.store.schema import Delivery, Endpoint, FeedbackItem, Workspace

TABLE = FeedbackItem.__table__  # type: ignore[attr-defined]
MOMENT = datetime(2026, 11, 20, 23, 30, 0, 120, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def workspace_id(database: Database) -> int:
    with database.write() as session:
        row = Workspace(name="bulk", timezone="Asia/Tokyo")
        session.add(row)
        session.flush()
        assert row.id is not None
        return row.id


def columns(workspace_id: int, identity: str, **changed: Any) -> dict[str, Any]:
    """A full row without its id."""
    made = dict.fromkeys(column.name for column in TABLE.columns if column.name != "id")
    return {
        **made,
        "workspace_id": workspace_id,
        "source": "shop",
        "identity": identity,
        "channel": "survey",
        "text_version": 1,
        "received_at": MOMENT,
        "at": MOMENT,
        "attributes": {},
        "state": "no_text",
        "corrected": False,
        **changed,
    }


ODD: list[dict[str, Any]] = [
    {},
    {"text": 'a\ttab, "quotes", \\N, \\ and\na line\r\n; Grüße 🙂', "state": "pending", "declared_language": "de"},
    {"attributes": {"plan": "pro\t\\x", "ä": "1"}, "field_times": {"text": None}, "occurred_at": MOMENT},
    {"occurred_at": datetime(1990, 1, 1, tzinfo=UTC), "sender_updated_at": MOMENT, "value": 12.5, "text": ""},
    {
        "score_kind": "stars",
        "score_value": 4,
        "score_min": 1,
        "score_max": 5,
        "respondent": "r",
        "corrected": True,
    },
]


def test_rows_in_bulk_are_read_like_rows_one_by_one(database: Database, workspace_id: int) -> None:
    rows = [columns(workspace_id, f"id:{turn}", **odd) for turn, odd in enumerate(ODD)]
    with database.write() as session:
        ids = bulk.insert_with_ids(session, TABLE, rows)
        session.execute(insert(TABLE), [{**row, "identity": f"one by one {row['identity']}"} for row in rows])
    with database.read() as session:
        found = [dict(row) for row in session.execute(select(TABLE).order_by(TABLE.c.id)).mappings()]
    assert ids == [row["id"] for row in found[: len(ODD)]]
    for bulky, single in zip(found[: len(ODD)], found[len(ODD) :], strict=True):
        assert single.pop("id") > bulky.pop("id")
        assert single.pop("identity") == f"one by one {bulky.pop('identity')}"
        assert bulky == single
    assert found[2]["occurred_at"] == MOMENT


def test_what_is_counted_of_new_rows_is_what_their_rows_say(database: Database, workspace_id: int) -> None:
    rows = [columns(workspace_id, f"id:{turn}", **odd) for turn, odd in enumerate(ODD)]
    with database.write() as session:
        ids = bulk.insert_with_ids(session, TABLE, rows)
        assert ids is not None
        zone = zone_of(session, workspace_id)
        read = read_records(session, workspace_id, ids, zone=zone)
        made = [new_record(item_id, row, zone) for item_id, row in zip(ids, rows, strict=True)]
        assert [one.digest() for one in made] == [one.digest() for one in read]
        assert made == read == list(rollups.snapshot_new(session, workspace_id, list(zip(ids, rows, strict=True))))


def test_a_row_that_is_there_already_is_told(database: Database, workspace_id: int) -> None:
    rows = [columns(workspace_id, f"id:{turn}") for turn in range(3)]
    with database.write() as session:
        first = bulk.insert_with_ids(session, TABLE, rows[:1])
        place = session.begin_nested()
        assert bulk.insert_with_ids(session, TABLE, rows) is None
        place.rollback()
        more = bulk.insert_with_ids(session, TABLE, rows[1:])
        assert first is not None
        assert more is not None
        assert bulk.insert_with_ids(session, TABLE, []) == []
    keys = [("shop", "id:0"), ("shop", "id:2"), ("shop", "id:9"), ("till", "id:1")]
    with database.read() as session:
        assert bulk.ids_of_items(session, workspace_id, keys) == [first[0], more[1]]
        assert bulk.ids_of_items(session, workspace_id + 1, keys) == []


@pytest.mark.parametrize("steps", [0, 2, 3, 5])
def test_while_a_server_takes_rows_in_other_work_gets_on(
    database: Database, workspace_id: int, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Three times between the rows, then as long as the server still looks at them and something is to be done."""
    monkeypatch.setattr(bulk, "ROWS_BETWEEN", 3)
    rows = [columns(workspace_id, f"id:{turn}", text="long " * 20_000) for turn in range(10)]
    done: list[bool] = []

    def step() -> bool:
        done.append(len(done) < steps)
        return done[-1]

    with database.write() as session:
        ids = bulk.insert_with_ids(session, TABLE, rows, meanwhile=step)
    assert sum(done) <= steps
    assert len(done) in ((0,) if database.is_sqlite else (3, *range(4, max(3, steps) + 2)))
    with database.read() as session:
        found = session.execute(select(TABLE.c.id, TABLE.c.identity).order_by(TABLE.c.id)).all()
    assert [tuple(row) for row in found] == list(zip(ids or (), [row["identity"] for row in rows], strict=True))


@pytest.mark.parametrize("meanwhile", [None, lambda: True])
def test_what_a_server_finds_behind_the_last_row_is_told(
    database: Database, workspace_id: int, meanwhile: Callable[[], bool] | None
) -> None:
    strangers = [columns(workspace_id + 1, f"id:{turn}") for turn in range(3)]
    with pytest.raises(IntegrityError), database.write() as session:
        bulk.insert_with_ids(session, TABLE, strangers, meanwhile=meanwhile)
    with database.read() as session:
        assert session.execute(select(TABLE.c.id)).all() == []


def test_other_errors_are_those_of_any_statement(database: Database, workspace_id: int) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        bulk.insert_with_ids(session, TABLE, [columns(workspace_id + 1, "id:1")])
    with pytest.raises(ValueError, match="without zone"), database.write() as session:
        bulk.insert_with_ids(session, TABLE, [columns(workspace_id, "id:1", at=datetime(2026, 1, 1))])
    if not database.is_sqlite:
        with pytest.raises(DataError), database.write() as session:
            bulk.insert_with_ids(session, TABLE, [columns(workspace_id, "id:1", text="\x00")])
    with database.read() as session:
        assert session.execute(select(TABLE.c.id)).all() == []


ODD_VALUES: dict[str, list[Any]] = {
    "text[]": [
        "",
        " ",
        "NULL",
        "null",
        None,
        'a"b',
        "\\",
        '\\"',
        "{x,y}",
        "a,b",
        "ä🙂",
        "tab\tline\r\n",
        "'; --",
        "a",
    ],
    "bigint[]": [0, -1, 2**63 - 1, None, 7, 7],
    "double precision[]": [0.1, -1e300, 5.0, None, float("inf")],
    "boolean[]": [True, None, False],
    "timestamptz[]": [MOMENT, None, datetime(1990, 1, 1, tzinfo=UTC)],
}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("kind", ODD_VALUES)
def test_arrays_are_read_as_they_were_meant(database: Database, kind: str) -> None:
    with database.read() as session:
        for values in (ODD_VALUES[kind], ODD_VALUES[kind][:1], []):
            found = session.connection().exec_driver_sql(f"SELECT %s::{kind}", (bulk.pg_array(values),))
            assert found.scalar_one() == values


def test_among_finds_what_is_listed(database: Database, workspace_id: int) -> None:
    odd = ["id:'; --", 'id:ä"🙂', "id:[]"]
    with database.write() as session:
        bulk.insert_with_ids(session, TABLE, [columns(workspace_id, one) for one in odd])
    with database.read() as session:
        found = select(TABLE.c.identity).where(bulk.among(session, TABLE.c.identity, [*odd[:2], "id:x"]))
        assert set(session.execute(found).scalars()) == set(odd[:2])
        assert session.execute(select(TABLE.c.id).where(bulk.among(session, TABLE.c.identity, []))).all() == []


def test_of_each_delivery_it_is_told_whether_it_is_stored(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        ends = [
            Endpoint(workspace_id=workspace_id, public_id=f"p{n}", sender="tally", name="", source="", secrets="")
            for n in range(2)
        ]
        session.add_all(ends)
        session.flush()
        for end, name in ((ends[0], "a"), (ends[1], "b")):
            assert end.id is not None
            row = {"workspace_id": workspace_id, "endpoint_id": end.id, "external_id": name, "received_at": MOMENT}
            rest = {"headers": {"x": name}, "content_type": "", "body": b"\x00\\x\xff\n", "state": "parsed"}
            more = {"detail": "", "results": [{"index": 0}], "repeats": 0}
            assert bulk.insert_with_ids(session, Delivery.__table__, [row | rest | more])  # type: ignore[attr-defined]
    with database.read() as session:
        one, two = ((end.id or 0) for end in ends)
        asked = [(one, "a"), (one, "b"), (two, "b"), (two, "c")]
        assert bulk.stored_deliveries(session, asked) == {(one, "a"), (two, "b")}
        found = session.execute(select(Delivery).order_by(Delivery.external_id)).scalars().all()
        assert [row.body for row in found] == [b"\x00\\x\xff\n"] * 2
        assert (found[0].headers, found[0].results) == ({"x": "a"}, [{"index": 0}])
