"""The map's page: whose it is, how sure each column is, and what leads write on it, a version each time."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.auth import Vault
from service.classify.active_model import set_pipeline
from service.ingest.incoming import IncomingItem
from service.ingest.receive import receive
from service.review import map_rows, map_view
from service.store import queue
from service.suggest.map_document import Document
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.review.test_pages import BAD, MARKUP, _csrf, _fill, browser  # noqa: F401 (a fixture)

Browser = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())  # type: ignore[arg-type]
    yield
    set_pipeline(None)


@pytest.fixture
def filled(work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(12)])


def _row(text: str, key: str) -> str:
    found = re.search(rf'<tr id="row-{re.escape(key)}".*?</tr>', text, re.DOTALL)
    assert found is not None, key
    return found[0]


def _write(client: TestClient, key: str, *cells: str, **more: str) -> Any:
    """Open the row as a person would, fill the first fields, save."""
    text = client.get(f"/map?edit={key}").text
    based_on = re.search(r'name="based_on" value="(\d*)"', text)
    assert based_on is not None
    fields = {f"cell{n}": cell for n, cell in enumerate(cells)}
    given = {"csrf": _csrf(text), "model": "7-stage", "based_on": based_on[1], "do": "write", "row": key}
    return client.post("/map", data={**given, **fields, **more})


def _document(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/v1/map-document").json())


def test_columns_say_how_sure_they_are(browser: Browser, filled: None) -> None:  # noqa: F811
    text = browser().get("/map").text
    feedback = _row(text, "feedback")
    assert "Only 12 people: take it as a lead" in feedback
    assert "Nobody says anything here: start listening." in feedback
    assert 'th scope="col" class="evidence-thin"' in text
    assert "The numbers behind the map as a table" in text
    assert "from 12 people" in text


def test_a_lead_writes_a_row_and_it_is_a_version(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    assert "Not written yet" in lead.get("/map").text
    answer = _write(lead, "goal", "See it once\r\nand know it", MARKUP, reason="Workshop")
    assert answer.status_code == 200
    assert "Written." in answer.text
    assert "See it once\nand know it" in _row(answer.text, "goal")
    assert "<script>alert" not in answer.text
    document = _document(lead)
    assert [stage["goal"] for stage in document["document"]["stages"]][:2] == ["See it once\nand know it", MARKUP]
    [version] = lead.get("/v1/map-versions").json()["data"]
    assert (version["decision"], version["reason"], version["actor"]) == ("document", "Workshop", "person:a lead")
    _write(lead, "motivations", "Cheap\n\n  Quick ")
    stages = _document(lead)["document"]["stages"]
    assert stages[0]["motivations"] == ["Cheap", "Quick"]
    assert stages[0]["goal"] == "See it once\nand know it", "another row stays as it was"
    again = _write(lead, "motivations", "Cheap\nQuick")
    assert "no new version" in again.text
    assert len(lead.get("/v1/map-versions").json()["data"]) == 2
    # the goal of the whole journey stands above the columns
    _write(lead, "whole", "A wardrobe without detours")
    assert "A wardrobe without detours" in lead.get("/map").text


def test_two_who_write_at_once_lose_nothing(browser: Browser, filled: None) -> None:  # noqa: F811
    ada, ben = browser(), browser(role="admin")
    based_on = {"based_on": ""}
    assert _write(ada, "goal", "Ada's").status_code == 200
    late = _write(ben, "goal", "Ben's words", **based_on)
    assert late.status_code == 409
    assert "Somebody wrote in this row meanwhile" in late.text
    assert "Ben&#39;s words" in late.text, "what was typed is still there"
    assert "Now: Ada&#39;s" in late.text, "beside what stands there now"
    assert _document(ada)["document"]["stages"][0]["goal"] == "Ada's"
    # another row is nobody's business
    assert _write(ben, "owner", "Ben", **based_on).status_code == 200
    assert _document(ada)["document"]["stages"][0] | {"goal": None} == {
        **_document(ada)["document"]["stages"][0],
        "goal": None,
        "owner": "Ben",
    }
    long = _write(ada, "owner", "x" * 300)
    assert long.status_code == 422
    assert "x" * 300 in long.text


def test_rows_of_ones_own_and_their_order(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    text = lead.get("/map?arrange=1").text
    given = {"csrf": _csrf(text), "model": "7-stage", "based_on": ""}
    added = lead.post("/map", data={**given, "do": "add", "name": " Systems  behind <b>it</b> "})
    assert added.status_code == 200
    key = "own.Systems behind <b>it</b>"
    assert "Systems behind &lt;b&gt;it" in added.text
    assert "<b>it</b>" not in added.text
    twice = lead.post("/map", data={**given, "do": "add", "name": "systems behind <b>IT</b>"})
    assert twice.status_code == 422
    assert "there are two rows" in twice.text
    assert lead.post("/map", data={**given, "do": "add", "name": "  "}).status_code == 422
    based_on = _document(lead)["version"]
    written = lead.post("/map", data={**given, "do": "write", "row": key, "cell0": "CRM", "based_on": based_on})
    assert written.status_code == 200
    assert _document(lead)["document"]["rows"] == [
        {"name": "Systems behind <b>it</b>", "cells": {"Awareness": "CRM"}}
    ]
    shown = "feedback\ncurve\nsentiment\n" + key
    up = lead.post("/map", data={**given, "do": "order", "up": "curve", "shown": shown})
    assert up.text.index('id="row-curve"') < up.text.index('id="row-feedback"')
    assert "Move Emotion curve up" in up.text
    dragged = lead.post("/map", data={**given, "do": "order", "row": key, "order": f"{key}\ncurve\nfeedback"})
    order = _document(lead)["document"]["order"]
    assert order.index(key) < order.index("curve") < order.index("feedback")
    assert sorted(order) == sorted([*map_rows.KNOWN, key]), "each row once, those not shown as well"
    assert dragged.status_code == 200
    removed = lead.post("/map", data={**given, "do": "remove", "row": key})
    assert "The row is gone" in removed.text
    assert _document(lead)["document"]["rows"] == []
    assert key not in _document(lead)["document"]["order"]


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_only_leads_write(browser: Browser, filled: None, role: str) -> None:  # noqa: F811
    reader = browser(role=role)
    text = reader.get("/map?edit=goal&arrange=1").text
    for control in ("<textarea", 'name="up"', "Not written yet", 'name="based_on"'):
        assert control not in text
    given = {"csrf": _csrf(text), "model": "7-stage", "do": "write", "row": "goal", "cell0": "x"}
    assert reader.post("/map", data=given).status_code == 403
    assert _document(browser())["version"] is None


def test_what_a_form_may_not_do(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    token = _csrf(lead.get("/map").text)
    given = {"csrf": token, "model": "7-stage", "do": "write", "row": "goal", "cell0": "x"}
    assert lead.post("/map", data=given | {"csrf": "wrong"}).status_code == 403
    for bad in ({"row": "nothing"}, {"row": "own.nothing"}, {"do": "order", "up": "nothing"}, {"based_on": "999"}):
        assert lead.post("/map", data=given | bad).status_code == 404, bad
    assert lead.post("/map", data=given | {"do": "order"}).status_code == 422
    assert lead.post("/map", data=given | {"model": "nothing"}).status_code == 422
    # the view in the form never leads elsewhere
    answer = lead.post("/map", data=given | {"view": "from=2026-01-01&evil=//x&channel=survey"})
    assert answer.url.path == "/map"
    assert "evil" not in str(answer.url)
    assert answer.url.params["channel"] == "survey"


def test_a_map_written_on_one_model_says_so_on_another(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    _write(lead, "goal", "See it")
    other = lead.get("/map?model=5-stage-decision").text
    assert "written on another journey model" in other
    assert "See it" not in other
    refused = _write(lead, "goal", "y", model="5-stage-decision")
    assert refused.status_code == 409
    # without a model in the address it is the one that the map is written on
    assert "See it" in lead.get("/map").text


def test_a_personas_map(browser: Browser, filled: None) -> None:  # noqa: F811
    lead = browser()
    token = _csrf(lead.get("/map").text)
    made = lead.post(
        "/v1/personas",
        json={"name": f"Buyer {MARKUP}", "attributes": {"plan": ["pro"]}, "description": "In a hurry"},
        headers={"X-CSRF-Token": token},
    ).json()
    text = lead.get(f"/map?persona={made['id']}").text
    assert "Nothing in this period or filter" in text, "nobody has this attribute"
    assert "<script>alert" not in text
    assert lead.get("/map?persona=nobody").status_code == 422
    given = {"csrf": token, "model": "7-stage", "do": "write", "row": "whole", "cell0": "In and out"}
    assert lead.post("/map", data=given | {"view": f"persona={made['id']}"}).status_code == 200
    assert lead.get(f"/v1/map-document?persona={made['id']}").json()["document"]["goal"] == "In and out"
    assert _document(lead)["document"]["goal"] is None


def test_filters_are_offered_and_taken_off(browser: Browser, filled: None) -> None:  # noqa: F811
    text = browser().get("/map?source=test&channel=survey&attr.plan=%3Cb%3E").text
    assert 'aria-label="Without source test"' in text
    assert "&lt;b&gt;" in text
    assert "<b><b>" not in text


def test_moving_goes_past_what_is_not_shown() -> None:
    order = ["a", "hidden", "b", "c"]
    assert map_rows.moved(order, "b", -1, over=["a", "b", "c"]) == ["b", "a", "hidden", "c"]
    assert map_rows.moved(order, "a", 1, over=["a", "b", "c"]) == ["hidden", "b", "a", "c"]
    assert map_rows.moved(order, "a", -1, over=["a", "b"]) == order
    assert map_rows.full_order(["c", "gone", "c"], ["a", "b", "c"]) == ["c", "a", "b"]


def test_a_row_is_read_as_it_was_written() -> None:
    document = Document().model_dump()
    for row, texts, kept in (
        (map_rows.KNOWN["motivations"], ["a\r\n b ", ""], [["a", "b"], []]),
        (map_rows.KNOWN["goal"], [" x ", "  "], ["x", None]),
    ):
        document = map_rows.with_row(document, row, ["One", "Two"], texts)
        assert map_rows.cells_of(document, row.key, ["One", "Two"]) == kept
    assert map_rows.typed(["a", "b"]) == "a\nb"


def test_the_trend_of_a_pain_is_that_of_the_stage_where_it_really_changed() -> None:
    stage = {"codebook_stages": ["delivery", "usage"]}

    def change(points: float, significant: bool) -> dict[str, Any]:
        return {"change": points, "significant": significant, "days": 28}

    trends = {
        ("delivery", "speed"): change(0.3, False),
        ("usage", "speed"): change(0.08, True),
        ("usage", "price"): change(0.5, False),
    }
    found = map_view.pain_trend(trends, stage, "speed")
    assert found is not None
    assert (found["said"], found["stage"], found["spoken"]) == ("▲ 8\u00a0points", "usage", "more than before")
    assert map_view.pain_trend(trends, stage, "price") is None, "no more than noise"
    alone = map_view.pain_trend(
        {("usage", "speed"): change(-0.004, True)}, {"codebook_stages": ["usage"]}, "speed"
    )
    assert alone is not None
    assert (alone["said"], alone["stage"]) == ("▼ <1\u00a0point", None)


def test_what_is_not_placed_leads_to_its_words(browser: Browser, work: Work, workspace_id: int) -> None:  # noqa: F811
    kinds = {"(unsure)": 2, "(foreign)": 3, "!": 1, "stage=none": 4, "stage=usage": 5}
    _fill(work, workspace_id, [f"{text} ({n})" if text != "!" else "!" for text, n in _times(kinds)])
    more = [{"text": f"waits {n}", "external_id": f"w{n}"} for n in range(2)]
    more += [{"text": "", "score": {"kind": "nps", "value": 3}, "external_id": "s1"}]
    items = [
        IncomingItem.model_validate({"channel": "survey", "occurred_at": "2026-10-03T10:00:00Z", **one})
        for one in more
    ]
    with work.database.write() as session:
        receive(
            session,
            Vault(work.settings),
            workspace_id=workspace_id,
            source_default="test",
            items=items,
            priority=queue.Priority.SINGLE,
        )
    lead = browser()
    found = lead.get("/v1/journey-map?channel=survey").json()["unassigned"]["reasons"]
    assert found == {
        "none": 4,
        "unsure": 2,
        "unsupported_language": 3,
        "meaningless": 1,
        "no_text": 1,
        "untagged": 2,
    }
    cell = _row(lead.get("/map?channel=survey").text, "feedback").rpartition('<td class="rest">')[2]
    links = [html.unescape(one) for one in re.findall(r'href="(/feedback[^"]*)"', cell)]
    shown = [int(one) for one in re.findall(r'<span class="n">(\d+)</span>', cell)]
    assert shown == [n for n in found.values() if n]
    for address, n in zip(links, shown, strict=True):
        assert "channel=survey" in address
        assert len(lead.get("/v1" + address).json()["data"]) == n, address
        assert lead.get(address).text.count("labels and history") == n
    assert lead.get("/v1/feedback?unplaced=luck").status_code == 422
    assert lead.get("/feedback?unplaced=luck").status_code == 422
    # a person's word is never unsure
    unsure = lead.get("/v1/feedback?unplaced=unsure").json()["data"][0]["id"]
    token = _csrf(lead.get("/map?edit=goal").text)
    told = lead.put(
        f"/v1/feedback/{unsure}/labels", json={"labels": {"stage": "none"}}, headers={"x-csrf-token": token}
    )
    assert told.status_code == 200
    reasons = lead.get("/v1/journey-map").json()["unassigned"]["reasons"]
    assert (reasons["unsure"], reasons["none"]) == (1, 5)
    for reason in ("unsure", "none"):
        rows = lead.get(f"/v1/feedback?unplaced={reason}").json()["data"]
        assert len(rows) == reasons[reason], reason


def _times(kinds: dict[str, int]) -> list[tuple[str, int]]:
    return [(text, n) for text, times in kinds.items() for n in range(times)]


def test_the_fold_of_narrow_screens_names_what_is_chosen(browser: Browser, filled: None) -> None:  # noqa: F811
    text = browser().get("/map?from=2026-10-03&to=2026-10-08&channel=survey&attr.plan=pro").text
    fold = re.search(r'<details class="fold map-fold"><summary>(.*?)</summary>', text, re.DOTALL)
    assert fold is not None
    said = " ".join(re.sub(r"<[^>]+>", " ", fold[1]).split())
    assert said.endswith("everybody · 3 to 7 Oct 2026 · channel survey · plan pro")
    assert 'name="channel"' in text.partition(fold[0])[2]


def test_the_short_view_leaves_out_what_is_long_and_every_link_keeps_it(
    browser: Browser,  # noqa: F811
    filled: None,
) -> None:
    lead = browser()
    text = lead.get("/map?rows=short&channel=survey").text
    assert set(re.findall(r'<tr id="row-(\w+)"', text)) <= set(map_rows.IN_SHORT)
    assert 'id="row-words"' in lead.get("/map?channel=survey").text
    assert "rows=short" in text.partition('aria-label="Period"')[2].partition("</nav>")[0]
    assert '<input type="hidden" name="rows" value="short">' in text
    # what leads away chooses the same feedback and knows no rows
    for address in re.findall(r'href="(/feedback\?[^"]*|/v1/[^"]*)"', text):
        assert "rows=" not in address
        assert lead.get(html.unescape(address)).status_code == 200, address
    # a row that is being written is seen, whatever the view
    assert 'id="row-goal"' in lead.get("/map?rows=short&edit=goal").text


def test_narrow_screens_get_the_stages_one_below_the_other(browser: Browser, filled: None) -> None:  # noqa: F811
    text = browser().get("/map").text
    lines = text.partition('<section class="stage-lines"')[2].partition("</section>")[0]
    columns = re.findall(r'<th scope="col"[^>]*><span class="stage">([^<]+)</span>', text)
    assert re.findall(r'<summary><span class="stage">([^<]+)</span>', lines) == columns[:-1]
    assert "parcel number" in lines
    numbers_only = browser(role="viewer").get("/map").text
    assert "parcel number" not in numbers_only
    assert map_view.on_scale({"value": -50.0, "low": None, "high": 100.0}) == {"value": 25.0, "high": 100.0}
