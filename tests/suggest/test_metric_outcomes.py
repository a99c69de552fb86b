"""Metrics from elsewhere as outcomes of a change: verdicts, what is asked, what is missing and until when."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from service.store.columns import now
from service.store.engine import Database
from service.store.metric_rates import Series
from service.suggest.impact_plan import Course, Plan
from service.suggest.impact_windows import Windows
from service.suggest.measures import better_of
from service.suggest.metric_outcomes import metric_outcomes
from service.suggest.table import render
from tests.conftest import Client
from tests.suggest.test_impact_segments import PATH, agreed_at, decide, history

__all__ = ["agreed_at", "history"]

HISTORY, AFTER = 104, 113  # weeks before the suggestion arose, and to the first measured one
DAYS = 7 * (AFTER + 8)


def windows(done: int = 8, *, history: int = HISTORY) -> Windows:
    after = 7 * (history + 9)
    return Windows(7 * history, 7 * history, after - 7, after, 0, done, after + 56)


def conversion(
    seed: int, *, change: float = 1.0, history: int = HISTORY, visits: int = 2000, level: float = 0.03
) -> Series:
    """A daily ratio with a season of a year and weekends."""
    chance = np.random.default_rng(seed)
    days = np.arange(7 * (history + 17))
    rate = level * (1 + 0.15 * np.sin(2 * np.pi * days / 365.25)) * np.where(days % 7 > 4, 0.7, 1.0)
    rate *= np.where(days >= 7 * (history + 8), change, 1.0)
    of = np.full(len(days), visits)
    return Series("conversion", "purchase", days, chance.binomial(of, rate).astype(float), of.astype(float))


def level(name: str, values: Any, *, step: int = 7) -> Series:
    value = np.asarray(values, dtype=float)
    return Series(name, "purchase", np.arange(len(value)) * step, value, np.full(len(value), np.nan))


def told(
    one: Series,
    *,
    there: Series | None = None,
    shown: Windows | None = None,
    outcomes: dict[str, Any] | None = None,
    today: int = DAYS,
) -> dict[str, Any]:
    course = Course(now(), now(), None, Plan(), started=True, outcomes=outcomes or {})
    elsewhere = [] if there is None else [there]
    (found,) = metric_outcomes([one], elsewhere, "purchase", course, shown or windows(), today=today)
    return found


def test_a_conversion_that_rose_has_helped_and_a_season_has_not() -> None:
    found = told(conversion(1, change=1.2))
    assert (found["verdict"], found["better"], found["kind"], found["final"]) == (
        "helped",
        "higher",
        "ratio",
        True,
    )
    assert found["ratio"]["low"] > 1
    assert found["ratio"]["value"] == pytest.approx(1.2, abs=0.06), "the season is taken off"
    assert found["ratio"]["low"] < 1.2 < found["ratio"]["high"]
    assert "It helped: " in found["says"]
    assert "104 weeks, the season taken off" in found["says"]
    assert found["says"].startswith(f"conversion: {100 * found['before']:.3g} % before, ")
    assert "not among the measures" in found["says"]
    assert told(conversion(2, change=0.8))["verdict"] == "got_worse"
    unchanged = [told(conversion(seed)) for seed in range(8)]
    assert all(abs(one["after"] / one["before"] - 1) > 0.03 for one in unchanged), "the season alone moves it"
    assert sum(one["verdict"] in ("helped", "got_worse") for one in unchanged) <= 1
    assert "no_effect_worth_having" in {one["verdict"] for one in unchanged}


def test_the_smallest_effect_is_that_of_the_agreement() -> None:
    agreed = {"conversion": {"name": "conversion", "better": "lower", "smallest_effect": 0.4, "frozen": True}}
    found = told(conversion(1, change=1.2), outcomes=agreed)
    assert (found["verdict"], found["smallest_effect"], found["frozen"]) == ("got_worse", 0.4, True)
    assert "not among the measures" not in found["says"]
    agreed["conversion"]["smallest_effect"] = 0.01
    assert told(conversion(3), outcomes=agreed)["verdict"] == "inconclusive"


def test_an_early_look_is_wider_and_says_so() -> None:
    final, early = told(conversion(1, change=1.2)), told(conversion(1, change=1.2), shown=windows(2))
    assert early["final"] is False
    wide, ordinary = (np.log(one["ratio"]["high"] / one["ratio"]["low"]) for one in (early, final))
    assert wide > 2 * ordinary
    assert "An early look after 2 weeks" in early["says"]


def test_who_does_not_know_which_way_is_better_asks() -> None:
    chance = np.random.default_rng(3)
    values = np.exp(chance.normal(0, 0.02, AFTER + 8))
    values[AFTER:] *= 1.5
    found = told(level("session depth", values))
    assert (found["verdict"], found["better"]) == (None, None)
    assert "Is higher or lower better?" in found["says"]
    said = told(level("session depth", values), outcomes={"session depth": {"better": "lower"}})
    assert said["verdict"] == "got_worse"


def test_values_below_zero_are_measured_in_their_own_units() -> None:
    chance = np.random.default_rng(4)
    values = chance.normal(2, 4, AFTER + 8)
    values[AFTER:] += 15
    found = told(level("relational nps", values))
    assert (found["verdict"], found["ratio"], found["kind"]) == ("helped", None, "level")
    assert found["effect"]["low"] < 15 < found["effect"]["high"]


def test_segments_not_changed_take_the_season_off_and_need_less_past() -> None:
    few, shown = 40, windows(history=40)
    here, there = conversion(5, change=1.25, history=few), conversion(6, history=few)
    alone = told(here, shown=shown, today=7 * 57)
    assert alone["verdict"] == "not_enough_data"
    compared = told(here, there=there, shown=shown, today=7 * 57)
    assert (compared["verdict"], compared["against"][:15]) == ("helped", "the same metric")
    everywhere = told(here, there=conversion(7, change=1.25, history=few), shown=shown, today=7 * 57)
    assert everywhere["verdict"] in ("inconclusive", "no_effect_worth_having")
    apart = level("conversion", np.ones(10))
    assert told(conversion(1, change=1.2), there=apart)["against"] == "its own course before"


@pytest.mark.parametrize(
    ("one", "shown", "today", "says", "dated"),
    [
        (
            conversion(1, history=30),
            windows(history=30),
            7 * 47,
            "30 weeks before the suggestion arose, 52",
            False,
        ),
        (conversion(1), windows(0), 7 * AFTER + 3, "until about 1972-03-09", True),
        (level("retention", np.ones(30), step=30), windows(), DAYS, "a value comes about every 30 days", False),
        (level("retention", np.ones(100)), windows(), DAYS, "the last value is of 1971-11-25", False),
        (conversion(1, visits=2, level=0.02), windows(4), 7 * (AFTER + 4), "a week are counted, and 5", True),
    ],
)
def test_too_little_says_what_is_missing(one: Series, shown: Windows, today: int, says: str, dated: bool) -> None:
    found = told(one, shown=shown, today=today)
    assert (found["verdict"], found["ratio"], found["final"]) == ("not_enough_data", None, False)
    assert says in found["says"]
    assert (found["enough_on"] is not None) is dated
    assert not dated or date.fromisoformat(found["enough_on"]) > date(1970, 1, 1) + timedelta(days=today)


def test_weeks_without_values_are_told() -> None:
    one = conversion(1)
    kept = one.day // 7 % 4 != 0
    found = told(Series(one.name, one.stage, one.day[kept], one.value[kept], one.denominator[kept]))
    assert "only 78 of the 103 weeks before have a value" in found["says"]


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("Conversion rate", "higher"),
        ("response_time", "lower"),
        ("first response hours", "lower"),
        ("churn", "lower"),
        ("on-time delivery", None),
        ("time on site", None),
        ("returning visitors", None),
        ("conversion time", None),
    ],
)
def test_usual_names_say_which_way_is_better(name: str, better: str | None) -> None:
    assert better_of(name) == better


def test_over_http(client: Client, database: Database, history: Any, agreed_at: Any) -> None:
    history(here=(6, 1), elsewhere=(6, 1))
    monday = agreed_at.date() - timedelta(weeks=8 + 80)
    rows = []
    for week in range((date.today() - monday).days // 7):
        day = monday + timedelta(weeks=week)
        late, odd = day > agreed_at.date(), 1 + 0.02 * (-1) ** (week * week // 3)
        for name, value in (("conversion", 30 * odd * (1.3 if late else 1)), ("depth", 9 * odd + 5 * late)):
            more = {"denominator": 1000} if name == "conversion" else {}
            rows.append({"name": name, "stage": "purchase", "date": day.isoformat(), "value": value, **more})
    assert client.post("/v1/metrics", json=rows).json()["rejected"] == 0
    refused = client.post(f"{PATH}/decision", json={"decision": "note", "outcomes": [{"name": "depth"}]})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "not_used")
    meant = [{"name": "conversion", "smallest_effect": 0.05}]
    made = decide(client, database, agreed_at, decision="accept", outcomes=meant)
    frozen = {one["name"]: one for one in made["numbers"]["outcomes"]}
    assert frozen["conversion"]["better"] == "higher"
    assert frozen["conversion"]["smallest_effect"] == 0.05
    assert frozen["conversion"]["detectable"] > 0
    assert frozen["depth"]["better"] is None
    found = {one["name"]: one for one in client.get(f"{PATH}/impact").json()["outcomes"]}
    assert (found["conversion"]["verdict"], found["conversion"]["frozen"]) == ("helped", True)
    assert found["depth"]["verdict"] is None
    late = client.post(f"{PATH}/decision", json={"decision": "note", "outcomes": meant})
    assert (late.status_code, late.json()["errors"][0]["code"]) == (422, "frozen")
    said = {"decision": "note", "outcomes": [{"name": "depth", "better": "higher"}]}
    assert client.post(f"{PATH}/decision", json=said).status_code == 200
    found = {one["name"]: one for one in client.get(f"{PATH}/impact").json()["outcomes"]}
    assert (found["depth"]["verdict"], found["depth"]["frozen"]) == ("helped", True)
    out = io.StringIO()
    render(database, workspace="default", console=Console(file=out, width=400))
    assert "What the changes did" in out.getvalue()
    assert found["conversion"]["says"] in out.getvalue()
