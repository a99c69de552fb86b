"""The weights of the rank: set by a workspace, bounded, and used at the next reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.suggest.conftest import AddItem

URL = "/v1/suggestions/weights"


def test_the_usual_ones_until_somebody_sets_them(client: Any, client_of: Callable[..., Any]) -> None:
    first = client.get(URL).json()
    assert first["weights"] == first["usual"]
    assert (first["actor"], first["updated_at"]) == (None, None)
    answer = client.put(URL, json={"effort": 1, "trend": 0})
    assert answer.status_code == 200, answer.text
    assert answer.json()["weights"] == first["usual"] | {"effort": 1.0, "trend": 0.0}
    assert answer.json()["actor"] == "key:test"
    assert client.get(URL).json() == answer.json()
    again = client.put(URL, json={}).json()
    assert again["weights"] == first["usual"]
    assert client_of("other").get(URL).json()["actor"] is None


def test_they_change_the_order(client: Any, workspace_id: int, add: AddItem) -> None:
    for day in range(8):
        add(
            workspace_id, "I am furious, they cheated me", stage="support", topic="staff", emotion="anger", day=day
        )
    for day in range(10):
        add(workspace_id, stage="purchase", emotion="neutral", day=day)
    before = [row["id"] for row in client.get("/v1/suggestions").json()["data"]]
    assert before == ["support.staff", "purchase.ease_of_use"]
    client.put(URL, json={"severity": 0, "effort": 0})
    after = client.get("/v1/suggestions").json()["data"]
    assert [row["id"] for row in after] == before[::-1]
    rank = client.get("/v1/suggestions/purchase.ease_of_use").json()["rank"]
    assert rank["weights"]["severity"] == 0
    assert rank["affected"] == pytest.approx(rank["customers"])


@pytest.mark.parametrize(
    "body", [{"trend": -1}, {"trend": 1.5}, {"effort": "much"}, {"luck": 1}, {"money": 1e400}]
)
def test_bad_weights_are_refused(client: Any, body: dict[str, Any]) -> None:
    import json

    answer = client.put(URL, content=json.dumps(body))
    assert answer.status_code == 422


def test_readers_may_look_only(client_of: Callable[..., Any]) -> None:
    reader = client_of(scopes=("read",))
    assert reader.get(URL).status_code == 200
    assert reader.put(URL, json={}).status_code == 403


def test_money_behind_a_pain_counts(client: Any, workspace_id: int, add: AddItem) -> None:
    for day in range(6):
        add(workspace_id, stage="purchase", value=900.0, day=day)
        add(workspace_id, stage="support", topic="staff", value=100.0, day=day)
    rank = client.get("/v1/suggestions/purchase.ease_of_use").json()["rank"]
    assert rank["money_ratio"] == pytest.approx(1.8, abs=0.01)
    assert rank["money"] == pytest.approx(1.8**0.5, abs=0.01)
