"""A person's word: shown, counted, kept through tagging again, taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from service.store import rollups
from service.store.schema import AuditEvent
from service.store.shown import overlapped_of
from service.work import Work
from tests.classify.made import change_item, make_item, tagged_item
from tests.classify.tagging import WordPipeline

TWO = "stage=support topic=staff sentiment=negative. stage=usage topic=quality sentiment=positive."


def put(client: Any, item_id: int, labels: dict[str, Any], **given: Any) -> Any:
    answer = client.put(f"/v1/feedback/{item_id}/labels", json={"labels": labels, **given})
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(item: dict[str, Any], *fields: str) -> list[Any]:
    return [item[field] and item[field]["label"] for field in fields]


def counts_are_true(work: Work, workspace_id: int) -> None:
    with work.database.read() as session:
        assert not rollups.verify(session, workspace_id)


def test_item_labels_are_shown_at_once(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, TWO)
    item = put(client, item_id, {"stage": "churn", "stage2": "usage", "sentiment": "negative"})
    assert told(item, "stage", "stage2", "sentiment", "topic") == ["churn", "usage", "negative", "staff"]
    assert item["stage"] == {"label": "churn", "confidence": None, "corrected": True}
    assert item["topic"] == {"label": "staff", "confidence": 0.9, "corrected": False}
    assert item["corrected"] is True
    first, second = item["segments"]
    # the item's stage is its dominant segment's; its sentiment is of the whole text
    assert told(first, "stage", "sentiment") == ["churn", "negative"]
    assert first["sentiment"]["corrected"] is False
    assert told(second, "stage") == ["usage"]
    (correction,) = item["corrections"]
    assert (correction["state"], correction["author"], correction["segment"]) == ("standing", "key:test", None)
    assert [int(one["id"]) for one in client.get("/v1/feedback?stage=churn&corrected=true").json()["data"]] == [
        item_id
    ]
    counts_are_true(work, client.workspace_id)
    with work.database.read() as session:
        (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "feedback.correct")).all()
    assert event.detail == {"fields": ["sentiment", "stage", "stage2"]}


def test_a_segment_s_labels(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, TWO)
    second = client.get(f"/v1/feedback/{item_id}").json()["segments"][1]
    span = {"start": second["start"], "end": second["end"]}
    item = put(client, item_id, {"topic": "price"}, segment=span)
    assert told(item, "topic") == ["staff"]
    assert told(item["segments"][1], "topic") == ["price"]
    assert item["segments"][1]["topic"]["corrected"] is True
    assert item["corrected"] is True
    counts_are_true(work, client.workspace_id)


def test_the_dominant_segment_speaks_for_the_item(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, TWO)
    first = client.get(f"/v1/feedback/{item_id}").json()["segments"][0]
    span = {"start": first["start"], "end": first["end"]}
    item = put(client, item_id, {"stage": "loyalty", "sentiment": "neutral"}, segment=span)
    assert told(item, "stage", "sentiment") == ["loyalty", "mixed"]


def test_a_confirmation_is_a_person_s_word(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion")
    item = put(client, item_id, {"stage": "usage"})
    assert (item["corrected"], item["stage"]["corrected"]) == (True, True)


def test_naming_a_stage_ends_the_doubt(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion (unsure)")
    assert put(client, item_id, {"topic": "price"})["unsure"] is True
    assert put(client, item_id, {"stage": "usage"})["unsure"] is False
    counts_are_true(work, client.workspace_id)


def test_an_unread_text_can_be_labelled(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "(foreign) words")
    item = put(client, item_id, {"stage": "delivery", "topic": "delivery"})
    assert told(item, "stage", "topic", "emotion") == ["delivery", "delivery", None]
    assert (item["unsure"], item["segments"]) == (False, [])
    counts_are_true(work, client.workspace_id)


def test_undo_shows_what_stood_before(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion")
    put(client, item_id, {"stage": "churn"})
    newest = put(client, item_id, {"stage": "loyalty", "topic": "price"})["corrections"][-1]["id"]
    address = f"/v1/feedback/{item_id}/labels"
    item = client.delete(address, params={"correction": newest}).json()
    assert told(item, "stage", "topic") == ["churn", "general"]
    assert [one["state"] for one in item["corrections"]] == ["standing", "undone"]
    assert client.delete(address, params={"correction": newest}).status_code == 200
    first = item["corrections"][0]["id"]
    item = client.delete(address, params={"correction": first}).json()
    assert (told(item, "stage"), item["corrected"]) == (["usage"], False)
    assert item["stage"]["confidence"] == 0.9
    assert client.delete(address, params={"correction": "999999"}).status_code == 404
    other = tagged_item(work, client.workspace_id, "another")
    assert client.delete(f"/v1/feedback/{other}/labels", params={"correction": first}).status_code == 404
    counts_are_true(work, client.workspace_id)


def test_labels_survive_a_new_model(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, TWO)
    second = client.get(f"/v1/feedback/{item_id}").json()["segments"][1]
    put(client, item_id, {"stage": "churn"})
    put(client, item_id, {"topic": "price"}, segment={"start": second["start"], "end": second["end"]})
    words.model_version = "words-2"
    change_item(work, client.workspace_id, item_id)
    item = client.get(f"/v1/feedback/{item_id}").json()
    assert item["model"] == "words-2"
    assert (told(item, "stage"), told(item["segments"][1], "topic")) == (["churn"], ["price"])
    counts_are_true(work, client.workspace_id)


def test_a_segment_s_word_follows_the_text_that_it_spoke_of(
    client: Any, work: Work, words: WordPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion. and another one here.")
    second = client.get(f"/v1/feedback/{item_id}").json()["segments"][1]
    put(client, item_id, {"topic": "price"}, segment={"start": second["start"], "end": second["end"]})
    analyze = words._analyze
    # the next model does not cut this text: its one segment holds the whole span
    monkeypatch.setattr(words, "_analyze", lambda text: analyze(text.replace(".", ",")))
    change_item(work, client.workspace_id, item_id)
    (segment,) = client.get(f"/v1/feedback/{item_id}").json()["segments"]
    assert told(segment, "topic") == ["price"]


def test_which_segment_holds_a_span() -> None:
    spans = [(0, 10), (11, 20)]
    assert overlapped_of(spans, 0, 10) == 0
    assert overlapped_of(spans, 5, 18) == 1
    assert overlapped_of(spans, 6, 15) is None  # four of nine characters each
    assert overlapped_of([], 0, 10) is None


def test_a_new_text_ends_a_correction(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion")
    put(client, item_id, {"stage": "churn"})
    change_item(work, client.workspace_id, item_id, text="stage=loyalty", text_version=2)
    item = client.get(f"/v1/feedback/{item_id}").json()
    assert (told(item, "stage"), item["corrected"]) == (["loyalty"], False)
    assert item["corrections"][0]["state"] == "lapsed"


def test_bad_labels_are_named(client: Any, work: Work, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "one opinion")
    cases: list[tuple[Any, str, str]] = [
        ({"labels": {"stage": "buying"}}, "/labels/stage", "awareness, consideration"),
        ({"labels": {"stage": None}}, "/labels/stage", "awareness"),
        ({"labels": {"emotion2": "sadness"}}, "/labels/emotion2", "curiosity"),
        ({"labels": {"mood": "good"}}, "/labels", "stage, stage2"),
        ({"labels": {}}, "/labels", "stage"),
        ({"labels": {"sentiment": "mixed"}, "segment": {"start": 0, "end": 11}}, "/labels/sentiment", "negative"),
        ({"labels": {"stage2": "usage"}, "segment": {"start": 0, "end": 11}}, "/labels", "touchpoint"),
        ({"labels": {"stage": "usage"}, "segment": {"start": 50, "end": 60}}, "/segment", "0–11"),
        ({"labels": {"stage": "usage"}, "segment": {"start": 5, "end": 5}}, "/segment", "0–11"),
        ({"labels": {"stage": "usage"}, "segment": {"start": 5}}, "/segment/end", "required"),
        ({"labels": "stage"}, "/labels", "object"),
        ({}, "/labels", "required"),
    ]
    for body, pointer, word in cases:
        answer = client.put(f"/v1/feedback/{item_id}/labels", json=body)
        assert answer.status_code == 422, body
        (error,) = answer.json()["errors"]
        assert error["pointer"] == pointer, body
        assert word in error["detail"], body
    assert client.get(f"/v1/feedback/{item_id}").json()["corrections"] == []


def test_what_has_no_labels_yet_can_t_be_corrected(client: Any, work: Work, words: WordPipeline) -> None:
    for text in ("waiting", None):
        item_id = make_item(work.database, client.workspace_id, text)
        answer = client.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"stage": "usage"}})
        assert answer.status_code == 409


def test_reviewing_is_needed(client_of: Callable[..., Any], work: Work, words: WordPipeline) -> None:
    reader = client_of(scopes=("read",))
    item_id = tagged_item(work, reader.workspace_id, "one opinion")
    answer = reader.put(f"/v1/feedback/{item_id}/labels", json={"labels": {"stage": "usage"}})
    assert answer.status_code == 403
