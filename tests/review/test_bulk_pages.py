"""Deciding on all suggestions that fit a filter, as pages without script; and taking single decisions back."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlmodel import select

from service.classify.active_model import set_pipeline
from service.store.schema import AuditEvent
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.conftest import Client
from tests.review.test_pages import _csrf, _fill, browser

__all__ = ["browser"]

Browser = Callable[..., TestClient]
BAD = "sentiment=negative emotion=frustration"
PAINS = ("stage=delivery topic=delivery", "stage=usage topic=price", "stage=usage topic=speed")


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())
    yield
    set_pipeline(None)


@pytest.fixture
def lead(browser: Browser, work: Work, workspace_id: int) -> TestClient:
    """A lead whose workspace has three suggestions."""
    _fill(work, workspace_id, [f"{BAD} {PAINS[n % 3]} number {n}" for n in range(45)])
    return browser()


def _rows(text: str) -> set[str]:
    return set(re.findall(r'<article class="brief" id="s([\w.]+)"', text))


def _form(text: str, action: str) -> tuple[str, dict[str, str]]:
    """The address and hidden fields of a form."""
    found = re.search(rf'<form[^>]*action="({action}[^"]*)"[^>]*>(.*?)</form>', text, re.S)
    assert found is not None, action
    fields = re.findall(r'name="(\w+)" value="([^"]*)"', found[2])
    return html.unescape(found[1]), {name: html.unescape(value) for name, value in fields}


def test_filters_stand_in_the_address(lead: TestClient) -> None:
    assert len(_rows(lead.get("/suggestions").text)) == 3
    assert "Within a band the place across means nothing" in lead.get("/suggestions").text
    assert _rows(lead.get("/suggestions?stage=usage&effort=&topic=").text) == {"usage.price", "usage.speed"}
    assert _rows(lead.get("/suggestions?topic=speed").text) == {"usage.speed"}
    assert _rows(lead.get("/suggestions?owner=-").text) == _rows(lead.get("/suggestions").text)
    assert "None fits these filters" in lead.get("/suggestions?from=2030-01-01").text
    assert lead.get("/suggestions?stage=odd").status_code == 422
    assert lead.get("/suggestions?status=odd").status_code == 404
    text = lead.get("/suggestions?stage=usage&attr.plan=a%22b").text
    assert "a&#34;b" in text
    assert "style=" not in text


def test_first_how_many_then_done_then_taken_back(lead: TestClient, work: Work, client: Client) -> None:
    listed = lead.get("/suggestions?stage=usage").text
    assert "Decide on all 2 that fit" in listed
    asked = {"stage": "usage", "status": "suggested", "decision": "reject", "reason": "<b>not ours</b>"}
    first = lead.get("/decide-all", params=asked)
    assert "Reject 2 suggestions?" in first.text
    assert "&lt;b&gt;not ours" in first.text
    assert "style=" not in first.text
    assert len(_rows(lead.get("/suggestions").text)) == 3, "nothing was decided by looking"
    address, fields = _form(first.text, "/decide-all")
    assert fields["expected"] == "2"
    done = lead.post(address, data=fields)
    assert "2 suggestions rejected" in done.text
    assert done.url.params["stage"] == "usage"
    assert _rows(lead.get("/suggestions").text) == {"delivery.delivery"}
    assert lead.post(address, data=fields).status_code == 409, "other numbers by now"
    with work.database.read() as session:
        rows = session.exec(select(AuditEvent).where(AuditEvent.action == "suggestion.reject")).all()
    assert {one.target for one in rows} == {"suggestion:usage.price", "suggestion:usage.speed"}
    _, undo = _form(done.text, "/decide-all/undo")
    back = lead.post("/decide-all/undo", data=undo)
    assert "2 suggestions as before." in back.text
    assert len(_rows(lead.get("/suggestions").text)) == 3
    again = lead.post("/decide-all/undo", data=undo)
    assert "2 stay: somebody has decided on them since" in again.text


def test_an_owner_for_all_and_later(lead: TestClient) -> None:
    first = lead.get("/decide-all?stage=usage&decision=note&new_owner=Maria")
    address, fields = _form(first.text, "/decide-all")
    assert "2 suggestions noted" in lead.post(address, data=fields).text
    assert _rows(lead.get("/suggestions?owner=Maria").text) == {"usage.price", "usage.speed"}
    address, fields = _form(lead.get("/decide-all?owner=Maria&decision=snooze&weeks=4").text, "/decide-all")
    assert "2 suggestions put off" in lead.post(address, data=fields).text
    assert _rows(lead.get("/suggestions").text) == {"delivery.delivery"}
    assert "Reject 2 suggestions?" in lead.get("/decide-all?status=all&owner=Maria&decision=reject&reason=x").text


def test_a_single_decision_is_taken_back(lead: TestClient) -> None:
    text = lead.get("/suggestions?stage=usage").text
    given = {"csrf": _csrf(text), "decision": "accept", "back": "list?stage=usage"}
    done = lead.post("/suggestions/usage.price/decision", data=given)
    assert "Accepted." in done.text
    assert done.url.params["stage"] == "usage"
    _, undo = _form(done.text, "/decide-all/undo")
    assert "1 suggestion as before." in lead.post("/decide-all/undo", data=undo).text
    assert len(_rows(lead.get("/suggestions").text)) == 3
    elsewhere = lead.post(
        "/suggestions/usage.price/decision", data=given | {"back": "list?https://evil.example=1"}
    )
    assert elsewhere.url.path == "/suggestions"


def test_who_decides(lead: TestClient, browser: Browser) -> None:
    assert lead.get("/decide-all?decision=reject").status_code == 422
    assert lead.get("/decide-all?decision=start").status_code == 422
    assert lead.post("/decide-all", data={"csrf": "wrong", "decision": "accept"}).status_code == 403
    analyst = browser("analyst")
    listed = analyst.get("/suggestions").text
    assert "Decide on all" not in listed
    assert analyst.get("/decide-all?decision=accept").status_code == 403
    assert analyst.post("/decide-all", data={"csrf": "x", "decision": "accept"}).status_code == 403
    assert "None that fits" in browser("lead", "another").get("/decide-all?decision=accept").text


def test_the_number_of_queries_does_not_grow(lead: TestClient, client: Client) -> None:
    counted = []
    for address in ("/suggestions?topic=speed", "/suggestions"):
        seen: list[str] = []

        def note(_c: object, _cu: object, statement: str, *_: object, seen: list[str] = seen) -> None:
            seen.append(statement)

        engine = lead.app.state.database.reader  # type: ignore[attr-defined]
        lead.get(address)
        event.listen(engine, "before_cursor_execute", note)
        lead.get(address)
        event.remove(engine, "before_cursor_execute", note)
        counted.append(len([one for one in seen if not one.startswith(("BEGIN", "PRAGMA"))]))
    assert counted[0] == counted[1]
