"""The table as callers read it: contract shape, order, filters, paging, isolation, roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import select

from service import auth
from service.store.engine import Database
from service.store.schema import Suggestion
from service.suggest.playbook import shipped_playbook
from service.suggest.suggestions import SuggestionQuery, suggestions, suggestions_by_stage
from tests.suggest.conftest import WORDS, AddItem

CONTRACT = {
    "id",
    "status",
    "stage",
    "topic",
    "theme",
    "customer_feedback",
    "adaptation",
    "why",
    "size",
    "trend",
    "priority",
    "effort",
    "confidence",
    "evidence",
    "owner",
    "created_at",
    "updated_at",
    "model_stage",
}


def listed(client: Any, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v1/suggestions{query}")
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def test_best_first_in_the_contracts_shape(client: Any, shop: int) -> None:
    answer = client.get("/v1/suggestions").json()
    assert [row["id"] for row in answer["data"]] == ["purchase.ease_of_use", "support.responsiveness"]
    assert answer["next"] is None
    assert answer["as_of"].endswith("Z")
    best = answer["data"][0]
    assert best.keys() >= CONTRACT
    entry = shipped_playbook().entry_for("purchase", "ease_of_use")
    assert entry is not None
    assert best["adaptation"] == entry.adaptation
    assert best["playbook_entry"] == entry.id
    assert best["model_stage"] == "Conversion"
    size = best["size"]
    assert (size["count"], size["n"], size["share"], size["respondents"]) == (12, 24, 0.5, 12)
    assert 0.3 < size["low"] < 0.5 < size["high"] < 0.7
    nothing = {
        "change": None,
        "low": None,
        "high": None,
        "significant": False,
        "days": 56,
        "before_days": 56,
        "withheld": None,
    }
    nothing |= {"mix": None, "noise": None}
    assert best["trend"] == nothing
    assert best["created_at"] == "2026-03-02T00:00:00Z"
    assert best["customer_feedback"].startswith(entry.pain)
    assert best["evidence"][0]["verbatim"] in best["customer_feedback"]
    assert "12 of 24 items" in best["why"]
    assert best["status"] == "suggested"


def test_the_same_change_for_two_topics_is_said_on_the_lower_one(client: Any, shop: int, add: AddItem) -> None:
    """Both keep their evidence; what finds out why asks each topic something else and is never the same."""
    for number in range(4):
        words = f"{WORDS[5]}, also {WORDS[3]}, number {number}"
        add(shop, words, topic="general", respondent=f"g{number}")
        for topic in ("honesty", "policy"):
            add(shop, f"hm {number} of it, {topic}", topic=topic, touchpoint="none", respondent=f"h{number}")
    rows = {row["id"]: row for row in listed(client, "?status=suggested")}
    best, lower = rows["purchase.ease_of_use"], rows["purchase.general"]
    assert best["playbook_entry"] == lower["playbook_entry"]
    assert best["priority"] > lower["priority"]
    assert (best["same_change_as"], lower["same_change_as"]) == (None, best["id"])
    assert {row["same_change_as"] for row in rows.values() if row is not lower} == {None}
    assert lower["evidence"]
    assert client.get("/v1/suggestions/purchase.general").json()["same_change_as"] == best["id"]
    only = listed(client, "?topic=general")
    assert [row["same_change_as"] for row in only] == [best["id"]], "also where a filter hides the other"
    client.post("/v1/suggestions/purchase.ease_of_use/decision", json={"decision": "accept"})
    assert [row["same_change_as"] for row in listed(client, "?topic=general")] == [best["id"]], "it is agreed"
    client.post("/v1/suggestions/purchase.general/decision", json={"decision": "accept"})
    assert {row["same_change_as"] for row in listed(client)} == {None}


def test_an_anecdote_is_no_suggestion_until_a_third_person_says_it(client: Any, shop: int, add: AddItem) -> None:
    assert "delivery.delivery" not in {row["id"] for row in listed(client)}
    add(shop, stage="delivery", topic="delivery", respondent="a")
    add(shop, stage="delivery", topic="delivery", respondent="a")
    assert {row["id"]: row["size"]["respondents"] for row in listed(client)}["delivery.delivery"] == 3
    assert "only 3 voices" in {row["id"]: row["why"] for row in listed(client)}["delivery.delivery"]


def test_reading_never_writes(client: Any, shop: int, database: Database) -> None:
    listed(client)
    client.get("/v1/suggestions/purchase.ease_of_use")
    with database.read() as session:
        assert session.exec(select(Suggestion)).all() == []


def test_unknown_topic_falls_back_to_finding_out_why(client: Any, workspace_id: int, add: AddItem) -> None:
    for day in range(4):
        text = f"purple hedgehogs hummed melodiously, verse {day}"
        add(workspace_id, text, stage="awareness", topic="payment", day=day)
    [row] = listed(client)
    assert row["adaptation"].startswith("Find out why")
    assert row["ask"]
    assert not row["fits"]
    assert "payment" in row["pain"]


def test_empty_workspace(client: Any) -> None:
    assert listed(client) == []
    assert client.get("/v1/suggestions/purchase.payment").status_code == 404


def test_detail_shows_the_arithmetic(client: Any, shop: int) -> None:
    row = client.get("/v1/suggestions/purchase.ease_of_use").json()
    rank = row["rank"]
    assert rank["low"] == row["size"]["low"]
    assert rank["n"] == row["size"]["n"]
    customers = rank["low"] * rank["n"] * rank["people"] / rank["months"]
    assert rank["customers"] == row["customers_per_month"] == pytest.approx(customers, abs=0.01)
    assert rank["affected"] == pytest.approx(customers * rank["severity"], abs=0.01)
    worth = (rank["affected"] + rank["bonus"]) * rank["score"] * rank["money"] / rank["effort"]
    assert rank["priority"] == row["priority"] == pytest.approx(rank["fit"] * worth, abs=0.01)
    assert rank["says"] in row["why"]
    assert row["decisions"] == []


def test_unknown_ids_are_404(client: Any, shop: int) -> None:
    for unknown in ("1", "x.y", "purchase.price", "purchase.", "%00.x", "ü.ö", "purchase.ease_of_use.x"):
        answer = client.get(f"/v1/suggestions/{unknown}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), unknown


def test_pages_by_cursor(client: Any, shop: int) -> None:
    first = client.get("/v1/suggestions?limit=1").json()
    second = client.get(f"/v1/suggestions?limit=1&cursor={first['next']}").json()
    assert [first["data"][0]["id"], second["data"][0]["id"]] == ["purchase.ease_of_use", "support.responsiveness"]
    assert second["next"] is None
    for wrong in ("abc", "InRleHQi", "WzEsMl0"):
        assert client.get(f"/v1/suggestions?cursor={wrong}").status_code == 422


def test_filters_of_the_map(client: Any, shop: int, add: AddItem) -> None:
    for day in range(3):
        add(shop, topic="price", day=day, channel="survey", source="autumn", attributes={"plan": "pro"})
        add(shop, topic="price", day=day + 100, channel="survey", source="winter", attributes={"plan": "free"})

    def sizes(query: str) -> dict[str, int]:
        return {row["id"]: row["size"]["count"] for row in listed(client, query)}

    assert sizes("")["purchase.price"] == 6
    assert sizes("?channel=survey") == {"purchase.price": 6}
    assert sizes("?source=autumn") == {"purchase.price": 3}
    assert sizes("?source=autumn&source=winter") == {"purchase.price": 6}
    assert sizes("?attr.plan=pro") == {"purchase.price": 3}
    assert sizes("?attr.plan=pro&attr.plan=free") == {"purchase.price": 6}
    assert sizes("?attr.plan=none") == {}
    assert sizes("?from=2026-06-01") == {"purchase.price": 3}
    assert sizes("?to=2026-06-01")["purchase.price"] == 3
    assert sizes("?channel=chat") == {}


def test_bad_filters_name_the_parameter(client: Any, shop: int) -> None:
    for query, pointer in (
        ("from=yesterday", "/from"),
        ("from=2026-03-02&to=2026-03-01", "/to"),
        ("from=2026-03-02T07:00:00Z", "/from"),
        ("from=0001-01-01T00:00:00Z", "/from"),
        ("model=9-stage", "/model"),
        ("status=maybe", "/status"),
        ("limit=0", "/limit"),
    ):
        answer = client.get(f"/v1/suggestions?{query}")
        assert answer.status_code == 422, query
        assert pointer in {error["pointer"] for error in answer.json()["errors"]}, query


def test_model_stage_follows_model_and_touchpoint(client: Any, workspace_id: int, add: AddItem) -> None:
    for day in range(3):
        add(workspace_id, stage="consideration", topic="speed", touchpoint="website", day=day)
        add(workspace_id, stage="consideration", topic="price", touchpoint="store", day=day)

    def columns(model: str) -> dict[str, str]:
        return {row["topic"]: row["model_stage"] for row in listed(client, f"?model={model}")}

    assert columns("7-stage") == {"speed": "Engagement", "price": "Acquisition"}
    assert columns("5-stage-retention") == {"speed": "Consideration", "price": "Consideration"}


def test_another_workspace_sees_nothing(client: Any, client_of: Callable[..., Any], shop: int) -> None:
    other = client_of(workspace="other")
    assert listed(other) == []
    assert other.get("/v1/suggestions/purchase.ease_of_use").status_code == 404
    answer = other.post("/v1/suggestions/purchase.ease_of_use/decision", json={"decision": "accept"})
    assert answer.status_code == 404
    accepted = client.post("/v1/suggestions/purchase.ease_of_use/decision", json={"decision": "accept"}).json()
    version = client.get("/v1/map-versions").json()["data"][0]["id"]
    assert accepted["decisions"][0]["id"] == version
    assert other.get(f"/v1/map-versions/{version}").status_code == 404
    assert other.get("/v1/map-versions").json() == {"data": [], "next": None}


def test_scopes(client_of: Callable[..., Any], shop: int) -> None:
    sender = client_of(scopes=("ingest",))
    assert sender.get("/v1/suggestions").status_code == 403
    reader = client_of(scopes=("read",))
    assert len(listed(reader)) == 2
    answer = reader.post("/v1/suggestions/purchase.ease_of_use/decision", json={"decision": "accept"})
    assert answer.status_code == 403


def test_a_viewer_gets_numbers_without_verbatims(app: Any, shop: int, database: Database) -> None:
    from fastapi.testclient import TestClient

    from service.dependencies import COOKIE

    with database.write() as session:
        workspace = auth.workspace_named(session, "default")
        cookie = auth.sign_in(
            session, auth.invite(session, workspace=workspace, name="v", role="viewer", hours=1), hours=1
        )
    with TestClient(app, cookies={COOKIE: cookie}) as browser:
        for answer in (
            browser.get("/v1/suggestions").json()["data"][0],
            browser.get("/v1/suggestions/purchase.ease_of_use").json(),
        ):
            assert answer["size"]["count"] == 12
            assert answer["evidence"] == []
            assert "“" not in answer["customer_feedback"]


def test_queries_do_not_grow_with_the_page(shop: int, add: AddItem, database: Database) -> None:
    def queries() -> int:
        seen: list[str] = []

        def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(database.reader, "before_cursor_execute", count)
        with database.read() as session:
            suggestions(session, workspace_id=shop, timezone="UTC", query=SuggestionQuery())
        event.remove(database.reader, "before_cursor_execute", count)
        return len(seen)

    few = queries()
    for topic in ("price", "payment", "speed", "account"):
        for day in range(3):
            add(shop, topic=topic, day=day)
    assert queries() == few <= 15


def test_the_map_gets_the_best_of_each_stage(shop: int, add: AddItem, database: Database) -> None:
    for topic in ("price", "payment", "speed"):
        for day in range(3):
            add(shop, topic=topic, day=day)
    with database.read() as session:
        found = suggestions_by_stage(session, workspace_id=shop, timezone="UTC", per_stage=2)
    assert found.keys() == {"purchase", "support"}
    assert len(found["purchase"]) == 2
    assert found["purchase"][0]["id"] == "purchase.ease_of_use"
    assert found["support"][0]["touchpoint"] == "customer_support"


def test_deleted_feedback_leaves_no_suggestion(
    client: Any, workspace_id: int, add: AddItem, database: Database
) -> None:
    from service.store import rollups
    from service.store.schema import FeedbackItem

    ids = [add(workspace_id, day=day) for day in range(3)]
    assert len(listed(client)) == 1
    with database.write() as session:
        before = rollups.snapshot(session, workspace_id, ids[:1])
        session.delete(session.get(FeedbackItem, ids[0]))
        session.flush()
        rollups.apply(session, workspace_id, before=before, after=[])
    assert listed(client) == []
