"""What to keep and spread: praise counted like pains, told apart from them, nothing to decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.suggest.playbook import shipped_playbook
from tests.suggest.conftest import AddItem
from tests.suggest.counted import CODEBOOK


def test_praise_is_listed_with_what_to_do_with_it(client: Any, shop: int) -> None:
    rows = client.get("/v1/suggestions?kind=delight").json()["data"]
    assert [row["id"] for row in rows] == ["delight.support.staff", "delight.purchase.general"]
    best = rows[0]
    assert best["kind"] == "delight"
    assert (best["size"]["count"], best["size"]["n"]) == (10, 15)
    keep = shipped_playbook().keep("support", "staff")
    assert keep is not None
    assert best["adaptation"] == keep.adaptation
    assert len(best["evidence"]) > 0
    assert best["possible"] == []
    # pains are as they were
    assert {row["kind"] for row in client.get("/v1/suggestions").json()["data"]} == {"pain"}
    assert client.get("/v1/suggestions?kind=luck").status_code == 422


def test_one_delight_and_its_rank(client: Any, shop: int, client_of: Callable[..., Any]) -> None:
    row = client.get("/v1/suggestions/delight.support.staff").json()
    assert row["rank"]["priority"] == row["priority"]
    assert row["decisions"] == []
    for unknown in ("delight.support.price", "delight.", "delight.x.y.z"):
        assert client.get(f"/v1/suggestions/{unknown}").status_code == 404
    assert client_of("other").get("/v1/suggestions/delight.support.staff").status_code == 404
    answer = client.post("/v1/suggestions/delight.support.staff/decision", json={"decision": "accept"})
    assert answer.status_code == 404


def test_filters_paging_and_words_by_scope(client: Any, shop: int, add: AddItem) -> None:
    first = client.get("/v1/suggestions?kind=delight&limit=1").json()
    second = client.get(f"/v1/suggestions?kind=delight&limit=1&cursor={first['next']}").json()
    assert (first["data"][0]["topic"], second["data"][0]["topic"], second["next"]) == ("staff", "general", None)
    assert client.get("/v1/suggestions?kind=delight&channel=chat").json()["data"] == []


def test_every_topic_has_something_to_keep() -> None:
    for topic in CODEBOOK.labels("topic"):
        keep = shipped_playbook().keep("usage", topic)
        assert keep is not None
        assert keep.stage == "usage"
    assert shipped_playbook().keep("usage", "weather") is None
