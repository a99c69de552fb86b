"""The app stands up and speaks the contract's error shape."""

from __future__ import annotations

import gzip
from typing import Any

import pytest


def test_unknown_address_is_a_problem(client: Any) -> None:
    answer = client.get("/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert {"type", "title", "status", "detail", "instance"} <= set(answer.json())


def test_a_defect_is_a_problem_too(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("words of a customer")

    monkeypatch.setattr("service.ingest.api.read_item", broken)
    answer = client.post("/v1/feedback", json={"text": "x"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == "/v1/feedback"
    assert "words" not in answer.text


def test_every_json_call_takes_gzip(client: Any) -> None:
    packed = {"content-encoding": "gzip"}
    body = gzip.compress(b'{"sender": "freshdesk", "name": "Support"}')
    assert client.post("/v1/endpoints", content=body, headers=packed).status_code == 201
    table = gzip.compress(b"name,date,value\norders,2026-11-20,7\n")
    answer = client.post("/v1/metrics", content=table, headers=packed | {"content-type": "text/csv"})
    assert answer.json()["accepted"] == 1
    assert client.post("/v1/tag", content=gzip.compress(b'{"texts": [""]}'), headers=packed).status_code == 200
    bomb = gzip.compress(b'{"texts": ["' + b"x" * 30_000_000)
    assert client.post("/v1/tag", content=bomb, headers=packed).status_code == 413
    assert client.post("/v1/tag", content=b"x", headers={"content-encoding": "br"}).status_code == 415


def test_a_nul_is_told_or_left_out_and_never_an_error_of_ours(client: Any) -> None:
    metric = {"name": "or\x00ders", "date": "2026-11-20", "value": 7, "attributes": {"country": "D\x00E"}}
    for method, path, body in (
        ("POST", "/v1/metrics", metric),
        ("POST", "/v1/endpoints", {"sender": "freshdesk", "name": "Sup\x00port"}),
        (
            "POST",
            "/v1/journey-models",
            {"name": "Ours\x00", "stages": [{"name": "A", "codebook_stages": ["usage"]}]},
        ),
        ("GET", "/v1/feedback?source=a%00b", None),
        ("GET", "/v1/journey-map?channel=%00&attr.plan=%00", None),
        ("GET", "/v1/metrics?name=%00", None),
        ("DELETE", "/v1/respondents/a%00b", None),
    ):
        answer = client.request(method, path, json=body)
        assert answer.status_code < 500, (path, answer.text)
