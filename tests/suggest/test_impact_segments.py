"""A change that starts in one segment first, through the API, and the comparison that it is measured by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from benchmarks.impact_segments import run
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import SuggestionDecision
from service.suggest.effect import Panel, Weeks, detectable, effect
from tests.conftest import Client
from tests.suggest.conftest import START, AddItem

PATH = "/v1/suggestions/purchase.ease_of_use"
BASELINE, TRIGGER, WASHOUT, AFTER = 12, 8, 1, 8
GERMANY = {"attr.country": ["DE"]}
TOPICS = ("reliability", "quality", "features", "information")


@pytest.fixture
def agreed_at() -> datetime:
    """So long ago that the plan has just ended."""
    return now() - timedelta(weeks=WASHOUT + AFTER, hours=1)


@pytest.fixture
def history(add: AddItem, workspace_id: int, database: Database, agreed_at: datetime) -> Callable[..., None]:
    """Weeks in two countries: of ten items a week so many complain before and after, in each of them."""

    def fill(*, here: tuple[int, int], elsewhere: tuple[int, int]) -> None:
        first = (agreed_at - START).days - 7 * (BASELINE + TRIGGER) - 1
        neutral = {"topic": "quality", "sentiment": "neutral", "emotion": "neutral"}
        with database.write() as session:
            for week in range(BASELINE + TRIGGER + WASHOUT + AFTER + 1):
                day = first + 7 * week
                for country, counts in (("DE", here), ("FR", elsewhere)):
                    more: dict[str, Any] = {"session": session, "attributes": {"country": country}}
                    complaints = counts[week >= BASELINE + TRIGGER]
                    for number in range(10):
                        said = {"topic": "ease_of_use"} if number < complaints else neutral
                        add(workspace_id, day=day + number % 7, **more, **said)
                    for stage in ("usage", "support"):
                        for topic in TOPICS:
                            add(workspace_id, stage=stage, topic=topic, day=day + 2, **more)

    return fill


def decide(client: Client, database: Database, at: datetime, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{PATH}/decision", json=body)
    assert answer.status_code == 200, answer.text
    made = answer.json()["decisions"][-1]
    with database.write() as session:
        session.execute(
            update(SuggestionDecision).where(SuggestionDecision.id == int(made["id"])).values(at=at)  # type: ignore[arg-type]
        )
    return dict(made)


def test_it_is_compared_with_the_same_stage_elsewhere(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(here=(6, 1), elsewhere=(6, 6))
    made = decide(client, database, agreed_at, decision="accept", segment=GERMANY)
    assert made["numbers"]["segment"] == GERMANY
    assert 0 < made["numbers"]["plan"]["detectable"] < 1
    found = client.get(f"{PATH}/impact").json()
    assert (found["verdict"], found["final"], found["segment"]) == ("helped", True, GERMANY), found["says"]
    assert found["comparison"]["against"] == "the same stage in segments that were not changed"
    assert found["comparison"]["ratio"]["value"] == pytest.approx(1, abs=0.1)
    assert found["before"]["n"] == pytest.approx(BASELINE * 10, abs=10), "the segment alone is counted"
    assert found["ratio"]["value"] == pytest.approx(1 / 6, abs=0.08)
    assert [one["holds"] for one in found["assumptions"]] == [True, True]


def test_what_falls_everywhere_is_no_effect(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    """Against other stages it would seem a large success; the same stage elsewhere fell as well."""
    history(here=(6, 2), elsewhere=(6, 2))
    decide(client, database, agreed_at, decision="accept", segment=GERMANY)
    found = client.get(f"{PATH}/impact").json()
    assert found["verdict"] in ("inconclusive", "no_effect_worth_having")
    assert found["comparison"]["ratio"]["value"] == pytest.approx(1 / 3, abs=0.08)
    assert found["ratio"]["low"] < 1 < found["ratio"]["high"]


def test_a_try_in_a_segment_and_then_everywhere(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(here=(6, 1), elsewhere=(6, 6))
    decide(client, database, agreed_at, decision="accept")
    decide(client, database, agreed_at, decision="test", segment=GERMANY, effective_at=agreed_at.isoformat())
    trying = client.get(f"{PATH}/impact").json()
    assert (trying["segment"], trying["start_told"], trying["verdict"]) == (GERMANY, True, "helped")
    everywhere = agreed_at + timedelta(weeks=WASHOUT + 5, hours=1)
    decide(client, database, everywhere, decision="start", effective_at=everywhere.isoformat())
    found = client.get(f"{PATH}/impact").json()
    assert found["segment"] is None
    assert found["started_at"][:10] == everywhere.date().isoformat()
    assert (found["tried"]["segment"], found["tried"]["weeks_done"]) == (GERMANY, 5)
    assert found["tried"]["final"] is False
    assert "An early look after 5 weeks" in found["tried"]["says"]
    assert found["comparison"]["against"] == "the same weeks in stages that were not changed"


def test_where_others_hold_too_little_other_stages_are_compared(
    client: Client, database: Database, history: Callable[..., None], agreed_at: datetime
) -> None:
    history(here=(6, 1), elsewhere=(0, 0))
    decide(client, database, agreed_at, decision="accept", segment=GERMANY)
    found = client.get(f"{PATH}/impact").json()
    assert found["comparison"]["against"].startswith("other stages of the segment")
    assert found["verdict"] == "helped"


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "accept", "segment": {}},
        {"decision": "accept", "segment": {"country": ["DE"]}},
        {"decision": "accept", "segment": {"attr.": ["DE"]}},
        {"decision": "accept", "segment": {"channel": []}},
        {"decision": "accept", "segment": {"channel": "chat"}},
        {"decision": "reject", "reason": "no", "segment": GERMANY},
    ],
)
def test_what_is_no_segment(client: Client, shop: int, body: dict[str, Any]) -> None:
    answer = client.post(f"{PATH}/decision", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith("/segment")


WEEKS, WINDOWS = 34, Weeks(0, 26, 26, 34, 8)


def panels(seed: int, *, common: float = 0.0, change: float = 1.0) -> tuple[Panel, Panel]:
    """The same cells here and elsewhere; `common` bursts hit both."""
    chance = np.random.default_rng(seed)
    of = np.repeat(np.arange(6), 15)
    burst = np.exp(common * chance.normal(size=(90, WEEKS)))
    found = []
    for factor in (change, 1.0):
        totals = chance.poisson(300, (6, WEEKS)).astype(float)
        shares = 0.05 * burst
        shares[0, 26:] *= factor
        found.append(Panel(chance.poisson(totals[of] * shares).astype(float), totals, of))
    return found[0], found[1]


def test_bursts_that_hit_all_segments_cancel() -> None:
    untouched = np.ones(90, dtype=bool)
    widths = {}
    for name, compared in (("stages", False), ("segments", True)):
        found = []
        for seed in range(20):
            here, elsewhere = panels(seed, common=0.6)
            found.append(
                effect(here, 0, WINDOWS, worth=0.2, untouched=untouched, elsewhere=elsewhere if compared else None)
            )
        widths[name] = np.mean([np.log(one.ratio.high / one.ratio.low) for one in found])
        assert sum(one.ratio.low <= 1 <= one.ratio.high for one in found) >= 17
    assert widths["segments"] < 0.9 * widths["stages"]


def test_less_can_be_seen_of_two_counts_than_of_one() -> None:
    here, elsewhere = panels(1)
    alone, compared = detectable(here, 0, WINDOWS), detectable(here, 0, WINDOWS, elsewhere=elsewhere)
    assert alone is not None
    assert compared is not None
    assert alone < compared


def test_worlds_without_an_effect_are_rarely_called_helped() -> None:
    found = run(60, 60.0, part=0.3, change=0.0, seed=5)
    assert found["helped"]["share"] <= 0.1
    assert found["covered"]["share"] >= 0.88
