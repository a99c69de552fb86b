"""Imports from the upload to the last counter, on both databases."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.ahead import Ahead
from service.ingest.import_requests import import_path
from service.ingest.imports import on_dead, read_file
from service.settings import Settings
from service.store import queue
from service.store.engine import Database
from service.store.queue import LeaseLost
from service.store.schema import FeedbackItem, ImportReject, Job
from service.work import Work
from tests.ingest.importing import begin, claim, imported, read_all, rows, tag_all
from tests.ingest.rows import stored

FIXTURES = Path(__file__).parent / "fixtures" / "generic"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"import_slice_rows": 10})


def table_of(count: int, *, start: int = 0) -> bytes:
    lines = [f"{n},2026-11-{n % 28 + 1:02d},{n % 11},text number {n}" for n in range(start, start + count)]
    return "\n".join(["id,date,nps,comment", *lines]).encode()


def jobs(database: Database, kind: str) -> list[Job]:
    with database.read() as session:
        return list(session.execute(select(Job).where(Job.kind == kind)).scalars())  # type: ignore[arg-type]


def test_a_file_becomes_items_slice_by_slice(client: Any, work: Work, database: Database) -> None:
    answer = client.post(
        "/v1/imports",
        content=table_of(25) + b"\n25,2026-11-01,3,\n26,2026-11-01,,\n",
        params={"filename": "shop.csv"},
    )
    assert answer.status_code == 202
    shown = answer.json()
    assert answer.headers["location"] == f"/v1/imports/{shown['id']}"
    assert (shown["state"], shown["rows"], shown["items"], shown["tagged"]) == ("queued", rows(), 0, 0)
    assert (shown["progress"], shown["questions"], shown["finished_at"], shown["error"]) == (0, [], None, None)

    stage = read_file(work, claim(work, "import"))
    next(stage)
    halfway = client.get(f"/v1/imports/{shown['id']}").json()
    assert (halfway["state"], halfway["rows"]) == ("running", rows(read=10, accepted=10))
    assert 0 < halfway["progress"] < 1
    assert list(stage) == [None, None]
    read = client.get(f"/v1/imports/{shown['id']}").json()
    assert read["rows"] == rows(read=27, accepted=26, empty=1)
    assert (read["state"], read["items"], read["tagged"]) == ("running", 26, 0)
    assert read["progress"] == 0.5

    waiting = jobs(database, "classify")
    assert [len(job.payload["items"]) for job in waiting] == [10, 10, 5]  # one job a slice, not a row
    assert {job.payload["import_id"] for job in waiting} == {int(shown["id"])}
    assert {job.priority for job in waiting} == {int(queue.Priority.BULK)}
    assert jobs(database, "import") == []
    assert tag_all(work) == 25
    done = client.get(f"/v1/imports/{shown['id']}").json()
    assert (done["state"], done["tagged"], done["progress"]) == ("succeeded", 25, 1)
    assert done["finished_at"] is not None
    with database.read() as session:
        item = session.execute(select(FeedbackItem).where(FeedbackItem.external_id == "7")).scalar_one()  # type: ignore[arg-type]
    assert (item.text, item.source, item.channel, item.score_kind) == ("text number 7", "shop", "survey", "nps")
    assert str(item.import_id) == shown["id"]


def test_every_fixture_is_imported(client: Any, work: Work, database: Database) -> None:
    whole, with_bad_line = rows(read=3, accepted=3), rows(read=4, accepted=3, rejected=1)
    names = [path.name for path in sorted(FIXTURES.iterdir()) if not path.name.endswith(".meta.json")]
    assert len(names) == 7
    for name in names:
        done = imported(client, work, (FIXTURES / name).read_bytes(), name, source=name)
        is_whole = "bad-line" not in name
        assert done["rows"] == (whole if is_whole else with_bad_line)
        assert done["state"] == ("succeeded" if is_whole else "partially_succeeded")
        with database.read() as session:
            items = (
                session.execute(
                    select(FeedbackItem).where(FeedbackItem.source == name).order_by(FeedbackItem.id)  # type: ignore[arg-type]
                )
                .scalars()
                .all()
            )
        assert [item.score_value for item in items] == [2, 5, None]
        assert items[1].text == "Größe passt, Lieferung schnell – danke!"
        assert items[0].respondent is not None
        assert "example.com" not in items[0].respondent
        assert items[0].attributes == {}


def test_long_texts_end_a_slice_early(client: Any, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ingest.imports.SLICE_CHARS", 1_000)
    lines = "".join(f"{n},{'late again ' * 40}{n}\n" for n in range(6))
    shown = client.post("/v1/imports", content=f"id,comment\n{lines}", params={"filename": "long.csv"}).json()
    stage = read_file(work, claim(work, "import"))
    next(stage)
    assert client.get(f"/v1/imports/{shown['id']}").json()["rows"] == rows(read=3, accepted=3)
    for _ in stage:
        pass
    assert client.get(f"/v1/imports/{shown['id']}").json()["rows"] == rows(read=6, accepted=6)


def test_slices_are_short_while_senders_wait_for_the_write_lock(
    client: Any, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.ingest.imports.SHORT_SLICE_ROWS", 4)
    lines = "".join(f"{n},late again {n}\n" for n in range(25))
    shown = client.post("/v1/imports", content=f"id,comment\n{lines}", params={"filename": "shop.csv"}).json()

    def read() -> int:
        return int(client.get(f"/v1/imports/{shown['id']}").json()["rows"]["read"])

    work.arrivals.note()
    stage = read_file(work, claim(work, "import"))
    next(stage)
    assert read() == (4 if work.database.is_sqlite else 10), "PostgreSQL's writers do not wait for each other"
    before = read()
    monkeypatch.setattr("service.work.LATELY_SECONDS", 0.0)
    next(stage)
    assert read() == before + 10
    for _ in stage:
        pass
    assert read() == 25


def test_what_is_read_while_a_slice_is_stored_is_taken_as_ever(
    client: Any, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[bool] = []
    whole_step = Ahead.step

    def step(ahead: Ahead[Any]) -> None:
        steps.append(sys._getframe(1).f_code is not Ahead.__iter__.__code__)
        whole_step(ahead)

    # one row is no number, one stands there twice; the last slice is of its own length
    content = table_of(27) + b"\nlate,2026-11-01,eleven,x\n3,2026-11-04,3,text number 3\n" + table_of(9, start=30)
    expected = imported(client, work, content, source="at once")
    monkeypatch.setattr("service.store.bulk.ROWS_BETWEEN", 3)
    monkeypatch.setattr("service.ingest.imports.STEP_ROWS", 2)
    monkeypatch.setattr(Ahead, "step", step)
    found = imported(client, work, content, source="ahead")
    assert any(steps) == (not database.is_sqlite)
    assert (found["rows"], found["state"], found["items"]) == (
        expected["rows"],
        expected["state"],
        expected["items"],
    )
    assert found["rows"]["rejected"] > 0
    with database.read() as session:
        at_once, ahead = (
            session.execute(
                select(FeedbackItem.external_id, FeedbackItem.text, FeedbackItem.score_value)
                .where(FeedbackItem.source == source)  # type: ignore[arg-type]
                .order_by(FeedbackItem.identity)
            ).all()
            for source in ("at once", "ahead")
        )
    assert len(ahead) > 30
    assert ahead == at_once


def test_a_worker_that_dies_with_rows_read_ahead_loses_none(
    client: Any, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.bulk.ROWS_BETWEEN", 1)
    monkeypatch.setattr("service.ingest.imports.STEP_ROWS", 2)
    shown = client.post("/v1/imports", content=table_of(35), params={"filename": "shop.csv"}).json()
    dead, _ = begin(work, slices=2)
    assert stored(database) == 20
    read_all(work)
    assert stored(database) == 35
    assert client.get(f"/v1/imports/{shown['id']}").json()["rows"] == rows(read=35, accepted=35)
    dead.close()  # type: ignore[attr-defined]


def test_the_same_file_again_brings_nothing_new(client: Any, work: Work, database: Database) -> None:
    anonymous = b"date,text\n2026-11-02,same\n2026-11-02,same\n2026-11-03,other\n" + b"2026-11-02,same\n" * 30
    for content, count in ((table_of(25), 25), (anonymous, 33), (b"text\nfirst\nfirst\nsecond\n", 3)):
        before = stored(database)
        assert imported(client, work, content, source="s")["rows"] == rows(read=count, accepted=count)
        again = imported(client, work, content, source="s")
        assert again["rows"] == rows(read=count, duplicate=count)
        assert (again["state"], again["items"], again["tagged"]) == ("succeeded", 0, 0)
        assert stored(database) == before + count


def test_changed_rows_are_updates(client: Any, work: Work, database: Database) -> None:
    imported(client, work, table_of(12))
    changed = table_of(12).replace(b"text number 3", b"now something else")
    done = imported(client, work, changed)
    assert done["rows"] == rows(read=12, updated=1, duplicate=11)
    assert (done["items"], done["tagged"], done["state"]) == (1, 1, "succeeded")


def test_a_newer_file_of_fewer_words_takes_nothing_away(client: Any, work: Work, database: Database) -> None:
    first = b"id,comment,more,nps\n1,It is quick.,Dark mode please.,9\n2,It is slow.,,3\n"
    mapping = '{"comment": "text", "more": "text", "nps": "score_nps"}'
    imported(client, work, first, filename="pulse.csv", mapping=mapping)

    def kept() -> dict[str, tuple[str | None, float | None]]:
        with database.read() as session:
            items = session.execute(select(FeedbackItem)).scalars()
            return {item.external_id or "": (item.text, item.score_value) for item in items}

    before = kept()
    assert len(before) == 3
    imported(
        client, work, b"id,comment,more,nps\n1,It is quick.,,9\n2,,,4\n", filename="pulse.csv", mapping=mapping
    )
    assert kept() == before | {"2": ("It is slow.", 4.0)}


@pytest.mark.parametrize("anonymous", [False, True])
def test_a_dead_workers_import_is_finished_by_the_next_one_row_for_row(
    client: Any, work: Work, database: Database, anonymous: bool
) -> None:
    content = b"date,comment\n" + b"2026-11-02,the same words\n" * 64 if anonymous else table_of(64)
    content += b"\nbroken row\n"
    location = client.post("/v1/imports", content=content, params={"filename": "x.csv"}).headers["location"]
    dead, _ = begin(work, slices=3)
    assert client.get(location).json()["rows"] == rows(read=30, accepted=30)
    assert read_all(work) == 1
    tag_all(work)
    done = client.get(location).json()
    assert done["rows"] == rows(read=65, accepted=64, rejected=1)
    assert (done["items"], done["tagged"], done["state"]) == (64, 64, "partially_succeeded")
    assert (stored(database), stored(database, ImportReject)) == (64, 1)
    # the one that was taken for dead wakes up: what it holds is no longer its own
    with pytest.raises(LeaseLost):
        next(dead)
    assert client.get(location).json() == done
    assert stored(database, Job) == 0


def test_two_workers_on_one_import_store_every_row_once(client: Any, work: Work, database: Database) -> None:
    location = client.post("/v1/imports", content=table_of(35)).headers["location"]
    first, _ = begin(work, slices=1)
    second = read_file(work, claim(work, "import"))
    next(second)
    with pytest.raises(LeaseLost):
        next(first)
    assert list(second) == [None, None]
    assert client.get(location).json()["rows"] == rows(read=35, accepted=35)
    assert stored(database) == 35


def rejected(client: Any, shown: dict[str, Any]) -> list[list[str]]:
    answer = client.get(f"/v1/imports/{shown['id']}/rejected.csv")
    assert answer.status_code == 200
    assert answer.content.startswith(b"_row,_code,_detail,")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.text)))


def test_refused_rows_can_be_fetched_mended_and_sent_again(client: Any, work: Work, database: Database) -> None:
    content = (
        'id,date,nps,comment\n1,2026-11-02,9,fine\n2,2026-11-02,99,=HYPERLINK(1)\n3,someday,-1,"two\nlines"\n'
        "4,2026-11-02,8\n5,2026-11-02,,\n6,2026-11-02,7,fine too\n"
    )
    done = imported(client, work, content.encode(), "march.csv")
    assert done["rows"] == rows(read=6, accepted=2, rejected=3, empty=1)
    assert done["state"] == "partially_succeeded"
    lines = rejected(client, done)
    assert lines[0] == ["_row", "_code", "_detail", "id", "date", "nps", "comment"]
    assert [line[:2] for line in lines[1:]] == [["2", "value_error"], ["3", "bad_time"], ["4", "wrong_width"]]
    assert lines[1][3:] == ["2", "2026-11-02", "99", "'=HYPERLINK(1)"]
    assert lines[2][3:] == ["3", "someday", "-1", "two\nlines"]
    assert lines[3][3:] == ["4", "2026-11-02", "8"]
    assert "HYPERLINK" not in lines[1][2]

    lines[1][5], lines[2][4:6], lines[3] = "10", ["2026-11-02", "1"], [*lines[3], "now whole"]
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    again = imported(client, work, out.getvalue().encode(), "march-rejected.csv")
    assert again["rows"] == rows(read=3, accepted=3)
    assert again["source"] == "march"
    with database.read() as session:
        items = session.execute(select(FeedbackItem).order_by(FeedbackItem.external_id)).scalars().all()  # type: ignore[arg-type]
    assert [item.text for item in items] == ["fine", "=HYPERLINK(1)", "two\nlines", "now whole", "fine too"]
    assert {item.source for item in items} == {"march"}
    assert all(item.attributes == {} for item in items)


def test_refused_json_is_kept_as_it_was(client: Any, work: Work) -> None:
    lines = [json.dumps({"id": n, "comment": f"text {n}"}) for n in range(1, 11)]
    lines[6] = '{"id": 7, "comment": "cut'
    lines[8] = json.dumps({"id": 9, "comment": {"de": "x"}})
    done = imported(client, work, "\n".join(lines).encode(), "x.ndjson")
    assert done["rows"] == rows(read=10, accepted=8, rejected=2)
    found = rejected(client, done)
    assert found[0] == ["_row", "_code", "_detail", "_raw", "id", "comment", "comment.de"]
    assert found[1][:2] == ["7", "broken_json"]
    assert "Line 7" in found[1][2]
    assert found[1][3] == lines[6]
    assert found[2][:2] == ["9", "wrong_type"]
    assert json.loads(found[2][3]) == json.loads(lines[8])


def test_rows_that_no_database_could_store_are_kept_readably(client: Any, work: Work) -> None:
    content = b"id,comment\n1,a\x00b\n2,fine\n3,half \xff byte\n" + "4,schön\n".encode() * 20
    done = imported(client, work, content)
    assert done["rows"]["rejected"] == 2
    found = rejected(client, done)
    assert [line[1] for line in found[1:]] == ["nul_byte", "bad_encoding"]
    assert found[1][4] == "a\ufffdb"


def test_a_million_characters_in_a_cell_refuse_their_row_alone(client: Any, work: Work) -> None:
    content = b"id,comment\n1,fine\n2," + b"x" * 1_000_000 + b"\n3,fine\n"
    done = imported(client, work, content)
    assert done["rows"] == rows(read=3, accepted=2, rejected=1)
    found = rejected(client, done)
    assert found[1][1] == "string_too_long"
    assert len(found[1][4]) == 1_000_000


def test_abort_reads_nothing_behind_the_first_bad_row(client: Any, work: Work, database: Database) -> None:
    lines = table_of(40).split(b"\n")
    lines[26] = b"25,never,9,words of a customer"
    done = imported(client, work, b"\n".join(lines), on_error="abort")
    assert done["state"] == "failed"
    assert done["error"].startswith("Row 26 ")
    assert "bad_time" in done["error"]
    assert "words" not in done["error"]
    assert done["rows"] == rows(read=26, accepted=25, rejected=1)
    assert done["finished_at"] is not None
    assert stored(database) == 25  # what was stored before stays, and is tagged
    assert done["tagged"] == 25


def test_a_file_of_which_nothing_can_be_taken_has_failed(client: Any, work: Work) -> None:
    done = imported(client, work, b"id,date,text\n1,never,a\n2,never,b\n3,,\n")
    assert (done["state"], done["rows"]) == ("failed", rows(read=3, rejected=2, empty=1))
    assert "rejected.csv" in done["error"]


def test_blank_answers_alone_are_no_failure(client: Any, work: Work) -> None:
    done = imported(client, work, b"id,nps,comment\n1,,\n2, ,-\n", on_error="abort")
    assert (done["state"], done["rows"]) == ("succeeded", rows(read=2, accepted=1, empty=1))


def test_a_document_that_breaks_off_keeps_its_rows_and_says_where(client: Any, work: Work) -> None:
    done = imported(
        client, work, b'[{"id": 1, "text": "a"},\n {"id": 2, "text": "b"},\n {"id": 3, "text"', "x.json"
    )
    assert done["state"] == "partially_succeeded"
    assert done["rows"] == rows(read=3, accepted=2, rejected=1)
    assert "Line 3" in done["error"]


def test_cancel_stops_at_the_next_slice_and_keeps_what_is_stored(
    client: Any, work: Work, database: Database
) -> None:
    location = client.post("/v1/imports", content=table_of(50)).headers["location"]
    stage, _ = begin(work, slices=2)
    answer = client.post(f"{location}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
    assert len(list(stage)) == 1  # the slice in hand is given up
    tag_all(work)
    shown = client.get(location).json()
    assert (shown["state"], shown["rows"], shown["tagged"]) == ("canceled", rows(read=20, accepted=20), 20)
    assert shown["finished_at"] is not None
    assert (stored(database), jobs(database, "import")) == (20, [])
    assert client.post(f"{location}/cancel").json()["state"] == "canceled"


def test_a_queued_import_can_be_canceled_and_an_ended_one_not(client: Any, work: Work, database: Database) -> None:
    location = client.post("/v1/imports", content=table_of(5)).headers["location"]
    client.post(f"{location}/cancel")
    assert read_all(work) == 1
    assert (stored(database), jobs(database, "import")) == (0, [])
    done = imported(client, work, table_of(5))
    answer = client.post(f"/v1/imports/{done['id']}/cancel")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")


def test_questions_wait_for_their_answer(client: Any, work: Work, database: Database) -> None:
    content = b"Q1,when\nthe delivery was slow,3/4/2026\nthe app is fine,4/3/2026\n"
    answer = client.post("/v1/imports", content=content.replace(b"Q1", b"a").replace(b"the app is fine", b"x"))
    shown = answer.json()
    assert (answer.status_code, shown["state"]) == (202, "needs_input")
    assert [question["id"] for question in shown["questions"]] == ["text", "day_first"]
    assert read_all(work) == 0
    location = f"/v1/imports/{shown['id']}"
    half = client.put(f"{location}/mapping", json={"mapping": {"a": "text", "when": "occurred_at"}})
    assert (half.status_code, half.json()["state"]) == (200, "needs_input")
    assert [question["id"] for question in half.json()["questions"]] == ["day_first"]
    full = client.put(f"{location}/mapping", json={"day_first": True, "timezone": "Europe/Berlin"})
    assert (full.json()["state"], full.json()["questions"]) == ("queued", [])
    assert read_all(work) == 1
    tag_all(work)
    assert client.get(location).json()["state"] == "succeeded"
    with database.read() as session:
        item = session.execute(select(FeedbackItem).order_by(FeedbackItem.id).limit(1)).scalar_one()  # type: ignore[arg-type]
    assert item.occurred_at is not None
    assert item.occurred_at.isoformat() == "2026-04-02T22:00:00+00:00"
    late = client.put(f"{location}/mapping", json={"mapping": {"a": "ignore"}})
    assert late.status_code == 409


def test_a_wrong_guess_can_be_mended_while_a_worker_begins(client: Any, work: Work, database: Database) -> None:
    content = b"comment,answer\nshort,The delivery was slow\nwords,The app is fine\n"
    location = client.post("/v1/imports", content=content).headers["location"]
    stage = read_file(work, claim(work, "import"))
    # between the worker's look at the row and its first slice the mapping changes
    assert client.put(f"{location}/mapping", json={"mapping": {"answer": "text"}}).json()["state"] == "queued"
    list(stage)
    with database.read() as session:
        texts = session.execute(select(FeedbackItem.text).order_by(FeedbackItem.id)).scalars().all()  # type: ignore[arg-type]
    assert texts == ["The delivery was slow", "The app is fine"]


def test_a_mapping_told_with_the_file_is_used(client: Any, work: Work, database: Database) -> None:
    done = imported(
        client,
        work,
        b"a;b;c\nsome words;7;x\n",
        mapping=json.dumps({"a": "text", "b": "score_csat:1-7", "c": "attributes.plan"}),
        source="told",
        channel="call",
    )
    assert done["rows"] == rows(read=1, accepted=1)
    with database.read() as session:
        item = session.execute(select(FeedbackItem)).scalar_one()
    assert (item.text, item.score_kind, item.score_max, item.channel, item.source) == (
        "some words",
        "csat",
        7,
        "call",
        "told",
    )
    assert item.attributes == {"plan": "x"}


def test_an_encoding_that_only_the_end_of_a_big_file_shows(
    client: Any, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.ingest.import_files.JUDGE_BYTES", 500)
    content = table_of(200) + "\n900,2026-11-02,9,Größe\n".encode("cp1252")
    done = imported(client, work, content)
    assert done["rows"] == rows(read=201, accepted=201)
    with database.read() as session:
        item = session.execute(select(FeedbackItem).where(FeedbackItem.external_id == "900")).scalar_one()  # type: ignore[arg-type]
    assert item.text == "Größe"


def test_a_job_that_is_given_up_fails_the_import(client: Any, work: Work) -> None:
    location = client.post("/v1/imports", content=table_of(30)).headers["location"]
    _, job = begin(work, slices=1)
    on_dead(work, job, "ValueError at imports.py:1")
    shown = client.get(location).json()
    assert (shown["state"], shown["rows"]) == ("failed", rows(read=10, accepted=10))
    assert "ValueError" in shown["error"]
    assert shown["finished_at"] is not None


def test_a_file_that_has_gone_fails_the_import(client: Any, work: Work, settings: Settings) -> None:
    location = client.post("/v1/imports", content=table_of(3)).headers["location"]
    for path in settings.imports_dir.iterdir():
        path.unlink()
    read_all(work)
    shown = client.get(location).json()
    assert (shown["state"], shown["error"]) == ("failed", "The uploaded file is no longer there.")


def test_a_file_of_this_machine_is_imported_like_an_upload(
    work: Work, database: Database, workspace_id: int, tmp_path: Path, client_of: Callable[..., Any]
) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(table_of(5))
    options = {"source": None, "channel": "chat", "preset": None, "mapping": None}
    number = import_path(database, work.settings, workspace_id=workspace_id, file=path, options=options)
    read_all(work)
    tag_all(work)
    shown = client_of().get(f"/v1/imports/{number}").json()
    assert (shown["state"], shown["source"], shown["filename"]) == ("succeeded", "own", "own.csv")
    assert stored(database) == 5
