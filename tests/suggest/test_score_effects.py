"""What customers score less where they mention a topic lifts its suggestions, by the cautious bound."""

from __future__ import annotations

from typing import Any

import pytest

from service.store.engine import Database
from tests.suggest.conftest import AddItem


@pytest.fixture
def scored(database: Database, workspace_id: int, add: AddItem) -> int:
    """Two pains of one size; who mentions billing scores far lower, who mentions features as everybody does."""
    with database.write() as session:
        for number in range(150):
            topic = ("billing", "features", "quality", "speed", "general")[number % 5]
            praised = topic in ("quality", "speed", "general")
            low = {"billing": 2, "speed": 9}.get(topic, 6)
            add(
                workspace_id,
                stage="usage",
                topic=topic,
                sentiment="positive" if praised else "negative",
                emotion="joy" if praised else "frustration",
                touchpoint="product",
                day=number % 20,
                score_kind="nps",
                score_value=float(low + number // 5 % 2),
                score_min=0.0,
                score_max=10.0,
                session=session,
            )
    return workspace_id


def rank(client: Any, public_id: str) -> dict[str, Any]:
    answer = client.get(f"/v1/suggestions/{public_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_bound_that_is_nearer_to_none_counts(client: Any, scored: int) -> None:
    told = {row["label"]: row["effect"] for row in client.get("/v1/drivers").json()["data"]}
    assert told["billing"]["high"] < 0
    dear = rank(client, "usage.billing")
    found = dear["rank"]["score_effect"]
    assert {name: found[name] for name in ("value", "low", "high")} == told["billing"]
    assert found["n"] == 30
    assert dear["rank"]["score_drop"] == pytest.approx(-told["billing"]["high"], abs=1e-3)
    assert dear["rank"]["score"] == pytest.approx(min(2.0, 1 - told["billing"]["high"]), abs=1e-3)
    # said in the unit of the scores: one standard deviation is so many points
    [scale] = client.get("/v1/drivers").json()["scales"]
    alone = next(one for one in client.get("/v1/drivers?score=nps").json()["data"] if one["label"] == "billing")
    assert alone["points"]["value"] == pytest.approx(alone["effect"]["value"] * scale["points"], rel=0.01)
    least = abs(told["billing"]["high"]) * scale["points"]
    assert f"Who mentions billing gave scores at least {least:.0f} points of NPS lower" in dear["why"]
    assert "points of NPS lower (−" in found["says"]
    assert "for lower scores" in dear["rank"]["says"]
    # where higher scores go along with it, a pain is none the smaller and none the larger for it
    plain = rank(client, "usage.features")
    assert plain["rank"]["score"] == 1.0
    assert "gave scores" not in plain["why"]


def test_it_decides_the_order_until_its_weight_is_taken_out(client: Any, scored: int) -> None:
    def order() -> list[str]:
        return [row["id"] for row in client.get("/v1/suggestions").json()["data"]]

    client.put("/v1/suggestions/weights", json={"effort": 0})
    assert order() == ["usage.billing", "usage.features"]
    client.put("/v1/suggestions/weights", json={"effort": 0, "score": 0})
    assert rank(client, "usage.billing")["rank"]["score"] == 1.0
    assert rank(client, "usage.billing")["priority"] == rank(client, "usage.features")["priority"]


def test_praise_that_goes_with_higher_scores_is_worth_more(client: Any, scored: int) -> None:
    found = client.get("/v1/suggestions?kind=delight").json()["data"]
    assert [row["topic"] for row in found][:2] == ["speed", "quality"]
    assert "for higher scores" in found[0]["why"]


def test_too_few_scores_weigh_nothing(client: Any, shop: int) -> None:
    found = rank(client, "purchase.ease_of_use")["rank"]
    assert (found["score"], found["score_effect"], found["score_drop"]) == (1.0, None, None)


def test_what_a_topic_does_to_scores_is_that_of_all_feedback_in_every_view(client: Any, scored: int) -> None:
    def effect(address: str) -> Any:
        [row] = [one for one in client.get(address).json()["data"] if one["topic"] == "billing"]
        return row["why"].partition("gave scores")[2].partition("(")[0]

    everything = effect("/v1/suggestions")
    assert "lower" in everything
    assert effect("/v1/suggestions?to=2026-03-06") == everything  # of which 40 responses alone could tell nothing
