"""POST /v1/feedback: what is taken, what is refused and with which words."""

from __future__ import annotations

import gzip
import json
from typing import Any

from sqlalchemy import select

from service.ingest.incoming import IncomingItem
from service.store.engine import Database
from service.store.schema import FeedbackItem, Job
from tests.ingest.rows import stored

ITEM = {
    "text": "Checkout was easy but my parcel came a week late.",
    "channel": "review",
    "external_id": "r-1001",
    "source": "shop-reviews",
    "occurred_at": "2026-11-02T10:15:00Z",
    "score": {"kind": "stars", "value": 3, "scale_min": 1, "scale_max": 5},
    "respondent": "c-83",
    "touchpoint": None,
    "stage": None,
    "language": None,
    "response_id": None,
    "conversation_id": None,
    "question": None,
    "translation": None,
    "updated_at": None,
    "url": "https://shop.example/reviews/r-1001",
    "value": None,
    "attributes": {"plan": "pro", "country": "DE", "persona": "returning shopper"},
}


def test_the_contracts_example_is_accepted_then_a_duplicate_then_updated(client: Any, database: Database) -> None:
    first = client.post("/v1/feedback", json=ITEM)
    assert first.status_code == 202
    assert set(first.json()) == {"id", "status"}
    assert first.json()["status"] == "accepted"
    again = client.post("/v1/feedback", json=ITEM)
    assert (again.status_code, again.json()) == (202, first.json() | {"status": "duplicate"})
    newer = client.post("/v1/feedback", json=ITEM | {"text": "They paid me back."})
    assert newer.json() == first.json() | {"status": "updated"}
    assert (stored(database), stored(database, Job)) == (1, 2)


def test_the_source_is_api_where_none_is_given(client: Any, database: Database) -> None:
    client.post("/v1/feedback", json={"text": "Fine."})
    with database.read() as session:
        assert session.execute(select(FeedbackItem.source)).scalar_one() == "api"


BAD: list[tuple[bytes | str, str, str]] = [
    (b"", "", "empty"),
    (b"  \n", "", "empty"),
    (b'{"text": "x",\n "score": }', "", "json_invalid"),
    (b"\xff\xfe\xfa", "", "json_invalid"),
    (b"[" * 100_000, "", "json_invalid"),
    (b'{"score": ' + b"1" * 10_000 + b"}", "", "json_invalid"),
    (b"[]", "", "not_an_object"),
    (b"7", "", "not_an_object"),
    (b"{}", "", "value_error"),
    (b'{"text": "   "}', "", "value_error"),
    (b'{"text": 5}', "/text", "string_type"),
    (b'{"text": "x", "colour": "red"}', "/colour", "extra_forbidden"),
    (b'{"text": "x", "channel": "fax"}', "/channel", "literal_error"),
    (b'{"text": "x", "occurred_at": "yesterday"}', "/occurred_at", "datetime_from_date_parsing"),
    (b'{"text": "x", "occurred_at": "0001-01-01T00:00:00Z"}', "/occurred_at", "value_error"),
    (b'{"text": "x", "score": {"kind": "nps", "value": 11}}', "/score", "value_error"),
    (b'{"text": "x", "score": {"kind": "smiles", "value": 1}}', "/score/kind", "literal_error"),
    (b'{"text": "x", "score": {"kind": "nps", "value": NaN}}', "/score", "value_error"),
    (b'{"text": "x", "score": {"kind": "csat", "value": true}}', "/score/value", "value_error"),
    (b'{"text": "x", "value": Infinity}', "/value", "finite_number"),
    (b'{"text": "x", "attributes": {"a": {"b": 1}}}', "/attributes", "value_error"),
    (b'{"text": "x", "attributes": [1]}', "/attributes", "dict_type"),
    (
        json.dumps({"text": "x", "attributes": dict.fromkeys(map(str, range(21)), "v")}),
        "/attributes",
        "value_error",
    ),
    (json.dumps({"text": "x", "external_id": "9" * 513}), "/external_id", "string_too_long"),
    (json.dumps({"text": "x" * 100_001}), "/text", "string_too_long"),
]


def test_bad_input_names_its_place_and_stores_nothing(client: Any, database: Database) -> None:
    for body, pointer, code in BAD:
        answer = client.post("/v1/feedback", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, body[:80]
        assert answer.headers["content-type"] == "application/problem+json"
        assert (pointer, code) in [(e["pointer"], e["code"]) for e in answer.json()["errors"]], body[:80]
    assert stored(database) == stored(database, Job) == 0


def test_broken_json_is_told_by_line_and_column_without_its_words(client: Any) -> None:
    answer = client.post("/v1/feedback", content=b'{\n"text": "secret words",\n"score": oops\n}')
    assert answer.status_code == 422
    assert "line 3 column 10" in answer.json()["detail"]
    assert "secret" not in answer.text
    assert "oops" not in answer.text


def test_a_million_characters_are_refused_by_size_or_length(client: Any, database: Database) -> None:
    assert client.post("/v1/feedback", json={"text": "é" * 1_000_000}).status_code == 413
    assert client.post("/v1/feedback", json={"text": "e" * 1_000_000}).status_code == 422
    assert stored(database) == 0


def test_nul_and_half_emojis_are_mended(client: Any, database: Database) -> None:
    body = b'{"text": "late\\u0000 again \\ud83d", "external_id": "a\\u0000b", "attributes": {"k": "\\udc00v"}}'
    assert client.post("/v1/feedback", content=body).status_code == 202
    with database.read() as session:
        row = session.execute(select(FeedbackItem)).scalar_one()
    assert (row.text, row.external_id, row.attributes) == ("late again ?", "ab", {"k": "?v"})


def test_every_field_may_be_null_beside_the_text(client: Any, database: Database) -> None:
    blank: dict[str, Any] = dict.fromkeys(IncomingItem.model_fields)
    assert client.post("/v1/feedback", json=blank | {"text": "x"}).status_code == 202
    with database.read() as session:
        assert session.execute(select(FeedbackItem)).scalar_one().channel == "other"


def test_gzip_is_unpacked_within_the_limit(client: Any, database: Database) -> None:
    packed = {"content-encoding": "gzip"}
    good = client.post("/v1/feedback", content=gzip.compress(json.dumps(ITEM).encode()), headers=packed)
    assert good.status_code == 202
    bomb = gzip.compress(b'{"text": "' + b"x" * 30_000_000)
    assert client.post("/v1/feedback", content=bomb, headers=packed).status_code == 413
    for broken in (b"not gzip", gzip.compress(b'{"text": "x"}')[:-9]):
        answer = client.post("/v1/feedback", content=broken, headers=packed)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad_gzip")
    assert client.post("/v1/feedback", content=b"x", headers={"content-encoding": "br"}).status_code == 415
    assert stored(database) == 1


def test_only_a_key_with_the_scope_may_send(client_of: Any, database: Database) -> None:
    reader = client_of(scopes=("read", "review", "admin"))
    assert reader.post("/v1/feedback", json=ITEM).status_code == 403
    assert reader.post("/v1/feedback/batch", json=[ITEM]).status_code == 403
    for headers in ({"Authorization": "Bearer jm_wrong"}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}):
        answer = reader.post("/v1/feedback", json=ITEM, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
    assert stored(database) == 0


def test_the_same_id_in_another_workspace_is_another_item(client_of: Any) -> None:
    ours, theirs = client_of(), client_of(workspace="other")
    first = ours.post("/v1/feedback", json=ITEM).json()
    second = theirs.post("/v1/feedback", json=ITEM).json()
    assert first["status"] == second["status"] == "accepted"
    assert first["id"] != second["id"]
