"""Drivers find what moves scores among what only goes along with it; net sentiment's parts add up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update
from sqlmodel import col

from service.aggregate import drivers
from service.aggregate.driver_answers import DRIVERS, NET_CHANGE, DriversAnswer, NetChangeAnswer
from service.aggregate.fixed_effects import fit
from service.store.engine import Database
from service.store.schema import Segment, Theme
from tests.store.items_for_counting import START, add_items, make_item


def test_the_examples_have_the_shape_of_the_answers() -> None:
    DriversAnswer.model_validate(DRIVERS)
    NetChangeAnswer.model_validate(NET_CHANGE)


def world(chance: np.random.Generator, people: int = 250) -> tuple[Any, ...]:
    """Topic 0 costs half a point, topic 1 comes along with it and costs nothing; sources and months differ."""
    cluster = np.repeat(np.arange(people), 1 + chance.poisson(0.6, people))
    n = len(cluster)
    source, month = chance.integers(0, 3, n), chance.integers(0, 6, n)
    first = chance.random(n) < 0.1 + 0.15 * source
    second = np.where(first, chance.random(n) < 0.7, chance.random(n) < 0.15)
    third = chance.random(n) < 0.3
    own = chance.normal(0, 0.7, people)[cluster]
    value = -0.5 * first + 0.3 * third - 0.4 * source + 0.1 * month + own + chance.normal(0, 0.7, n)
    said = np.column_stack([first, second, third]).astype(float)
    return value, said, (source, month), cluster


def test_co_occurring_topics_are_told_apart_and_intervals_hold_the_truth() -> None:
    chance = np.random.default_rng(4)
    truth, held, rounds = np.array([-0.5, 0.0, 0.3]), np.zeros(3), 150
    for _ in range(rounds):
        value, said, groups, cluster = world(chance)
        found = fit(value, said, groups=groups, cluster=cluster)
        held += np.abs(found.effect - truth) < 1.97 * found.error
    assert (held / rounds > 0.89).all(), held / rounds
    # within source: without its effect the first topic would seem to cost more
    value, said, groups, cluster = world(chance, 4000)
    alone = (groups[0] * 0, groups[1] * 0)
    assert fit(value, said, groups=alone, cluster=cluster).effect[0] < -0.6
    found = fit(value, said, groups=groups, cluster=cluster)
    assert found.effect[0] == pytest.approx(-0.5, abs=0.1)
    assert found.importance[0] > found.importance[1]
    assert found.importance.sum() == pytest.approx(found.explained)


def test_what_can_not_be_told_apart_is_left_out() -> None:
    chance = np.random.default_rng(1)
    value, said, groups, cluster = world(chance)
    doubled = np.column_stack([said, said[:, 0], groups[0] == 1])  # a copy, and a source itself
    found = fit(value, doubled, groups=groups, cluster=cluster)
    assert len(found.columns) == 3
    assert 4 not in found.columns


def test_groups_are_taken_out_exactly_where_each_source_covers_a_few_months() -> None:
    """As least squares on an indicator of every source and month has it."""
    chance = np.random.default_rng(2)
    month = np.sort(chance.integers(0, 12, 900))
    source = month // 2 + chance.integers(0, 2, 900)
    said = chance.random((900, 3)) < 0.2
    value = chance.normal(size=900) + 0.3 * month - said[:, 0]
    found = fit(value, said, groups=(source, month), cluster=np.arange(900))
    indicators = [np.eye(group.max() + 1)[group] for group in (source, month)]
    whole = np.linalg.lstsq(np.column_stack([said, *indicators]), value, rcond=None)[0]
    assert found.effect == pytest.approx(whole[:3], abs=1e-9)
    alone = fit(value, said, groups=(month,), cluster=np.arange(900))
    whole = np.linalg.lstsq(np.column_stack([said, indicators[1]]), value, rcond=None)[0]
    assert alone.effect == pytest.approx(whole[:3], abs=1e-9)


def _scored(workspace_id: int, chance: np.random.Generator, count: int = 400) -> list[Any]:
    made = []
    for number in range(count):
        topic = ["payment", "speed", "staff"][number % 3]
        low = topic == "payment"
        made.append(
            make_item(
                workspace_id,
                number,
                topic=topic,
                score_kind="nps",
                score_min=0,
                score_max=10,
                score_value=float(chance.integers(0, 6) if low else chance.integers(6, 11)),
                respondent=f"{number // 2:032x}",
                occurred_at=START + timedelta(days=number % 120),
                sentiment="negative" if low else "positive",
            )
        )
    return made


def test_drivers_over_http(client: Any, database: Database) -> None:
    with database.write() as session:
        add_items(session, _scored(client.workspace_id, np.random.default_rng(3)))
    answer = client.get("/v1/drivers?score=nps&channel=review").json()
    DriversAnswer.model_validate(answer)
    assert answer["n"] == 400
    assert answer["respondents"] == 200
    assert "not causes" in answer["says"]
    # the three together are everything: one of them is what the others are compared with
    effects = {one["label"]: one for one in answer["data"]}
    assert len(effects) == 2
    assert len(answer["left_out"]) == 1
    if "payment" in effects:
        assert effects["payment"]["significant"]
        assert effects["payment"]["points"]["high"] < 0
    assert client.get("/v1/drivers?score=ces").json()["data"] == []
    assert "Too little" in client.get("/v1/drivers?channel=chat").json()["says"]
    assert client.get("/v1/drivers?by=stage").json()["by"] == "stage"
    for query, pointer in (("by=source", "/by"), ("of=net_sentiment&score=nps", "/score"), ("of=mood", "/of")):
        bad = client.get(f"/v1/drivers?{query}")
        assert bad.status_code == 422
        assert bad.json()["errors"][0]["pointer"] == pointer


def test_themes_beside_each_other(client: Any, database: Database) -> None:
    made = _scored(client.workspace_id, np.random.default_rng(5))
    segments = {
        place: [("purchase", "neutral", "negative", item.topic, "checkout")]
        for place, item in enumerate(made)
        if item.topic != "staff"
    }
    with database.write() as session:
        add_items(session, made, segments=segments)
        for topic in ("payment", "speed"):
            theme = Theme(
                workspace_id=client.workspace_id, stage="purchase", topic=topic, side="trouble", name=f"A {topic}"
            )
            session.add(theme)
            session.flush()
            session.execute(update(Segment).where(col(Segment.topic) == topic).values(theme=theme.id))
    answer = client.get("/v1/drivers?by=theme&score=nps").json()
    DriversAnswer.model_validate(answer)
    assert "compare themes" in answer["says"]
    found = {one["label"]: one for one in answer["data"]}
    assert set(found) == {"A payment", "A speed"}
    assert (found["A payment"]["stage"], found["A payment"]["topic"]) == ("purchase", "payment")
    assert client.get(f"/v1/themes/{found['A payment']['id']}").json()["name"] == "A payment"
    assert found["A payment"]["points"]["high"] < 0
    assert found["A payment"]["n"] == sum(item.topic == "payment" for item in made)
    # what is dismissed is no column any more, though nothing else came in
    client.put(f"/v1/themes/{found['A speed']['id']}", json={"state": "dismissed"})
    assert [one["label"] for one in client.get("/v1/drivers?by=theme&score=nps").json()["data"]] == ["A payment"]
    assert client.get("/v1/drivers?by=theme&of=net_sentiment").json()["errors"][0]["pointer"] == "/by"


def test_what_was_asked_before_is_not_counted_anew(client: Any, database: Database, monkeypatch: Any) -> None:
    asked = []
    monkeypatch.setattr(drivers, "fit", lambda *given, **more: asked.append(1) or fit(*given, **more))
    with database.write() as session:
        add_items(session, _scored(client.workspace_id, np.random.default_rng(3)))
    first = client.get("/v1/drivers?score=nps").json()
    assert client.get("/v1/drivers?score=nps").json() == first
    assert len(asked) == 1
    assert client.get("/v1/drivers?score=nps&channel=review").json()["data"] == first["data"]
    with database.write() as session:
        add_items(session, [make_item(client.workspace_id, 9000, score_kind="nps", score_value=3, score_max=10)])
    assert client.get("/v1/drivers?score=nps").json()["n"] == first["n"] + 1
    assert len(asked) == 3


def test_net_sentiment_is_taken_apart(client: Any, database: Database) -> None:
    """Payment, always bad, is talked about more; staff, talked about as much, is told worse."""
    made = []
    for number in range(800):
        day = number % 56
        late = day >= 28
        topic = "payment" if number % 10 < (5 if late else 2) else "staff" if number % 10 > 6 else "speed"
        bad = {"payment": True, "speed": False, "staff": late and number % 3 > 0}[topic]
        made.append(
            make_item(
                client.workspace_id,
                number,
                occurred_at=START + timedelta(days=day),
                topic=topic,
                sentiment="negative" if bad else "positive",
                respondent=f"{number // 2:032x}",
            )
        )
    with database.write() as session:
        add_items(session, made)
    answer = client.get("/v1/drivers?of=net_sentiment&from=2026-02-02&to=2026-03-02").json()
    NetChangeAnswer.model_validate(answer)
    assert answer["mix"]["value"] + answer["rate"]["value"] == pytest.approx(answer["change"]["value"], abs=0.02)
    parts = {one["label"]: one for one in answer["data"]}
    assert sum(one["mix"]["value"] + one["rate"]["value"] for one in answer["data"]) == pytest.approx(
        answer["change"]["value"], abs=0.05
    )
    assert parts["payment"]["mix"]["high"] < 0
    assert parts["payment"]["rate"]["value"] == 0
    assert parts["staff"]["rate"]["high"] < 0
    assert abs(parts["staff"]["mix"]["value"]) < 3
    for by in ("stage", "source", "channel"):
        other = client.get(f"/v1/drivers?of=net_sentiment&by={by}&from=2026-02-02&to=2026-03-02").json()
        assert other["change"] == answer["change"]
        assert other["rate"]["value"] == pytest.approx(other["change"]["value"])
    assert "Too little" in client.get("/v1/drivers?of=net_sentiment&channel=chat").json()["says"]
