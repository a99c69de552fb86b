"""Deleting an item, erasing a person: nothing of them stays, nothing of them comes back, the counts follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import SQLModel, select

from service.auth import Vault
from service.ingest.traces import _spellings
from service.settings import Settings
from service.store import rollups
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import (
    AuditEvent,
    Classification,
    Correction,
    Delivery,
    Endpoint,
    ErasureMark,
    FeedbackItem,
    FileImport,
    IdempotencyKey,
    ImportReject,
    ItemVersion,
    Job,
    Segment,
)
from service.store.schema import metadata as tables
from service.work import Work
from tests.classify.made import make_import, make_item, tagged_item
from tests.classify.tagging import WordPipeline

PERSON = "ann@shop.example"


def rows(database: Database, model: type[SQLModel]) -> list[Any]:
    with database.read() as session:
        return list(session.exec(select(model)).all())


def counts_are_true(work: Work, workspace_id: int) -> None:
    with work.database.read() as session:
        assert not rollups.verify(session, workspace_id)


def make_delivery(database: Database, workspace_id: int, **given: Any) -> int:
    with database.write() as session:
        endpoint = session.exec(select(Endpoint)).first()
        if endpoint is None:
            endpoint = Endpoint(
                workspace_id=workspace_id, public_id="p", sender="x", name="x", source="x", secrets=""
            )
            session.add(endpoint)
            session.flush()
        assert endpoint.id is not None
        values: dict[str, Any] = {"state": "parsed", "body": b"{}", "external_id": str(now())} | given
        delivery = Delivery(workspace_id=workspace_id, endpoint_id=endpoint.id, **values)
        session.add(delivery)
        session.flush()
        assert delivery.id is not None
        return delivery.id


def test_deleted_item_is_gone_and_stays_away(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "stage=churn", source="shop", identity="id:r-1")
    kept = tagged_item(work, client.workspace_id, "stage=usage")
    client.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"topic": "price"}})
    assert client.delete(f"/v1/feedback/{item_id}").status_code == 204
    assert client.get(f"/v1/feedback/{item_id}").status_code == 404
    assert client.delete(f"/v1/feedback/{item_id}").status_code == 404
    for model in (Segment, Classification, Correction):
        assert {row.item_id for row in rows(work.database, model)} <= {kept}
    counts_are_true(work, client.workspace_id)
    client.post("/v1/feedback", json={"text": "again", "source": "shop", "external_id": "r-1"})
    assert [row.id for row in rows(work.database, FeedbackItem)] == [kept]
    (event,) = [row for row in rows(work.database, AuditEvent) if row.action == "feedback.delete"]
    assert event.target == f"feedback:{item_id}"


def test_a_person_is_erased_everywhere(
    client: Any, work: Work, words: WordPipeline, settings: Settings, client_of: Callable[..., Any]
) -> None:
    workspace_id, database = client.workspace_id, work.database
    pseudonym = work.vault.pseudonym(workspace_id, PERSON)
    direct = make_delivery(database, workspace_id, body=b'{"from":"ann@shop.example"}')
    item_id = tagged_item(work, workspace_id, "stage=churn", respondent=pseudonym, delivery_id=direct)
    by_result = make_delivery(database, workspace_id, body=b"words", results=[{"id": str(item_id)}])
    unread = make_delivery(database, workspace_id, body=b"from=ann%40shop.example&x=1", state="unparsed")
    others = make_delivery(database, workspace_id, body=b'{"from":"joann@shop.example"}', state="unparsed")
    second = make_item(database, workspace_id, "waiting", respondent=pseudonym)
    kept = tagged_item(work, workspace_id, "stage=usage", respondent=work.vault.pseudonym(workspace_id, "bob"))
    settings.imports_dir.mkdir(parents=True)
    for name in ("done.csv", "reading.csv"):
        (settings.imports_dir / name).write_text("from\nann@shop.example\n")
    done = make_import(database, workspace_id, to_tag=0)
    reading = make_import(database, workspace_id, to_tag=0)
    with database.write() as session:
        session.add(ItemVersion(workspace_id=workspace_id, item_id=item_id, text_version=0, text="earlier"))
        for import_id, name, state in ((done, "done.csv", "succeeded"), (reading, "reading.csv", "running")):
            found = session.get_one(FileImport, import_id)
            found.path, found.state = name, state
        for row, cells in enumerate((["1", PERSON], ["2", f"mail to {PERSON}."], ["3", "joann@shop.example"])):
            session.add(
                ImportReject(
                    workspace_id=workspace_id, import_id=done, row=row, code="bad", detail="x", columns=cells
                )
            )
        for key, body in (("theirs", f'{{"id":"{item_id}"}}'), ("others", f'{{"id":"{kept}"}}')):
            session.add(
                IdempotencyKey(
                    workspace_id=workspace_id,
                    route="POST /v1/feedback",
                    key=key,
                    body_hash="0",
                    owner="x",
                    response_status=202,
                    response_body=body.encode(),
                    expires_at=now() + timedelta(hours=1),
                )
            )
    answer = client.delete(f"/v1/respondents/{PERSON}")
    assert (answer.status_code, answer.json()) == (200, {"items": 2})

    assert [row.id for row in rows(database, FeedbackItem)] == [kept]
    for model in (Segment, Classification, Correction, ItemVersion):
        assert {row.item_id for row in rows(database, model)} <= {kept}
    counts_are_true(work, workspace_id)
    bodies = {row.id: row.body for row in rows(database, Delivery)}
    assert [bodies[one] for one in (direct, by_result, unread)] == [b"", b"", b""]
    assert bodies[others] != b""
    assert sorted(len(row.columns) for row in rows(database, ImportReject)) == [0, 0, 2]
    assert [row.key for row in rows(database, IdempotencyKey)] == ["others"]
    assert not (settings.imports_dir / "done.csv").exists()
    assert {row.id: row.path for row in rows(database, FileImport)}[done] == ""
    assert [job.payload for job in rows(database, Job) if job.kind == "compact"] == [{"full": True}]
    assert second not in [row.item_id for row in rows(database, Segment)]
    with database.read() as session:
        for table in tables.sorted_tables:
            if table.name != "file_import":
                for row in session.execute(table.select()):
                    assert "ann@shop" not in repr(tuple(row)).replace("joann@shop", ""), table.name
    # in another workspace the same name is another person
    assert client_of(workspace="other").delete(f"/v1/respondents/{PERSON}").json() == {"items": 0}
    assert sum(one.kind == "respondent" for one in rows(database, ErasureMark)) == 2


def test_an_erased_person_does_not_come_back(client: Any, work: Work, words: WordPipeline) -> None:
    assert client.delete("/v1/respondents/c%2F83").json() == {"items": 0}  # before anything was known of them
    assert client.delete("/v1/respondents/c%2F83").json() == {"items": 0}
    client.post("/v1/feedback", json={"text": "words", "external_id": "r-1", "respondent": "c/83"})
    assert rows(work.database, FeedbackItem) == []
    client.post("/v1/feedback", json={"text": "words", "external_id": "r-2", "respondent": "c/84"})
    assert len(rows(work.database, FeedbackItem)) == 1


def test_erasing_needs_the_right(client_of: Callable[..., Any], work: Work) -> None:
    for scopes, status in ((("ingest", "read"), 403), (("admin",), 200), (("review",), 200)):
        assert client_of(scopes=scopes).delete("/v1/respondents/c-1").status_code == status


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("c-83", b'{"id":"c-83"}', True),
        ("c-83", b'{"id":"c-831"}', False),
        ("c-83", b"abc-83", False),
        ("Zoë", '{"name":"Zoë"}'.encode(), True),
        ("Zoë", b'{"name":"Zo\\u00eb"}', True),
        ("a b", b"name=a+b&x", True),
        ("a b", b"name=a%20b&x", True),
        ("a.c", b"abc", False),
    ],
)
def test_how_a_name_is_looked_for(name: str, body: bytes, found: bool) -> None:
    assert (_spellings(name).search(body) is not None) is found


def test_mark_is_a_keyed_hash(client: Any, work: Work, settings: Settings) -> None:
    client.delete(f"/v1/respondents/{PERSON}")
    (mark,) = rows(work.database, ErasureMark)
    expected = Vault(settings).keyed_hash(f"respondent:{client.workspace_id}:{PERSON}")
    assert (mark.kind, mark.key_hash) == ("respondent", expected)
