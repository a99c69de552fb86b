"""The list of feedback as a page: search, filters in the address, saved views, the queue of waiting customers."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from service.work import Work
from tests.classify.made import tagged_item
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.review.test_pages import MARKUP, browser

__all__ = ["browser"]  # the fixture

Browser = Callable[..., TestClient]


def _csrf(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def _listed(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'<a href="/feedback/(\d+)">labels and history', text)]


def test_the_fold_of_narrow_screens_names_what_is_chosen(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    tagged_item(work, client.workspace_id, "late stage=delivery topic=delivery")
    analyst = browser("analyst")
    for address, named in (("", "none chosen"), ("stage=delivery&channel=chat", "stage delivery · channel chat")):
        text = analyst.get(f"/feedback?{address}").text
        fold = re.search(r'<details class="fold"><summary>Search and filters <span class="now">(.*?)</span>', text)
        assert fold is not None
        assert fold[1].lower() == named
        (inside,) = re.findall(r'<details class="fold">(.*?)</form></details>', text, re.S)
        assert 'role="search"' in inside
        assert 'name="stage"' in inside
    assert 'class="fold"' not in browser("viewer").get("/feedback").text


def test_words_and_filters_stand_in_the_address(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    made = [
        tagged_item(work, client.workspace_id, f"parcel Late {MARKUP} stage=delivery topic=delivery",
                    attributes={"plan": "pro"}, url="https://shop.example/r/1"),
        tagged_item(work, client.workspace_id, "stage=purchase topic=price sentiment=negative", channel="chat"),
        tagged_item(work, client.workspace_id, "stage=usage (unsure)", url="javascript:alert(1)"),
    ]  # fmt: skip
    analyst = browser("analyst")
    for address, expected in (
        ("", made[::-1]),
        ("q=LATE", made[:1]),
        ("stage=delivery&stage=purchase", made[1::-1]),
        ("topic=price", made[1:2]),
        ("channel=chat", made[1:2]),
        ("unsure=true", made[2:]),
        ("attr.plan=pro", made[:1]),
        ("pain=price&stage=purchase", made[1:2]),
        ("delight=price", []),
        ("place=purchase:product,email&place=delivery:!store", made[1::-1]),
        ("place=purchase:!product&place=usage:store", []),
        ("theme=99", []),
        ("from=2026-03-02", []),
        ("corrected=true", []),
    ):
        text = analyst.get(f"/feedback?{address}").text
        assert _listed(text) == expected, address
        listed = client.get(f"/v1/feedback?{address}").json()["data"]
        assert [int(one["id"]) for one in listed] == expected, "the page shows what the API answers"
    text = analyst.get("/feedback?q=late").text
    assert '<mark class="for2">Late</mark>' in text
    assert "<script>alert" not in text
    assert "style=" not in text
    assert 'href="https://shop.example/r/1"' in text
    assert "javascript:" not in analyst.get("/feedback").text
    (table,) = re.findall(r'href="(/v1/feedback/export\?format=csv[^"]*)"', text)
    exported = analyst.get(html.unescape(table)).text
    assert exported.count("\r\n") == 2, "a head and the one row of the selection"


def test_cells_of_the_map_lead_to_what_they_count(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    for n in range(4):
        text = f"stage=delivery topic=delivery sentiment=negative {n}"
        tagged_item(work, client.workspace_id, text, attributes={"plan": "pro"}, respondent=f"r{n}")
    tagged_item(work, client.workspace_id, "stage=delivery topic=price sentiment=positive", channel="chat")
    tagged_item(work, client.workspace_id, "stage=delivery topic=delivery (unsure)")
    tagged_item(work, client.workspace_id, "stage=usage topic=delivery sentiment=negative")
    for touchpoint in ("website", "store", "email"):  # the first model has a column for some touchpoints alone
        tagged_item(work, client.workspace_id, f"stage=consideration touchpoint={touchpoint} sentiment=negative")
    analyst = browser("analyst")
    for selection in ("", "channel=chat", "model=5-stage-decision", "attr.plan=pro&from=2026-02-28&to=2026-04-01"):
        page = analyst.get(f"/map?{selection}").text
        counted = re.findall(r'<a class="big" href="([^"]+)" aria-label="([0-9,]+)', page)
        counted += re.findall(r'<li><a href="([^"]+)"><b>[^<]+</b></a> <span class="n">([0-9]+) of', page)
        assert len(counted) > 7
        for address, number in counted:
            assert len(_listed(analyst.get(html.unescape(address)).text)) == int(number), address


def test_a_form_s_empty_fields_leave_the_address(browser: Browser, client: Client) -> None:
    analyst = browser("analyst")
    answer = analyst.get("/feedback?q=&stage=delivery&attribute=plan%3Dpro&unsure=")
    assert answer.url.query == b"stage=delivery&attr.plan=pro"
    assert "Nothing in this selection" in answer.text
    assert "No feedback yet" in analyst.get("/feedback?stage=").text
    for wrong in (
        "stage=nowhere",
        "unsure=maybe",
        "odd=1",
        "attribute=plan",
        "place=usage:moon",
        "follow_up=later",
        f"q={'x' * 201}",
    ):
        assert analyst.get(f"/feedback?{wrong}").status_code == 422, wrong


def test_a_long_list_has_pages(browser: Browser, work: Work, client: Client, words: WordPipeline) -> None:
    made = [tagged_item(work, client.workspace_id, f"stage=usage number {n}") for n in range(32)]
    analyst = browser("analyst")
    first = analyst.get("/feedback?stage=usage").text
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = analyst.get(html.unescape(older)).text
    assert _listed(first) + _listed(second) == made[::-1]
    assert "That is all" in second


def test_a_view_is_saved_replaced_and_removed(
    browser: Browser, client_of: Callable[..., Any], client: Client
) -> None:
    analyst = browser("analyst")
    token = _csrf(analyst.get("/feedback").text)
    given = {"csrf": token, "name": "  Late  <b>parcels</b>", "address": "q=late&stage=delivery&cursor=x&odd=1"}
    saved = analyst.post("/feedback/views", data=given)
    assert saved.url.query == b"q=late&stage=delivery"
    shown = browser("lead").get("/feedback").text
    assert 'href="/feedback?q=late&amp;stage=delivery">Late &lt;b&gt;parcels&lt;/b&gt;</a>' in shown
    analyst.post("/feedback/views", data=given | {"address": "q=late"})
    page = analyst.get("/feedback?q=late").text
    (number,) = re.findall(r'action="/feedback/views/(\d+)/remove"', page)
    assert analyst.post("/feedback/views", data=given | {"address": "limit=3"}).status_code == 422
    assert analyst.post("/feedback/views", data=given | {"name": " "}).status_code == 422
    assert analyst.post("/feedback/views", data=given | {"csrf": "wrong"}).status_code == 403
    other = browser("admin", "another")
    removing = {"csrf": _csrf(other.get("/feedback").text)}
    assert other.post(f"/feedback/views/{number}/remove", data=removing).status_code == 404
    assert "parcels" not in other.get("/feedback").text
    assert analyst.post(f"/feedback/views/{number}/remove", data={"csrf": token}).url.path == "/feedback"
    assert "parcels" not in analyst.get("/feedback").text


def test_who_waits_for_an_answer(browser: Browser, work: Work, client: Client, words: WordPipeline) -> None:
    made = [tagged_item(work, client.workspace_id, f"stage=support {n}", respondent=f"r{n % 3}") for n in range(4)]
    analyst = browser("analyst")
    assert "Nobody waits" in analyst.get("/feedback?follow_up=needs_answer").text
    token = _csrf(analyst.get("/feedback").text)
    for item_id in made:
        answer = analyst.post(
            f"/feedback/{item_id}/follow-up",
            data={"csrf": token, "state": "needs_answer", "owner": "ann", "note": f"call {MARKUP}",
                  "back": "follow_up=needs_answer&x=1"},
        )  # fmt: skip
        assert str(answer.url).endswith("/feedback?follow_up=needs_answer")
    assert _listed(answer.text) == made[::-1]
    assert "<script>alert" not in answer.text
    address = f"/feedback/{made[0]}/follow-up"
    answered = analyst.post(address, data={"csrf": token, "state": "answered", "back": "follow_up=needs_answer"})
    assert _listed(answered.text) == made[:0:-1]
    # one of three people's four items; the interval is of people, and so few are said to be few
    assert re.search(r"Closure rate</dt><dd>25\s%<small>.* n 3 people: too few", answered.text)
    assert 'owner=ann">ann</a>' in answered.text
    kept = client.get(f"/v1/feedback/{made[0]}").json()["follow_up"]
    assert kept == {"state": "answered", "owner": "ann", "note": f"call {MARKUP}"}
    assert [int(one["id"]) for one in client.get("/v1/feedback?owner=ann&follow_up=answered").json()["data"]] == [
        made[0]
    ]
    history = analyst.get(f"/feedback/{made[0]}").text.partition("<h2>History</h2>")[2]
    said = [history.index(f"said that this customer {one}") for one in ("waits for an answer", "was answered")]
    assert said == sorted(said)
    assert history.count("said that this customer") == 2
    analyst.post(f"/feedback/{made[2]}/follow-up", data={"csrf": token, "state": "needs_answer", "owner": " "})
    queue = analyst.get("/feedback?follow_up=needs_answer").text
    assert 'follow_up=needs_answer&amp;owner=-">without owner</a>' in queue
    nobodys = analyst.get("/feedback?follow_up=needs_answer&owner=-").text
    assert _listed(nobodys) == [made[2]]
    assert "nobody yet" in nobodys
    assert analyst.post(address, data={"csrf": token, "state": "odd"}).status_code == 422
    assert analyst.post(address, data={"csrf": "wrong", "state": "answered"}).status_code == 403


def test_a_viewer_sees_no_words(browser: Browser, work: Work, client: Client, words: WordPipeline) -> None:
    item_id = tagged_item(work, client.workspace_id, "stage=usage peculiar")
    viewer = browser("viewer")
    for address in ("/feedback", "/feedback?stage=usage", "/feedback?q=peculiar"):
        text = viewer.get(address).text
        assert "numbers only" in text
        assert "labels and history" not in text
    token = _csrf(viewer.get("/map").text)
    for path in (f"/feedback/{item_id}/follow-up", "/feedback/views"):
        assert viewer.post(path, data={"csrf": token, "state": "answered"}).status_code == 403


def test_the_number_of_statements_does_not_grow(
    browser: Browser, work: Work, client: Client, words: WordPipeline
) -> None:
    analyst = browser("analyst")
    counted: list[int] = []
    for more in (3, 25):
        for n in range(more):
            tagged_item(work, client.workspace_id, f"stage=usage {n}. topic=price", respondent=f"r{n}")
        analyst.get("/feedback")  # the frame of what is counted is brought up to date
        seen: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_: Any, seen: list[str] = seen) -> None:
            seen.append(statement)

        engine = client.app.state.database.reader
        event.listen(engine, "before_cursor_execute", note)
        analyst.get("/feedback")
        event.remove(engine, "before_cursor_execute", note)
        counted.append(len([one for one in seen if not one.startswith(("BEGIN", "PRAGMA"))]))
    assert counted[0] == counted[1] < 15


@pytest.mark.parametrize("path", ["/feedback", "/feedback?stage=usage"])
def test_a_stranger_signs_in_first(client: Client, path: str) -> None:
    assert TestClient(client.app).get(path, headers={"Accept": "text/html"}).url.path == "/sign-in"
