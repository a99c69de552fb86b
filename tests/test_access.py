"""Keys, people and the log over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient


def test_a_key_is_shown_once_works_and_is_revoked(app: FastAPI, client: Any) -> None:
    made = client.post("/v1/keys", json={"name": "  Nightly   export ", "scopes": ["read"]})
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["name"] == "Nightly export"
    assert body["key"].startswith("jm_")
    assert body["key"] not in client.get("/v1/keys").text
    with TestClient(app, headers={"Authorization": f"Bearer {body['key']}"}) as program:
        assert program.get("/v1/feedback").status_code == 200
        assert program.get("/v1/keys").status_code == 403
        assert client.delete(f"/v1/keys/{body['id']}").status_code == 204
        assert client.delete(f"/v1/keys/{body['id']}").status_code == 204
        assert program.get("/v1/feedback").status_code == 401
    actions = [(one["action"], one["target"]) for one in client.get("/v1/audit").json()["data"]]
    assert actions[:2] == [("key.revoke", "Nightly export"), ("key.create", "Nightly export")]
    for wrong in (
        {"name": "x", "scopes": []},
        {"name": " ", "scopes": ["read"]},
        {"name": "x", "scopes": ["all"]},
    ):
        assert client.post("/v1/keys", json=wrong).status_code == 422, wrong


def test_a_replayed_answer_holds_no_secret(client: Any) -> None:
    key = {"Idempotency-Key": "once"}
    asked = {"name": "Nightly export", "scopes": ["read"]}
    assert client.post("/v1/keys", json=asked, headers=key).json()["key"]
    again = client.post("/v1/keys", json=asked, headers=key)
    assert again.status_code == 201
    assert again.json()["key"] is None


def test_people_are_invited_sign_in_and_lose_access(app: FastAPI, client: Any) -> None:
    made = client.post("/v1/people", json={"name": "Maria", "role": "lead"})
    assert made.status_code == 201, made.text
    token = made.json()["link"].partition("token=")[2]
    with TestClient(app, headers={"Accept": "text/html"}) as browser:
        assert browser.post("/sign-in", data={"token": token}, follow_redirects=False).status_code == 303
        assert browser.get("/map").url.path == "/map"
        unused = client.post("/v1/people", json={"name": "Maria", "role": "viewer"}).json()
        assert unused["id"] == made.json()["id"]
        assert client.delete(f"/v1/people/{unused['id']}").status_code == 204
        assert browser.get("/map").url.path == "/sign-in"
        token = unused["link"].partition("token=")[2]
        assert browser.post("/sign-in", data={"token": token}).status_code == 401
    (shown,) = client.get("/v1/people").json()["data"]
    assert shown["disabled_at"] is not None
    assert shown["role"] == "viewer"


def test_the_last_admin_stays(client: Any) -> None:
    first = client.post("/v1/people", json={"name": "Ada", "role": "admin"}).json()
    assert client.delete(f"/v1/people/{first['id']}").status_code == 409
    assert client.post("/v1/people", json={"name": "Ada", "role": "lead"}).status_code == 409
    assert client.post("/v1/people", json={"name": "Ada", "role": "admin"}).status_code == 201
    second = client.post("/v1/people", json={"name": "Bea", "role": "admin"}).json()
    assert client.delete(f"/v1/people/{first['id']}").status_code == 204
    assert client.delete(f"/v1/people/{second['id']}").status_code == 409


def test_the_log_is_paged(client: Any) -> None:
    for number in range(5):
        client.post("/v1/keys", json={"name": f"key {number}", "scopes": ["read"]})
    first = client.get("/v1/audit?limit=3").json()
    assert [one["target"] for one in first["data"]] == ["key 4", "key 3", "key 2"]
    second = client.get(f"/v1/audit?limit=3&cursor={first['next']}").json()
    assert [one["target"] for one in second["data"]][:2] == ["key 1", "key 0"]
