"""Two maps side by side, and versions of the map: told, compared, restored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.classify.active_model import set_pipeline
from service.review.map_compare import difference
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.review.test_map_page import _write
from tests.review.test_pages import BAD, MARKUP, _csrf, _fill, browser  # noqa: F401 (a fixture)

Browser = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())  # type: ignore[arg-type]
    yield
    set_pipeline(None)


@pytest.fixture
def filled(work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} peculiar {MARKUP} parcel {n}" for n in range(12)])


def test_a_period_and_the_one_before(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    # twelve items on the days from the first to the twelfth
    text = lead.get("/map/compare?from=2026-10-07&to=2026-10-13").text
    for said in ("7 to 12 Oct 2026", "1 to 6 Oct 2026"):
        assert said in text
    row = re.search(r'<th scope="row">Feedback</th>(.*?)</tr>', text, re.DOTALL)
    assert row is not None
    adoption = row[1].split("<td>")[5]
    assert re.findall(r"<b>(\d+)</b>", adoption) == ["6", "6"]
    assert "<script>alert" not in text
    assert "style=" not in text
    # without a period, the last four weeks against the four before
    sides = re.findall(
        r"\d+(?: [A-Z][a-z]{2})?(?: \d{4})? to \d+ [A-Z][a-z]{2} \d{4}", lead.get("/map/compare").text
    )
    assert len(set(sides)) == 2
    viewer = browser(role="viewer").get("/map/compare?from=2026-10-07&to=2026-10-13").text
    assert "peculiar" not in viewer


def test_two_personas(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    made = lead.post(
        "/v1/personas",
        json={"name": f"Buyer {MARKUP}", "attributes": {"plan": ["pro"]}},
        headers={"X-CSRF-Token": _csrf(lead.get("/map").text)},
    ).json()
    text = lead.get(f"/map/compare?with=persona:{made['id']}").text
    assert "Everybody</a>, 12 pieces" in text
    assert re.search(r"Buyer &lt;script.*?</a>, 0 pieces", text)
    assert "<script>alert" not in text
    other = lead.get(f"/map/compare?persona={made['id']}&with=everybody").text
    assert "Everybody</a>, 12 pieces" in other


BAD_QUERIES = ("with=nonsense", "with=persona:nobody", "from=x&to=y", "from=2026-10-09&to=2026-10-01")


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_what_cannot_be_compared_is_said(browser: Browser, filled: None, query: str) -> None:  # noqa: F811
    assert browser().get(f"/map/compare?{query}").status_code == 422


def _stage(value: float | None, low: float | None, high: float | None, **trend: Any) -> dict[str, Any]:
    net = {"value": value, "low": low, "high": high, "n": 9, "respondents": 9}
    return {"net_sentiment": net, "trend": {"net_sentiment": trend} if trend else None}


def test_a_difference_is_told_only_where_it_is_one() -> None:
    one, other = _stage(10, 5, 15), _stage(-20, -30, 4)
    assert difference(one, other, of_period=False) == "A is better, beyond chance"
    assert difference(other, one, of_period=False) == "B is better, beyond chance"
    assert difference(one, _stage(0, -10, 6), of_period=False) == "may be chance"
    assert difference(one, _stage(0, None, None), of_period=False) == "too few to compare"
    assert difference(one, _stage(None, None, None), of_period=False) == ""
    # a period goes by the trend of the map, whatever the intervals look like
    assert difference(one, other, of_period=True) == "too little to compare"
    noise = _stage(10, 5, 15, change=30, significant=False)
    assert difference(noise, other, of_period=True) == "within what it changes by itself"
    real = _stage(10, 5, 15, change=-30, significant=True)
    assert difference(real, other, of_period=True) == "worse than before, beyond chance"


def test_versions_are_told_compared_and_restored(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    assert "Nobody has written on this map yet" in lead.get("/map/versions").text
    _write(lead, "goal", "First words", reason=f"Why {MARKUP}")
    _write(lead, "goal", f"Other words {MARKUP}", "Second column")
    text = lead.get("/map/versions").text
    assert "<script>alert" not in text
    assert "a lead" in text
    assert text.count("<summary>Restore</summary>") == 1, "the one that stands now needs none"
    older, newer = sorted(set(re.findall(r'name="older" value="(\d+)"', text)), key=int)
    compared = lead.get(f"/map/versions/compare?older={older}&newer={newer}").text
    assert "2 things are written differently" in compared
    assert lead.get("/map/versions/compare").text == compared, "the newest two where none are named"
    assert "First words" in compared
    assert "<script>alert" not in compared
    restored = lead.post(
        f"/map/versions/{older}/restore", data={"csrf": _csrf(text), "reason": "The first ones were better"}
    )
    assert restored.url.path == "/map"
    assert "Restored, as a new version" in restored.text
    assert "First words" in restored.text
    [newest, *_] = lead.get("/v1/map-versions").json()["data"]
    assert (newest["decision"], newest["reason"]) == ("restore", "The first ones were better")


def test_who_may_not_restore(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    _write(lead, "goal", "Words")
    _write(lead, "goal", "Words again")
    analyst = browser(role="analyst")
    text = analyst.get("/map/versions").text
    assert "Restore" not in text
    [older, *_] = re.findall(r'name="older" value="(\d+)"', text)
    assert analyst.post(f"/map/versions/{older}/restore", data={"csrf": _csrf(text)}).status_code == 403
    stranger = browser(workspace="elsewhere")
    token = _csrf(stranger.get("/map").text)
    assert stranger.post(f"/map/versions/{older}/restore", data={"csrf": token}).status_code == 404
    assert stranger.get(f"/map/versions/compare?older={older}&newer={older}").status_code == 404
    assert lead.get("/map/versions/compare?older=x&newer=y").status_code == 404
    assert lead.get("/map/versions?persona=nobody").status_code == 404
    assert lead.post(f"/map/versions/{older}/restore", data={"csrf": "wrong"}).status_code == 403
