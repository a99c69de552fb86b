"""Why a label: the words that weighed, by the route and on the item's page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from nlp.pipeline import Pipeline
from service.classify.active_model import set_pipeline
from service.work import Work
from tests.conftest import Client
from tests.review.test_pages import MARKUP, _fill, browser

__all__ = ["browser"]  # the fixture

TEXT = "Checkout was easy and quick. But my parcel came two weeks late!"


@pytest.fixture(scope="module")
def fast() -> Pipeline:
    return Pipeline.load(tier="fast", threads=1)


@pytest.fixture(autouse=True)
def real_pipeline(fast: Pipeline) -> Iterator[None]:
    set_pipeline(fast)
    yield
    set_pipeline(None)


def _only_item(client: Client) -> dict[str, object]:
    (item,) = client.get("/v1/feedback").json()["data"]
    return dict(item)


def test_the_words_of_the_item_and_of_a_segment(work: Work, client: Client) -> None:
    _fill(work, client.workspace_id, [TEXT])
    item = _only_item(client)
    address = f"/v1/feedback/{item['id']}/explanation"
    found = client.get(f"{address}?field=topic").json()
    assert (found["field"], found["segment"], found["model"]) == ("topic", None, item["model"])
    assert found["of"] == "text"
    assert found["label"] == item["topic"]["label"]  # type: ignore[index]
    assert [word["text"] for word in found["words"]] == re.findall(r"\w+|!", TEXT)
    assert all(TEXT[word["start"] : word["end"]] == word["text"] for word in found["words"])
    segments = item["segments"]
    assert isinstance(segments, list)
    second = client.get(f"{address}?field=stage&segment=1").json()
    assert second["label"] == "delivery" == segments[1]["stage"]["label"]
    assert all(word["start"] >= segments[1]["start"] for word in second["words"])
    heaviest = max(second["words"], key=lambda word: word["weight"])
    assert heaviest["text"] == "parcel"


@pytest.mark.parametrize(("query", "pointer"), [("segment=7", "/segment"), ("field=mood", "/field")])
def test_what_is_not_there_is_said(work: Work, client: Client, query: str, pointer: str) -> None:
    _fill(work, client.workspace_id, [TEXT])
    answer = client.get(f"/v1/feedback/{_only_item(client)['id']}/explanation?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].endswith(pointer)


def test_an_item_without_labels_has_no_words(work: Work, client: Client) -> None:
    _fill(work, client.workspace_id, ["Die Lieferung kam eine Woche zu spät und niemand antwortet mir"])
    item = _only_item(client)
    found = client.get(f"/v1/feedback/{item['id']}/explanation").json()
    assert (found["label"], found["words"]) == (None, [])


def test_a_translation_that_was_read_is_what_is_explained(
    browser: Callable[..., TestClient], work: Work, client: Client
) -> None:
    german = "Die Lieferung kam eine Woche zu spät und niemand antwortet mir <b>"
    english = "The delivery came a week late and nobody answers me <b>"
    _fill(work, client.workspace_id, [german], translation=english)
    item = _only_item(client)
    found = client.get(f"/v1/feedback/{item['id']}/explanation?field=topic").json()
    assert (found["of"], found["label"]) == ("translation", "delivery")
    assert all(english[word["start"] : word["end"]] == word["text"] for word in found["words"])
    assert max(found["words"], key=lambda word: word["weight"])["text"] in ("delivery", "late")
    page = browser().get(f"/feedback/{item['id']}?field=topic").text
    assert re.search(r'<mark class="for\d" title="\+\d+ points">(delivery|late)</mark>', page)
    assert "Die Lieferung kam" in page
    assert "&lt;b&gt;" in page
    of_segment = client.get(f"/v1/feedback/{item['id']}/explanation?field=topic&segment=0").json()
    assert of_segment["of"] == "translation"


def test_the_page_marks_the_words_and_escapes_them(
    browser: Callable[..., TestClient], work: Work, client: Client
) -> None:
    _fill(work, client.workspace_id, [f"{TEXT} {MARKUP}"])
    item_id = _only_item(client)["id"]
    answer = browser().get(f"/feedback/{item_id}?field=stage")
    assert answer.status_code == 200
    assert re.search(r'<mark class="for\d" title="\+\d+ points">parcel</mark>', answer.text)
    assert "<script>alert" not in answer.text
    assert "style=" not in answer.text
    for piece in ("Checkout was easy", "two weeks"):
        assert piece.split()[0] in answer.text


def test_viewers_see_no_words_and_others_nothing(
    browser: Callable[..., TestClient], app: FastAPI, work: Work, client: Client
) -> None:
    _fill(work, client.workspace_id, [TEXT])
    item_id = _only_item(client)["id"]
    page = browser("viewer").get(f"/feedback/{item_id}")
    assert page.status_code == 200
    assert "numbers only" in page.text
    assert "parcel" not in page.text
    assert browser("viewer").get(f"/v1/feedback/{item_id}/explanation").status_code == 403
    assert browser("lead", "another").get(f"/feedback/{item_id}").status_code == 404
