"""What the labels contain, as a page for everybody who reads numbers of them."""

from __future__ import annotations

import html
from collections.abc import Callable

from fastapi.testclient import TestClient

from nlp.codebook import load_codebook
from service.review.render import environment
from tests.review.test_pages import browser

__all__ = ["browser"]
Browser = Callable[..., TestClient]


def test_every_label_says_what_it_contains_to_everybody(browser: Browser) -> None:
    known = load_codebook()
    for role, reads in (("viewer", False), ("lead", True)):
        text = html.unescape(browser(role=role).get("/labels").text)
        for field in ("stage", "topic", "touchpoint", "emotion"):
            for one in known.definitions(field):
                assert f'id="{field}-{one.label}"' in text, (role, one.label)
                assert one.definition in text, (role, one.label)
                assert (f'href="/feedback?{field}={one.label}"' in text) == reads
        assert "style=" not in text
        assert ('href="/settings/journeys"' in text) == reads


def test_a_stage_names_its_columns_on_the_map(browser: Browser) -> None:
    lead = browser()
    text = html.unescape(lead.get("/labels").text)
    rows = {one.partition('"')[0]: one for one in text.split('<tr id="stage-')[1:]}
    model = lead.get("/v1/journey-map").json()
    for column in model["stages"]:
        for stage in column["codebook_stages"]:
            assert column["stage"] in rows[stage], (stage, column["stage"])
    assert "Not placed" in rows["none"]


def test_reading_the_numbers_leads_there() -> None:
    assert 'href="/labels"' in environment().get_template("reading.html").render()
