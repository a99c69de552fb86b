"""JOURNEYMAP_REDACT_STORED: nothing personal is kept in what was said, wherever it came in; off by default."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from service.monitor.retention import upkeep
from service.settings import Settings
from service.store import queue
from service.store.engine import Database
from service.store.schema import Delivery, FeedbackItem, FileImport, ImportReject, ItemVersion
from service.work import Work
from tests.ingest.importing import read_all
from tests.ingest.test_hooks import SECRET, signed

TEXT = "I am Mr Petrov, jo@example.com, 07700 900123: order 4417239988 never came."
SAFE = "I am Mr <name>, <email>, <phone>: order 4417239988 never came."


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With the setting turned on, but for the tests that are marked otherwise."""
    on = getattr(request, "param", True)
    return settings.model_copy(update={"redact_stored": on})


@pytest.fixture
def path(client: Any) -> str:
    new = {"sender": "standard-webhooks", "name": "App", "source": "app", "secrets": [SECRET]}
    found: str = client.post("/v1/endpoints", json=new).json()["url"]
    return found.removeprefix("http://localhost:8000")


def items(database: Database) -> list[FeedbackItem]:
    with database.read() as session:
        return list(session.execute(select(FeedbackItem).order_by(FeedbackItem.id)).scalars())  # type: ignore[arg-type]


def everything(database: Database) -> str:
    """All that the database holds of what came in."""
    with database.read() as session:
        rows = [
            row.model_dump()
            for model in (FeedbackItem, ItemVersion, Delivery, ImportReject)
            for row in session.execute(select(model)).scalars()
        ]
    return repr(rows)


@pytest.mark.parametrize("settings", [False], indirect=True)
def test_off_by_default_the_words_are_kept_as_sent(
    client: Any, database: Database, settings: Settings, path: str
) -> None:
    assert not Settings().redact_stored
    client.post("/v1/feedback", json={"text": TEXT, "external_id": "1"})
    assert [item.text for item in items(database)] == [TEXT]
    assert client.post(path, **signed({"data": {"id": "1", "text": TEXT}})).status_code == 200
    with database.read() as session:
        delivery = session.execute(select(Delivery)).scalar_one()
    assert TEXT.encode() in delivery.body


def test_single_items_and_batches(client: Any, database: Database) -> None:
    sent = {"text": TEXT, "translation": TEXT, "external_id": "1", "question": "Who is jo@example.com?"}
    assert client.post("/v1/feedback", json=sent).json()["status"] == "accepted"
    assert client.post("/v1/feedback", json=sent).json()["status"] == "duplicate"
    anonymous = {"text": TEXT, "occurred_at": "2026-11-02T10:15:00Z"}
    answer = client.post("/v1/feedback/batch", json=[sent, anonymous]).json()
    assert [one["status"] for one in answer["results"]] == ["duplicate", "accepted"]
    assert client.post("/v1/feedback", json=anonymous).json()["status"] == "duplicate"
    first, second = items(database)
    assert (first.text, first.translation, second.text) == (SAFE, SAFE, SAFE)
    assert first.question == "Who is jo@example.com?"  # the survey's, not the customer's
    assert client.get(f"/v1/feedback/{first.id}").json()["text"] == SAFE


def test_items_that_differ_only_in_what_is_personal_stay_two(client: Any, database: Database) -> None:
    for who in ("jo@example.com", "al@example.com"):
        sent = {"text": f"Write to {who}, it broke.", "occurred_at": "2026-11-02T10:15:00Z"}
        assert client.post("/v1/feedback", json=sent).json()["status"] == "accepted"
    assert [item.text for item in items(database)] == ["Write to <email>, it broke."] * 2


def test_an_update_keeps_no_personal_history(client: Any, work: Work, database: Database) -> None:
    client.post("/v1/feedback", json={"text": TEXT, "external_id": "1"})
    with database.write() as session:  # as stored before the setting was turned on
        session.execute(select(FeedbackItem)).scalar_one().text = TEXT
    client.post("/v1/feedback", json={"text": f"{TEXT} Still.", "external_id": "1"})
    with database.read() as session:
        (version,) = session.execute(select(ItemVersion)).scalars()
    assert version.text == SAFE
    assert "Petrov" not in everything(database)


def test_a_delivery_is_kept_until_it_is_understood(client: Any, database: Database, path: str) -> None:
    bodies: list[Any] = [
        {"data": {"id": "fb_1", "text": TEXT}},
        {"type": "ping", "by": "jo@example.com"},
        b'{"broken": "jo@example.com"',
    ]
    for number, body in enumerate(bodies):
        assert client.post(path, **signed(body, message_id=f"m{number}")).status_code == 200
    with database.read() as session:
        kept = {row.state: row.body for row in session.execute(select(Delivery)).scalars()}
    assert kept == {"parsed": b"", "ignored": b"", "unparsed": bodies[2]}
    assert [item.text for item in items(database)] == [SAFE]
    assert "Petrov" not in everything(database)
    for one in client.get("/v1/deliveries").json()["data"]:
        answer = client.post(f"/v1/deliveries/{one['id']}/replay")
        assert answer.status_code == (200 if one["state"] == "unparsed" else 409)
    assert client.get("/v1/deliveries?state=parsed").json()["data"][0]["external_id"] == "m0"
    # the same call again is still known
    assert client.post(path, **signed(bodies[0], message_id="m0")).status_code == 200
    assert len(items(database)) == 1


def run_upkeep(work: Work, workspace_id: int) -> None:
    with work.database.write() as session:
        queue.enqueue(
            session, workspace_id=workspace_id, kind="upkeep", payload={}, priority=queue.Priority.UPKEEP
        )
    with work.database.write() as session:
        jobs = queue.claim(session, worker="test", lease_seconds=60, kinds=["upkeep"])
    for _ in upkeep(work, jobs):
        pass


@pytest.mark.parametrize("name", ["survey.csv", "survey.ndjson"])
def test_files_and_their_rejected_rows(client: Any, work: Work, database: Database, name: str) -> None:
    rows = [
        {"external_id": "1", "occurred_at": "2026-11-02", "respondent": "ann@example.com", "text": TEXT},
        {"external_id": "2", "occurred_at": "no date", "respondent": "bob@example.com", "text": TEXT},
    ]
    if name.endswith("csv"):
        lines = [",".join(rows[0])] + [",".join(f'"{cell}"' for cell in row.values()) for row in rows]
    else:
        lines = [json.dumps(row) for row in rows]
    content = "\n".join(lines).encode()
    answer = client.post(f"/v1/imports?filename={name}&source=s&channel=survey", content=content)
    assert answer.status_code == 202, answer.text
    assert read_all(work) == 1
    assert [item.text for item in items(database)] == [SAFE]
    rejected = client.get(f"/v1/imports/{answer.json()['id']}/rejected.csv").text
    assert SAFE in rejected
    assert "07700" not in rejected
    assert "Petrov" not in everything(database)
    if name.endswith("csv"):
        assert "bob@example.com" in rejected  # who said it is needed to send the row again
    assert [path.read_bytes() for path in work.settings.imports_dir.iterdir()] == [content]
    with database.write() as session:
        found = session.execute(select(FileImport)).scalar_one()
        found.state, found.finished_at = "succeeded", found.created_at
    run_upkeep(work, client.workspace_id)
    assert list(work.settings.imports_dir.iterdir()) == []
