"""Real worker processes: a large import by the fast tier at once, by the accurate one soon, whatever happens."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from nlp.artifact import MANIFEST_FILE, read_manifest, tier_folder
from service import worker as worker_module
from service.auth import Vault
from service.classify import active_model
from service.classify.active_model import wanted_version
from service.ingest.import_answers import ImportAnswer, answer_of
from service.ingest.import_requests import import_path
from service.ingest.incoming import IncomingItem
from service.ingest.receive import receive
from service.settings import Settings
from service.stop import Stop
from service.store import rollups
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import Classification, Correction, FeedbackItem, FileImport, Job
from service.work import Work
from service.worker import Worker
from tests.classify.made import tagged_item
from tests.running import command, wait_for

LARGE, SMALL = 1500, 40
SAID = [
    "The courier never came",
    "I love the new app",
    "Checkout failed twice",
    "Support was rude",
    "It just works",
]


@pytest.fixture(autouse=True)
def none_loaded() -> Iterator[None]:
    active_model.set_pipeline(None)
    yield
    active_model.set_pipeline(None)


def write_file(path: Path, rows: int) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "occurred_at", "text"])
        writer.writerows([f"{path.stem}{n}", "2026-05-05T09:00:00Z", f"{SAID[n % 5]} {n}."] for n in range(rows))
    return path


def imported(settings: Settings, database: Database, workspace_id: int, file: Path) -> int:
    return import_path(
        database,
        settings,
        workspace_id=workspace_id,
        file=file,
        options={"source": file.stem, "channel": "survey"},
    )


def answer(database: Database, import_id: int) -> ImportAnswer:
    with database.read() as session:
        return answer_of(session, session.get_one(FileImport, import_id))


def models(database: Database, *conditions: Any) -> dict[str | None, int]:
    with database.read() as session:
        found = select(col(FeedbackItem.model), func.count()).where(*conditions).group_by(col(FeedbackItem.model))
        return dict(map(tuple, session.execute(found)))


@pytest.mark.timeout(400)
def test_both_tiers_and_a_kill_between(
    settings: Settings, database: Database, workspace_id: int, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"models_dir": None, "fast_tier_from": 1000, "lease_seconds": 1.5})
    accurate, fast = (read_manifest(tier_folder(tier)).version for tier in ("accurate", "fast"))
    large = imported(settings, database, workspace_id, write_file(tmp_path / "large.csv", LARGE))
    log = tmp_path / "log"

    with command(settings, "work", log=log) as process:
        wait_for(lambda: answer(database, large).finished_at, seconds=120, what="the large import's end")
        done = answer(database, large)
        assert (done.state, done.tagged, done.progress) == ("succeeded", LARGE, 1.0)
        assert done.tagged_by.fast > 0
        assert done.tagged_by.fast + done.tagged_by.accurate == LARGE
        wait_for(lambda: answer(database, large).tagged_by.accurate, seconds=60, what="the first slice renewed")
        process.kill()
        process.wait()
    assert answer(database, large).tagged_by.fast > 0, "killed too late to prove anything"

    with database.write() as session:  # a person speaks while labels are being renewed
        item_id = session.execute(
            select(func.min(col(FeedbackItem.id))).where(col(FeedbackItem.model) == fast)
        ).scalar_one()
        word = {"stage": "advocacy"}
        session.add(
            Correction(workspace_id=workspace_id, item_id=item_id, text_version=1, labels=word, author="a")
        )
        receive(
            session,
            Vault(settings),
            workspace_id=workspace_id,
            source_default="one",
            items=[IncomingItem(text="The driver was kind.", channel="review", external_id="one", source="one")],
            priority=Priority.SINGLE,
        )
    small = imported(settings, database, workspace_id, write_file(tmp_path / "small.csv", SMALL))
    with command(settings, "work", log=log):
        wait_for(lambda: answer(database, small).finished_at, seconds=60, what="the small import's end")
        # what comes in goes before what is renewed, and is never tagged by the fast tier
        assert answer(database, small).tagged_by.model_dump() == {"accurate": SMALL, "fast": 0}
        assert models(database, col(FeedbackItem.source) == "one") == {accurate: 1}
        wait_for(lambda: not answer(database, large).tagged_by.fast, seconds=120, what="all renewed")
    assert models(database) == {accurate: LARGE + SMALL + 1}
    with database.read() as session:
        item = session.get_one(FeedbackItem, item_id)
        assert (item.stage, item.corrected, item.model) == ("advocacy", True, accurate)
        kept = session.execute(select(col(Classification.model), func.count()).group_by(col(Classification.model)))
        assert [tuple(row) for row in kept] == [(accurate, LARGE + SMALL + 1)]
        assert session.execute(select(func.count()).where(col(Job.state) == "dead")).scalar_one() == 0
        assert rollups.verify(session, workspace_id) == []
    assert "Traceback" not in log.read_text()


def republish(folder: Path, version: str) -> None:
    """The artifact in this folder is another one from now on."""
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    draft = folder / "draft.json"
    draft.write_text(json.dumps(manifest | {"version": version}), encoding="utf-8")
    draft.replace(folder / MANIFEST_FILE)


@pytest.mark.parametrize("retag_old", [True, False])
def test_a_running_worker_takes_a_new_model_up(
    work: Work, workspace_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retag_old: bool
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tier_folder("fast"), folder)
    republish(folder, "accurate-1")
    changed = {"models_dir": folder, "retag_old": retag_old}
    work = Work(settings=work.settings.model_copy(update=changed), database=work.database, vault=work.vault)
    monkeypatch.setattr(worker_module, "MODEL_LOOK_SECONDS", 0.1)
    tagged_item(work, workspace_id, "The courier never came.")
    assert models(work.database) == {"accurate-1": 1}
    stop = Stop()
    worker = threading.Thread(target=Worker(work, stop).run)
    worker.start()
    try:
        wait_for(lambda: not _retags(work.database), seconds=30, what="nothing left to renew at the start")
        republish(folder, "accurate-2")
        wait_for(
            lambda: wanted_version(work.settings, workspace_id=workspace_id) == "accurate-2",
            seconds=30,
            what="the new model",
        )
        if retag_old:
            wait_for(lambda: models(work.database) == {"accurate-2": 1}, seconds=30, what="old labels renewed")
        new = tagged_item(work, workspace_id, "Checkout failed.")
        of_new = col(FeedbackItem.id) == new
        wait_for(lambda: models(work.database, of_new) == {"accurate-2": 1}, seconds=30, what="the new item")
        (folder / MANIFEST_FILE).write_text("{", encoding="utf-8")  # a bad one is not taken up
        assert wanted_version(work.settings, workspace_id=workspace_id) == "accurate-2"
    finally:
        stop.request()
        worker.join(timeout=30)
    assert not worker.is_alive()
    if not retag_old:
        assert models(work.database) == {"accurate-1": 1, "accurate-2": 1}


def _retags(database: Database) -> int:
    with database.read() as session:
        found: int = session.execute(select(func.count()).where(col(Job.kind) == "retag")).scalar_one()
        return found
