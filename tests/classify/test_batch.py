"""Items get their labels, once, whatever happens around it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text as sql
from sqlalchemy import update
from sqlmodel import col, select

from service.classify import batch, tagging
from service.store import queue, rollups
from service.store.engine import Database
from service.store.queue import LeaseLost
from service.store.schema import Classification, Correction, FeedbackItem, FileImport, Job, Segment
from service.work import Work
from tests.classify.made import change_item, claim, enqueue, make_import, make_item, tag_all, tagged_item
from tests.classify.tagging import WordPipeline


def item_of(database: Database, item_id: int) -> FeedbackItem:
    with database.read() as session:
        return session.exec(select(FeedbackItem).where(FeedbackItem.id == item_id)).one()


def segments_of(database: Database, item_id: int) -> list[Segment]:
    with database.read() as session:
        return list(
            session.exec(select(Segment).where(Segment.item_id == item_id).order_by(col(Segment.position)))
        )


def classifications_of(database: Database, item_id: int) -> list[Classification]:
    with database.read() as session:
        found = select(Classification).where(Classification.item_id == item_id).order_by(col(Classification.id))
        return list(session.exec(found))


def jobs_left(database: Database) -> int:
    with database.read() as session:
        return len(session.exec(select(Job).where(Job.kind == "classify")).all())


def correct(database: Database, workspace_id: int, item_id: int, **given: Any) -> None:
    with database.write() as session:
        values: dict[str, Any] = {"text_version": 1, "author": "person:ann"} | given
        session.add(Correction(workspace_id=workspace_id, item_id=item_id, **values))


def test_item_and_segments_get_the_labels(work: Work, workspace_id: int, words: WordPipeline) -> None:
    text = "stage=support sentiment=negative topic=staff. stage=usage sentiment=positive topic=quality."
    item_id = tagged_item(work, workspace_id, text, question="What went wrong?")
    item = item_of(work.database, item_id)
    assert (item.state, item.stage, item.topic, item.sentiment) == ("tagged", "support", "staff", "mixed")
    assert (item.model, item.language, item.unsure_reason, item.corrected) == ("words-1", "en", None, False)
    assert item.classified_at is not None
    first, second = segments_of(work.database, item_id)
    assert (first.position, first.stage, first.sentiment) == (0, "support", "negative")
    assert (second.position, second.topic, text[second.start : second.end]) == (1, "quality", text[46:])
    (kept,) = classifications_of(work.database, item_id)
    assert (kept.text_version, kept.model, kept.tier) == (1, "words-1", "fast")
    assert kept.analysis["stage"] == {"label": "support", "confidence": 0.9}
    assert words.asked == [(text, "What went wrong?")]
    assert jobs_left(work.database) == 0


def test_labels_are_stored_in_parts_while_senders_wait_and_counted_once(
    work: Work, workspace_id: int, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "SLICE_ITEMS", 2)
    import_id = make_import(work.database, workspace_id, to_tag=5)
    ids = [make_item(work.database, workspace_id, import_id=import_id) for _ in range(5)]
    enqueue(work.database, workspace_id, ids, import_id)

    def tagged() -> tuple[int, int]:
        with work.database.read() as session:
            found = session.exec(select(FeedbackItem).where(FeedbackItem.state == "tagged")).all()
            return len(found), session.get_one(FileImport, import_id).tagged

    work.arrivals.note()
    jobs = claim(work)
    stage = batch.classify(work, jobs)
    next(stage)
    if work.database.is_sqlite:
        assert tagged() == (2, 0), "the import's progress comes with the end of the job"
        assert jobs_left(work.database) == 1
    else:
        assert tagged() == (5, 5), "PostgreSQL's writers do not wait for each other"
    # the worker dies here; another takes the job
    del stage
    if jobs_left(work.database):
        with work.database.write() as session:
            queue.release(session, jobs)
        tag_all(work)
    assert tagged() == (5, 5)
    assert jobs_left(work.database) == 0
    assert [len(classifications_of(work.database, item_id)) for item_id in ids] == [1] * 5
    with work.database.read() as session:
        assert rollups.verify(session, workspace_id) == []


def test_unread_texts_are_looked_at_and_have_no_labels(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = tagged_item(work, workspace_id, "…")
    item = item_of(work.database, item_id)
    assert (item.state, item.unsure_reason, item.stage, item.sentiment) == ("tagged", "meaningless", None, None)
    assert segments_of(work.database, item_id) == []


def test_translation_speaks_for_a_language_that_is_not_read(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    text = " (foreign) words "
    translation = "stage=churn sentiment=positive. stage=support sentiment=negative."
    item_id = tagged_item(work, workspace_id, text, translation=translation)
    item = item_of(work.database, item_id)
    assert (item.stage, item.language, item.unsure_reason) == ("churn", "fi", None)
    assert item.sentiment == "mixed"
    (whole,) = segments_of(work.database, item_id)
    assert text[whole.start : whole.end] == "(foreign) words"
    assert (whole.stage, whole.sentiment) == ("churn", "positive")


def test_import_counts_every_item_that_was_looked_at(work: Work, workspace_id: int, words: WordPipeline) -> None:
    import_id = make_import(work.database, workspace_id, to_tag=4)
    ids = [make_item(work.database, workspace_id, import_id=import_id) for _ in range(3)]
    enqueue(work.database, workspace_id, [*ids[:2], 999_999], import_id)  # one is deleted since
    enqueue(work.database, workspace_id, ids[2:], import_id)
    tag_all(work)
    with work.database.read() as session:
        found = session.exec(select(FileImport).where(FileImport.id == import_id)).one()
    assert (found.tagged, found.state) == (4, "succeeded")


def test_slices_are_whole_jobs_of_one_workspace() -> None:
    def job(number: int, workspace_id: int, items: int) -> queue.ClaimedJob:
        return queue.ClaimedJob(number, workspace_id, "classify", {"items": list(range(items))}, 1, "token")

    jobs = [job(1, 1, 300), job(2, 1, 200), job(3, 1, 1), job(4, 2, 1), job(5, 2, 900), job(6, 2, 1)]
    assert [[one.id for one in slice_] for slice_ in batch._slices(jobs)] == [[1, 2], [3], [4], [5], [6]]


def test_what_the_fast_tier_tags_is_stored_in_larger_slices() -> None:
    def job(number: int, import_id: int | None) -> queue.ClaimedJob:
        payload = {"items": list(range(500)), "import_id": import_id}
        return queue.ClaimedJob(number, 1, "classify", payload, 1, "token")

    jobs = [*(job(number, 7) for number in range(6)), job(6, None), job(7, None), job(8, 7)]
    slices = [[one.id for one in slice_] for slice_ in batch._slices(jobs, {7})]
    assert slices == [[0, 1, 2, 3, 4], [5], [6], [7], [8]]


def test_text_that_changes_meanwhile_is_tagged_as_it_is_now(
    work: Work, workspace_id: int, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = make_item(work.database, workspace_id, "stage=usage")
    enqueue(work.database, workspace_id, [item_id])
    analyze = tagging.analyze

    def slow(*given: Any) -> Any:
        result = analyze(*given)
        monkeypatch.setattr(tagging, "analyze", analyze)
        with work.database.write() as session:
            session.execute(
                update(FeedbackItem)
                .where(col(FeedbackItem.id) == item_id)
                .values(text="stage=churn", text_version=2)
            )
        return result

    monkeypatch.setattr(tagging, "analyze", slow)
    assert tag_all(work) == 2
    assert item_of(work.database, item_id).stage == "churn"
    assert [one.text_version for one in classifications_of(work.database, item_id)] == [2]


def test_two_jobs_for_one_item_tag_it_once(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = make_item(work.database, workspace_id)
    enqueue(work.database, workspace_id, [item_id])
    enqueue(work.database, workspace_id, [item_id])
    first, second = claim(work)
    for _ in batch.classify(work, [first]):
        pass
    for _ in batch.classify(work, [second]):
        pass
    assert len(classifications_of(work.database, item_id)) == 1
    assert len(words.asked) == 1
    assert jobs_left(work.database) == 0


def test_a_worker_that_lost_its_lease_stores_nothing(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = make_item(work.database, workspace_id)
    enqueue(work.database, workspace_id, [item_id])
    jobs = claim(work)
    with work.database.write() as session:
        session.execute(sql("UPDATE job SET lease_token = 'another'"))
    with pytest.raises(LeaseLost):
        list(batch.classify(work, jobs))
    assert item_of(work.database, item_id).state == "pending"
    assert classifications_of(work.database, item_id) == []


def test_a_failure_while_storing_leaves_nothing_behind(
    work: Work, workspace_id: int, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = make_import(work.database, workspace_id, to_tag=1)
    item_id = make_item(work.database, workspace_id)
    enqueue(work.database, workspace_id, [item_id], import_id)
    jobs = claim(work)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("power gone")

    with monkeypatch.context() as patched:
        patched.setattr(queue, "finish", broken)
        with pytest.raises(RuntimeError):
            list(batch.classify(work, jobs))
    assert item_of(work.database, item_id).state == "pending"
    assert segments_of(work.database, item_id) == []
    with work.database.read() as session:
        assert session.exec(select(FileImport.tagged)).one() == 0
    list(batch.classify(work, jobs))
    assert item_of(work.database, item_id).state == "tagged"


def test_another_workspace_s_items_are_not_touched(
    work: Work, workspace_id: int, words: WordPipeline, client_of: Any
) -> None:
    other = client_of(workspace="other").workspace_id
    item_id = make_item(work.database, other)
    enqueue(work.database, workspace_id, [item_id])
    tag_all(work)
    assert item_of(work.database, item_id).state == "pending"


def test_active_and_previous_model_are_kept(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = tagged_item(work, workspace_id, "hello")
    for version in ("words-2", "words-3"):
        words.model_version = version
        change_item(work, workspace_id, item_id)
    assert [one.model for one in classifications_of(work.database, item_id)] == ["words-2", "words-3"]


def test_same_text_with_another_question_is_classified_anew(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    item_id = tagged_item(work, workspace_id, "price")
    words.defaults["topic"] = "price"
    change_item(work, workspace_id, item_id, question="What do you like least?")
    (kept,) = classifications_of(work.database, item_id)
    assert kept.analysis["topic"]["label"] == "price"
    assert item_of(work.database, item_id).topic == "price"


def test_a_person_s_word_survives_tagging_again(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = tagged_item(work, workspace_id, "one opinion")
    correct(work.database, workspace_id, item_id, labels={"stage": "support"})
    words.defaults |= {"stage": "churn", "topic": "staff"}
    change_item(work, workspace_id, item_id)
    item = item_of(work.database, item_id)
    assert (item.stage, item.topic, item.corrected) == ("support", "staff", True)
    (segment,) = segments_of(work.database, item_id)
    assert (segment.stage, segment.topic, segment.corrected) == ("support", "staff", True)


def test_a_new_text_ends_the_correction(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = tagged_item(work, workspace_id, "one opinion")
    correct(work.database, workspace_id, item_id, labels={"stage": "support"})
    change_item(work, workspace_id, item_id, text="another opinion", text_version=2)
    item = item_of(work.database, item_id)
    assert (item.stage, item.corrected) == ("usage", False)


def test_rollups_equal_a_recount(work: Work, workspace_id: int, words: WordPipeline) -> None:
    for number in range(5):
        tagged_item(work, workspace_id, f"stage=support topic=staff number {number}. topic=price.")
    item_id = tagged_item(work, workspace_id, "…")
    change_item(work, workspace_id, item_id, text="stage=churn", text_version=2)
    with work.database.read() as session:
        assert not rollups.verify(session, workspace_id)
