"""What is written on the map: versions, comparison, restoring, import and export; decisions make versions too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.suggest.conftest import AddItem

ID = "purchase.ease_of_use"
NOTES = {"stage": "Conversion", "goal": "Order in two minutes", "owner": "Maria", "motivations": ["Needs it soon"]}


def put(client: Any, document: dict[str, Any], query: str = "", **more: Any) -> Any:
    return client.put(f"/v1/map-document{query}", json={"document": document} | more)


def versions(client: Any, query: str = "") -> list[dict[str, Any]]:
    return list(client.get(f"/v1/map-versions{query}").json()["data"])


def test_an_empty_map_has_all_columns_of_the_model(client: Any) -> None:
    answer = client.get("/v1/map-document").json()
    assert (answer["version"], answer["persona"], answer["changes"]) == (None, None, [])
    assert [one["stage"] for one in answer["document"]["stages"]][:2] == ["Awareness", "Acquisition"]
    assert answer["document"]["goal"] is None


def test_writing_makes_versions_and_refuses_to_lose_what_another_wrote(client: Any) -> None:
    first = put(client, {"goal": "A wardrobe without detours", "stages": [NOTES]}, reason="Workshop")
    assert first.status_code == 200, first.text
    told = first.json()
    assert told == client.get("/v1/map-document").json()
    [stage] = [one for one in told["document"]["stages"] if one["stage"] == "Conversion"]
    assert (stage["goal"], stage["owner"], stage["motivations"]) == (NOTES["goal"], "Maria", ["Needs it soon"])
    second = put(client, {"stages": [NOTES | {"owner": "Ben"}]}, based_on=told["version"])
    assert second.status_code == 200
    late = put(client, {"goal": "x"}, based_on=told["version"])
    assert late.status_code == 409
    assert "key:test" in late.json()["detail"]
    assert [(one["decision"], one["reason"]) for one in versions(client)] == [
        ("document", None),
        ("document", "Workshop"),
    ]


def test_versions_are_compared_and_restored(client: Any, shop: int) -> None:
    before = put(client, {"goal": "A", "stages": [NOTES]}).json()["version"]
    client.post(f"/v1/suggestions/{ID}/decision", json={"decision": "accept", "reason": "Worst of the autumn"})
    after = put(client, {"goal": "B", "stages": [NOTES | {"owner": "Ben"}]}).json()["version"]
    found = client.get(f"/v1/map-versions/{before}/compare?to={after}").json()
    assert (found["from"]["id"], found["to"]["id"]) == (before, after)
    assert {(one["stage"], one["field"]): (one["from"], one["to"]) for one in found["document"]} == {
        (None, "goal"): ("A", "B"),
        ("Conversion", "owner"): ("Maria", "Ben"),
    }
    assert [one["suggestion_id"] for one in found["changes"]["added"]] == [ID]
    back = client.get(f"/v1/map-versions/{after}/compare?to={before}").json()
    assert [one["suggestion_id"] for one in back["changes"]["removed"]] == [ID]
    made = client.post(f"/v1/map-versions/{before}/restore", json={"reason": "It was better"})
    assert made.status_code == 200, made.text
    assert (made.json()["decision"], made.json()["reason"]) == ("restore", "It was better")
    now = client.get("/v1/map-document").json()
    assert (now["document"]["goal"], now["version"]) == ("A", made.json()["id"])
    # what was decided is not undone by words
    assert [one["status"] for one in now["changes"]] == ["accepted"]
    assert client.get(f"/v1/map-versions/{before}/compare?to=999").status_code == 404
    assert client.post("/v1/map-versions/999/restore", json={}).status_code == 404


def test_an_accepted_change_makes_a_version_with_reason_and_evidence(client: Any, shop: int) -> None:
    put(client, {"goal": "A"})
    client.post(f"/v1/suggestions/{ID}/decision", json={"decision": "accept", "reason": "Worst of the autumn"})
    [newest, _] = versions(client)
    whole = client.get(f"/v1/map-versions/{newest['id']}").json()
    assert (whole["suggestion_id"], whole["reason"]) == (ID, "Worst of the autumn")
    assert whole["document"]["goal"] == "A"
    assert [one["suggestion_id"] for one in whole["changes"]] == [ID]
    evidence = client.get(f"/v1/suggestions/{ID}").json()["evidence"]
    assert whole["evidence"] == [{name: one[name] for name in ("feedback_id", "start", "end")} for one in evidence]
    assert not any(one["verbatim"] in str(whole) for one in evidence)
    for step in ("start", "roll_back"):
        client.post(f"/v1/suggestions/{ID}/decision", json={"decision": step})
    assert client.get("/v1/map-document").json()["changes"] == []
    assert [one["decision"] for one in versions(client)] == ["roll_back", "accept", "document"]


def test_a_map_per_persona(client: Any, client_of: Callable[..., Any]) -> None:
    body = {"name": "Returning shopper", "attributes": {"plan": ["pro"]}}
    persona = client.post("/v1/personas", json=body).json()["id"]
    put(client, {"goal": "Everybody's"})
    put(client, {"goal": "Theirs"}, query=f"?persona={persona}")
    assert client.get("/v1/map-document").json()["document"]["goal"] == "Everybody's"
    theirs = client.get(f"/v1/map-document?persona={persona}").json()
    assert (theirs["persona"], theirs["document"]["goal"]) == (persona, "Theirs")
    assert [one["persona"] for one in versions(client)] == [persona, None]
    assert len(versions(client, f"?persona={persona}")) == 1
    # a restored version goes back where it came from
    client.post(f"/v1/map-versions/{theirs['version']}/restore", json={})
    assert client.get("/v1/map-document").json()["document"]["goal"] == "Everybody's"
    for method in (client.get, lambda url: put(client, {}, query=url.removeprefix("/v1/map-document"))):
        assert method("/v1/map-document?persona=nobody").status_code == 404
    assert client_of("other").get(f"/v1/map-document?persona={persona}").status_code == 404


def test_export_and_import(client: Any, client_of: Callable[..., Any]) -> None:
    body = {"name": "Returning shopper", "attributes": {"plan": ["pro"]}, "description": "Knows what she wants"}
    persona = client.post("/v1/personas", json=body).json()["id"]
    put(client, {"goal": "Everybody's", "stages": [NOTES]})
    put(client, {"goal": "Theirs"}, query=f"?persona={persona}")
    exported = client.get("/v1/map-document/export").json()
    other = client_of("other")
    answer = other.post("/v1/map-document/import", json=exported)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"personas": 1, "documents": 2}
    assert other.get("/v1/map-document/export").json() == exported
    assert versions(other)[0]["decision"] == "import"
    # again: nothing is doubled
    assert other.post("/v1/map-document/import", json=exported).status_code == 200
    assert len(other.get("/v1/personas").json()["data"]) == 1
    broken = exported | {"documents": [{"persona": "nobody", "document": {}}]}
    answer = other.post("/v1/map-document/import", json=broken)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/documents/0/persona")
    assert other.post("/v1/map-document/import", json=exported | {"format": 2}).status_code == 422


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": "no-such-model"}, "/document/model"),
    ({"stages": [{"stage": "Heaven"}]}, "/document/stages/0/stage"),
    ({"stages": [NOTES, NOTES]}, "/document/stages/1/stage"),
    ({"stages": [{"goal": "x"}]}, "/document/stages/0/stage"),
    ({"goal": " "}, "/document/goal"),
    ({"colour": "red"}, "/document/colour"),
]


@pytest.mark.parametrize(("document", "pointer"), BAD)
def test_bad_documents_name_the_place(client: Any, document: dict[str, Any], pointer: str) -> None:
    answer = put(client, document)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert versions(client) == []


def test_readers_only_read(client_of: Callable[..., Any], add: AddItem) -> None:
    reader = client_of(scopes=("read",))
    assert reader.get("/v1/map-document").status_code == 200
    assert put(reader, {}).status_code == 403
    assert reader.post("/v1/personas", json={"name": "x", "attributes": {"a": ["b"]}}).status_code == 403
