"""The sample, one click away: loaded by a job, read by the model, taken out again and nothing else with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, select

from service.ingest import sample
from service.stop import Stop
from service.store import queue
from service.store.schema import Delivery, Endpoint, ErasureMark, FeedbackItem, FileImport
from service.work import Work
from service.worker import Worker
from tests.review.test_pages import _csrf, browser, words_pipeline

__all__ = ["browser", "words_pipeline"]
Browser = Callable[..., TestClient]
OWN = {"text": "The parcel came late.", "external_id": "own-1", "source": "shop", "channel": "review"}


def _work_off(work: Work) -> None:
    Worker(work, Stop()).run_until_idle()


def _counts(work: Work) -> dict[str, int]:
    with work.database.read() as session:
        return {
            table.__name__: len(session.exec(select(col(table.id))).all())  # type: ignore[attr-defined]
            for table in (FeedbackItem, FileImport, Endpoint, Delivery, ErasureMark)
        }


def test_an_empty_workspace_offers_it_on_every_page(browser: Browser) -> None:
    for path in ("", "map", "suggestions", "themes", "feedback", "review", "sources"):
        assert 'action="/sample"' in browser(role="lead").get(f"/{path}").text, path
        viewer = browser(role="viewer").get(f"/{path}").text
        assert 'action="/sample"' not in viewer, path
    assert 'action="/sample"' not in browser(role="lead").get("/map?channel=chat").text


def test_loaded_and_taken_out_and_loaded_again(browser: Browser, work: Work, client: Any) -> None:
    lead = browser()
    token = _csrf(lead.get("/").text)
    assert lead.get("/v1/sample").json() == {
        "state": "absent",
        "items": 0,
        "waiting": 0,
        "total": sample.sample_size(),
    }
    for _ in range(2):  # the second click changes nothing
        page = lead.post("/sample", data={"csrf": token})
        assert page.url.path == "/sample"
        assert "The sample is being loaded" in page.text
        assert 'data-live="/sample/live"' in page.text
    assert "data-ended" not in lead.get("/sample/live").text
    _work_off(work)
    assert "data-ended" in lead.get("/sample/live").text
    found = lead.get("/v1/sample").json()
    assert found == {"state": "loaded", "items": sample.sample_size(), "waiting": 0, "total": sample.sample_size()}
    assert lead.get("/v1/journey-map").json()["totals"]["items"] == sample.sample_size()
    assert "feedback of an invented shop" in lead.get("/").text
    assert "Take the sample out" in browser(role="admin").get("/settings/workspace").text
    client.post("/v1/feedback", json=OWN)
    assert lead.post("/sample/remove", data={"csrf": token}).url.path == "/sample"
    assert lead.get("/v1/sample").json()["state"] == "removing"
    assert lead.post("/sample", data={"csrf": token}).status_code == 409
    _work_off(work)
    assert _counts(work) == {"FeedbackItem": 1, "FileImport": 0, "Endpoint": 0, "Delivery": 0, "ErasureMark": 0}
    assert lead.get("/v1/journey-map").json()["totals"]["items"] == 1
    assert list(work.settings.imports_dir.glob("*.upload")) == []
    refused = lead.post("/sample", data={"csrf": token})
    assert refused.status_code == 409
    assert "feedback of your own" in refused.text
    [own] = lead.get("/v1/feedback").json()["data"]
    lead.delete(f"/v1/feedback/{own['id']}", headers={"X-CSRF-Token": token})
    client.delete(f"/v1/feedback/{own['id']}")
    assert lead.post("/sample", data={"csrf": token}).status_code == 200
    _work_off(work)
    assert lead.get("/v1/sample").json()["items"] == sample.sample_size()


def test_another_worker_goes_on_where_one_died(work: Work, workspace_id: int, browser: Browser) -> None:
    lead = browser()
    lead.post("/sample", data={"csrf": _csrf(lead.get("/").text)})
    with work.database.write() as session:
        [job] = queue.claim(session, worker="w", lease_seconds=60, limit=1, kinds=["sample"])
    steps = sample.run(work, [job])
    for _ in range(4):
        next(steps)
    steps.close()
    with work.database.write() as session:
        queue.release(session, [job])
    _work_off(work)
    counts = _counts(work)
    assert (counts["FeedbackItem"], counts["FileImport"], counts["Endpoint"]) == (sample.sample_size(), 2, 1)


def test_who_may_not_decide_may_only_look(browser: Browser) -> None:
    analyst = browser(role="analyst")
    token = _csrf(analyst.get("/map").text)
    assert analyst.get("/sample").status_code == 200
    for path in ("", "/remove"):
        assert analyst.post(f"/sample{path}", data={"csrf": token}).status_code == 403
        assert browser().post(f"/sample{path}", data={"csrf": "wrong"}).status_code == 403


@pytest.mark.parametrize("name", ["reviews.ndjson", "survey.csv"])
def test_the_samples_own_sources_are_taken_off(name: str) -> None:
    from service.store.columns import now

    text = sample.sample_texts(now().date())[name]
    plain = sample._unmarked(name, text)
    assert "shop-reviews" not in plain
    assert "nps-survey" not in plain
    assert len(plain.splitlines()) >= len(text.splitlines()) - 1
