"""The app stands up and speaks the contract's error shape."""

from __future__ import annotations

from typing import Any


def test_unknown_address_is_a_problem(client: Any) -> None:
    answer = client.get("/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert {"type", "title", "status", "detail", "instance"} <= set(answer.json())
