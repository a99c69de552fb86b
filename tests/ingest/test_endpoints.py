"""Webhook addresses: made, listed, rotated, removed; secrets shown once and stored encrypted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from service.store.engine import Database
from service.store.schema import AuditEvent, Endpoint

NEW = {"sender": "standard-webhooks", "name": "App feedback"}
SECRET = "whsec_H88Xnvcy4tZtqj1S4LQMtexwFurze6b/38//YTwT3hs="


def test_an_address_is_made_with_a_secret_of_its_own(client: Any, database: Database) -> None:
    answer = client.post("/v1/endpoints", json=NEW)
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"id", "url", "secrets"}
    assert made["url"] == f"http://localhost:8000/hooks/standard-webhooks/{made['id']}"
    assert len(made["id"]) >= 22
    (secret,) = made["secrets"]
    with database.read() as session:
        row = session.execute(select(Endpoint)).scalar_one()
        assert session.execute(select(AuditEvent.action).order_by(AuditEvent.id.desc())).scalars().first() == (
            "endpoint.create"
        )
    assert secret not in row.secrets
    assert row.source.startswith("standard-webhooks-")
    other = client.post("/v1/endpoints", json=NEW).json()
    assert other["id"] != made["id"]
    assert client.get(f"/v1/endpoints/{other['id']}").json()["source"] != row.source


def test_lists_and_views_hold_no_secret(client: Any) -> None:
    made = client.post("/v1/endpoints", json=NEW | {"secrets": [SECRET], "source": "app"}).json()
    assert made["secrets"] == [SECRET]
    for address in ("/v1/endpoints", f"/v1/endpoints/{made['id']}"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "whsec_" not in answer.text
    view = client.get(f"/v1/endpoints/{made['id']}").json()
    assert (view["source"], view["secrets"], view["removed_at"]) == ("app", 1, None)
    assert view["options"] == {"replay_window_seconds": 300}


def test_the_list_is_paged(client: Any) -> None:
    made = [client.post("/v1/endpoints", json=NEW | {"name": f"n{n}"}).json()["id"] for n in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get("/v1/endpoints", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["data"]) <= 2
        seen += [one["id"] for one in page["data"]]
        cursor = page["next"]
        if cursor is None:
            break
        assert "=" not in cursor
    assert seen == made[::-1]
    for bad in ("!", "bm8", "e30", "x" * 5):
        assert client.get("/v1/endpoints", params={"cursor": bad}).status_code == 422
    for limit in (0, 501, "many"):
        assert client.get("/v1/endpoints", params={"limit": limit}).status_code == 422


BAD: list[tuple[dict[str, Any], str]] = [
    ({"sender": "carrier-pigeon"}, "/sender"),
    ({"options": {"colour": "red"}}, "/options/colour"),
    ({"options": {"replay_window_seconds": 0}}, "/options/replay_window_seconds"),
    ({"options": {"replay_window_seconds": "soon"}}, "/options/replay_window_seconds"),
    ({"secrets": ["whsec_***"]}, "/secrets/0"),
    ({"secrets": [SECRET, ""]}, "/secrets/1"),
    ({"secrets": [SECRET, "s" * 1001]}, "/secrets/1"),
    ({"sender": "typeform", "secrets": ["s" * 1001]}, "/secrets/0"),
    ({"name": ""}, "/name"),
    ({"unknown": 1}, "/unknown"),
]


def test_bad_input_is_named(client: Any) -> None:
    for change, pointer in BAD:
        answer = client.post("/v1/endpoints", json=NEW | change)
        assert answer.status_code == 422, change
        assert pointer in [error["pointer"] for error in answer.json()["errors"]], change
    assert client.get("/v1/endpoints").json()["data"] == []


def test_any_positive_window_is_taken(client: Any) -> None:
    for seconds in (1, 10**9, 10**30):
        made = client.post("/v1/endpoints", json=NEW | {"options": {"replay_window_seconds": seconds}})
        assert made.status_code == 201, made.text
        shown = client.get(f"/v1/endpoints/{made.json()['id']}").json()
        assert shown["options"]["replay_window_seconds"] == min(seconds, 2**53 - 1)


def test_an_unknown_sender_is_told_the_known_ones(client: Any) -> None:
    answer = client.post("/v1/endpoints", json=NEW | {"sender": "carrier-pigeon"})
    assert "standard-webhooks" in answer.json()["detail"]


def test_a_secret_can_have_an_end_and_be_rotated(client: Any) -> None:
    over = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    made = client.post(
        "/v1/endpoints", json=NEW | {"secrets": [SECRET, {"value": SECRET, "not_after": over}]}
    ).json()
    view = f"/v1/endpoints/{made['id']}"
    assert client.get(view).json()["secrets"] == 1
    rotated = client.post(f"{view}/secrets", json={"keep_old_hours": 1})
    assert rotated.status_code == 201
    assert len(rotated.json()["secrets"]) == 1
    assert rotated.json()["secrets"][0] != SECRET
    assert client.get(view).json()["secrets"] == 2
    assert client.post(f"{view}/secrets", json={"keep_old_hours": 0}).status_code == 201
    assert client.get(view).json()["secrets"] == 1


def test_removal_is_noted_and_can_be_repeated(client: Any) -> None:
    made = client.post("/v1/endpoints", json=NEW).json()
    view = f"/v1/endpoints/{made['id']}"
    assert client.delete(view).status_code == 204
    removed_at = client.get(view).json()["removed_at"]
    assert removed_at is not None
    assert client.delete(view).status_code == 204
    assert client.get(view).json()["removed_at"] == removed_at


def test_only_admins_of_the_workspace_see_it(client: Any, client_of: Any) -> None:
    made = client.post("/v1/endpoints", json=NEW).json()
    stranger, reader = client_of(workspace="other"), client_of(scopes=("ingest", "read", "review"))
    view = f"/v1/endpoints/{made['id']}"
    assert stranger.get(view).status_code == stranger.delete(view).status_code == 404
    assert stranger.post(f"{view}/secrets", json={}).status_code == 404
    assert stranger.get("/v1/endpoints").json()["data"] == []
    assert reader.get(view).status_code == reader.post("/v1/endpoints", json=NEW).status_code == 403
    assert client.get(view).json()["removed_at"] is None


def test_name_and_options_are_changed_where_the_address_stands(client: Any, database: Database) -> None:
    made = client.post("/v1/endpoints", json=NEW | {"source": "app", "secrets": [SECRET]}).json()
    address = f"/v1/endpoints/{made['id']}"
    asked = {"name": "Shop", "options": {"replay_window_seconds": 600}}
    changed = client.put(address, json=asked)
    assert changed.status_code == 200
    view = changed.json()
    assert (view["name"], view["source"], view["url"], view["secrets"]) == ("Shop", "app", made["url"], 1)
    assert view["options"] == {"replay_window_seconds": 600}
    assert client.get(address).json() == view
    assert client.put(address, json={"name": "Shop 2"}).json()["options"] == {"replay_window_seconds": 600}
    assert client.put(address, json={"options": {}}).json()["options"] == {"replay_window_seconds": 300}
    assert client.put(address, json={}).json()["name"] == "Shop 2"
    with database.read() as session:
        actions = session.execute(select(AuditEvent.action).order_by(AuditEvent.id)).scalars().all()
    assert actions[-4:] == ["endpoint.create"] + 3 * ["endpoint.change"], (
        "what changes nothing is not written down"
    )


def test_a_change_that_can_not_be_used_changes_nothing(client: Any) -> None:
    made = client.post("/v1/endpoints", json=NEW).json()
    address = f"/v1/endpoints/{made['id']}"
    for bad, pointer in (
        ({"name": ""}, "/name"),
        ({"name": "x", "options": {"colour": "red"}}, "/options/colour"),
        ({"name": "x", "options": {"replay_window_seconds": 0}}, "/options/replay_window_seconds"),
        ({"sender": "zendesk"}, "/sender"),
        ({"credentials": {}}, "/credentials"),
    ):
        answer = client.put(address, json=bad)
        assert answer.status_code == 422, bad
        assert pointer in [one["pointer"] for one in answer.json()["errors"]]
    assert client.get(address).json()["name"] == NEW["name"]
    assert client.put("/v1/endpoints/none", json={"name": "x"}).status_code == 404
    assert client.delete(address).status_code == 204
    assert client.put(address, json={"name": "x"}).status_code == 409
