"""The sender's numbers beside the map's: a sum that adds up, what is in neither count, the scores of the map."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.aggregate.reconcile_api import EXAMPLE, ReconcileAnswer
from service.store.engine import Database
from service.store.schema import FileImport
from tests.review.test_pages import browser  # noqa: F401 (a fixture)
from tests.store.items_for_counting import add_items, make_item


def _adds_up(numbers: dict[str, Any]) -> None:
    answers = numbers["sender"]["answers"]
    assert numbers["sender"]["responses"] + numbers["further_answers"] == answers
    assert numbers["map"]["answers"] + sum(numbers["reasons"].values()) == answers
    assert numbers["map"]["responses"] <= numbers["sender"]["responses"]


def _score(value: float) -> dict[str, Any]:
    return {"score_kind": "nps", "score_value": value, "score_min": 0.0, "score_max": 10.0}


@pytest.fixture
def survey(database: Database, workspace_id: int) -> None:
    """Ten responses of October with a score, one of them with two answers; and what the map does not place."""
    october, november = datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC)
    made = [
        make_item(workspace_id, n, response_id=f"r{n}", respondent=f"{n:032x}", at=october, occurred_at=october,
                  **_score(10 if n < 6 else 0))
        for n in range(10)
    ]  # fmt: skip
    again = {"response_id": "r0", "respondent": f"{0:032x}", "at": october, "occurred_at": october}
    made.append(make_item(workspace_id, 10, **again))
    for n, (state, reason) in enumerate(
        (("no_text", None), ("tagged", "unsupported_language"), ("tagged", "meaningless")), start=11
    ):
        item = make_item(workspace_id, n, response_id=f"r{n}", at=october, occurred_at=october, **_score(0))
        item.state, item.unsure_reason = state, reason
        if state == "no_text":
            item.text = None
        made.append(item)
    made += [
        make_item(workspace_id, n, source="helpdesk", at=november, occurred_at=None if n == 20 else november)
        for n in (20, 21)
    ]
    with database.write() as session:
        add_items(session, made)
        session.add(
            FileImport(workspace_id=workspace_id, filename="a.csv", path="", sha256="0", source="shop",
                       channel="survey", state="succeeded", rows_duplicate=3, rows_rejected=2, rows_empty=1)
        )  # fmt: skip


def test_each_difference_has_its_number(client: Any, survey: None) -> None:
    found = client.get("/v1/reconcile").json()
    ReconcileAnswer.model_validate(found)
    shop, helpdesk = found["sources"]
    for numbers in (found["totals"], shop, helpdesk, *shop["periods"], *helpdesk["periods"]):
        _adds_up(numbers)
    assert (shop["source"], shop["sender"]["responses"], shop["sender"]["answers"]) == ("shop", 13, 14)
    assert (shop["map"]["responses"], shop["map"]["answers"], shop["further_answers"]) == (10, 11, 1)
    assert {name: n for name, n in shop["reasons"].items() if n} == {
        "no_text": 1,
        "unsupported_language": 1,
        "meaningless": 1,
    }
    assert shop["not_taken"] == {"duplicate": 3, "rejected": 2, "empty": 1}
    # every response, also those that could not be read; and those of whom something stands on the map
    nps = shop["sender"]["scores"]["nps"]
    assert (nps["n"], nps["value"]) == (13, round(100 * (6 - 7) / 13, 2))
    assert (shop["map"]["scores"]["nps"]["n"], shop["map"]["scores"]["nps"]["value"]) == (10, 20.0)
    assert helpdesk["undated"] == 1
    assert helpdesk["sender"]["scores"] == {"nps": None, "csat": None, "ces": None, "stars": None}


def test_the_numbers_are_those_of_the_map(client: Any, survey: None) -> None:
    for query in ("", "?from=2026-10-01&to=2026-11-01", "?source=shop", "?model=5-stage-decision"):
        shown, found = (client.get(f"/v1/{name}{query}").json() for name in ("journey-map", "reconcile"))
        assert found["model"] == shown["model"]
        assert found["totals"]["sender"]["answers"] == shown["totals"]["items"]
        assert found["totals"]["map"]["answers"] == sum(stage["items"] for stage in shown["stages"])
        assert found["totals"]["reasons"] == shown["unassigned"]["reasons"]
        everyone = shown["totals"]["scores"]["nps"]["everyone"]
        assert found["totals"]["sender"]["scores"]["nps"] == everyone


def test_another_period_and_filters_are_told(client: Any, survey: None) -> None:
    found = client.get("/v1/reconcile?from=2026-11-01&to=2026-12-01").json()
    [helpdesk] = found["sources"]
    assert (helpdesk["source"], helpdesk["outside_period"]) == ("helpdesk", 0)
    october = client.get("/v1/reconcile?from=2026-10-05&to=2026-10-06&channel=review").json()
    [shop] = october["sources"]
    assert shop["periods"][0]["period"] == "2026-10"
    assert (shop["outside_period"], shop["left_out_by_filter"]) == (0, 0)
    both = client.get("/v1/reconcile?language=xx").json()
    assert both["sources"] == []
    assert both["totals"]["sender"]["answers"] == 0


def test_an_empty_workspace_and_a_small_source(client: Any) -> None:
    found = client.get("/v1/reconcile").json()
    ReconcileAnswer.model_validate(found)
    assert (found["sources"], found["totals"]["sender"]["responses"]) == ([], 0)
    ReconcileAnswer.model_validate(EXAMPLE)


def test_many_sources_are_told_together_and_a_long_time_by_year(client: Any, database: Database) -> None:
    made = [
        make_item(client.workspace_id, n, source=f"s{n:03}", at=datetime(2020 + n % 6, 5, 1, tzinfo=UTC))
        for n in range(70)
    ]
    with database.write() as session:
        add_items(session, made)
    found = client.get("/v1/reconcile").json()
    assert (len(found["sources"]), found["every"]) == (50, "year")
    assert found["sources"][-1]["source"] == "others"
    assert sum(one["sender"]["answers"] for one in found["sources"]) == 70
    assert sum(row["sender"]["answers"] for one in found["sources"] for row in one["periods"]) == 70


def test_the_page_shows_the_same(browser: Callable[..., TestClient], survey: None) -> None:  # noqa: F811
    text = browser(role="viewer").get("/reconcile").text
    lines = re.sub(r"<[^>]+>|\s+", " ", text)
    for said in ("13 responses, as the sender counts them", "+ 1 further answers", "− 1 not in English",
                 "= 11 on the map", "3 rows of its files had been sent before"):  # fmt: skip
        assert said in re.sub(r" +", " ", lines), said
    assert "style=" not in text
    empty = browser().get("/reconcile?from=2020-01-01&to=2020-02-01").text
    assert "Nothing came in in this period or filter" in empty
    assert "/reconcile" in browser().get("/map").text
    assert "/reconcile" in browser().get("/sources").text
