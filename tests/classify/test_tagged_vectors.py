"""What tagging has read need not be read again: its vectors are kept, and are those that the job would make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, select, update
from sqlmodel import col

from nlp.likeness import Likeness
from nlp.overlay import Axes, Memory, Overlay, Reach, overlaid
from nlp.pipeline import Pipeline
from service.classify import active_model, retag, tagged_vectors
from service.classify.active_model import likeness_of, reads_alike
from service.classify.batch import classify
from service.stop import Stop
from service.store.columns import now
from service.store.engine import Database
from service.store.meaning_blocks import PLACE_COLUMNS, ask_vectors
from service.store.queue import Priority
from service.store.schema import FeedbackItem, ItemMeaning, Job, MeaningBlock
from service.work import Work
from service.worker import KINDS, Worker
from tests.classify.made import claim, enqueue, make_import, make_item, tag_all
from tests.classify.tagging import WordPipeline

PLAIN = [
    f"{text} (case {number})"
    for number in range(7)
    for text in (
        "Checkout was easy, but my parcel came a week late",
        "<p>The agent was <b>rude</b> &amp; slow.</p>\n<p>Never again!</p>",
        "Write to jane.doe@example.com, nobody there answers. The price is fair though.",
        "I love the new dashboard 😍",
        "Why was I charged twice this month?",
        "The app crashes whenever I open my profile",
        "Delivery took ages. The box was torn. Support refunded me at once, thank you!",
        "They never called back, although I asked three times",
    )
]


@pytest.fixture(scope="module")
def accurate() -> Pipeline:
    return Pipeline.load(None, "accurate")


@pytest.fixture
def in_use(accurate: Pipeline) -> Iterator[Pipeline]:
    active_model.set_pipeline(accurate)
    yield accurate
    active_model.set_pipeline(None)


def stored(database: Database) -> dict[tuple[int, ...], bytes]:
    """(Item, text version, start, end) to the stored row."""
    found: dict[tuple[int, ...], bytes] = {}
    with database.read() as session:
        for block in session.execute(select(MeaningBlock)).scalars():
            places = np.frombuffer(block.places, np.int64).reshape(-1, PLACE_COLUMNS)
            rows = np.frombuffer(block.content, np.int8).reshape(len(places), -1)
            found |= {tuple(place): row.tobytes() for place, row in zip(places.tolist(), rows, strict=True)}
    return found


def known(database: Database) -> set[int]:
    with database.read() as session:
        return set(session.execute(select(col(ItemMeaning.item_id))).scalars())


def read_the_rest(work: Work, workspace_id: int) -> None:
    with work.database.write() as session:
        ask_vectors(session, workspace_id)
        session.execute(update(Job).where(col(Job.kind) == "vectors").values(run_after=now()))
    Worker(work, Stop(), kinds={"vectors": KINDS["vectors"]}).run_until_idle()


def forget_all(database: Database) -> None:
    with database.write() as session:
        session.execute(delete(ItemMeaning))
        session.execute(delete(MeaningBlock))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are read for their vectors alone, from now on."""
    texts: list[str] = []
    read = Likeness._read

    def note(self: Likeness, some: Any) -> Any:
        texts.extend(some)
        return read(self, some)

    monkeypatch.setattr(Likeness, "_read", note)
    return texts


def test_no_text_is_read_twice(
    work: Work, workspace_id: int, in_use: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [make_item(work.database, workspace_id, text) for text in PLAIN]
    left = [
        make_item(work.database, workspace_id, "The documentation", question="What do you like least?"),
        make_item(work.database, workspace_id, "x" + " and so on" * 80 + " it never worked"),
        make_item(
            work.database,
            workspace_id,
            "Die Lieferung kam leider viel zu spät und niemand hat mir geantwortet",
            translation="The delivery came much too late and nobody answered me",
        ),
    ]
    silent = make_item(work.database, workspace_id, "n/a")
    enqueue(work.database, workspace_id, [*plain, *left, silent])
    texts = counted(monkeypatch)
    tag_all(work)
    assert texts == []
    by_the_way = stored(work.database)
    assert known(work.database) == set(plain)
    assert len(by_the_way) > len(known(work.database)), "several parts of one item"
    read_the_rest(work, workspace_id)
    assert known(work.database) == {*plain, *left, silent}
    assert len(texts) == len(left)

    forget_all(work.database)
    read_the_rest(work, workspace_id)
    by_the_job = stored(work.database)
    assert {place: by_the_job[place] for place in by_the_way} == by_the_way, "to the last bit"


def test_a_few_wait_for_more(work: Work, workspace_id: int, in_use: Pipeline) -> None:
    some = [make_item(work.database, workspace_id, PLAIN[0]) for _ in range(tagged_vectors.LEAST_ITEMS - 1)]
    enqueue(work.database, workspace_id, some)
    tag_all(work)
    assert known(work.database) == set()
    read_the_rest(work, workspace_id)
    assert known(work.database) == set(some)


def test_changed_while_it_was_tagged(
    work: Work, workspace_id: int, in_use: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagged_vectors, "LEAST_ITEMS", 1)
    kept, changed, gone = (make_item(work.database, workspace_id, PLAIN[3]) for _ in range(3))
    enqueue(work.database, workspace_id, [kept, changed, gone])
    made = tagged_vectors.tagged_vectors

    def meanwhile(*given: Any) -> Any:
        found = made(*given)
        with work.database.write() as session:
            new = update(FeedbackItem).where(col(FeedbackItem.id) == changed)
            session.execute(new.values(text="It broke on day one", text_version=2))
            session.execute(delete(FeedbackItem).where(col(FeedbackItem.id) == gone))
        return found

    monkeypatch.setattr("service.classify.batch.tagged_vectors", meanwhile)
    list(classify(work, claim(work)))
    assert known(work.database) == {kept}


def test_tagged_again_they_stay(
    work: Work, workspace_id: int, in_use: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagged_vectors, "LEAST_ITEMS", 1)
    first, second = (make_item(work.database, workspace_id, text) for text in PLAIN[3:5])
    enqueue(work.database, workspace_id, [first])
    tag_all(work)
    before = stored(work.database)
    with work.database.read() as session:
        stamp = session.execute(select(col(MeaningBlock.stamp))).scalar_one()
    with work.database.write() as session:
        session.execute(update(FeedbackItem).values(model="fast-before", state="tagged"))
    for expected in ({first, second}, {first, second}):
        with work.database.write() as session:
            session.execute(update(FeedbackItem).values(model="fast-before"))
            retag.enqueue_retag(session, workspace_id=workspace_id, which="all", priority=Priority.UPKEEP)
        Worker(work, Stop(), kinds={"retag": KINDS["retag"]}).run_until_idle()
        assert known(work.database) == expected
        after = stored(work.database)
        assert {place: after[place] for place in before} == before
        with work.database.read() as session:
            now_ = session.execute(select(col(MeaningBlock.stamp))).scalar_one()
        assert now_ != stamp if len(after) > len(before) else now_ == stamp
        before, stamp = after, now_


def test_a_large_import_is_read_once(
    work: Work, workspace_id: int, in_use: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the fast tier's labels, then the accurate tier's with the vectors; nothing is left for the job."""
    import_id = make_import(work.database, workspace_id, to_tag=len(PLAIN))
    items = [make_item(work.database, workspace_id, text) for text in PLAIN]
    enqueue(work.database, workspace_id, items, import_id)
    settings = work.settings.model_copy(update={"fast_tier_from": 10})
    work = Work(settings=settings, database=work.database, vault=work.vault)
    fast = Pipeline.load(None, "fast")
    monkeypatch.setattr("service.classify.batch.fast_tagger", lambda *_, **__: fast)
    tag_all(work)
    texts = counted(monkeypatch)
    read_the_rest(work, workspace_id)
    assert known(work.database) == set(), "the accurate tier is to read them"
    Worker(work, Stop(), kinds={"retag": KINDS["retag"]}).run_until_idle()
    assert known(work.database) == set(items)
    assert texts == []


def test_what_is_not_tagged_again_is_read(work: Work, workspace_id: int, in_use: Pipeline) -> None:
    item = make_item(work.database, workspace_id, PLAIN[0])
    enqueue(work.database, workspace_id, [item])
    tag_all(work)
    with work.database.write() as session:
        session.execute(update(FeedbackItem).values(model="fast-1"))
        session.execute(delete(Job))
    read_the_rest(work, workspace_id)
    assert known(work.database) == {item}


def test_whose_readings_count(work: Work, accurate: Pipeline, in_use: Pipeline) -> None:
    likeness = likeness_of(work.settings)
    width = accurate.artifact.model.look(["a"], [None]).vectors.shape[1]
    learnt = Overlay(
        base=accurate.model_version,
        number=1,
        axes=Axes(np.zeros(width, np.float32), np.zeros((width, 1), np.float32)),
        heads={},
        remembered=frozenset(),
        memory=Memory(np.zeros((0, width), np.float32), {}, np.zeros(0, np.int64)),
        reach=Reach(0.5, 1.0),
    )
    assert reads_alike(accurate, likeness)
    assert reads_alike(overlaid(accurate, learnt), likeness)
    assert not reads_alike(Pipeline.load(None, "fast"), likeness)
    assert not reads_alike(Pipeline.load(None, "accurate"), likeness), "another one, however alike"
    assert not reads_alike(WordPipeline(), likeness)
