"""Personas: a name and a filter, used by map, trends and suggestions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.suggest.conftest import AddItem

PRO = {"name": "Pro buyer", "attributes": {"plan": ["pro", "team"], "country": ["DE"]}}


def test_created_changed_removed(client: Any, client_of: Callable[..., Any]) -> None:
    made = client.post("/v1/personas", json=PRO)
    assert made.status_code == 201, made.text
    persona = made.json()
    assert persona["id"] == "pro-buyer"
    assert client.get("/v1/personas").json() == {"data": [persona], "next": None}
    assert client.get("/v1/personas/pro-buyer").json() == persona
    assert client.post("/v1/personas", json=PRO | {"name": "PRO BUYER"}).status_code == 409
    changed = client.put("/v1/personas/pro-buyer", json=PRO | {"description": "Buys for others"}).json()
    assert (changed["id"], changed["description"]) == ("pro-buyer", "Buys for others")
    assert client.post("/v1/personas", json=PRO | {"name": "买家"}).status_code == 201
    other = client_of("other")
    for method, more in (("get", {}), ("put", {"json": PRO}), ("delete", {})):
        assert other.request(method, "/v1/personas/pro-buyer", **more).status_code == 404
    assert client.delete("/v1/personas/pro-buyer").status_code == 204
    assert client.get("/v1/personas/pro-buyer").status_code == 404


def test_they_filter_map_trends_and_suggestions(client: Any, workspace_id: int, add: AddItem) -> None:
    for day in range(4):
        add(workspace_id, day=day, attributes={"plan": "pro", "country": "DE"})
        add(workspace_id, day=day, attributes={"plan": "pro", "country": "FR"})
        add(workspace_id, day=day, attributes={"plan": "free", "country": "DE"})
    client.post("/v1/personas", json=PRO)

    def items(query: str) -> int:
        return int(client.get(f"/v1/journey-map?{query}").json()["totals"]["items"])

    assert (items(""), items("persona=pro-buyer")) == (12, 4)
    # a filter never widens a persona
    assert items("persona=pro-buyer&attr.country=FR") == 0
    assert items("persona=pro-buyer&attr.plan=pro") == 4
    [row] = client.get("/v1/suggestions?persona=pro-buyer").json()["data"]
    assert (row["size"]["count"], row["size"]["n"]) == (4, 4)
    [stage] = client.get("/v1/trends?by=stage&persona=pro-buyer").json()["data"]
    assert stage["items"] == 4
    for path in ("journey-map", "suggestions", "trends", "top-questions", "journey-map.csv"):
        answer = client.get(f"/v1/{path}?persona=nobody")
        assert answer.status_code == 422, path
        assert answer.json()["errors"][0]["pointer"] == "/persona"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"attributes": {}}, "/attributes"),
        ({"attributes": {"plan": []}}, "/attributes/plan"),
        ({"attributes": {"plan": [7]}}, "/attributes/plan/0"),
        ({"age": 7}, "/age"),
    ],
)
def test_bad_ones_name_the_field(client: Any, change: dict[str, Any], pointer: str) -> None:
    answer = client.post("/v1/personas", json=PRO | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
