"""Webhook addresses as a process remembers them: new ones at once, removed ones not for long, copies sealed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, select

from service import auth
from service.app import create_app
from service.errors import CannotStore
from service.ingest.endpoint_cache import EndpointCache
from service.settings import Settings
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Endpoint
from tests.ingest.delivering import SECRET, make_endpoint, send
from tests.running import environment_of, wait_for


@pytest.fixture
def path(database: Database, settings: Settings) -> str:
    return make_endpoint(database, settings)


def _endpoint(database: Database) -> Endpoint:
    with database.read() as session:
        return session.execute(select(Endpoint)).scalar_one()


def test_changed_options_hold_at_once(client: Any) -> None:
    made = client.post("/v1/endpoints", json={"sender": "mapped", "name": "Any"}).json()
    path = f"/hooks/mapped/{made['id']}"
    assert client.post(path, json={"words": "Too slow"}).status_code == 200
    options = {"fields": {"text": "words"}}
    assert client.put(f"/v1/endpoints/{made['id']}", json={"options": options}).status_code == 200
    assert client.post(path, json={"words": "Too slow again"}).status_code == 200
    states = [one["state"] for one in client.get("/v1/deliveries").json()["data"]]
    assert states == ["parsed", "unparsed"], "newest first"


def test_what_one_process_changes_holds_in_all(
    app: FastAPI, client: Any, settings: Settings, database: Database
) -> None:
    made = client.post(
        "/v1/endpoints", json={"sender": "standard-webhooks", "name": "App", "secrets": [SECRET]}
    ).json()
    path = f"/hooks/standard-webhooks/{made['id']}"
    with TestClient(create_app(settings)) as other:
        assert send(other, path, "m1").status_code == send(client, path, "m2").status_code == 200
        rotated = client.post(f"/v1/endpoints/{made['id']}/secrets", json={"keep_old_hours": 0})
        assert rotated.status_code == 201
        assert send(client, path, "m3").status_code == 401  # here at once
        began = time.monotonic()
        wait_for(lambda: send(other, path, "m4").status_code == 401, seconds=10, what="the old secret's end")
        assert client.delete(f"/v1/endpoints/{made['id']}").status_code == 204
        assert send(client, path, "m5").status_code == 410
        wait_for(lambda: send(other, path, "m6").status_code == 410, seconds=10, what="the address's end")
        assert time.monotonic() - began < 15


def test_a_removed_address_is_gone_in_another_process(
    client: Any, settings: Settings, database: Database, path: str
) -> None:
    """The same with a real process: the change is made by it, seen here."""
    assert send(client, path, "m1").status_code == 200
    code = (
        "from service.settings import Settings; from service.store.engine import Database\n"
        "from service.store.columns import now; from service.store.schema import Endpoint\n"
        "with Database(Settings.from_environment().sqlalchemy_url).write() as session:\n"
        "    session.get_one(Endpoint, 1).removed_at = now()\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment_of(settings), check=True, timeout=60)
    wait_for(lambda: send(client, path, "m2").status_code == 410, seconds=10, what="the address's end")


def test_a_new_address_is_known_at_once(client: Any, settings: Settings) -> None:
    with TestClient(create_app(settings)) as other:
        assert other.post("/hooks/standard-webhooks/none", content=b"").status_code == 404
        made = client.post(
            "/v1/endpoints", json={"sender": "standard-webhooks", "name": "App", "secrets": [SECRET]}
        ).json()
        assert send(other, f"/hooks/standard-webhooks/{made['id']}", "m1").status_code == 200


@pytest.fixture
def cache_of(settings: Settings) -> Iterator[Callable[..., EndpointCache]]:
    made: list[Database] = []

    def make(url: str = settings.sqlalchemy_url, key: str = settings.secret_key) -> EndpointCache:
        vault = auth.Vault(settings.model_copy(update={"secret_key": key}))
        made.append(Database(url, wait_seconds=1))
        return EndpointCache(made[-1], vault, settings.endpoints_copy)

    yield make
    for found in made:
        found.dispose()


def test_a_start_without_database_knows_the_addresses_by_their_copy(
    settings: Settings, database: Database, path: str, cache_of: Callable[..., EndpointCache]
) -> None:
    public_id = path.rpartition("/")[2]
    first = cache_of()
    assert first.refresh()
    copy = settings.endpoints_copy
    assert copy.stat().st_mode & 0o077 == 0
    assert public_id.encode() not in copy.read_bytes()
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    second = cache_of(nowhere)
    with pytest.raises(CannotStore):
        second.find("unknown")
    found, stored_one = second.find(public_id), _endpoint(database)
    assert found is not None
    for name in ("id", "workspace_id", "sender", "source", "secrets", "options", "created_at", "removed_at"):
        assert getattr(found, name) == getattr(stored_one, name)
    assert not second.reachable
    # a copy that can't be read is none
    for bad in (cache_of(nowhere, key="another"), cache_of(nowhere)):
        with pytest.raises(CannotStore):
            bad.find(public_id)
        copy.write_bytes(os.urandom(50))


def test_the_copy_is_written_again_only_where_something_changed(
    settings: Settings, database: Database, path: str, cache_of: Callable[..., EndpointCache]
) -> None:
    cache = cache_of()
    cache.refresh()
    written = settings.endpoints_copy.stat().st_mtime_ns
    cache.refresh()
    assert settings.endpoints_copy.stat().st_mtime_ns == written
    with database.write() as session:
        session.get_one(Endpoint, _endpoint(database).id).removed_at = now()
    cache.refresh()
    assert settings.endpoints_copy.stat().st_mtime_ns > written
    [told] = json.loads(auth.Vault(settings).unseal(settings.endpoints_copy.read_bytes()))
    assert told["removed_at"] is not None


def test_a_change_during_a_reading_is_not_undone_by_it(
    database: Database, path: str, cache_of: Callable[..., EndpointCache]
) -> None:
    cache, public_id = cache_of(), path.rpartition("/")[2]
    assert cache.refresh()
    assert cache.fresh(public_id) is not None

    def changed_meanwhile(*_: Any) -> None:
        cache.forget(public_id)

    event.listen(cache._database.reader, "checkin", changed_meanwhile)
    cache.refresh()
    assert cache.fresh(public_id) is None
    event.remove(cache._database.reader, "checkin", changed_meanwhile)
    cache.refresh()
    assert cache.fresh(public_id) is not None
