"""Search by meaning: filled by the worker, narrowed by filters, ordered by likeness, gone with what is erased."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select, update
from sqlmodel import col

from nlp.likeness import Likeness
from nlp.pipeline import Pipeline
from service.classify.active_model import set_pipeline
from service.classify.vectors import make_vectors
from service.review import meaning
from service.stop import Stop
from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.meaning_blocks import BLOCK_ROWS, ask_vectors, store_vectors, unread
from service.store.schema import FeedbackItem, ItemMeaning, Job, MeaningBlock
from service.work import Work
from service.worker import KINDS, Worker
from tests.classify.made import change_item, make_item, tagged_item
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.review.test_pages import MARKUP, browser

__all__ = ["browser"]  # the fixture

Browser = Callable[..., TestClient]
LATE = "the parcel came a week late"


def read(work: Work, workspace_id: int) -> None:
    """The worker reads what waits."""
    with work.database.write() as session:
        ask_vectors(session, workspace_id)
        session.execute(update(Job).values(run_after=now()))
    Worker(work, Stop(), kinds={"vectors": KINDS["vectors"]}).run_until_idle()


def _ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(one["id"]) for one in answer.json()["data"]]


def test_the_likest_first_with_its_part(client: Any, work: Work, words: WordPipeline) -> None:
    same = tagged_item(work, client.workspace_id, f"Everything else is fine. {LATE}. Bye.")
    other = tagged_item(work, client.workspace_id, "the parcel came torn")
    tagged_item(work, client.workspace_id, "zzz qqq")
    assert client.get("/v1/feedback?meaning=parcel").json()["searched"] == {"by": "words", "found": 0, "read": 0}
    read(work, client.workspace_id)
    answer = client.get("/v1/feedback", params={"meaning": LATE})
    assert _ids(answer) == [same, other]
    first = answer.json()["data"][0]
    near = first["likeness"]
    assert first["text"][near["start"] : near["end"]] == f"{LATE}."
    assert near["value"] > 0.95
    assert (near["said"], near["same_words"]) == ("very close", True)
    assert answer.json()["data"][1]["likeness"]["value"] < near["value"]
    assert answer.json()["searched"] == {"by": "words", "found": 2, "read": 3}
    assert client.get("/v1/feedback").json()["data"][0]["likeness"] is None


def test_filters_come_first(client: Any, work: Work, words: WordPipeline) -> None:
    made = [
        tagged_item(work, client.workspace_id, f"{LATE} stage=delivery", attributes={"plan": "pro"}),
        tagged_item(work, client.workspace_id, f"{LATE} stage=usage", source="elsewhere"),
        tagged_item(work, client.workspace_id, f"{LATE} stage=usage (unsure)"),
    ]
    read(work, client.workspace_id)
    for asked, expected in (
        ({"stage": "delivery"}, made[:1]),
        ({"source": "elsewhere"}, made[1:2]),
        ({"attr.plan": "pro"}, made[:1]),
        ({"unsure": "false", "stage": "usage"}, made[1:2]),
        ({"q": "(unsure)"}, made[2:]),
        ({"from": "2027-01-01"}, []),
    ):
        answer = client.get("/v1/feedback", params={"meaning": LATE, **asked})
        assert _ids(answer) == expected, asked
        assert answer.json()["searched"]["read"] == len(expected)


def test_pages_hold_each_once(client: Any, work: Work, words: WordPipeline) -> None:
    made = [tagged_item(work, client.workspace_id, LATE) for _ in range(7)]
    read(work, client.workspace_id)
    seen: list[int] = []
    asked: dict[str, Any] = {"meaning": LATE, "limit": 3}
    while True:
        answer = client.get("/v1/feedback", params=asked)
        seen += _ids(answer)
        if answer.json()["next"] is None:
            break
        asked["cursor"] = answer.json()["next"]
    assert seen == made[::-1], "of equally like ones the newer first"
    listed = client.get("/v1/feedback?limit=3").json()["next"]
    assert client.get("/v1/feedback", params=asked | {"cursor": listed}).status_code in (200, 422)
    for cursor in ("bm8", "WzEsMiwzXQ", "W3RydWUsMV0"):
        assert client.get("/v1/feedback", params=asked | {"cursor": cursor}).status_code == 422


def test_what_is_erased_is_gone(client: Any, work: Work, words: WordPipeline) -> None:
    kept, gone = (tagged_item(work, client.workspace_id, LATE) for _ in range(2))
    read(work, client.workspace_id)
    with work.database.read() as session:
        before = session.execute(select(MeaningBlock)).scalar_one()
    assert before.parts == 2
    assert _ids(client.get("/v1/feedback", params={"meaning": LATE})) == [gone, kept]
    assert client.delete(f"/v1/feedback/{gone}").status_code == 204
    with work.database.read() as session:
        block = session.execute(select(MeaningBlock)).scalar_one()
        places = np.frombuffer(block.places, np.int64).reshape(-1, 4)
        assert places[:, 0].tolist() == [kept]
        assert (block.parts, len(block.content)) == (1, len(before.content) // 2)
        assert session.execute(select(col(ItemMeaning.item_id))).scalars().all() == [kept]
    assert _ids(client.get("/v1/feedback", params={"meaning": LATE})) == [kept]
    assert client.delete(f"/v1/feedback/{kept}").status_code == 204
    with work.database.read() as session:
        assert session.execute(select(func.count()).select_from(MeaningBlock)).scalar_one() == 0
    assert client.get("/v1/feedback", params={"meaning": LATE}).json()["searched"]["read"] == 0


def test_a_new_text_is_read_anew(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, LATE)
    read(work, client.workspace_id)
    change_item(work, client.workspace_id, item_id, text="zzz qqq", text_version=2)
    assert _ids(client.get("/v1/feedback", params={"meaning": LATE})) == [], "never with the words of before"
    read(work, client.workspace_id)
    assert _ids(client.get("/v1/feedback", params={"meaning": "zzz qqq"})) == [item_id]
    with work.database.read() as session:
        assert session.execute(select(col(MeaningBlock.parts))).scalars().all() == [1]


def test_labels_move_without_reading_anew(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, LATE)
    read(work, client.workspace_id)
    assert client.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"stage": "churn"}}).status_code == 200
    with work.database.read() as session:
        assert unread(session, client.workspace_id, vectors="hashed", below=None, limit=9) == []
    assert _ids(client.get("/v1/feedback", params={"meaning": LATE, "stage": "churn"})) == [item_id]


def test_another_models_vectors_are_never_compared(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, LATE)
    with work.database.write() as session:
        items = unread(session, client.workspace_id, vectors="old", below=None, limit=9)
        rows = [np.ones((1, 8), np.int8)]
        store_vectors(session, client.workspace_id, vectors="old", items=items, rows=rows)
    assert client.get("/v1/feedback", params={"meaning": LATE}).json()["searched"]["read"] == 0
    read(work, client.workspace_id)
    assert _ids(client.get("/v1/feedback", params={"meaning": LATE})) == [item_id]
    with work.database.read() as session:
        assert session.execute(select(col(MeaningBlock.vectors))).scalars().all() == ["hashed"]


def test_many_texts_in_several_slices_and_blocks(
    client: Any, work: Work, database: Database, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.classify.vectors.SLICE_ITEMS", 3)
    monkeypatch.setattr("service.store.meaning_blocks.BLOCK_ROWS", 4)
    made = [tagged_item(work, client.workspace_id, f"{LATE}. and again number {n}") for n in range(8)]
    empty = tagged_item(work, client.workspace_id, "(foreign) words")
    read(work, client.workspace_id)
    with database.read() as session:
        counts = session.execute(select(col(MeaningBlock.parts))).scalars().all()
        assert sum(counts) == 16
        assert max(counts) == 4
        known = session.execute(select(col(ItemMeaning.item_id), col(ItemMeaning.block_id))).all()
        assert {row[0] for row in known} == {*made, empty}
        assert [row[0] for row in known if row[1] is None] == [empty]
        assert not session.execute(select(Job).where(col(Job.kind) == "vectors")).all()
    assert sorted(_ids(client.get("/v1/feedback", params={"meaning": LATE}))) == made
    assert BLOCK_ROWS == 1_024


@pytest.mark.parametrize(("in_place", "kept"), [(2, True), (1, False)])
def test_the_next_slice_keeps_its_place(
    client: Any, work: Work, words: WordPipeline, monkeypatch: pytest.MonkeyPatch, in_place: int, kept: bool
) -> None:
    monkeypatch.setattr("service.classify.vectors.SLICE_ITEMS", 1)
    monkeypatch.setattr("service.classify.vectors.SLICES_IN_PLACE", in_place)
    for number in range(2):
        tagged_item(work, client.workspace_id, f"{LATE} {number}")
    asked = now() - timedelta(minutes=5)
    with work.database.write() as session:
        ask_vectors(session, client.workspace_id)
        session.execute(update(Job).where(col(Job.kind) == "vectors").values(run_after=asked))
        jobs = queue.claim(session, worker="one", lease_seconds=60, kinds=["vectors"])
    list(make_vectors(work, jobs))
    with work.database.read() as session:
        due = session.execute(select(col(Job.run_after)).where(col(Job.kind) == "vectors")).scalars().all()
    assert [one == asked for one in due] == [kept]


def test_changed_while_it_was_read(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, LATE)
    with work.database.read() as session:
        items = unread(session, client.workspace_id, vectors="hashed", below=None, limit=9)
    with work.database.write() as session:
        session.execute(update(FeedbackItem).where(col(FeedbackItem.id) == item_id).values(text_version=2))
        store_vectors(session, client.workspace_id, vectors="hashed", items=items, rows=[np.ones((1, 4), np.int8)])
        assert session.execute(select(MeaningBlock)).all() == []


def test_no_model_is_said(client: Any, work: Work, words: WordPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Any:
        raise OSError("no file")

    monkeypatch.setattr(meaning, "likeness_of", broken)
    assert client.get("/v1/feedback?meaning=late").status_code == 503
    set_pipeline(words)


def test_who_may_search(client_of: Any, browser: Browser, work: Work, client: Any, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, LATE)
    read(work, client.workspace_id)
    assert browser("viewer").get(f"/v1/feedback?meaning={LATE}").status_code == 403
    assert "numbers only" in browser("viewer").get(f"/feedback?meaning={LATE}").text
    other = browser("admin", "another").get(f"/v1/feedback?meaning={LATE}").json()
    assert (other["data"], other["searched"]["read"]) == ([], 0)
    assert _ids(browser("analyst").get(f"/v1/feedback?meaning={LATE}")) == [item_id]
    assert client.get("/v1/feedback/export?meaning=late").status_code == 422
    assert client.get("/v1/feedback", params={"meaning": "x" * 201}).status_code == 422


def test_the_page_says_how_like(browser: Browser, work: Work, client: Client, words: WordPipeline) -> None:
    tagged_item(work, client.workspace_id, f"Hello {MARKUP}. {LATE}.")
    analyst = browser("analyst")
    assert "Nothing is ready to be searched yet" in analyst.get("/feedback?meaning=parcel").text
    read(work, client.workspace_id)
    # a form without script: the words, and how they are meant
    answer = analyst.get("/feedback", params={"q": LATE, "by": "meaning", "stage": ""})
    assert dict(answer.url.params) == {"meaning": LATE}
    assert '<span class="status very_close">very close</span> has these very words' in answer.text
    assert f'<mark class="near">{LATE}.</mark>' in answer.text
    assert "the model in use knows words only" in answer.text
    assert "<script>alert" not in answer.text
    assert "style=" not in answer.text
    assert 'value="meaning" selected' in answer.text
    assert dict(analyst.get("/feedback", params={"q": LATE, "by": "words"}).url.params) == {"q": LATE}
    assert "Nothing means this" in analyst.get("/feedback?meaning=zebrafinch").text
    saved = analyst.post(
        "/feedback/views",
        data={
            "csrf": re.search(r'name="csrf" value="([^"]+)"', answer.text)[1],  # type: ignore[index]
            "name": "Late",
            "address": f"meaning={LATE}",
        },
    )
    assert dict(saved.url.params) == {"meaning": LATE}


def test_also_meant(
    browser: Browser, work: Work, client: Any, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline.load(None, "accurate")
    accurate = Likeness.of_model(pipeline.artifact.model, pipeline.model_version)
    monkeypatch.setattr(meaning, "likeness_of", lambda _: accurate)
    monkeypatch.setattr("service.classify.vectors.likeness_of", lambda _: accurate)
    hit = tagged_item(work, client.workspace_id, "my parcel never arrived")
    other = tagged_item(work, client.workspace_id, "The package has still not been delivered")
    tagged_item(work, client.workspace_id, "The coffee machine is a joy every morning")
    read(work, client.workspace_id)
    found = client.get("/v1/feedback", params={"meaning": "my parcel never arrived"}).json()
    assert [int(one["id"]) for one in found["data"]] == [hit, other]
    assert found["searched"] == {"by": "meaning", "found": 2, "read": 3}
    assert found["data"][1]["likeness"]["same_words"] is False
    text = browser("analyst").get("/feedback?q=my+parcel+never").text
    hits, _, beside = text.partition("Also meant</h2>")
    assert "my <mark" not in beside
    assert f'href="/feedback/{hit}"' in hits
    assert f'href="/feedback/{other}"' in beside
    assert f'href="/feedback/{hit}"' not in beside
    assert "coffee" not in text
    assert 'href="/feedback?meaning=my+parcel+never"' in beside


def test_the_number_of_queries_is_the_same(client: Any, work: Work, words: WordPipeline) -> None:
    statements: list[str] = []

    def count(*given: Any) -> None:
        statements.append(given[2])

    def asked() -> int:
        client.get("/v1/feedback", params={"meaning": LATE, "stage": "usage"})
        statements.clear()
        engine = client.app.state.database.reader
        event.listen(engine, "before_cursor_execute", count)
        client.get("/v1/feedback", params={"meaning": LATE, "stage": "usage"})
        event.remove(engine, "before_cursor_execute", count)
        return len(statements)

    tagged_item(work, client.workspace_id, LATE)
    read(work, client.workspace_id)
    one = asked()
    for _ in range(9):
        tagged_item(work, client.workspace_id, LATE)
    read(work, client.workspace_id)
    assert asked() == one


def test_items_without_text_are_not_read(client: Any, work: Work, words: WordPipeline) -> None:
    make_item(work.database, client.workspace_id, None)
    make_item(work.database, client.workspace_id)
    with work.database.read() as session:
        assert unread(session, client.workspace_id, vectors="hashed", below=None, limit=9) == []
