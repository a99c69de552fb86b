"""Contacts per 1,000 orders as outcome of a change."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from service.store.metric_rates import Exposure, Series
from service.suggest.effect import Panel, Weeks
from service.suggest.impact_windows import Windows
from service.suggest.outcomes import Rate, contacts_rate
from tests.suggest.test_impact_segments import AFTER, BASELINE, PATH, TRIGGER, WASHOUT, agreed_at, decide, history

__all__ = ["agreed_at", "history"]

STAGES, TOPICS = ("purchase", "usage"), 12
WEEKS = Weeks(0, 26, 26, 34, 8)
# baseline of 26 weeks, 8 that raised it, one of wash-out, 8 after
WINDOWS = Windows(0, 182, 238, 245, 26, 8, 301)


def series(name: str, values: Any, *, stage: str = "purchase", denominator: Any = None, step: int = 1) -> Series:
    value = np.asarray(values, dtype=float)
    of = np.full(len(value), np.nan) if denominator is None else np.asarray(denominator, dtype=float)
    return Series(name, stage, np.arange(len(value)) * step, value, of)


def measured(seed: int = 1, *, change: float = 1.0, orders: Any = None, step: int = 1) -> Rate | None:
    """Contacts of a world in which orders grow by half; the first pain is multiplied after the change."""
    chance = np.random.default_rng(seed)
    daily = np.linspace(200, 300, 301)
    weekly = np.r_[daily[:182].reshape(26, 7).sum(axis=1), daily[245:301].reshape(8, 7).sum(axis=1)]
    rates = np.full((2, TOPICS, 34), 0.008)
    rates[0, 0, 26:] *= change
    hits = chance.poisson(rates * weekly).astype(float)
    panel = Panel(hits.reshape(-1, 34), hits.sum(axis=1) * 1.2, np.repeat([0, 1], TOPICS))
    given = daily if orders is None else orders
    exposures = {name: Exposure(series("orders", given, stage=name, step=step), 0, 301) for name in STAGES}
    untouched = np.ones(2 * TOPICS, dtype=bool)
    untouched[0] = False
    return contacts_rate(
        panel, 0, WEEKS, stages=STAGES, exposures=exposures, windows=WINDOWS, worth=0.2, untouched=untouched
    )


def test_fewer_contacts_per_order() -> None:
    found = measured(change=0.5)
    assert found is not None
    told = found.public()
    assert told["verdict"] == "helped"
    assert told["ratio"]["value"] == pytest.approx(0.5, abs=0.1)
    assert told["before"]["value"] == pytest.approx(8, abs=0.6)
    assert told["before"]["low"] < 8 < told["before"]["high"]
    assert told["after"]["value"] == pytest.approx(4, abs=0.6)
    assert told["before"]["of"] == pytest.approx(np.linspace(200, 300, 301)[:182].sum(), rel=0.01)
    assert told["cells"] == TOPICS - 1, "the other pains of the same stage compare: rates are not tied"


def test_more_orders_are_no_effect() -> None:
    found = [measured(seed) for seed in range(30)]
    assert sum(one is not None and one.effect.verdict == "helped" for one in found) <= 3
    covered = [one is not None and one.effect.ratio.low <= 1 <= one.effect.ratio.high for one in found]
    assert sum(covered) >= 26


def test_weekly_values_are_spread_over_their_days() -> None:
    daily = np.linspace(200, 300, 301)
    weekly = measured(orders=daily.reshape(43, 7).sum(axis=1), step=7)
    by_day = measured()
    assert weekly is not None
    assert by_day is not None
    assert weekly.effect.before_n == pytest.approx(by_day.effect.before_n, rel=0.002)


def test_no_series_no_rate() -> None:
    assert measured(orders=np.full(150, 200.0)) is None, "half of the weeks have no orders"
    panel = Panel(np.ones((24, 34)), np.ones((2, 34)), np.repeat([0, 1], TOPICS))
    untouched = np.ones(24, dtype=bool)
    assert (
        contacts_rate(
            panel, 0, WEEKS, stages=STAGES, exposures={}, windows=WINDOWS, worth=0.2, untouched=untouched
        )
        is None
    )


def test_over_http(client: Any, database: Any, history: Any, agreed_at: Any) -> None:
    history(here=(6, 1), elsewhere=(6, 1))
    decide(client, database, agreed_at, decision="accept")
    first = agreed_at.date() - timedelta(weeks=BASELINE + TRIGGER + 1)
    days = 7 * (BASELINE + TRIGGER + WASHOUT + AFTER + 3)
    rows = [
        {"name": name, "stage": stage, "date": (first + timedelta(days=day)).isoformat(), **values}
        for day in range(days)
        if first + timedelta(days=day) <= date.today()
        for stage in ("purchase", "usage", "support")
        for name, values in (("orders", {"value": 100}), ("conversion", {"value": 3, "denominator": 100}))
    ]
    answer = client.post("/v1/metrics", json=rows)
    assert answer.status_code in (200, 201, 202), answer.text
    found = client.get(f"{PATH}/impact").json()
    assert found["rate"]["per"] == "orders"
    assert found["rate"]["verdict"] == "helped"
    # twelve complaints a week of 700 orders
    assert found["rate"]["before"]["value"] == pytest.approx(12 / 0.7, rel=0.05)
    assert [one["name"] for one in found["outcomes"]] == ["conversion"]
    assert found["outcomes"][0]["difference"] == 0
    assert found["outcomes"][0]["verdict"] == "not_enough_data", "some months don't tell a season from an effect"
