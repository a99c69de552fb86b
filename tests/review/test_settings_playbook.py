"""Playbook and rank in the settings: found, used, written anew; weights tried before they are saved."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.suggest.playbook import shipped_playbook
from service.suggest.playbook_own import EXAMPLE, TOUCHPOINT_WORDS, Wanted
from service.work import Work
from tests.review.test_pages import BAD, MARKUP, _csrf, _fill, browser, words_pipeline

__all__ = ["browser", "words_pipeline"]
Browser = Callable[..., TestClient]

QUALITY = "sentiment=negative emotion=anger stage=usage topic=quality"
FORM = {
    **{name: EXAMPLE[name] for name in ("stage", "pain", "adaptation", "effort", "metric", "owner", "test")},
    "topic.delivery": "yes",
    "patterns": "left the sofa on the street\r\n\r\n driver would not carry it upstairs ",
    "idea": "",
}


def _rows(text: str) -> list[str]:
    return re.findall(r'<span class="pain">(.*?)</span>', text)


def test_all_entries_are_found_by_stage_topic_touchpoint_and_words(browser: Browser) -> None:
    viewer = browser(role="viewer")
    shipped = shipped_playbook().entries
    page = viewer.get("/settings/playbook").text
    assert f"{len(shipped)} entries, 1 to 40 shown" in page
    more = re.search(r'href="(/settings/playbook\?skip=40)"', page)
    assert more is not None
    assert not set(_rows(page)) & set(_rows(viewer.get(more[1]).text))
    of_stage = viewer.get("/settings/playbook?stage=delivery&topic=delivery").text
    assert len(_rows(of_stage)) == sum(one.stage == "delivery" and "delivery" in one.topics for one in shipped)
    at_checkout = viewer.get("/v1/playbook?touchpoint=checkout&limit=500").json()["data"]
    assert 3 < len(at_checkout) < 80
    assert all(any(word in str(one).casefold() for word in TOUCHPOINT_WORDS["checkout"]) for one in at_checkout)
    assert "Nothing fits this search" in viewer.get("/settings/playbook?q=zebrafinch").text
    entry = shipped[0]
    found = viewer.get("/v1/playbook", params={"q": entry.pain.upper()}).json()["data"]
    assert entry.id in {one["id"] for one in found}
    assert 'method="post" action="/settings' not in page
    assert viewer.get("/settings/playbook/new").status_code == 403


@pytest.mark.parametrize("touchpoint", sorted(TOUCHPOINT_WORDS))
def test_every_touchpoint_has_entries(touchpoint: str) -> None:
    assert any(Wanted(touchpoint=touchpoint).holds(one) for one in shipped_playbook().entries)


def test_an_own_entry_is_added_used_changed_and_removed(browser: Browser, work: Work, workspace_id: int) -> None:
    lead = browser()
    token = _csrf(lead.get("/settings/playbook/new").text)
    assert "No entry of your own" in lead.get("/settings/playbook?whose=ours").text
    blank = lead.post("/settings/playbook", data={"csrf": token, **FORM, "pain": " ", "stage": "delivery"})
    assert blank.status_code == 422
    assert "What customers say:" in blank.text
    assert EXAMPLE["adaptation"] in blank.text, "what was typed is still there"
    made = lead.post("/settings/playbook", data={"csrf": token, **FORM, "adaptation": f"Ask. {MARKUP}"})
    assert made.url.path == "/settings/playbook"
    assert _rows(made.text) == [EXAMPLE["pain"]]
    assert MARKUP not in made.text
    assert "not used yet" in made.text
    [own] = [
        one for one in lead.get("/v1/playbook?stage=delivery&limit=500").json()["data"] if one["origin"] == "own"
    ]
    assert own["patterns"] == ["left the sofa on the street", "driver would not carry it upstairs"]
    assert own["used"] == {"agreed": 0, "rejected": 0}
    _fill(work, workspace_id, [f"{BAD} left the sofa on the street {n}" for n in range(5)])
    assert "<b>1</b> proposed now" in lead.get("/settings/playbook?whose=ours").text
    [proposed] = lead.get("/v1/suggestions?status=suggested").json()["data"]
    lead.post(
        f"/v1/suggestions/{proposed['id']}/decision", json={"decision": "accept"}, headers={"X-CSRF-Token": token}
    )
    assert lead.get(f"/v1/playbook/{own['id']}").json()["used"] == {"agreed": 1, "rejected": 0}
    assert "<b>1</b> agreed" in lead.get("/settings/playbook?whose=ours").text
    path = f"/settings/playbook/{own['id']}"
    assert "left the sofa on the street\ndriver would" in lead.get(path).text
    assert lead.post(path, data={"csrf": token, **FORM, "pain": "Left outside"}).status_code == 200
    assert lead.get(f"/v1/playbook/{own['id']}").json()["pain"] == "Left outside"
    other = browser(workspace="other")
    theirs = _csrf(other.get("/map").text)
    assert other.get(path).status_code == 404
    assert other.post(path, data={"csrf": theirs, **FORM}).status_code == 404
    assert other.post(f"{path}/remove", data={"csrf": theirs}).status_code == 404
    assert "Removed." in lead.post(f"{path}/remove", data={"csrf": token}).text
    assert lead.get(path).status_code == 404


def test_a_shipped_entry_in_ones_own_words_and_back(browser: Browser) -> None:
    lead = browser()
    entry = next(one for one in shipped_playbook().entries if one.patterns)
    path = f"/settings/playbook/{entry.id}"
    token = _csrf(lead.get(path).text)
    assert "in your words" in lead.post(path, data={"csrf": token, **FORM}).text
    assert "Back to the shipped wording" in lead.get("/settings/playbook?whose=ours").text
    assert lead.post(f"{path}/remove", data={"csrf": token}).status_code == 200
    assert lead.get(f"/v1/playbook/{entry.id}").json()["pain"] == entry.pain


def _order(lead: Any) -> list[str]:
    return [one["id"] for one in lead.get("/v1/suggestions?status=suggested").json()["data"]]


def test_weights_are_tried_before_they_are_saved(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} {n}" for n in range(12)] + [f"{QUALITY} {n}" for n in range(9)])
    lead = browser()
    page = lead.get("/settings/rank").text
    token = _csrf(page)
    assert "The first 10 as they rank now" in page
    assert "Save these weights" not in page
    before = _order(lead)
    given = {name: str(value) for name, value in lead.get("/v1/suggestions/weights").json()["weights"].items()}
    tried = lead.post("/settings/rank", data={"csrf": token, **given, "severity": "0", "do": "look"})
    assert "Not saved yet: severity 1 → 0" in tried.text
    assert "Save these weights" in tried.text
    assert _order(lead) == before
    compared = lead.post(
        "/v1/suggestions/weights/compare", json={"severity": 0}, headers={"X-CSRF-Token": token}
    ).json()["data"]
    assert [one["id"] for one in sorted(compared, key=lambda one: one["before"])] == before
    assert [one["after"] for one in compared] == list(range(1, len(before) + 1))
    saved = lead.post("/settings/rank", data={"csrf": token, **given, "severity": "0", "do": "save"})
    assert "Saved. Suggestions are ranked so" in saved.text
    assert _order(lead) == [one["id"] for one in compared]
    assert [one["priority"] for one in compared] == [
        pytest.approx(one["priority"], abs=0.001)
        for one in lead.get("/v1/suggestions?status=suggested").json()["data"]
    ]
    wrong = lead.post("/settings/rank", data={"csrf": token, **given, "effort": "7", "do": "save"})
    assert wrong.status_code == 422
    assert "effort must be at most 1" in wrong.text
    assert 'value="7"' in wrong.text
    usual = lead.post("/settings/rank", data={"csrf": token, "do": "usual"})
    assert "severity 0 → 1" in usual.text
    viewer = browser(role="viewer")
    assert "disabled" in viewer.get("/settings/rank").text
    assert viewer.post("/settings/rank", data={"csrf": _csrf(viewer.get("/map").text), **given}).status_code == 403
