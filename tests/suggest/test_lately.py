"""The rank counts who has a pain now: the latest weeks, longer where they hold little, all that was asked for."""

from __future__ import annotations

from typing import Any

from service.suggest.impact_plan import Plan
from service.suggest.lately import MIN_ITEMS, WEEKS, window
from service.suggest.pains import find_pains
from tests.suggest.conftest import AddItem
from tests.suggest.counted import CODEBOOK, Item, columns, fine, hurt

END = 20_000


def spread(days: int, a_day: int, *, topic: str | None = None, ago: int = 0) -> list[Item]:
    """Items a day over so many days, the last of them `ago` days before the end."""
    return [
        hurt(topic, day=END - ago - day) if topic else fine(day=END - ago - day)
        for day in range(days)
        for _ in range(a_day)
    ]


def test_the_weeks_are_those_that_impact_leaves_out_of_its_baseline() -> None:
    assert Plan().trigger_weeks == WEEKS


def test_what_was_mended_gives_way_to_what_has_begun() -> None:
    items = spread(200, 10) + spread(100, 4, topic="payment", ago=100) + spread(30, 4, topic="price")
    found = find_pains(columns(items), CODEBOOK)
    mended, begun = found["purchase", "payment"], found["purchase", "price"]
    assert mended.share.low > begun.share.low
    assert mended.lately.count == 0
    assert mended.lately.low == 0.0
    assert begun.lately.count == begun.count
    assert begun.lately.days == 7 * WEEKS
    whole = find_pains(columns(items), CODEBOOK, whole=True)["purchase", "payment"]
    assert (whole.lately.count, whole.lately.low, whole.lately.days) == (mended.count, mended.share.low, None)


def test_people_in_the_window_are_counted_in_the_window() -> None:
    items = spread(200, 10) + [hurt("price", respondent=7, day=END - day) for day in range(20)]
    items += [hurt("price", respondent=50 + day, day=END - 100 - day) for day in range(20)]
    pain = find_pains(columns(items), CODEBOOK)["purchase", "price"]
    assert (pain.respondents, pain.count) == (21, 40)
    assert (pain.lately.respondents, pain.lately.count) == (1, 20)


def test_the_window_grows_until_it_holds_enough() -> None:
    assert window(columns(spread(400, 10))) == 7 * WEEKS
    assert window(columns(spread(400, 5))) == 14 * WEEKS
    assert window(columns(spread(600, 2))) == 56 * WEEKS
    assert window(columns(spread(MIN_ITEMS // 2 - 1, 2))) is None  # too few in all
    assert window(columns(spread(300, 2))) is None  # only all of it is enough
    undated = [fine(dated=False) for _ in range(2 * MIN_ITEMS)]
    assert window(columns(undated)) is None
    assert window(columns([])) is None


def test_a_chosen_beginning_is_what_counts(client: Any, workspace_id: int, add: AddItem, database: Any) -> None:
    with database.write() as session:
        for number in range(MIN_ITEMS):
            add(workspace_id, sentiment="neutral", topic="general", day=200 + number % 50, session=session)
        for day in range(12):
            add(workspace_id, topic="price", day=day, session=session)
            add(workspace_id, topic="speed", day=220 + day, session=session)
    rows = {row["topic"]: row for row in client.get("/v1/suggestions").json()["data"]}
    assert list(rows) == ["speed", "price"]
    assert "in the latest 8 weeks" in rows["speed"]["why"]
    assert "Nobody said so in the latest 8 weeks" in rows["price"]["why"]
    assert rows["price"]["priority"] == 0.0
    detail = client.get("/v1/suggestions/purchase.speed").json()["rank"]
    assert (detail["days"], detail["n"]) == (56, MIN_ITEMS + 12)
    whole = {row["topic"]: row for row in client.get("/v1/suggestions?from=2026-03-01").json()["data"]}
    assert whole["price"]["priority"] > 0
    assert "in the latest" not in whole["price"]["why"]
