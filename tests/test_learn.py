"""Corrections are learnt from: behind gates, in the workspace's own folder, taken up, rolled back, forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlmodel import col

from nlp.artifact import tier_folder
from service.classify import active_model
from service.classify.active_model import wanted_tagger, wanted_version
from service.learn import records
from service.learn.examples import examples, kept_items
from service.monitor.backup import backup, restore
from service.settings import Settings
from service.stop import Stop
from service.store import learned, rollups
from service.store.engine import Database
from service.store.schema import AuditEvent, FeedbackItem
from service.work import Work
from service.worker import Worker
from tests.classify.made import enqueue, make_item

TEXTS = [
    "The crane lifted the pallets onto the roof before noon.",
    "Scaffolding stood two days longer than we had it down for.",
    "The digger came with a driver who knows his trade.",
    "Concrete was poured on Tuesday, the floor is level.",
    "Bricks came in the wrong red, the mason took them all the same.",
    "The compactor leaks oil on our yard.",
    "We had the mixer for the weekend and it ran without a hitch.",
    "Fence panels rattle when lorries go by.",
    "The site hut has a heater and four chairs.",
    "Our foreman likes the new laser level.",
    "The generator was loud but never stopped.",
    "A tyre of the dumper was flat when we got it.",
]
EXACT = "The winch on the second trailer turns the wrong way round"


@pytest.fixture(autouse=True)
def fresh_models() -> Any:
    yield
    active_model.set_pipeline(None)


def run(work: Work) -> None:
    """Everything that waits, as the worker does it."""
    Worker(work, Stop()).run_until_idle()


def stored(work: Work, workspace_id: int, *texts: str) -> list[int]:
    """Items that have been tagged."""
    ids = [make_item(work.database, workspace_id, text) for text in texts]
    enqueue(work.database, workspace_id, ids)
    run(work)
    return ids


def correct(client: Any, item_id: int, **labels: str) -> None:
    answer = client.put(f"/v1/feedback/{item_id}/labels", json={"labels": labels})
    assert answer.status_code == 200, answer.text


def models_of(database: Database, workspace_id: int) -> set[str | None]:
    with database.read() as session:
        query = select(col(FeedbackItem.model)).where(col(FeedbackItem.workspace_id) == workspace_id)
        return set(session.execute(query).scalars())


def actions(database: Database, workspace_id: int) -> list[str]:
    with database.read() as session:
        query = select(col(AuditEvent.action)).where(
            col(AuditEvent.workspace_id) == workspace_id, col(AuditEvent.action).startswith("model.")
        )
        return list(session.execute(query.order_by(col(AuditEvent.id))).scalars())


def asked(client: Any, work: Work) -> dict[str, Any]:
    """The newest attempt after one that was asked for."""
    answer = client.post("/v1/model/retrain")
    assert answer.status_code == 202, answer.text
    assert client.get("/v1/model").json()["learning"]["state"] == "queued"
    run(work)
    body = client.get("/v1/model").json()
    assert body["learning"]["state"] == "idle"
    attempt: dict[str, Any] = body["learning"]["attempts"][0]
    return attempt


def test_a_corrected_text_is_known_at_once_and_only_in_its_workspace(
    client_of: Callable[..., Any], work: Work, settings: Settings
) -> None:
    client, other = client_of(), client_of("other")
    default = client.get("/v1/model").json()["model"]
    first, *rest = stored(work, client.workspace_id, EXACT, *TEXTS)
    theirs = stored(work, other.workspace_id, EXACT)
    label = "churn"
    assert client.get(f"/v1/feedback/{first}").json()["stage"]["label"] != label
    correct(client, first, stage=label)
    attempt = asked(client, work)
    assert (attempt["outcome"], attempt["because"], attempt["actor"]) == ("published", "asked", "key:test")
    assert attempt["texts"] == 1
    assert attempt["fields"]["stage"]["remembered"]
    assert attempt["fields"]["topic"]["reason"] == "nobody corrected this field"

    live = client.get("/v1/model").json()
    assert live["model"] == attempt["model"]
    assert live["model"].startswith(f"{default}+1-")
    assert live["default"] == default
    assert other.get("/v1/model").json()["model"] == default
    # all of the workspace carry the new version, nobody else's items do
    assert models_of(work.database, client.workspace_id) == {live["model"]}
    assert models_of(work.database, other.workspace_id) == {default}
    for caller, expected in ((client, label), (other, None)):
        (result,) = caller.post("/v1/tag", json={"texts": [EXACT + "."]}).json()["results"]
        assert (result["stage"]["label"] == label) is (expected == label)
    (again,) = stored(work, client.workspace_id, EXACT.upper())
    assert client.get(f"/v1/feedback/{again}").json()["stage"]["label"] == label
    assert other.get(f"/v1/feedback/{theirs[0]}").json()["stage"]["label"] != label
    assert len(rest) == len(TEXTS)
    folder = learned.folder_of(settings, client.workspace_id)
    assert EXACT[:20] not in "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())


def test_rolling_back_is_one_call(client: Any, work: Work) -> None:
    ids = stored(work, client.workspace_id, EXACT, *TEXTS[:3])
    default = client.get("/v1/model").json()["model"]
    correct(client, ids[0], stage="churn")
    first = asked(client, work)["model"]
    correct(client, ids[1], stage="advocacy")
    second = asked(client, work)["model"]
    assert (first, second) == (first, client.get("/v1/model").json()["model"])

    def back(to: str | None = None) -> tuple[int, Any]:
        answer = client.post("/v1/model/rollback", **({} if to is None else {"json": {"to": to}}))
        run(work)
        return answer.status_code, answer.json()

    assert back() == (200, {"model": first, "before": second})
    assert models_of(work.database, client.workspace_id) == {first}
    assert back() == (200, {"model": default, "before": first})
    assert models_of(work.database, client.workspace_id) == {default}
    assert back()[0] == 409
    assert back(second) == (200, {"model": second, "before": default})
    assert back(default)[1]["model"] == default
    assert back("fast-1+9")[0] == 422
    # the person's word stands all along
    assert client.get(f"/v1/feedback/{ids[0]}").json()["stage"] == {
        "label": "churn",
        "confidence": None,
        "corrected": True,
    }
    assert actions(work.database, client.workspace_id) == ["model.retrain"] * 2 + ["model.rollback"] * 4
    with work.database.read() as session:
        assert not rollups.verify(session, client.workspace_id)


def test_it_learns_by_itself_after_so_many_corrections(client: Any, work: Work) -> None:
    few = Work(work.settings.model_copy(update={"retrain_after": 3}), work.database, work.vault)
    ids = stored(few, client.workspace_id, EXACT, *TEXTS[:4])
    for done, item_id in enumerate(ids[:3]):
        assert records.records(few.settings, client.workspace_id) == [], done
        correct(client, item_id, stage="churn")
        run(few)
    (record,) = records.records(few.settings, client.workspace_id)
    assert (record["because"], record["texts"]) == ("corrections", 3)
    # a correction and one that is taken back are two changes, which are too few
    correct(client, ids[3], stage="churn")
    found = client.get(f"/v1/feedback/{ids[0]}").json()["corrections"][0]["id"]
    assert client.delete(f"/v1/feedback/{ids[0]}/labels?correction={found}").status_code == 200
    assert client.get("/v1/model").json()["learning"]["corrections"]["since_last"] == 2
    run(few)
    assert len(records.records(few.settings, client.workspace_id)) == 1


def test_nothing_to_learn_from_is_said(client_of: Callable[..., Any]) -> None:
    assert client_of().post("/v1/model/retrain").status_code == 409
    assert client_of().post("/v1/model/rollback").status_code == 409
    assert client_of(scopes=("read",)).post("/v1/model/retrain").status_code == 403
    assert client_of(scopes=("read",)).post("/v1/model/rollback").status_code == 403


def test_an_erased_item_leaves_what_was_learnt(client: Any, work: Work, settings: Settings) -> None:
    ids = stored(work, client.workspace_id, EXACT, *TEXTS[:2])
    for item_id in ids:
        correct(client, item_id, stage="churn")
    before = asked(client, work)
    assert kept_items(settings, client.workspace_id) == ids
    assert client.delete(f"/v1/feedback/{ids[0]}").status_code == 204
    run(work)
    newest = client.get("/v1/model").json()["learning"]["attempts"][0]
    assert (newest["because"], newest["outcome"]) == ("erasure", "published")
    held = records.items_learnt_from(settings, client.workspace_id)
    assert list(held.values()) == [ids[1:]]
    assert kept_items(settings, client.workspace_id) == ids[1:]
    assert client.post("/v1/model/rollback", json={"to": before["model"]}).status_code == 422
    for item_id in ids[1:]:
        assert client.delete(f"/v1/feedback/{item_id}").status_code == 204
    run(work)
    live = client.get("/v1/model").json()
    assert live["model"] == live["default"]
    assert records.items_learnt_from(settings, client.workspace_id) == {}


def test_what_was_learnt_is_in_the_backup(client: Any, work: Work, tmp_path: Path) -> None:
    (item_id,) = stored(work, client.workspace_id, EXACT)
    correct(client, item_id, stage="churn")
    version = asked(client, work)["model"]
    backup(work.settings, work.database, tmp_path / "backup.tar.gz")
    new = work.settings.model_copy(
        update={"data_dir": tmp_path / "new", "database_url": f"sqlite:///{tmp_path / 'new.db'}"}
    )
    restore(new, tmp_path / "backup.tar.gz")
    assert wanted_version(new, workspace_id=client.workspace_id) == version
    learned.forget_workspace(new, client.workspace_id)
    assert wanted_version(new, workspace_id=client.workspace_id) != version


def test_a_changed_file_or_another_default_is_not_used(
    client: Any, work: Work, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    (item_id,) = stored(work, client.workspace_id, EXACT)
    correct(client, item_id, stage="churn")
    asked(client, work)
    default = client.get("/v1/model").json()["default"]
    path = learned.overlay_path(settings, client.workspace_id, 1)
    active = learned.active_of(settings, client.workspace_id)
    assert active is not None
    accurate = settings.model_copy(update={"models_dir": tier_folder("accurate")})
    active_model.set_pipeline(None)
    assert "+" not in wanted_version(accurate, workspace_id=client.workspace_id)
    active_model.set_pipeline(None)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    learned.activate(settings, client.workspace_id, active)
    assert wanted_tagger(settings, workspace_id=client.workspace_id).model_version == default
    assert "can't be used" in caplog.text


def test_what_is_learnt_from(client: Any, work: Work) -> None:
    two = "Bed was soft and the room quiet. Breakfast was cold on both mornings."
    whole, parts = stored(work, client.workspace_id, "Room was <b>quiet</b>", two)
    correct(client, whole, stage="usage", stage2="churn")
    correct(client, whole, stage="loyalty", topic="quality")
    segments = client.get(f"/v1/feedback/{parts}").json()["segments"]
    assert len(segments) == 2
    span = {"start": segments[1]["start"], "end": segments[1]["end"]}
    answer = client.put(f"/v1/feedback/{parts}/labels", json={"labels": {"topic": "price"}, "segment": span})
    assert answer.status_code == 200
    with work.database.read() as session:
        found = examples(session, client.workspace_id)
        assert examples(session, client.workspace_id + 1) == []
    assert [(one.item_id, one.text, one.labels) for one in found] == [
        (whole, "Room was quiet", {"stage": "loyalty", "topic": "quality"}),
        (parts, "Breakfast was cold on both mornings.", {"topic": "price"}),
    ]


def test_attempts_are_numbered_and_old_overlays_thinned_out(client: Any, work: Work, settings: Settings) -> None:
    (item_id,) = stored(work, client.workspace_id, EXACT)
    correct(client, item_id, stage="churn")
    asked(client, work)
    assert asked(client, work)["outcome"] == "unchanged"
    folder = learned.folder_of(settings, client.workspace_id)
    content = learned.overlay_path(settings, client.workspace_id, 1).read_bytes()
    for number in range(3, 3 + records.KEPT_OVERLAYS + 2):
        (folder / f"{number:04}.npz").write_bytes(content)
    active = learned.active_of(settings, client.workspace_id)
    records.thin_out(settings, client.workspace_id, active)
    kept = sorted(path.name for path in folder.glob("[0-9]*.npz"))
    assert len(kept) == records.KEPT_OVERLAYS + 1
    assert kept[0] == "0001.npz"  # the one in use stays
    assert [json.loads(path.read_text())["number"] for path in sorted(folder.glob("[0-9]*.json"))] == [1, 2]
    assert np.load(folder / "rows.npz", allow_pickle=False)["items"].tolist() == [item_id]
