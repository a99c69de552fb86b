"""A workspace's own entries: added, worded anew, removed; suggestions use them; others never see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.suggest.playbook import shipped_playbook
from service.suggest.playbook_own import EXAMPLE
from tests.suggest.conftest import AddItem

OWN = EXAMPLE | {
    "stage": "purchase",
    "topics": ["ease_of_use"],
    "pain": "Our order form asks for the address again and again",
    "patterns": [
        "the form asked for my address three times in a row",
        "nobody could tell me how to place the order past the second page",
        "half of the buttons did nothing, cannot place my order",
        "my basket was empty again, too many steps to order",
        "took twenty minutes to find where to enter the voucher",
    ],
    "adaptation": "Fill in the address from the account.",
}


def test_the_list_pages_and_filters(client: Any) -> None:
    first = client.get("/v1/playbook?limit=100").json()
    seen = [row["id"] for row in first["data"]]
    while first["next"]:
        first = client.get(f"/v1/playbook?limit=100&cursor={first['next']}").json()
        seen += [row["id"] for row in first["data"]]
    assert seen == sorted(entry.id for entry in shipped_playbook().entries)
    rows = client.get("/v1/playbook?stage=delivery&topic=price&limit=500").json()["data"]
    assert rows
    assert all(row["stage"] == "delivery" and "price" in row["topics"] for row in rows)
    assert rows[0]["origin"] == "shipped"
    assert client.get("/v1/playbook?cursor=MQ").status_code == 422


def test_an_own_entry_is_used_and_removed(client: Any, shop: int, client_of: Callable[..., Any]) -> None:
    made = client.post("/v1/playbook", json=OWN)
    assert made.status_code == 201, made.text
    entry = made.json()
    assert (entry["origin"], entry["actor"]) == ("own", "key:test")
    assert client.get(f"/v1/playbook/{entry['id']}").json() == entry
    row = client.get("/v1/suggestions/purchase.ease_of_use").json()
    assert row["adaptation"] == OWN["adaptation"]
    assert row["playbook_entry"] == entry["id"]
    assert entry["id"] not in {
        one["id"] for one in client_of("other").get("/v1/playbook?limit=500").json()["data"]
    }
    assert client.delete(f"/v1/playbook/{entry['id']}").status_code == 204
    assert client.get(f"/v1/playbook/{entry['id']}").status_code == 404
    assert client.get("/v1/suggestions/purchase.ease_of_use").json()["adaptation"] != OWN["adaptation"]


def test_a_shipped_entry_is_worded_anew_and_comes_back(client: Any, shop: int) -> None:
    shipped = client.get("/v1/suggestions/purchase.ease_of_use").json()["playbook_entry"]
    before = client.get(f"/v1/playbook/{shipped}").json()
    answer = client.put(f"/v1/playbook/{shipped}", json=OWN)
    assert answer.status_code == 200, answer.text
    assert answer.json()["origin"] == "edited"
    assert client.get("/v1/suggestions/purchase.ease_of_use").json()["adaptation"] == OWN["adaptation"]
    assert client.delete(f"/v1/playbook/{shipped}").status_code == 204
    assert client.get(f"/v1/playbook/{shipped}").json() == before
    assert client.delete(f"/v1/playbook/{shipped}").status_code == 409


def test_what_was_decided_keeps_its_wording_when_the_entry_goes(client: Any, shop: int) -> None:
    entry = client.post("/v1/playbook", json=OWN).json()
    client.post("/v1/suggestions/purchase.ease_of_use/decision", json={"decision": "accept"})
    client.delete(f"/v1/playbook/{entry['id']}")
    row = client.get("/v1/suggestions/purchase.ease_of_use").json()
    assert (row["status"], row["adaptation"]) == ("accepted", OWN["adaptation"])


BAD: list[tuple[dict[str, Any], str]] = [
    ({"stage": "heaven"}, "/stage"),
    ({"topics": ["weather"]}, "/topics/0"),
    ({"topics": ["general"]}, "/topics/0"),
    ({"topics": []}, "/topics"),
    ({"patterns": []}, "/patterns"),
    ({"patterns": [" "]}, "/patterns/0"),
    ({"effort": "huge"}, "/effort"),
    ({"pain": ""}, "/pain"),
    ({"surprise": 1}, "/surprise"),
]


@pytest.mark.parametrize(("change", "pointer"), BAD)
def test_bad_entries_name_the_field(client: Any, change: dict[str, Any], pointer: str) -> None:
    answer = client.post("/v1/playbook", json=OWN | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_ids_and_scopes(client: Any, client_of: Callable[..., Any], add: AddItem) -> None:
    for wrong in ("nowhere", "own-000000000000", "%00"):
        assert client.get(f"/v1/playbook/{wrong}").status_code == 404
        assert client.put(f"/v1/playbook/{wrong}", json=OWN).status_code == 404
        assert client.delete(f"/v1/playbook/{wrong}").status_code == 404
    assert client.put("/v1/playbook/usage-find-out-why", json=OWN).status_code == 409
    reader = client_of(scopes=("read",))
    assert reader.get("/v1/playbook").status_code == 200
    assert reader.post("/v1/playbook", json=OWN).status_code == 403
