"""POST /v1/feedback/batch: every item stands for itself."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from service import auth
from service.app import create_app
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import Job
from tests.ingest.rows import stored

ADDRESS = "/v1/feedback/batch"
NDJSON = {"content-type": "application/x-ndjson"}


def counts(answer: Any) -> dict[str, int]:
    return {name: answer.json()[name] for name in ("accepted", "updated", "duplicate", "rejected")}


def test_results_stand_in_order_and_a_bad_item_refuses_no_other(client: Any, database: Database) -> None:
    client.post("/v1/feedback", json={"text": "old", "external_id": "r-2"})
    items = [
        {"text": "new", "external_id": "r-1"},
        {"external_id": "r-bad"},
        {"text": "newer", "external_id": "r-2"},
        {"text": "new", "external_id": "r-1"},
        "not an item",
        {"text": "x", "external_id": 77, "channel": "fax"},
    ]
    answer = client.post(ADDRESS, json=items)
    assert answer.status_code == 200
    assert counts(answer) == {"accepted": 1, "updated": 1, "duplicate": 1, "rejected": 3}
    results = answer.json()["results"]
    assert [r["index"] for r in results] == list(range(6))
    assert [r["status"] for r in results] == [
        "accepted",
        "rejected",
        "updated",
        "duplicate",
        "rejected",
        "rejected",
    ]
    assert results[0] == {"index": 0, "status": "accepted", "id": results[3]["id"], "external_id": "r-1"}
    assert results[1]["external_id"] == "r-bad"
    assert results[1]["errors"] == [{"pointer": "", "code": "value_error", "detail": "text or score is required"}]
    assert results[4]["errors"][0]["code"] == "not_an_object"
    assert (results[5]["external_id"], results[5]["errors"][0]["pointer"]) == ("77", "/channel")
    assert (stored(database), stored(database, Job)) == (2, 2)


def test_ndjson_by_media_type_or_first_byte_with_a_broken_line_7(client: Any, database: Database) -> None:
    lines = [json.dumps({"text": f"t{n}", "external_id": f"r-{n}"}) for n in range(1, 10)]
    lines[6] = '{"text": "secret words", oops'
    for headers in (NDJSON, {"content-type": "application/json"}, {"content-type": ""}):
        answer = client.post(ADDRESS, content="\r\n".join(lines).encode(), headers=headers)
        assert answer.status_code == 200, answer.text
        broken = answer.json()["results"][6]
        assert (broken["index"], broken["status"], broken["errors"][0]["code"]) == (6, "rejected", "json_invalid")
        assert broken["errors"][0]["detail"].startswith("line 7 column 26")
        assert "secret" not in answer.text
        assert counts(answer)["rejected"] == 1
    assert stored(database) == 8


def test_blank_lines_and_a_bom_are_no_items(client: Any) -> None:
    answer = client.post(ADDRESS, content=b'\xef\xbb\xbf\n{"text": "a"}\n\n{"text": "b"}\n', headers=NDJSON)
    assert counts(answer)["accepted"] == 2


def test_a_broken_array_is_refused_with_its_line(client: Any, database: Database) -> None:
    body = "[\n" + ",\n".join(['{"text": "a"}'] * 5) + ',\n{"text": oops}\n]'
    answer = client.post(ADDRESS, content=body.encode())
    assert answer.status_code == 422
    assert "line 7 column 10" in answer.json()["errors"][0]["detail"]
    for bad in (b"", b'"text"', b"12"):
        assert client.post(ADDRESS, content=bad).status_code == 422
    assert stored(database) == 0


def test_an_empty_array_is_an_empty_answer(client: Any, database: Database) -> None:
    answer = client.post(ADDRESS, json=[])
    assert answer.json() == {"accepted": 0, "updated": 0, "duplicate": 0, "rejected": 0, "results": []}


def test_a_thousand_items_are_taken_and_one_more_is_not(client: Any, database: Database) -> None:
    items = [{"text": f"t{n}", "external_id": f"r-{n}"} for n in range(1001)]
    assert client.post(ADDRESS, json=items).status_code == 413
    assert stored(database) == 0
    assert counts(client.post(ADDRESS, json=items[:1000]))["accepted"] == 1000
    # what is more urgent waits for a job's end: half as many in each
    assert (stored(database), stored(database, Job)) == (1000, 2)


def test_the_limit_of_bytes_holds_after_unpacking_too(client: Any) -> None:
    big = b'[{"text": "' + b"x" * (5 * 1024 * 1024) + b'"}]'
    assert client.post(ADDRESS, content=big).status_code == 413
    packed = client.post(ADDRESS, content=gzip.compress(big), headers={"content-encoding": "gzip"})
    assert packed.status_code == 413
    small = gzip.compress(b'[{"text": "a"}]')
    assert counts(client.post(ADDRESS, content=small, headers={"content-encoding": "gzip"}))["accepted"] == 1


def test_a_million_character_cell_refuses_only_itself(client: Any, database: Database) -> None:
    answer = client.post(ADDRESS, json=[{"text": "x" * 1_000_000}, {"text": "y" * 2_000_000}, {"text": "fine"}])
    assert [r["status"] for r in answer.json()["results"]] == ["rejected", "rejected", "accepted"]
    assert answer.json()["results"][0]["errors"][0]["code"] == "string_too_long"


def caller(settings: Settings, **changes: Any) -> TestClient:
    app = create_app(settings.model_copy(update=changes))
    with app.state.database.write() as session:
        found = auth.workspace_named(session, "default", create=True)
        key = auth.create_key(session, workspace=found, scopes=["ingest"], name="test")
    return TestClient(app, headers={"Authorization": f"Bearer {key}"}, raise_server_exceptions=False)


def test_an_endless_queue_is_answered_429(settings: Settings, database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr("service.ingest.capacity.REMEMBERED_SECONDS", 0.0)
    with caller(settings, max_queue_jobs=1) as http:
        for n in range(2):
            assert http.post("/v1/feedback", json={"text": f"t{n}"}).status_code == 202
        answer = http.post("/v1/feedback", json={"text": "one too many"})
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        assert answer.headers["content-type"] == "application/problem+json"
        assert http.post(ADDRESS, json=[{"text": "one too many"}]).status_code == 429
    assert stored(database) == 2


def test_a_full_disk_is_answered_503(settings: Settings, database: Database) -> None:
    with caller(settings, min_free_disk_mb=10**9) as http:
        for address, body in (("/v1/feedback", {"text": "a"}), (ADDRESS, [{"text": "a"}])):
            answer = http.post(address, json=body)
            assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    assert stored(database) == 0


def test_a_database_that_can_not_grow_is_answered_503_and_nothing_is_half_stored(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    if not database.is_sqlite:
        return  # PostgreSQL's "disk full" can't be had without filling the disk
    with caller(settings) as http:
        engine = http.app.state.database.writer  # type: ignore[attr-defined]
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.rollback()
        from sqlalchemy import event

        @event.listens_for(engine, "checkout")
        def no_growth(dbapi: Any, record: Any, proxy: Any) -> None:
            dbapi.execute(f"PRAGMA max_page_count={pages + 20}")

        statuses = [
            http.post(ADDRESS, json=[{"text": f"{n}-{k}" * 200} for k in range(200)]).status_code for n in range(4)
        ]
        assert statuses[-1] == 503
        kept = statuses.count(200)
        answer = http.post(ADDRESS, json=[{"text": "x" * 50_000}] * 9)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "retry-after" in answer.headers
    assert stored(database) == 200 * kept
    assert stored(database, Job) == kept
