"""The pages: signing in, who sees what, decisions from forms, and feedback that contains markup."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from service import auth
from service.auth import Vault
from service.classify.active_model import set_pipeline
from service.classify.batch import classify
from service.ingest.incoming import IncomingItem
from service.ingest.receive import receive
from service.store import queue, rollups
from service.store.engine import Database
from service.store.schema import FeedbackItem
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.conftest import Client

BAD = "sentiment=negative emotion=frustration stage=delivery topic=delivery"  # as the test pipeline reads it
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())  # type: ignore[arg-type]
    yield
    set_pipeline(None)


@pytest.fixture
def browser(app: FastAPI, database: Database) -> Iterator[Callable[..., TestClient]]:
    """A signed-in browser: `browser(role="lead", workspace="default")`."""
    made: list[TestClient] = []

    def sign_in(role: str = "lead", workspace: str = "default") -> TestClient:
        with database.write() as session:
            found = auth.workspace_named(session, workspace, create=True)
            token = auth.invite(session, workspace=found, name=f"a {role}", role=role, hours=1)
        client = TestClient(app, headers={"Accept": "text/html"}, raise_server_exceptions=False)
        client.__enter__()
        made.append(client)
        answer = client.post("/sign-in", data={"token": token}, follow_redirects=False)
        assert answer.status_code == 303
        return client

    yield sign_in
    for client in made:
        client.__exit__(None, None, None)


def _fill(work: Work, workspace_id: int, texts: list[str], *, translation: str | None = None) -> None:
    items = [
        IncomingItem.model_validate(
            {"text": text, "external_id": f"i{n}", "occurred_at": f"2026-10-{n % 28 + 1:02}T10:00:00Z",
             "respondent": f"r{n}", "channel": "survey", "score": {"kind": "nps", "value": n % 11},
             "translation": translation}
        )
        for n, text in enumerate(texts)
    ]  # fmt: skip
    with work.database.write() as session:
        receive(
            session,
            Vault(work.settings),
            workspace_id=workspace_id,
            source_default="test",
            items=items,
            priority=queue.Priority.SINGLE,
        )
    with work.database.write() as session:
        jobs = queue.claim(session, worker="t", lease_seconds=60, limit=50, kinds=["classify"])
    for _ in classify(work, jobs):
        pass


def _csrf(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def test_a_stranger_is_asked_to_sign_in(app: FastAPI) -> None:
    with TestClient(app, headers={"Accept": "text/html"}) as client:
        for path in ("/", "/map", "/suggestions"):
            assert client.get(path).url.path == "/sign-in", path


def test_a_link_signs_in_once(app: FastAPI, database: Database) -> None:
    with database.write() as session:
        found = auth.workspace_named(session, "default", create=True)
        token = auth.invite(session, workspace=found, name="Ada", role="lead", hours=1)
    with TestClient(app, headers={"Accept": "text/html"}) as client:
        # fetching the page, as a mail scanner does, uses nothing up
        assert client.get(f"/sign-in?token={token}").status_code == 200
        first = client.post("/sign-in", data={"token": token}, follow_redirects=False)
        assert first.status_code == 303
        assert "httponly" in first.headers["set-cookie"].lower()
        assert "samesite=lax" in first.headers["set-cookie"].lower()
    with TestClient(app, headers={"Accept": "text/html"}) as other:
        again = other.post("/sign-in", data={"token": token})
        assert again.status_code == 401
        assert "used before" in again.text


def test_an_empty_map_says_how_to_begin(browser: Callable[..., TestClient]) -> None:
    answer = browser().get("/map")
    assert answer.status_code == 200
    assert "No feedback yet" in answer.text
    assert "No recurring pain" in browser().get("/suggestions").text


def test_the_map_shows_the_words_and_escapes_them(
    browser: Callable[..., TestClient], work: Work, workspace_id: int
) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel {MARKUP} number {n}" for n in range(8)])
    for path in ("/map", "/suggestions", "/map?model=5-stage-decision&channel=survey&from=2026-10-01&to="):
        answer = browser().get(path)
        assert answer.status_code == 200, path
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        # the policy forbids inline styles and scripts, so there must be none
        assert "style=" not in answer.text
        assert not re.search(r"<script(?![^>]*src=)", answer.text)


def test_a_viewer_sees_numbers_and_no_words(
    browser: Callable[..., TestClient], work: Work, workspace_id: int
) -> None:
    _fill(work, workspace_id, [f"{BAD} peculiar parcel number {n}" for n in range(8)])
    lead, viewer = browser(role="lead"), browser(role="viewer")
    assert "peculiar" in lead.get("/map").text
    for path in ("/map", "/suggestions"):
        text = viewer.get(path).text
        assert "peculiar" not in text, path
        assert 'name="decision"' not in text, path


def test_another_workspaces_words_stay_there(
    browser: Callable[..., TestClient], work: Work, workspace_id: int
) -> None:
    _fill(work, workspace_id, [f"{BAD} peculiar parcel number {n}" for n in range(8)])
    stranger = browser(workspace="elsewhere")
    for path in ("/map", "/suggestions"):
        assert "peculiar" not in stranger.get(path).text, path


def test_a_decision_from_the_page(browser: Callable[..., TestClient], work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(12)])
    lead = browser()
    text = lead.get("/suggestions").text
    action = re.search(r'action="(/suggestions/[^"]+/decision)"', text)
    assert action is not None
    refused = lead.post(action[1], data={"decision": "accept", "csrf": "wrong"})
    assert refused.status_code == 403
    assert lead.post(action[1], data={"decision": "reject", "csrf": _csrf(text)}).status_code == 422
    done = lead.post(action[1], data={"decision": "accept", "csrf": _csrf(text), "back": "suggested"})
    assert done.url.path == "/suggestions"
    assert "Accepted." in done.text
    agreed = lead.get("/suggestions?status=agreed").text
    assert "accepted" in agreed
    analyst = browser(role="analyst")
    page = analyst.get("/map").text
    answer = analyst.post(action[1], data={"decision": "accept", "csrf": _csrf(page)})
    assert answer.status_code == 403


def test_signing_out_ends_the_session(browser: Callable[..., TestClient]) -> None:
    lead = browser()
    token = _csrf(lead.get("/map").text)
    cookie = dict(lead.cookies)
    assert lead.post("/sign-out", data={"csrf": token}).url.path == "/sign-in"
    lead.cookies.update(cookie)
    assert lead.get("/map").url.path == "/sign-in"


def test_a_script_with_a_cookie_needs_the_token(
    browser: Callable[..., TestClient], work: Work, workspace_id: int
) -> None:
    lead = browser(role="admin")
    token = _csrf(lead.get("/map").text)
    body = {"text": "hello there", "external_id": "x"}
    assert lead.post("/v1/feedback", json=body).status_code == 403
    # a form of another site can't pass for JSON either
    assert lead.post("/v1/feedback", data={"text": "hello"}).status_code == 403
    assert lead.post("/v1/feedback", json=body, headers={"X-CSRF-Token": token}).status_code == 202


@pytest.mark.parametrize("path", ["/static/nothing.css", "/nowhere", "/suggestions?status=nonsense"])
def test_what_is_not_there_is_said_in_words(browser: Callable[..., TestClient], path: str) -> None:
    answer = browser().get(path)
    assert answer.status_code == 404
    assert "Back to the map" in answer.text


def test_a_bad_period_is_said_in_words(browser: Callable[..., TestClient]) -> None:
    answer = browser().get("/map?from=2026-10-10&to=2026-10-01")
    assert answer.status_code == 422
    assert "before" in answer.text


def test_the_reference_names_every_route(app: FastAPI) -> None:
    with TestClient(app) as client:
        text = client.get("/docs").text
        for path in app.openapi()["paths"]:
            assert path in text


def test_the_reference_leads_back(app: FastAPI, browser: Callable[..., TestClient]) -> None:
    with TestClient(app) as client:
        text = client.get("/docs").text
        assert 'href="/map"' in text
        assert "Sign out" not in text
        client.cookies.set("journeymap_session", "ended")
        assert client.get("/docs").status_code == 200
    text = browser().get("/docs").text
    for here in ("/map", "/suggestions", "/feedback"):
        assert f'href="{here}"' in text
    assert "`" not in re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)


def test_static_files_can_be_kept(browser: Callable[..., TestClient]) -> None:
    text = browser().get("/map").text
    sheet = re.search(r'href="(/static/journeymap.css\?v=[0-9a-f]+)"', text)
    assert sheet is not None
    answer: Any = browser().get(sheet[1])
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


def test_the_map_says_that_labels_are_being_renewed(
    work: Work, workspace_id: int, browser: Callable[..., TestClient]
) -> None:
    _fill(work, workspace_id, [BAD] * 28)
    page = browser().get("/map")
    assert "being renewed" not in page.text
    with work.database.write() as session:
        ids = sorted(session.execute(select(FeedbackItem.id)).scalars())[14:]
        before = rollups.snapshot(session, workspace_id, ids)
        session.execute(update(FeedbackItem).where(FeedbackItem.id.in_(ids)).values(model="words-2"))  # type: ignore[union-attr]
        rollups.apply(session, workspace_id, before=before, after=rollups.snapshot(session, workspace_id, ids))
    page = browser().get("/map")
    assert "being renewed" in page.text
    assert "14 items by <code>words-2</code>" in page.text
    assert "are shown once all carry labels of one model" in page.text


def test_the_map_can_be_taken_away_as_it_is_shown(
    browser: Callable[..., TestClient], work: Work, client: Client
) -> None:
    _fill(work, client.workspace_id, [f"{BAD} late {n}" for n in range(8)])
    lead = browser()
    page = lead.get("/map?model=4-stage-purchase&channel=survey&from=").text
    (picture,) = re.findall(r'href="(/v1/journey-map.png[^"]*)"', page)
    assert html.unescape(picture) == "/v1/journey-map.png?model=4-stage-purchase&channel=survey"
    assert lead.get(html.unescape(picture)).content.startswith(b"\x89PNG")
