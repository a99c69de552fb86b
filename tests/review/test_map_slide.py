"""The map as slides: opened as PowerPoint would, with the API's numbers, whatever customers and people write."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from pptx import Presentation
from pptx.util import Inches

from service.classify.active_model import set_pipeline
from service.review import map_slide
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.review.test_pages import BAD, MARKUP, _fill


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())  # type: ignore[arg-type]
    yield
    set_pipeline(None)


def _texts(shapes: Any) -> list[str]:
    found = []
    for shape in shapes:
        if shape.has_table:
            found += [cell.text for row in shape.table.rows for cell in row.cells]
        elif shape.has_text_frame:
            found.append(shape.text_frame.text)
    return found


def _chart(slide: Any) -> Any:
    [shape] = [shape for shape in slide.shapes if shape.has_chart]
    return shape.chart


def _inside(deck: Any) -> None:
    """Nothing stands beyond a slide, nothing over another thing but the chart's frame, and fonts can be read."""
    for slide in deck.slides:
        for shape in slide.shapes:
            assert shape.left >= 0
            assert shape.top >= 0
            assert shape.left + shape.width <= deck.slide_width
            assert shape.top + shape.height <= deck.slide_height, shape.name
        boxes = sorted((shape.top, shape.top + shape.height, shape.name) for shape in slide.shapes)
        for (_, end, name), (begin, _, other) in pairwise(boxes):
            assert end <= begin + Inches(0.06), (name, other)


def test_the_slide_holds_the_map_to_be_edited(work: Work, client: Client) -> None:
    _fill(work, client.workspace_id, [f"{MARKUP} & \x0b late {n} {BAD}" for n in range(30)])
    shown = client.get("/v1/journey-map").json()
    answer = client.get("/v1/journey-map.pptx")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == map_slide.MEDIA_TYPE
    assert answer.headers["content-disposition"].endswith('.pptx"')
    deck = Presentation(io.BytesIO(answer.content))
    assert (deck.slide_width, deck.slide_height) == (Inches(13.333), Inches(7.5))
    assert deck.core_properties.author == "Journeymap"
    first, second = deck.slides
    texts = _texts(first.shapes)
    assert first.shapes.title.text == "Customer journey, default"
    for stage in shown["stages"]:
        assert any(text.startswith(stage["stage"]) for text in texts)
    assert any("30 pieces of feedback from 30 people" in text for text in texts)
    assert any("30 of 30: delivery" in text for text in texts)
    chart = _chart(first)
    net, high, low = (list(series.values) for series in chart.plots[0].series)
    assert net == [stage["net_sentiment"]["value"] for stage in shown["stages"]]
    assert high == [stage["net_sentiment"]["high"] for stage in shown["stages"]]
    assert low == [stage["net_sentiment"]["low"] for stage in shown["stages"]]
    assert list(chart.plots[0].categories) == [stage["stage"] for stage in shown["stages"]]
    best = client.get("/v1/suggestions").json()["data"][0]
    said = " ".join(_texts(second.shapes))
    assert best["adaptation"] in said
    assert "30 of 30" in said
    assert "<script>alert(1)" in said, "as it was written, and as text alone"
    for name in zipfile.ZipFile(io.BytesIO(answer.content)).namelist():
        if name.endswith((".xml", ".rels")):
            root = ElementTree.fromstring(zipfile.ZipFile(io.BytesIO(answer.content)).read(name))
            assert not [node for node in root.iter() if node.tag.split("}")[-1] in ("script", "img", "pic")], name
    _inside(deck)


def test_nobodys_words_for_viewers_and_an_empty_map_is_a_slide_too(
    work: Work, client: Client, client_of: Callable[..., Client], person_of: Callable[[str], Any]
) -> None:
    empty = Presentation(io.BytesIO(client.get("/v1/journey-map.pptx").content))
    assert "Nothing recurs often enough" in " ".join(_texts(empty.slides[1].shapes))
    _inside(empty)
    assert client_of(scopes=["ingest"]).get("/v1/journey-map.pptx").status_code == 403
    _fill(work, client.workspace_id, [f"{BAD} peculiar parcel {n}" for n in range(30)])
    numbers = person_of("viewer").get("/v1/journey-map.pptx")
    assert numbers.status_code == 200
    assert "peculiar" not in " ".join(
        text for slide in Presentation(io.BytesIO(numbers.content)).slides for text in _texts(slide.shapes)
    )


def _stage(name: str, text: str) -> dict[str, Any]:
    share = {"value": 0.5, "low": 0.4, "high": 0.6}
    point = {"topic": text.replace(" ", "_"), "count": 123_456, "n": 999_999, "share": share}
    return {
        "stage": name,
        "items": 999_999,
        "respondents": 888_888,
        "net_sentiment": {"value": -50.0, "low": -60.0, "high": -40.0, "n": 9, "respondents": 9},
        "emotions": [{"emotion": text, "share": 0.2}] * 5,
        "touchpoints": [{"touchpoint": text, "share": 0.2}] * 5,
        "pain_points": [point] * 5,
        "delights": [point] * 5,
        "verbatims": [{"text": text * 30}] * 3,
        "suggestions": [{"adaptation": text * 30}] * 3,
    }


@pytest.mark.parametrize("columns", [1, 7, 12, 20])
@pytest.mark.parametrize(
    "text", ["WORDS THAT ARE WIDE ", "longwordwithoutanyend", "顧客の声がとても長い", "👍🏽👩‍👩‍👧"]
)
def test_long_texts_stay_in_their_cells(columns: int, text: str) -> None:
    found = {
        "stages": [_stage(f"{text} {n}", text) for n in range(columns)],
        "totals": {
            "items": 9,
            "respondents": 9,
            "net_sentiment": {"value": 1.0, "low": None, "high": None, "n": 9, "respondents": 9},
        },
        "unassigned": {"items": 5},
        "from": None,
        "timezone": "UTC",
        "to": None,
        "as_of": "2026-11-22T05:00:00Z",
    }
    size = {"count": 1, "n": 2, "low": 0.1, "high": 0.2}
    one = {"stage": "usage", "topic": text, "pain": text * 30, "adaptation": text * 99, "size": size}
    made = map_slide.map_pptx(found, [one | {"evidence": [{"verbatim": text * 30}]}] * 9, title=text * 30)
    deck = Presentation(io.BytesIO(made))
    _inside(deck)
    for slide in deck.slides:
        for table in (shape.table for shape in slide.shapes if shape.has_table):
            for row in table.rows:
                for column, cell in zip(table.columns, row.cells, strict=True):
                    assert _height(cell, column.width) <= row.height + Inches(0.02), cell.text


def _height(cell: Any, width: int) -> float:
    """How high a cell's text becomes by the mean width of its characters, in EMU."""
    total = float(cell.margin_top + cell.margin_bottom)
    for paragraph in cell.text_frame.paragraphs:
        for run in paragraph.runs:
            points = run.font.size.pt
            assert points >= 6
            room = (width - cell.margin_left - cell.margin_right) / Inches(1) * 72
            broad = sum(2 if ord(one) > 0x2E80 else 1 for one in run.text)
            lines = max(1, -(-broad * 0.5 * points // room))
            total += lines * points * 1.2 * 12_700
    return total


def test_a_text_that_fits_stays_whole() -> None:
    assert map_slide.cut("Short enough", inches=2, points=8, lines=1) == "Short enough"
    long = map_slide.cut("one two three four five six seven", inches=0.8, points=8, lines=2)
    assert long.endswith("…")
    assert long.startswith("one two")
    assert map_slide.cut(" \n ", inches=1, points=8, lines=1) == ""
