"""Intervals against published values, and their behaviour where people repeat."""

from __future__ import annotations

import numpy as np
import pytest

from service.intervals import Interval, difference_interval, effective_n, share_interval


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_share_interval_equals_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    found = share_interval(hits / n, n)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_difference_interval_equals_the_published_one() -> None:
    # Newcombe, "Interval estimation for the difference" (1998), table II, example (a), method 10
    found = difference_interval(share_interval(56 / 70, 70), share_interval(48 / 80, 80))
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_nothing_seen_says_nothing() -> None:
    assert share_interval(0.0, 0) == Interval(0.0, 0.0, 1.0)


def test_respondents_who_speak_once_are_worth_their_number() -> None:
    assert effective_n(np.array([1.0, 0, 0, 1]), np.ones(4)) == 4


def test_one_person_who_repeats_is_not_many() -> None:
    hits, sizes = np.zeros(41), np.ones(41)
    hits[0] = sizes[0] = 40  # forty complaints of one, forty people content
    assert effective_n(hits, sizes) < 10


def test_interval_covers_with_respondents_who_repeat() -> None:
    """In worlds where people repeat themselves about 95 % of intervals hold the truth; plain ones do not."""
    random = np.random.default_rng(7)
    truth, clustered, plain, worlds = 0.3, 0, 0, 600
    for _ in range(worlds):
        sizes = 1.0 + random.poisson(3, 80)
        own = random.beta(truth * 1.5, (1 - truth) * 1.5, 80)  # each person has a rate of their own
        hits = random.binomial(sizes.astype(int), own).astype(float)
        share = hits.sum() / sizes.sum()
        found = share_interval(share, effective_n(hits, sizes))
        clustered += found.low <= truth <= found.high
        found = share_interval(share, sizes.sum())
        plain += found.low <= truth <= found.high
    assert 0.92 <= clustered / worlds <= 0.98
    assert plain / worlds < 0.9
