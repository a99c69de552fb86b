"""The routes of map, trends, journey models and time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from service.aggregate.answers import JourneyMapAnswer, TrendsAnswer
from service.aggregate.api import EXAMPLE_MODEL
from service.store.engine import Database
from tests.aggregate.test_journey_map import fill
from tests.store.items_for_counting import START, add_items, make_item


def test_the_map_has_the_shape_of_the_reference(client: Any, database: Database) -> None:
    with database.write() as session:
        fill(session, client.workspace_id, seed=7)
    for query in ("", "?from=2026-02-01&to=2026-03-01&compare_to=previous&attr.plan=pro&attr.plan=free"):
        answer = client.get(f"/v1/journey-map{query}")
        assert answer.status_code == 200
        JourneyMapAnswer.model_validate(answer.json())
    assert answer.json()["from"] == "2026-02-01T00:00:00Z"
    assert any(stage["verbatims"] for stage in client.get("/v1/journey-map").json()["stages"])


@pytest.mark.parametrize("by", ["stage", "emotion", "sentiment", "topic", "touchpoint"])
def test_trends_of_every_field(client: Any, database: Database, by: str) -> None:
    with database.write() as session:
        fill(session, client.workspace_id, seed=8)
    answer = client.get(f"/v1/trends?by={by}&channel=review")
    TrendsAnswer.model_validate(answer.json())
    data = answer.json()["data"]
    assert sum(one["items"] for one in data) > 10
    for one in data:
        assert sum(week["items"] for week in one["series"]) == one["items"]
        assert sum(week["net_sentiment"]["n"] for week in one["series"]) <= one["items"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=2026-02-01T10:00:00Z", "/from"),
        ("from=yesterday", "/from"),
        ("from=2026-03-01&to=2026-02-01", "/to"),
        ("model=nobody-has-it", "/model"),
        ("compare_to=next", "/compare_to"),
        ("theme=7", "/theme"),
        ("chanel=review", "/chanel"),
        ("attr.=pro", "/attr."),
    ],
)
def test_bad_questions_are_named(client: Any, query: str, pointer: str) -> None:
    answer = client.get(f"/v1/journey-map?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/journey-map.csv", "/v1/trends", "/v1/top-questions", "/v1/suggestions", "/v1/suggestions.csv"),
        *("/v1/drivers", "/v1/transitions", "/v1/themes", "/v1/reconcile"),
    ],
)
def test_a_filter_that_would_narrow_nothing_is_refused(client: Any, path: str) -> None:
    assert client.get(f"{path}?channel=review&attr.plan=pro&from=2026-02-01").status_code == 200
    answer = client.get(f"{path}?channel=review&emotion=joy")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/emotion", "unknown_filter")
    assert "channel" in error["detail"]


def test_bounds_at_the_workspaces_midnight(client: Any, database: Database) -> None:
    assert client.put("/v1/workspace", json={"timezone": "Asia/Tokyo"}).json()["timezone"] == "Asia/Tokyo"
    with database.write() as session:
        add_items(session, [make_item(client.workspace_id, 1, occurred_at=START.replace(hour=20))])
    inside = client.get("/v1/journey-map?from=2026-01-05T15:00:00Z&to=2026-01-06T15:00:00Z").json()
    assert (inside["totals"]["items"], inside["timezone"]) == (1, "Asia/Tokyo")
    assert client.get("/v1/journey-map?from=2026-01-05T00:00:00Z").status_code == 422


def test_changing_the_time_zone_moves_what_is_counted(client: Any, database: Database) -> None:
    with database.write() as session:
        add_items(session, [make_item(client.workspace_id, 1, occurred_at=START.replace(hour=20))])
    question = "/v1/journey-map?from=2026-01-06&to=2026-01-07"
    assert client.get(question).json()["totals"]["items"] == 0
    assert client.put("/v1/workspace", json={"timezone": "Asia/Tokyo"}).status_code == 200
    assert client.get(question).json()["totals"]["items"] == 1
    known = client.get("/v1/workspace").json()
    assert known == {"name": "default", "timezone": "Asia/Tokyo", "journey_model": "7-stage"}
    for wrong in ("Mars/Olympus", "../etc/passwd", "", "/etc"):
        assert client.put("/v1/workspace", json={"timezone": wrong}).status_code == 422


def test_journey_models_of_ones_own(client: Any, client_of: Callable[..., Any], database: Database) -> None:
    with database.write() as session:
        fill(session, client.workspace_id, seed=9)
    listed = client.get("/v1/journey-models").json()["data"]
    assert [one["id"] for one in listed][:2] == ["7-stage", "5-stage-retention"]
    assert len(listed) == 6
    assert all(one["built_in"] and one["uncovered"] == [] for one in listed)
    made = client.post("/v1/journey-models", json=EXAMPLE_MODEL)
    assert made.status_code == 201
    assert made.json()["id"] == "our-three-steps"
    assert made.json()["uncovered"] == []
    assert client.post("/v1/journey-models", json=EXAMPLE_MODEL).status_code == 409
    found = client.get("/v1/journey-map?model=our-three-steps").json()
    assert [stage["stage"] for stage in found["stages"]] == ["Before buying", "Buying", "Living with it"]
    smaller = EXAMPLE_MODEL | {
        "stages": [
            {"name": "Online", "codebook_stages": [{"stage": "consideration", "touchpoints": ["website"]}]},
            {"name": "Rest", "codebook_stages": ["consideration", "purchase"]},
        ]
    }
    changed = client.put("/v1/journey-models/our-three-steps", json=smaller)
    assert changed.status_code == 200
    assert {"stage": "usage", "touchpoints": None} in changed.json()["uncovered"]
    found = client.get("/v1/journey-map?model=our-three-steps").json()
    assert sum(s["items"] for s in found["stages"]) + found["unassigned"]["items"] == found["totals"]["items"]
    other = client_of("other")
    assert other.get("/v1/journey-map?model=our-three-steps").status_code == 422
    assert other.put("/v1/journey-models/our-three-steps", json=smaller).status_code == 404
    assert client.put("/v1/journey-models/7-stage", json=smaller).status_code == 409


@pytest.mark.parametrize(
    ("stages", "pointer"),
    [
        ([], "/stages"),
        ([{"name": "A", "codebook_stages": ["none"]}], "/stages/0/codebook_stages/0/stage"),
        ([{"name": "A", "codebook_stages": ["checkout"]}], "/stages/0/codebook_stages/0/stage"),
        (
            [{"name": "A", "codebook_stages": ["purchase"]}, {"name": "B", "codebook_stages": ["purchase"]}],
            "/stages/1/codebook_stages/0",
        ),
        (
            [{"name": "A", "codebook_stages": [{"stage": "usage", "touchpoints": ["moon"]}]}],
            "/stages/0/codebook_stages/0/touchpoints",
        ),
        (
            [{"name": "A", "codebook_stages": [{"stage": "usage", "touchpoints": []}]}],
            "/stages/0/codebook_stages/0/touchpoints",
        ),
        (
            [{"name": "A", "codebook_stages": ["usage"]}, {"name": "a", "codebook_stages": ["churn"]}],
            "/stages/1/name",
        ),
    ],
)
def test_a_model_that_contradicts_itself_is_refused(client: Any, stages: list[Any], pointer: str) -> None:
    answer = client.post("/v1/journey-models", json={"name": "Mine", "stages": stages})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_who_may_do_what(client_of: Callable[..., Any], database: Database) -> None:
    sender, reader = client_of(scopes=("ingest",)), client_of(scopes=("read",))
    with database.write() as session:
        add_items(
            session,
            [make_item(reader.workspace_id, n, occurred_at=START + timedelta(days=n)) for n in range(3)],
            {0: [("purchase", "anger", "negative", "payment", "checkout")]},
        )
    assert sender.get("/v1/journey-map").status_code == 403
    assert reader.get("/v1/journey-map").status_code == 200
    assert reader.post("/v1/journey-models", json=EXAMPLE_MODEL).status_code == 403
    assert reader.put("/v1/workspace", json={"timezone": "UTC"}).status_code == 403
