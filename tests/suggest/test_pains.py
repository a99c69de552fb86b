"""What is counted as a pain, with which n, and when a change is called one."""

from __future__ import annotations

import numpy as np
import pytest

from service.beyond_noise import PERIODS, QUARTERS
from service.suggest.change import usual_mentions
from service.suggest.pains import find_pains
from tests.suggest.counted import CODEBOOK, Item, columns, fine, hurt


def test_an_item_counts_once_however_often_it_complains() -> None:
    twice = Item(
        segments=[("purchase", "payment", "negative", "anger"), ("purchase", "payment", "negative", "neutral")]
    )
    pain = find_pains(columns([twice, fine(), fine(), fine()]), CODEBOOK)["purchase", "payment"]
    assert (pain.count, pain.n, pain.share.value, pain.mentions) == (1, 4, 0.25, 2)
    assert pain.severity == 1.0  # the worst word counts


def test_n_is_the_column_of_the_map() -> None:
    elsewhere = Item(stage="usage", segments=[("purchase", "payment", "negative", "anger")])
    unassigned = Item(stage=None, segments=[("purchase", "payment", "negative", "anger")])
    pain = find_pains(columns([hurt("payment"), fine(), elsewhere, unassigned]), CODEBOOK)["purchase", "payment"]
    assert (pain.count, pain.n, pain.mentions) == (1, 2, 2)


def test_praise_and_neutral_words_are_no_pain() -> None:
    assert (
        find_pains(columns([fine(), Item(segments=[("purchase", "price", "neutral", "neutral")])]), CODEBOOK) == {}
    )


def test_nothing_at_all() -> None:
    assert find_pains(columns([]), CODEBOOK) == {}


def test_a_fault_without_feeling_weighs_something_and_anger_more_than_disappointment() -> None:
    found = find_pains(
        columns([hurt("price", "neutral"), hurt("payment", "disappointment"), hurt("account", "anger")]), CODEBOOK
    )
    neutral, disappointed, angry = (found["purchase", topic].severity for topic in ("price", "payment", "account"))
    assert 0 < neutral < disappointed < angry == 1.0


def test_respondents_are_counted_once_and_widen_the_interval() -> None:
    crowd = find_pains(columns([hurt() for _ in range(20)] + [fine() for _ in range(20)]), CODEBOOK)
    one = find_pains(columns([hurt(respondent=1) for _ in range(20)] + [fine() for _ in range(20)]), CODEBOOK)
    many, single = crowd["purchase", "ease_of_use"], one["purchase", "ease_of_use"]
    assert (many.respondents, single.respondents) == (20, 1)
    assert many.share.value == single.share.value == 0.5
    assert single.share.low < many.share.low
    assert single.share.high > many.share.high


def test_value_is_summed_where_known() -> None:
    found = find_pains(columns([hurt(value=10.0), hurt(value=5.5), hurt(), hurt("price")]), CODEBOOK)
    assert found["purchase", "ease_of_use"].value == 15.5
    assert found["purchase", "price"].value is None


def test_touchpoint_is_where_most_of_it_happened() -> None:
    found = find_pains(
        columns([hurt(touchpoint="store"), hurt(touchpoint="website"), hurt(touchpoint="website")]), CODEBOOK
    )
    assert found["purchase", "ease_of_use"].touchpoint == "website"


def test_items_are_newest_first() -> None:
    found = find_pains(columns([hurt(day=1), hurt(day=3), hurt(day=2)]), CODEBOOK)
    assert found["purchase", "ease_of_use"].newest(5) == [2, 3, 1]


MONDAY = 20_003


def weeks(rates: list[float], per_week: int = 150, **more: object) -> list[Item]:
    """One list entry per week: the share of the week's items that hurt; the newest item is two days later."""
    items = [
        (hurt if i < rate * per_week else fine)(day=MONDAY + 7 * week + i % 7, **more)
        for week, rate in enumerate(rates)
        for i in range(per_week)
    ]
    return [*items, fine(day=MONDAY + 7 * len(rates) + 1, **more)]


def test_a_large_rise_is_significant_and_a_steady_pain_is_not() -> None:
    risen = find_pains(columns(weeks([0.1] * 12 + [0.5] * 4)), CODEBOOK)["purchase", "ease_of_use"].trend
    steady = find_pains(columns(weeks([0.2] * 16)), CODEBOOK)["purchase", "ease_of_use"].trend
    assert risen.significant
    assert risen.change is not None
    assert risen.change.value == pytest.approx(0.4, abs=0.03)
    assert 0.2 < risen.certain_rise < 0.4
    assert steady.change is not None
    assert not steady.significant
    assert steady.certain_rise == 0


def test_a_fall_is_significant_but_no_rise() -> None:
    fallen = find_pains(columns(weeks([0.5] * 12 + [0.1] * 4)), CODEBOOK)["purchase", "ease_of_use"].trend
    assert fallen.significant
    assert fallen.certain_rise == 0


def test_a_burst_just_before_hides_no_rise_and_makes_no_fall() -> None:
    """What is usual is told by twelve weeks, of which two were three times as bad."""
    usual = [0.1 + 0.02 * (week % 3) for week in range(48)]
    burst = [0.5, 0.5, 0.12, 0.12]
    fallen = find_pains(columns(weeks([*usual, *burst, 0.1, 0.12, 0.14, 0.1])), CODEBOOK)
    risen = find_pains(columns(weeks([*usual, *burst, 0.4, 0.42, 0.44, 0.4])), CODEBOOK)
    assert not fallen["purchase", "ease_of_use"].trend.significant
    assert fallen["purchase", "ease_of_use"].trend.before_days == 84
    assert risen["purchase", "ease_of_use"].trend.significant


def test_what_is_tested_and_how_much_it_weighs_does_not_go_with_the_direction_of_a_change() -> None:
    """Sixteen mentions in the latest window and 24 in the three before, and four and 36: forty in all."""
    hits = np.zeros((3, 1, PERIODS * QUARTERS))
    hits[0, 0, : 4 * QUARTERS] = np.repeat([4.0, 2.0], [QUARTERS, 3 * QUARTERS])
    hits[1, 0, : 4 * QUARTERS] = np.repeat([1.0, 3.0], [QUARTERS, 3 * QUARTERS])
    hits[2, 0, : 2 * QUARTERS] = 2.5
    hits[:, 0, 4 * QUARTERS :] = 9  # the past says nothing of what is usual now
    risen, fallen, _ = usual_mentions(hits, windows=4)
    assert risen == fallen == 20
    assert usual_mentions(hits, windows=2)[2] == 20, "as many where feedback reaches back one window only"


def test_small_volume_is_judged_over_eight_weeks() -> None:
    items = weeks([0.1] * 8 + [0.5] * 8, per_week=20)
    trend = find_pains(columns(items), CODEBOOK)["purchase", "ease_of_use"].trend
    assert (trend.days, trend.before_days) == (56, 56), "feedback reaches back no further"
    assert trend.significant
    assert trend.change is not None
    assert trend.change.value == pytest.approx(0.4, abs=0.03)


def test_too_little_or_undated_says_nothing_of_change() -> None:
    few = find_pains(columns(weeks([0.1] * 12 + [0.9] * 4, per_week=2)), CODEBOOK)["purchase", "ease_of_use"].trend
    assert few.change is None
    undated = weeks([0.1] * 12 + [0.5] * 4, dated=False)
    assert find_pains(columns(undated), CODEBOOK)["purchase", "ease_of_use"].trend.change is None


def test_a_new_mix_of_sources_is_no_rise_of_a_pain() -> None:
    """A source that complains more grows; within each source nothing changes."""
    items = [
        item
        for week in range(16)
        for source, count, hurting in ((0, 100, 10), (1, 20 if week < 12 else 100, 10 if week < 12 else 50))
        for number in range(count)
        for item in [(hurt if number < hurting else fine)(day=MONDAY + 7 * week + number % 7, source=source)]
    ]
    items.append(fine(day=MONDAY + 7 * 16 + 1))
    trend = find_pains(columns(items), CODEBOOK)["purchase", "ease_of_use"].trend
    assert trend.change is not None
    assert trend.mix is not None
    assert not trend.significant
    assert abs(trend.change.value) < 0.001
    assert trend.mix == pytest.approx(0.3 - 20 / 120, abs=0.001)
    assert trend.covered == 1


def test_many_cells_without_change_seldom_alarm() -> None:
    """100 unchanged worlds of 20 topics each: about 5 alarms are allowed, chance included at most 12."""
    random = np.random.default_rng(3)
    topics = CODEBOOK.labels("topic")[:20]
    alarms = 0
    for _ in range(100):
        items = [hurt(topics[random.integers(20)], day=20_000 + int(random.integers(112))) for _ in range(1500)]
        alarms += any(p.trend.significant for p in find_pains(columns(items), CODEBOOK).values())
    assert alarms <= 12
