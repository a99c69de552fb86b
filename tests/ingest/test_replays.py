"""Many deliveries taken again after a parser was mended: a few at once, more by a job, another's never."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.ingest import replays
from service.ingest.incoming import Call, CannotParse, Parsed
from service.stop import Stop
from service.store.engine import Database
from service.store.schema import Job
from service.work import Work
from service.worker import KINDS, Worker
from tests.ingest.made_sender import SECRET, made_endpoint, register, signed
from tests.ingest.rows import stored


def _unable(_call: Call, _options: Any) -> Parsed:
    raise CannotParse("this version is not known")


@pytest.fixture
def endpoints(client: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Two endpoints, each with five deliveries that nobody could read, of an adapter that is mended now."""
    register(monkeypatch, parse=_unable)
    made = [made_endpoint(client, secrets=[SECRET], source=source) for source in ("a", "b")]
    for one in made:
        for number in range(5):
            body = json.dumps({"items": [{"external_id": str(number), "text": "Words."}]}).encode()
            assert client.post(one["path"], content=body, headers=signed(body)).status_code == 200
    assert len(client.get("/v1/deliveries?state=unparsed").json()["data"]) == 10
    register(monkeypatch)
    return made


def test_a_few_are_taken_at_once(client: Any, endpoints: list[dict[str, Any]], database: Database) -> None:
    answer = client.post("/v1/deliveries/replay", json={"endpoint_id": endpoints[0]["id"]})
    assert (answer.status_code, answer.json()) == (202, {"deliveries": 5, "state": "done"})
    assert stored(database) == 5
    listed = client.get(f"/v1/deliveries?endpoint_id={endpoints[0]['id']}").json()["data"]
    assert [one["state"] for one in listed] == ["parsed"] * 5
    answer = client.post("/v1/deliveries/replay", json={})
    assert (answer.json(), stored(database)) == ({"deliveries": 5, "state": "done"}, 10)
    assert client.post("/v1/deliveries/replay", json={}).json() == {"deliveries": 0, "state": "done"}
    assert client.post("/v1/deliveries/replay", json={"state": "parsed"}).json()["deliveries"] == 10
    assert stored(database) == 10


def test_many_are_left_to_a_job(
    client: Any, endpoints: list[dict[str, Any]], work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "AT_ONCE", 3)
    for _ in range(2):
        answer = client.post("/v1/deliveries/replay", json={"state": "unparsed"})
        assert (answer.status_code, answer.json()) == (202, {"deliveries": 10, "state": "queued"})
    with database.read() as session:
        assert len(session.execute(select(Job).where(col(Job.kind) == "replay")).all()) == 1
    Worker(work, Stop(), kinds={"replay": KINDS["replay"]}).run_until_idle()
    assert stored(database) == 10
    assert client.get("/v1/deliveries?state=unparsed").json()["data"] == []


def test_only_ones_own_and_only_what_is_there(
    client: Any, client_of: Any, endpoints: list[dict[str, Any]], database: Database
) -> None:
    stranger = client_of(workspace="other")
    asked = {"endpoint_id": endpoints[0]["id"]}
    assert stranger.post("/v1/deliveries/replay", json=asked).status_code == 404
    assert stranger.post("/v1/deliveries/replay", json={}).json()["deliveries"] == 0
    assert client_of(scopes=("read",)).post("/v1/deliveries/replay", json={}).status_code == 403
    for bad in ({"state": "lost"}, {"endpoint": "x"}):
        assert client.post("/v1/deliveries/replay", json=bad).status_code == 422
    assert stored(database) == 0
