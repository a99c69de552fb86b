"""GET /v1/feedback/export."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import arro3.io
import pytest

from service.review import export
from service.review.feedback_query import FeedbackFilters
from service.store.shown import ITEM_FIELDS
from service.work import Work
from tests.classify.made import make_item, tagged_item
from tests.classify.tagging import WordPipeline


def table(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))


def test_csv_has_a_row_an_item(client: Any, work: Work, words: WordPipeline) -> None:
    text = 'stage=churn, "quoted"\nsecond line; ünï'
    item_id = tagged_item(
        work,
        client.workspace_id,
        text,
        value=-12.5,
        score_kind="nps",
        score_value=3.0,
        score_min=0.0,
        score_max=10.0,
        attributes={"plan": "pro"},
    )
    make_item(work.database, client.workspace_id, None)
    client.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"topic": "price"}})
    answer = client.get("/v1/feedback/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "feedback.csv" in answer.headers["content-disposition"]
    first, second = table(answer)
    assert list(first) == list(export.CSV_COLUMNS)
    assert first["text"] == text
    assert (first["id"], first["stage"], first["stage_confidence"]) == (str(item_id), "churn", "0.9")
    assert (first["topic"], first["topic_confidence"]) == ("price", "")
    assert (first["corrected"], first["corrected_fields"], first["corrected_by"]) == ("true", "topic", "key:test")
    assert (first["value"], first["score_kind"], first["score_value"]) == ("-12.5", "nps", "3.0")
    assert first["occurred_at"] == "2026-03-01T12:00:00Z"
    assert json.loads(first["attributes"]) == {"plan": "pro"}
    assert (second["state"], second["text"], second["stage"]) == ("no_text", "", "")


def test_no_cell_is_a_formula(client: Any, work: Work, words: WordPipeline) -> None:
    starts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]
    for start in starts:
        tagged_item(work, client.workspace_id, start, external_id=start, question="safe")
    rows = table(client.get("/v1/feedback/export"))
    assert [row["text"] for row in rows] == ["'" + start for start in starts]
    assert [row["external_id"] for row in rows] == ["'" + start for start in starts]
    assert {row["question"] for row in rows} == {"safe"}


def test_ndjson_is_what_the_list_shows(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "=stage=churn. stage=usage.")
    span = client.get(f"/v1/feedback/{item_id}").json()["segments"][1]
    segment = {"start": span["start"], "end": span["end"]}
    client.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"topic": "price"}, "segment": segment})
    answer = client.get("/v1/feedback/export", params={"format": "ndjson"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    (row,) = [json.loads(line) for line in answer.text.splitlines()]
    (shown,) = client.get("/v1/feedback").json()["data"]
    assert row["received_at"] == shown["received_at"]
    (correction,) = row.pop("corrections")
    assert (correction["labels"], correction["segment"]) == ({"topic": "price"}, segment)
    for name in ("id", "text", "score", "attributes", "segments", *ITEM_FIELDS):
        assert row[name] == shown[name]


def test_filters_narrow_the_export(client: Any, work: Work, words: WordPipeline) -> None:
    one = tagged_item(work, client.workspace_id, "stage=churn", attributes={"plan": "pro"})
    tagged_item(work, client.workspace_id, "stage=usage", attributes={"plan": "pro"})
    tagged_item(work, client.workspace_id, "stage=churn")
    answer = client.get("/v1/feedback/export", params={"stage": "churn", "attr.plan": "pro"})
    assert [row["id"] for row in table(answer)] == [str(one)]
    assert client.get("/v1/feedback/export", params={"stage": "x"}).status_code == 422


def test_other_formats_are_refused(client: Any) -> None:
    for form in ("xlsx", ""):
        answer = client.get("/v1/feedback/export", params={"format": form})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/format"
        assert "csv, ndjson, parquet" in answer.json()["detail"]


def test_it_is_read_in_pages(
    client: Any, work: Work, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make_item(work.database, client.workspace_id, f"text {number}") for number in range(7)]
    monkeypatch.setattr(export, "PAGE", 3)
    rows = export.export_rows(work.database, client.workspace_id, FeedbackFilters())
    first = next(rows)
    # no session is held between rows: a later item of a later page still comes
    made.append(make_item(work.database, client.workspace_id, "late"))
    assert [int(first["id"]), *(int(row["id"]) for row in rows)] == made


def test_without_the_right_to_read_texts(work: Work, workspace_id: int, words: WordPipeline) -> None:
    tagged_item(work, workspace_id, "stage=churn secret")
    (row,) = export.export_rows(work.database, workspace_id, FeedbackFilters(), verbatims=False)
    assert (row["text"], row["withheld"], row["stage"]["label"]) == (None, True, "churn")


def read_parquet(content: bytes) -> Any:
    """The file as another implementation of the format reads it."""
    return arro3.io.read_parquet(io.BytesIO(content)).read_all()


def values(found: Any, name: str) -> list[Any]:
    return [one.as_py() for one in found[name]]


def test_parquet_has_types(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(
        work,
        client.workspace_id,
        "stage=churn, =not a formula here; ünï\nsecond line",
        score_kind="nps",
        score_value=3.0,
        score_min=0.0,
        score_max=10.0,
        attributes={"plan": "pro", "country": "DE"},
    )
    make_item(work.database, client.workspace_id, None)
    client.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"topic": "price"}})
    answer = client.get("/v1/feedback/export", params={"format": "parquet"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert "feedback.parquet" in answer.headers["content-disposition"]
    found = read_parquet(answer.content)
    kinds = {field.name: str(field.type) for field in found.schema}
    assert list(kinds) == [*export.CSV_COLUMNS, "segments"]
    assert "Timestamp" in kinds["occurred_at"]
    assert "UTC" in kinds["occurred_at"]
    assert "Float64" in kinds["score_value"]
    assert "Boolean" in kinds["corrected"]
    assert values(found, "id")[0] == str(item_id)
    assert values(found, "text") == ["stage=churn, =not a formula here; ünï\nsecond line", None]
    assert values(found, "occurred_at")[0] == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert values(found, "score_value") == [3.0, None]
    assert values(found, "corrected") == [True, False]
    assert values(found, "stage") == ["churn", None]
    assert values(found, "stage_confidence") == [0.9, None]
    assert json.loads(values(found, "attributes")[0]) == {"plan": "pro", "country": "DE"}
    (segment,) = json.loads(values(found, "segments")[0])
    assert (segment["start"], segment["stage"]["label"]) == (0, "churn")


def test_parquet_of_nothing(client: Any) -> None:
    answer = client.get("/v1/feedback/export", params={"format": "parquet"})
    assert read_parquet(answer.content).num_rows == 0


def test_parquet_withholds_texts(work: Work, workspace_id: int, words: WordPipeline) -> None:
    tagged_item(work, workspace_id, "stage=churn secret")
    rows = export.export_rows(work.database, workspace_id, FeedbackFilters(), verbatims=False)
    content = b"".join(export.encode(rows, "parquet"))
    assert values(read_parquet(content), "text") == [None]
    assert values(read_parquet(content), "stage") == ["churn"]
