"""What came in: listed, shown raw beside parsed, and taken again without undoing what came later."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from service.store.engine import Database
from service.store.schema import Delivery, FeedbackItem, Job
from tests.ingest.rows import stored
from tests.ingest.test_hooks import DATA, SECRET, signed


@pytest.fixture
def path(client: Any) -> str:
    new = {"sender": "standard-webhooks", "name": "App", "source": "app", "secrets": [SECRET]}
    found: str = client.post("/v1/endpoints", json=new).json()["url"]
    return found.removeprefix("http://localhost:8000")


def test_deliveries_are_listed_by_state_and_paged(client: Any, path: str) -> None:
    bodies: list[Any] = [{"data": DATA}, b"broken", {"type": "ping"}, {"data": {"text": "b"}}, b"{"]
    for number, body in enumerate(bodies):
        assert client.post(path, **signed(body, message_id=f"m{number}")).status_code == 200
    everything = client.get("/v1/deliveries").json()
    assert [one["external_id"] for one in everything["data"]] == ["m4", "m3", "m2", "m1", "m0"]
    assert everything["next"] is None
    by_state = {
        state: [one["external_id"] for one in client.get(f"/v1/deliveries?state={state}").json()["data"]]
        for state in ("parsed", "ignored", "unparsed")
    }
    assert by_state == {"parsed": ["m3", "m0"], "ignored": ["m2"], "unparsed": ["m4", "m1"]}
    first = client.get("/v1/deliveries?limit=3").json()
    second = client.get(f"/v1/deliveries?limit=3&cursor={first['next']}").json()
    assert [one["external_id"] for one in second["data"]] == ["m1", "m0"]
    assert second["next"] is None
    assert client.get("/v1/deliveries?state=lost").status_code == 422


def test_one_delivery_is_shown_raw_beside_parsed(client: Any, path: str) -> None:
    call = signed({"data": DATA})
    client.post(path, **call)
    (listed,) = client.get("/v1/deliveries").json()["data"]
    shown = client.get(f"/v1/deliveries/{listed['id']}").json()
    assert shown["body"] == call["content"].decode()
    assert shown["headers"]["webhook-id"] == "msg_1"
    assert shown["results"][0]["status"] == "accepted"
    assert {name: shown[name] for name in listed} == listed
    client.post(path, **signed(b"\xff\xfe", message_id="binary"))
    (binary,) = client.get("/v1/deliveries?state=unparsed").json()["data"]
    assert client.get(f"/v1/deliveries/{binary['id']}").json()["body_base64"] == "//4="


def test_ids_that_are_none_are_not_found(client: Any) -> None:
    for bad in ("0", "999", "x", "-1", "1.5", "9" * 30, "9" * 5000, "%00", "²"):
        assert client.get(f"/v1/deliveries/{bad}").status_code == 404
        assert client.post(f"/v1/deliveries/{bad}/replay").status_code == 404


def test_another_workspace_sees_nothing(client: Any, client_of: Any, path: str) -> None:
    client.post(path, **signed({"data": DATA}))
    (listed,) = client.get("/v1/deliveries").json()["data"]
    stranger = client_of(workspace="other")
    assert stranger.get("/v1/deliveries").json()["data"] == []
    assert stranger.get(f"/v1/deliveries/{listed['id']}").status_code == 404
    assert stranger.post(f"/v1/deliveries/{listed['id']}/replay").status_code == 404
    assert client_of(scopes=("read",)).post(f"/v1/deliveries/{listed['id']}/replay").status_code == 403
    assert client_of(scopes=("ingest",)).get("/v1/deliveries").status_code == 403


def test_replay_doubles_nothing(client: Any, path: str, database: Database) -> None:
    client.post(path, **signed({"data": {"items": [DATA, {"text": "No id, no time, no name."}]}}))
    (listed,) = client.get("/v1/deliveries").json()["data"]
    for _ in range(2):
        answer = client.post(f"/v1/deliveries/{listed['id']}/replay")
        assert (answer.status_code, answer.json()["state"]) == (200, "parsed")
    assert (stored(database), stored(database, Job)) == (2, 1)
    results = client.get(f"/v1/deliveries/{listed['id']}").json()["results"]
    assert [one["status"] for one in results] == ["duplicate", "duplicate"]


def test_replay_mends_what_was_not_understood(client: Any, path: str, database: Database) -> None:
    client.post(path, **signed({"data": DATA}))
    with database.write() as session:  # as an adapter left it that did not know this shape yet
        session.execute(update(Delivery).values(state="unparsed", detail="?", results=[]))
        session.execute(FeedbackItem.__table__.delete())  # type: ignore[attr-defined]
    (listed,) = client.get("/v1/deliveries?state=unparsed").json()["data"]
    assert client.post(f"/v1/deliveries/{listed['id']}/replay").json()["state"] == "parsed"
    with database.read() as session:
        item = session.execute(select(FeedbackItem)).scalar_one()
        delivery = session.execute(select(Delivery)).scalar_one()
    assert item.received_at == delivery.received_at


def test_replay_does_not_undo_what_came_later(client: Any, path: str, database: Database) -> None:
    client.post(path, **signed({"data": DATA | {"text": "first"}}, message_id="m1"))
    client.post(path, **signed({"data": DATA | {"text": "second"}}, message_id="m2"))
    _, oldest = client.get("/v1/deliveries").json()["data"]
    assert client.post(f"/v1/deliveries/{oldest['id']}/replay").status_code == 200
    with database.read() as session:
        assert session.execute(select(FeedbackItem.text)).scalar_one() == "second"
