"""The map as a picture and as a table: the same numbers as the API, whatever customers write."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from service.classify.active_model import set_pipeline
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.review.test_pages import BAD, MARKUP, _fill


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())  # type: ignore[arg-type]
    yield
    set_pipeline(None)


def test_every_form_shows_the_map(work: Work, client: Client) -> None:
    _fill(work, client.workspace_id, [f"{BAD} late {n} {MARKUP} \x0b&" for n in range(30)])
    shown = client.get("/v1/journey-map").json()
    svg = client.get("/v1/journey-map.svg")
    assert svg.headers["content-type"].startswith("image/svg+xml")
    root = ElementTree.fromstring(svg.content)
    words = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    for stage in shown["stages"]:
        assert stage["stage"] in words
    assert any("30 pieces of feedback from 30 people" in one for one in words)
    assert not [node for node in root.iter() if node.tag.endswith(("script", "img"))]
    assert client.get("/v1/journey-map.png").content.startswith(b"\x89PNG")
    pdf = client.get("/v1/journey-map.pdf")
    assert pdf.content.startswith(b"%PDF-")
    assert "attachment" in pdf.headers["content-disposition"]


def test_the_table_holds_the_numbers_of_the_map(work: Work, client: Client, person_of: Any) -> None:
    _fill(work, client.workspace_id, [f"{BAD} late {n}" for n in range(30)])
    shown = client.get("/v1/journey-map").json()
    answer = client.get("/v1/journey-map.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["stage"] for row in rows] == [stage["stage"] for stage in shown["stages"]] + ["unassigned"]
    for row, stage in zip(rows, shown["stages"], strict=False):
        assert int(row["items"]) == stage["items"]
        net = stage["net_sentiment"]["value"]
        assert row["net_sentiment"] == ("" if net is None else str(net))
    assert person_of("viewer").get("/v1/journey-map.csv").content.startswith("\ufeff".encode())
    filtered = list(csv.DictReader(io.StringIO(client.get("/v1/journey-map.csv?channel=review").text)))
    assert sum(int(row["items"]) for row in filtered) == 0


def test_an_empty_map_is_a_picture_too_and_viewers_get_no_words(
    work: Work, client: Client, client_of: Callable[..., Client]
) -> None:
    assert client.get("/v1/journey-map.png").content.startswith(b"\x89PNG")
    assert client.get("/v1/journey-map.gif").status_code == 404
    assert client_of(scopes=["ingest"]).get("/v1/journey-map.csv").status_code == 403
    _fill(work, client.workspace_id, [f"{BAD} parcel {n}" for n in range(30)])
    assert "parcel" in client.get("/v1/journey-map.svg").text
