"""Which imports the fast tier tags first."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from nlp import artifact
from service.classify import active_model, batch
from service.classify.active_model import fast_tagger, wanted_tagger
from service.settings import Settings
from service.store.engine import Database
from service.store.queue import ClaimedJob
from service.store.schema import FileImport, Job
from service.work import Work
from tests.classify.made import enqueue, make_import, make_item, tag_all
from tests.classify.tagging import WordPipeline


def job(import_id: int | None, items: int = 1) -> ClaimedJob:
    payload = {"items": list(range(items)), "import_id": import_id}
    return ClaimedJob(1, 1, "classify", payload, 1, "token")


def large(database: Database, settings: Settings, *jobs: ClaimedJob) -> frozenset[int]:
    with database.read() as session:
        return batch._large_imports(session, settings, jobs)


def test_large_by_what_is_to_tag(database: Database, settings: Settings, workspace_id: int) -> None:
    settings = settings.model_copy(update={"fast_tier_from": 1000})
    just, below = (make_import(database, workspace_id, to_tag=n) for n in (1000, 999))
    assert large(database, settings, job(None), job(just), job(below)) == {just}
    never = settings.model_copy(update={"fast_tier_from": 0})
    assert large(database, never, job(just)) == frozenset()


def test_large_by_what_the_part_read_so_far_lets_expect(
    database: Database, settings: Settings, workspace_id: int
) -> None:
    settings = settings.model_copy(update={"fast_tier_from": 1000})
    import_id = make_import(database, workspace_id, to_tag=300)
    with database.write() as session:
        session.get_one(FileImport, import_id).read_fraction = 0.3
    assert large(database, settings, job(import_id)) == {import_id}
    with database.write() as session:
        session.get_one(FileImport, import_id).read_fraction = 0.31
    assert large(database, settings, job(import_id)) == frozenset()


def test_a_slice_is_of_one_tier() -> None:
    jobs = [job(7), job(None), job(8), job(7), job(7)]
    slices = [[one.payload["import_id"] for one in slice_] for slice_ in batch._slices(jobs, {7})]
    assert slices == [[7], [None, 8], [7, 7]]


def test_where_the_default_is_the_fast_tier_nothing_is_renewed(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    work = Work(
        settings=work.settings.model_copy(update={"fast_tier_from": 1}), database=work.database, vault=work.vault
    )
    import_id = make_import(work.database, workspace_id, to_tag=1)
    enqueue(work.database, workspace_id, [make_item(work.database, workspace_id, import_id=import_id)], import_id)
    tag_all(work)
    with work.database.read() as session:
        assert session.execute(select(Job).where(col(Job.kind) == "retag")).first() is None


def test_without_a_fast_tier_the_accurate_one_tags_everything(
    settings: Settings, workspace_id: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"models_dir": artifact.tier_folder("accurate")})
    monkeypatch.setattr(artifact, "MODELS_FOLDER", tmp_path)
    active_model.set_pipeline(None)
    wanted = wanted_tagger(settings, workspace_id=workspace_id)
    assert wanted.tier == "accurate"
    assert fast_tagger(settings, workspace_id=workspace_id) is wanted
    active_model.set_pipeline(None)
