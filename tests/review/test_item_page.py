"""One piece of feedback: its parts in place, its history, and a person's word by form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.errors import BadInput
from service.review.label_form import KEYS, choices, labels_said, pieces, span_said
from service.store.schema import ItemVersion
from service.work import Work
from tests.classify.made import tagged_item
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.review.test_pages import MARKUP, browser

__all__ = ["browser"]  # the fixture

Browser = Callable[..., TestClient]
TWO = f"stage=support topic=staff sentiment=negative {MARKUP}. stage=usage sentiment=positive"


def _form(text: str, number: int = 0) -> dict[str, str]:
    """The fields of the n-th form of labels, as a browser without script would send them."""
    form = re.findall(r"<form [^>]*data-labels>(.*?)</form>", text, re.S)[number]
    found = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    for name, options in re.findall(r'<select name="([^"]+)">(.*?)</select>', form, re.S):
        chosen = re.search(r'<option value="([^"]*)"[^>]* selected', options)
        first = re.search(r'<option value="([^"]*)"', options)
        assert first is not None
        found[name] = (chosen or first)[1]
    return found


def _labels(client: Any, item_id: int) -> dict[str, Any]:
    item = client.get(f"/v1/feedback/{item_id}").json()
    return {name: item[name] and item[name]["label"] for name in ("stage", "stage2", "topic", "sentiment")}


def test_parts_stand_in_place_and_markup_stays_words(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    item_id = tagged_item(work, client.workspace_id, TWO, attributes={"plan": "<b>pro</b>"}, conversation_id="c&1")
    with work.database.write() as session:
        session.add(ItemVersion(workspace_id=client.workspace_id, item_id=item_id, text_version=0, text=MARKUP))
    text = browser("analyst").get(f"/feedback/{item_id}").text
    assert text.count('<span class="segment ') == 2
    assert 'class="segment negative"' in text
    assert 'class="segment positive"' in text
    for bad in ("<script>alert", "<img src=x", "<b>pro", "style="):
        assert bad not in text
    for part in ("read by model words-1", "its text was replaced", "Sent to the API", "conversation=c%261", "90"):
        assert part in text


def test_a_label_is_corrected_confirmed_and_taken_back(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    item_id = tagged_item(work, client.workspace_id, TWO)
    analyst = browser("analyst")
    form = _form(analyst.get(f"/feedback/{item_id}").text)
    unchanged = analyst.post(f"/feedback/{item_id}/labels", data=form)
    assert unchanged.status_code == 422
    assert "Nothing was changed" in unchanged.text
    saved = analyst.post(f"/feedback/{item_id}/labels", data=form | {"stage": "churn", "stage2": "usage"})
    assert "Stored." in saved.text
    assert _labels(client, item_id) == {
        "stage": "churn",
        "stage2": "usage",
        "topic": "staff",
        "sentiment": "mixed",
    }
    said = client.get(f"/v1/feedback/{item_id}").json()["corrections"]
    assert [one["labels"] for one in said] == [{"stage": "churn", "stage2": "usage"}], "only what was changed"
    analyst.post(f"/feedback/{item_id}/labels", data=_form(saved.text) | {"stage2": "–"})
    assert _labels(client, item_id)["stage2"] is None
    part = _form(analyst.get(f"/feedback/{item_id}").text, 2)
    analyst.post(f"/feedback/{item_id}/labels", data=part | {"topic": "price"})
    assert client.get(f"/v1/feedback/{item_id}").json()["segments"][1]["topic"]["label"] == "price"
    analyst.post(f"/feedback/{item_id}/labels", data=part | {"confirm": "yes"})
    history = client.get(f"/v1/feedback/{item_id}").json()["corrections"]
    assert set(history[-1]["labels"]) == {"stage", "emotion", "sentiment", "topic", "touchpoint"}
    token = form["csrf"]
    undone = analyst.post(f"/feedback/{item_id}/labels/undo", data={"csrf": token, "correction": history[0]["id"]})
    assert "Taken back" in undone.text
    assert _labels(client, item_id)["stage"] == "support"
    for data, status in (({"csrf": "wrong"}, 403), ({"csrf": token, "correction": "x"}, 404)):
        assert analyst.post(f"/feedback/{item_id}/labels/undo", data=data).status_code == status
    assert analyst.post(f"/feedback/{item_id}/labels", data={"csrf": token, "stage": "no"}).status_code == 422


def test_who_may_not_review_has_no_form(browser: Browser, work: Work, client: Client, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, TWO)
    viewer = browser("viewer")
    text = viewer.get(f"/feedback/{item_id}").text
    assert "numbers only" in text
    assert "data-labels" not in text
    csrf = re.search(r'name="csrf" value="([^"]+)"', text)
    assert csrf is not None
    given = {"csrf": csrf[1], "stage": "churn"}
    assert viewer.post(f"/feedback/{item_id}/labels", data=given).status_code == 403
    other = browser("admin", "another")
    mine = re.search(r'name="csrf" value="([^"]+)"', other.get("/map").text)
    assert mine is not None
    given = {"csrf": mine[1], "stage": "churn"}
    assert other.post(f"/feedback/{item_id}/labels", data=given).status_code == 404


def test_what_a_form_says() -> None:
    assert labels_said({"stage": "churn", "was.stage": "usage", "topic": "price", "was.topic": "price"}) == {
        "stage": "churn"
    }
    assert labels_said({"stage2": "–", "was.stage2": "usage", "emotion2": ""}) == {"stage2": None}
    assert labels_said({"stage": "usage", "was.stage": "usage", "confirm": "yes"}) == {"stage": "usage"}
    for nothing in (
        {},
        {"stage": "usage", "was.stage": "usage"},
        {"stage2": "–", "was.stage2": "", "confirm": "y"},
    ):
        with pytest.raises(BadInput):
            labels_said(nothing)
    assert span_said({"span": "3-9"}) == (3, 9)
    assert span_said({}) is None
    for wrong in ("3", "a-b", "-3-4", "3-9999999999"):
        with pytest.raises(BadInput):
            span_said({"span": wrong})


def test_every_label_has_a_key_of_its_own() -> None:
    for field in ("stage", "emotion2", "sentiment", "topic", "touchpoint"):
        keys = [one["key"] for one in choices(field)]
        assert all(keys)
        assert len(set(keys)) == len(keys)
    assert not set(KEYS) & set("sz"), "skip and undo"
    assert "mixed" not in [one["label"] for one in choices("sentiment", of_segment=True)]


def test_a_text_is_cut_at_its_segments() -> None:
    cut = pieces("abc. def!", [{"start": 0, "end": 4}, {"start": 5, "end": 8}])
    assert [(one["start"], one["end"], one["segment"]) for one in cut] == [
        (0, 4, 0),
        (4, 5, None),
        (5, 8, 1),
        (8, 9, None),
    ]
