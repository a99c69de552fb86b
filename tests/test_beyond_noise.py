"""What is called a change, and what is left to noise, to the mix and to the days that still fill up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.beyond_noise import (
    PERIODS,
    QUARTERS,
    Counts,
    Periods,
    changes_a_degree,
    holm,
    last_full_weeks,
    shares_or_means,
    volumes,
)

SIZE = PERIODS * QUARTERS


def counts(n: Any, hits: Any) -> Counts:
    """Of (cells, sources, quarters), the newest quarter first."""
    return Counts(np.asarray(n, float), np.asarray(hits, float), np.asarray(hits, float))


def judged(of: Counts, before: int = 1) -> tuple[Any, Any]:
    cells = len(of.n)
    found = shares_or_means(
        of, repeats=np.ones(cells), enough=np.ones(cells, dtype=bool), shares=True, before=before
    )
    return found, holm(found.chance, among=np.arange(cells))


def steady(chance: np.random.Generator, *, cells: int = 40, wander: float = 0.3, n: int = 200) -> tuple[Any, Any]:
    """Cells of a share of a tenth whose odds wander from week to week and drift over weeks."""
    noise = chance.normal(size=(cells, SIZE))
    for week in range(1, SIZE):
        noise[:, week] = 0.6 * noise[:, week - 1] + 0.8 * noise[:, week]
    rate = np.minimum(0.9, 0.1 * np.exp(wander * noise))
    sizes = np.full((cells, 1, SIZE), n)
    return sizes, chance.binomial(sizes, rate[:, None])


@pytest.mark.parametrize("before", [1, 3])
def test_unchanged_bursty_weeks_seldom_alarm_and_the_pooled_test_would(before: int) -> None:
    chance = np.random.default_rng(8)
    alarms = pooled = 0
    for _ in range(60):
        n, hits = steady(chance)
        found, held = judged(counts(n, hits), before)
        alarms += held.any()
        pooled += holm(
            np.minimum(1, 2 * np.exp(-0.5 * (found.value**2) / (2 * 0.09 / 800))), among=np.arange(40)
        ).any()
    assert alarms <= 6  # 5 % of 60, chance included
    assert pooled > 30


def test_a_change_that_stays_is_found_and_its_interval_holds_it() -> None:
    n, hits = steady(np.random.default_rng(2), wander=0.1)
    hits[3, :, :QUARTERS] += 40
    found, held = judged(counts(n, hits))
    assert held.tolist() == [cell == 3 for cell in range(40)]
    assert found.low[3] < 0.2 < found.high[3]
    assert found.noise[3] >= 1


def test_more_weeks_before_tell_more_of_the_same_change() -> None:
    chance = np.random.default_rng(5)
    told = dict.fromkeys((1, 3), 0)
    for _ in range(20):
        n, hits = steady(chance, wander=0.1)
        hits[3, :, :QUARTERS] += 16
        for before in told:
            found, held = judged(counts(n, hits), before)
            told[before] += int(held[3])
            assert found.before_n[3] == before * QUARTERS * 200
    assert told[3] > told[1] + 2


def test_changes_that_share_periods_are_worth_fewer_independent_ones() -> None:
    """The variance of their mean square over that of as many independent ones, beside drawn numbers."""
    dates = 40
    for before in (1, 2, 3):
        of = np.random.default_rng(before).normal(size=(20_000, dates + before))
        usual = sum(of[:, place : place + dates] for place in range(1, before + 1)) / before
        squared = (of[:, :dates] - usual) ** 2 / (1 + 1 / before)
        drawn = squared.mean(axis=1).var() * dates / 2
        assert changes_a_degree(before) == pytest.approx(drawn, rel=0.05)


def test_a_burst_of_a_week_is_no_trend() -> None:
    n, hits = steady(np.random.default_rng(2), wander=0.1)
    hits[3, :, 1] += 160
    found, held = judged(counts(n, hits))
    assert not held.any()
    assert found.value[3] > 0.15


def test_a_shift_of_the_mix_is_told_apart() -> None:
    """Two sources with steady shares of 10 % and 50 %; the second one grows from a tenth to a half of all."""
    n = np.zeros((1, 2, SIZE))
    n[:, 0], n[:, 1] = 180, 20
    n[:, :, :QUARTERS] = 100
    found, held = judged(counts(n, n * np.array([0.1, 0.5])[:, None]))
    assert not held.any()
    assert found.value[0] == pytest.approx(0)
    assert found.mix[0] == pytest.approx(0.16)
    assert found.covered[0] == 1


def test_without_a_source_in_common_nothing_is_called() -> None:
    n = np.zeros((1, 2, SIZE))
    n[:, 0, QUARTERS:], n[:, 1, :QUARTERS] = 200, 200
    found, held = judged(counts(n, n * 0.3 * (np.arange(SIZE) < QUARTERS)))
    assert not held.any()
    assert found.covered[0] == 0


def test_without_a_past_a_large_change_is_found_and_a_middling_one_is_not() -> None:
    n = np.zeros((3, 1, SIZE))
    n[..., : 2 * QUARTERS] = 100
    hits = 0.2 * n + 3 * np.sin(np.arange(SIZE)) * (n > 0)
    hits[1, 0, :QUARTERS] += 40
    hits[2, 0, :QUARTERS] += 4
    _, held = judged(counts(n, hits))
    assert held.tolist() == [False, True, False]


def test_respondents_who_repeat_make_a_change_less_sure() -> None:
    n, hits = steady(np.random.default_rng(2), wander=0.0)
    hits[3, :, :QUARTERS] += 12
    alone = shares_or_means(counts(n, hits), repeats=np.ones(40), enough=np.ones(40, bool), shares=True)
    again = shares_or_means(counts(n, hits), repeats=np.full(40, 6.0), enough=np.ones(40, bool), shares=True)
    assert again.chance[3] > alone.chance[3]
    assert again.high[3] - again.low[3] > alone.high[3] - alone.low[3]


def test_growth_that_always_was_is_no_news_and_an_open_period_is_not_counted() -> None:
    growing = np.round(400 * 0.98 ** np.arange(SIZE))[None, None].repeat(20, axis=0)
    assert not holm(
        volumes(counts(growing, growing), repeats=np.ones(20), complete=True).chance, among=np.arange(20)
    ).any()
    flat = np.full((1, 1, SIZE), 100.0)
    flat[..., :QUARTERS] = 400
    for complete in (True, False):
        found = volumes(counts(flat, flat), repeats=np.ones(1), complete=complete)
        assert bool(found.chance[0] < 0.001) is complete
        assert found.value[0] == pytest.approx(np.log(4))


def test_a_week_counts_two_days_after_its_end() -> None:
    sunday = 20_002
    assert last_full_weeks(sunday + 1, 4).end == sunday - 6
    assert last_full_weeks(sunday + 2, 4) == Periods(sunday + 1 - 56, sunday + 1 - 28, sunday + 1)
    quarters = last_full_weeks(sunday + 2, 4).quarter(np.array([sunday + 1, sunday, sunday - 6, sunday - 7, 0]))
    assert quarters.tolist() == [-1, 0, 0, 1, -1]


def test_holm_gives_more_of_the_chance_to_what_weighs_more() -> None:
    chance = np.array([0.02, 0.03, 0.9])
    assert not holm(chance, among=np.arange(3)).any()
    held = holm(chance, among=np.arange(3), weights=np.array([8.0, 1.0, 1.0]))
    assert held.tolist() == [True, False, False]
    alike = holm(chance / 2, among=np.arange(3), weights=np.full(3, 7.0))
    assert alike.tolist() == [True, True, False]


def test_holm_holds_all_together() -> None:
    chance = np.array([0.001, 0.02, 0.04, 0.9])
    assert holm(chance, among=np.arange(4)).tolist() == [True, False, False, False]
    assert holm(chance, among=np.array([1])).tolist() == [False, True, False, False]
