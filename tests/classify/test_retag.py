"""Tagged items get the labels of the wanted model, newest first, once, and never over a person's word."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from service.classify import retag as retag_module
from service.classify.retag import Which, enqueue_retag, given_up, renews_fast, retag
from service.store import queue, rollups
from service.store.columns import now
from service.store.engine import Database
from service.store.queue import ClaimedJob, LeaseLost, Priority
from service.store.schema import Classification, Correction, FeedbackItem, Job
from service.work import Work
from tests.classify.made import make_item, tagged_item
from tests.classify.tagging import WordPipeline


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retag_module, "SLICE_ITEMS", 3)
    monkeypatch.setattr(retag_module, "CHUNK_ITEMS", 2)


def ask(
    work: Work, workspace_id: int, which: Which = "all", priority: Priority = Priority.UPKEEP, times: int = 1
) -> None:
    for _ in range(times):
        with work.database.write() as session:
            enqueue_retag(session, workspace_id=workspace_id, which=which, priority=priority)


def take(work: Work) -> ClaimedJob | None:
    with work.database.write() as session:
        jobs = queue.claim(session, worker="test", lease_seconds=60, kinds=["retag"])
    return jobs[0] if jobs else None


def renew(work: Work) -> int:
    """Work off everything that waits to be tagged again; returns the number of slices."""
    slices = 0
    while (job := take(work)) is not None:
        list(retag(work, [job]))
        slices += 1
    return slices


def models(database: Database, workspace_id: int) -> list[str | None]:
    with database.read() as session:
        found = select(col(FeedbackItem.model)).where(col(FeedbackItem.workspace_id) == workspace_id)
        return list(session.execute(found.order_by(col(FeedbackItem.id))).scalars())


def waiting(database: Database) -> list[Job]:
    with database.read() as session:
        return list(session.execute(select(Job).where(col(Job.kind) == "retag").order_by(col(Job.id))).scalars())


def test_every_item_gets_the_wanted_version_newest_first(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    ids = [tagged_item(work, workspace_id, f"number {n}") for n in range(7)]
    words.model_version, words.defaults["stage"] = "words-2", "churn"
    words.asked.clear()
    ask(work, workspace_id)
    assert renew(work) == 3  # slices of three, three and one
    assert models(work.database, workspace_id) == ["words-2"] * 7
    assert [text for text, _ in words.asked] == [f"number {n}" for n in (6, 5, 4, 3, 2, 1, 0)]
    with work.database.read() as session:
        assert session.execute(select(col(FeedbackItem.stage)).distinct()).scalars().all() == ["churn"]
        assert not rollups.verify(session, workspace_id)
        kept = select(col(Classification.model)).where(col(Classification.item_id) == ids[0])
        assert sorted(session.execute(kept).scalars()) == ["words-1", "words-2"]


def test_what_carries_the_wanted_version_is_not_tagged_again(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    tagged_item(work, workspace_id)
    words.asked.clear()
    ask(work, workspace_id)
    assert renew(work) == 1
    assert words.asked == []


def test_unsure_ones_alone(work: Work, workspace_id: int, words: WordPipeline) -> None:
    for text in ("clear", "doubtful (unsure)", "clear too", "(foreign) words"):
        tagged_item(work, workspace_id, text)
    words.model_version = "words-2"
    ask(work, workspace_id, "unsure", Priority.BULK)
    renew(work)
    assert models(work.database, workspace_id) == ["words-1", "words-2", "words-1", "words-1"]


def test_as_urgent_as_single_arrivals_it_takes_small_steps(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    for n in range(5):
        tagged_item(work, workspace_id, f"number {n}")
    words.model_version = "words-2"
    ask(work, workspace_id, priority=Priority.SINGLE)
    assert renew(work) == 3  # two, two and one
    assert models(work.database, workspace_id) == ["words-2"] * 5


def test_the_fast_tier_s_alone(work: Work, workspace_id: int, words: WordPipeline) -> None:
    for version in ("fast-1", "accurate-0", "fast-0"):
        words.model_version = version
        tagged_item(work, workspace_id)
    words.model_version, words.tier = "accurate-1", "accurate"
    ask(work, workspace_id, "fast")
    renew(work)
    assert models(work.database, workspace_id) == ["accurate-1", "accurate-0", "accurate-1"]
    with work.database.read() as session:  # what the fast tier said has done its service
        assert set(session.execute(select(col(Classification.model))).scalars()) == {"accurate-1", "accurate-0"}


@pytest.mark.parametrize(("which", "in_place", "kept"), [("fast", 2, True), ("fast", 1, False), ("all", 2, False)])
def test_the_fast_tier_s_keep_their_place(
    work: Work,
    workspace_id: int,
    words: WordPipeline,
    monkeypatch: pytest.MonkeyPatch,
    which: Which,
    in_place: int,
    kept: bool,
) -> None:
    monkeypatch.setattr(retag_module, "SLICES_IN_PLACE", in_place)
    words.model_version = "fast-1"
    for number in range(4):
        tagged_item(work, workspace_id, f"number {number}")
    words.model_version, words.tier = "accurate-1", "accurate"
    ask(work, workspace_id, which)
    asked = now() - timedelta(minutes=5)
    with work.database.write() as session:
        session.execute(update(Job).where(col(Job.kind) == "retag").values(run_after=asked))
    first = take(work)
    assert first is not None
    list(retag(work, [first]))
    assert [one.run_after == asked for one in waiting(work.database)] == [kept]
    renew(work)
    assert models(work.database, workspace_id) == ["accurate-1"] * 4


def test_who_waits_for_the_accurate_tier(work: Work, workspace_id: int, client_of: Any) -> None:
    other = client_of(workspace="other").workspace_id

    def asked(**given: Any) -> bool:
        ask(work, workspace_id, **given)
        with work.database.read() as session:
            assert not renews_fast(session, other)
            return renews_fast(session, workspace_id)

    assert not asked(which="unsure")
    assert asked(which="fast")
    job = take(work)
    assert job is not None
    with work.database.read() as session:
        assert renews_fast(session, workspace_id), "under way"
    with work.database.write() as session:
        session.execute(update(Job).values(state="dead"))
    assert not asked(which="unsure")
    assert asked(which="all")


def test_a_person_s_word_stays(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = tagged_item(work, workspace_id, "one opinion")
    with work.database.write() as session:
        session.add(
            Correction(
                workspace_id=workspace_id,
                item_id=item_id,
                text_version=1,
                labels={"stage": "support"},
                author="person:ann",
            )
        )
    words.model_version = "words-2"
    words.defaults |= {"stage": "churn", "topic": "staff"}
    ask(work, workspace_id)
    renew(work)
    with work.database.read() as session:
        item = session.execute(select(FeedbackItem)).scalar_one()
        assert (item.stage, item.topic, item.corrected, item.model) == ("support", "staff", True, "words-2")
        assert not rollups.verify(session, workspace_id)


def test_what_waits_and_other_workspaces_are_left_alone(
    work: Work, workspace_id: int, words: WordPipeline, client_of: Any
) -> None:
    other = client_of(workspace="other").workspace_id
    tagged_item(work, other)
    make_item(work.database, workspace_id)
    words.model_version = "words-2"
    ask(work, workspace_id)
    renew(work)
    assert models(work.database, other) == ["words-1"]
    assert models(work.database, workspace_id) == [None]


def test_asked_often_it_waits_once_as_urgent_as_the_most_urgent(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    ask(work, workspace_id, times=2)
    ask(work, workspace_id, priority=Priority.BULK)
    ask(work, workspace_id)
    ask(work, workspace_id, "unsure")
    assert [(one.payload["which"], one.priority) for one in waiting(work.database)] == [
        ("all", Priority.BULK),
        ("unsure", Priority.UPKEEP),
    ]


def test_asked_by_many_at_once_it_waits_once(work: Work, workspace_id: int, words: WordPipeline) -> None:
    together = threading.Barrier(4)

    def ask_again() -> None:
        together.wait(timeout=30)
        for _ in range(5):
            ask(work, workspace_id)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(ask_again) for _ in range(4)]:
            done.result(timeout=60)
    assert [one.payload for one in waiting(work.database)] == [{"which": "all", "below": None}]


def test_asked_half_way_it_begins_with_the_newest_again(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    for n in range(7):
        tagged_item(work, workspace_id, f"number {n}")
    words.model_version = "words-2"
    ask(work, workspace_id)
    first = take(work)
    assert first is not None
    list(retag(work, [first]))
    (next_,) = waiting(work.database)
    assert next_.payload["below"] is not None
    words.model_version = "words-3"
    ask(work, workspace_id)
    renew(work)
    assert models(work.database, workspace_id) == ["words-3"] * 7


def test_asked_while_a_slice_runs_nothing_is_missed(work: Work, workspace_id: int, words: WordPipeline) -> None:
    for n in range(4):
        tagged_item(work, workspace_id, f"number {n}")
    words.model_version = "words-2"
    ask(work, workspace_id)
    job = take(work)
    assert job is not None
    steps = retag(work, [job])
    next(steps)
    words.model_version = "words-1"
    newest = tagged_item(work, workspace_id, "came meanwhile")
    words.model_version = "words-2"
    ask(work, workspace_id)
    list(steps)
    (left,) = waiting(work.database)  # the slice's own successor would begin below the newest
    assert left.payload["below"] is None
    renew(work)
    assert models(work.database, workspace_id) == ["words-2"] * 5
    assert newest


def test_an_item_that_changes_meanwhile_keeps_waiting(work: Work, workspace_id: int, words: WordPipeline) -> None:
    item_id = tagged_item(work, workspace_id, "old words")
    words.model_version = "words-2"
    ask(work, workspace_id)
    job = take(work)
    assert job is not None
    steps = retag(work, [job])
    next(steps)
    with work.database.write() as session:
        changes = {"text": "new words", "text_version": 2, "state": "pending"}
        before = rollups.snapshot(session, workspace_id, [item_id])
        session.execute(update(FeedbackItem).where(col(FeedbackItem.id) == item_id).values(changes))
        after = rollups.snapshot(session, workspace_id, [item_id])
        rollups.apply(session, workspace_id, before=before, after=after)
    list(steps)
    with work.database.read() as session:
        item = session.execute(select(FeedbackItem)).scalar_one()
        assert (item.state, item.model) == ("pending", "words-1")
        assert not rollups.verify(session, workspace_id)


def test_a_worker_that_lost_its_lease_stores_nothing(work: Work, workspace_id: int, words: WordPipeline) -> None:
    tagged_item(work, workspace_id)
    words.model_version = "words-2"
    ask(work, workspace_id)
    job = take(work)
    assert job is not None
    with work.database.write() as session:
        session.execute(update(Job).values(lease_token="another"))
    with pytest.raises(LeaseLost):
        list(retag(work, [job]))
    assert models(work.database, workspace_id) == ["words-1"]


def test_a_slice_that_is_given_up_does_not_keep_the_older_ones_waiting(
    work: Work, workspace_id: int, words: WordPipeline
) -> None:
    for n in range(5):
        tagged_item(work, workspace_id, f"number {n}")
    words.model_version = "words-2"
    ask(work, workspace_id)
    job = take(work)
    assert job is not None
    given_up(work, job, "ValueError")
    with work.database.write() as session:
        assert queue.fail(session, job, error="ValueError", max_attempts=1)
        session.execute(update(Job).values(run_after=now()))
    renew(work)
    assert models(work.database, workspace_id) == ["words-2", "words-2", "words-1", "words-1", "words-1"]
