"""Contacts per 1,000 orders at pain points and suggestions, and lanes of series from elsewhere."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from service.aggregate.answers import JourneyMapAnswer
from service.store.engine import Database
from service.store.metric_rates import Exposure, Series, rate
from tests.store.items_for_counting import START, add_items, make_item

DAY = START.date()


def _orders(first: date, days: int, value: float, **more: Any) -> list[dict[str, Any]]:
    return [
        {"name": "Orders", "stage": "purchase", "date": str(first + timedelta(days=day)), "value": value, **more}
        for day in range(days)
    ]


def _complaints(workspace_id: int, count: int, **more: Any) -> tuple[list[Any], dict[int, Any]]:
    made = [
        make_item(
            workspace_id,
            n,
            sentiment="negative",
            respondent=f"{n:032x}",
            occurred_at=START + timedelta(days=n % 50),
            **more,
        )
        for n in range(count)
    ]
    return made, {n: [("purchase", "anger", "negative", "payment", "checkout")] for n in range(count)}


def test_pain_per_thousand_orders_and_lanes(client: Any, database: Database) -> None:
    made, segments = _complaints(client.workspace_id, 100, attributes={"country": "DE"})
    made.append(make_item(client.workspace_id, 500, occurred_at=None, sentiment="negative", respondent="f" * 32))
    segments[100] = segments[0]
    with database.write() as session:
        add_items(session, made, segments)
    stage = next(one for one in client.get("/v1/journey-map").json()["stages"] if one["stage"] == "Conversion")
    assert stage["metrics"] == []
    assert stage["pain_points"][0]["rate"] is None
    # 25 of the 50 days have orders; the rows of one country are a part of the whole
    sent = [*_orders(DAY, 25, 200), *_orders(DAY, 25, 50, attributes={"country": "DE"})]
    sent.append({"name": "conversion", "stage": "purchase", "date": str(DAY), "value": 30, "denominator": 1000})
    sent.append({"name": "answer time", "stage": "support", "date": str(DAY), "value": 4})
    sent.append({"name": "visits", "date": str(DAY), "value": 9})
    assert client.post("/v1/metrics", json=sent).json()["rejected"] == 0
    answer = client.get("/v1/journey-map").json()
    JourneyMapAnswer.model_validate(answer)
    stages = {one["stage"]: one for one in answer["stages"]}
    point = stages["Conversion"]["pain_points"][0]
    assert point["count"] == 101
    found = point["rate"]
    assert (found["per"], found["count"], found["of"], found["value"]) == ("Orders", 50, 5000, 10)
    assert (found["from"], found["to"]) == ("2026-01-05", "2026-01-30")
    assert found["low"] == pytest.approx(7.42, abs=0.02)  # Garwood's bounds of 50
    assert found["high"] == pytest.approx(13.18, abs=0.02)
    lanes = {one["name"]: one for one in stages["Conversion"]["metrics"]}
    assert (lanes["Orders"]["kind"], lanes["Orders"]["value"]) == ("count", 5000)
    assert (lanes["conversion"]["kind"], lanes["conversion"]["value"]) == ("ratio", 0.03)
    assert lanes["Orders"]["series"][0] == {"week": "2026-01-05", "value": 1400}
    assert [lane["kind"] for one in answer["stages"] for lane in one["metrics"] if lane["stage"] == "support"] == [
        "level"
    ]
    germany = client.get("/v1/journey-map?attr.country=DE").json()["stages"]
    point = next(one for one in germany if one["stage"] == "Conversion")["pain_points"][0]
    assert (point["rate"]["of"], point["rate"]["value"]) == (1250, 40)
    one_week = client.get("/v1/journey-map?from=2026-01-05&to=2026-01-12").json()["stages"]
    point = next(one for one in one_week if one["stage"] == "Conversion")["pain_points"][0]
    assert (point["rate"]["count"], point["rate"]["of"]) == (14, 1400)
    suggested = client.get("/v1/suggestions").json()["data"][0]
    assert suggested["stage"] == "purchase"
    assert suggested["rate"] == found
    assert client.get(f"/v1/suggestions/{suggested['id']}").json()["rate"] == found


def _exposure(days: int, value: float) -> Exposure:
    series = Series("orders", "purchase", np.arange(days), np.full(days, value), np.full(days, np.nan))
    return Exposure(series, 0, days)


def test_people_who_repeat_and_bursts_widen_a_rate() -> None:
    of = _exposure(70, 100)
    day = np.arange(70)
    plain = rate(of, day=day, respondent=day)
    again = rate(of, day=day, respondent=day // 5)
    burst = rate(of, day=np.minimum(day, 10), respondent=day)
    assert plain["value"] == again["value"] == burst["value"] == 10
    assert plain["noise"] == 1
    assert again["noise"] == 5
    assert burst["noise"] > 5
    assert again["high"] - again["low"] > 2 * (plain["high"] - plain["low"])
    none = rate(of, day=day[:0], respondent=day[:0])
    assert (none["value"], none["low"]) == (0, 0)
    assert none["high"] == pytest.approx(3.689 / 7, abs=0.001)


def test_intervals_of_rates_cover() -> None:
    chance = np.random.default_rng(6)
    of, held, rounds = _exposure(84, 100), 0, 300
    for _ in range(rounds):
        people = chance.poisson(60)
        times = 1 + chance.poisson(0.5, people)
        who = np.repeat(np.arange(people), times)
        found = rate(of, day=chance.integers(0, 84, len(who)), respondent=who)
        held += found["low"] <= 90 / 8.4 <= found["high"]
    assert 0.92 < held / rounds < 0.99
