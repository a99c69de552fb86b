"""Intervals against published values, and their behaviour where people repeat."""

from __future__ import annotations

import numpy as np
import pytest

from service.intervals import (
    Interval,
    difference_bounds,
    difference_interval,
    effective_n,
    effective_n_of_sums,
    effective_ns_of_sums,
    share_bounds,
    share_interval,
)


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


def test_many_shares_at_once_are_told_as_each_by_itself() -> None:
    random = np.random.default_rng(11)
    share = np.r_[0.0, 1.0, 0.3, random.random(40)]
    n = np.r_[12.0, 12.0, 0.0, random.uniform(0.5, 900, 40)]
    low, high = share_bounds(share, n)
    each = [share_interval(p, size) for p, size in zip(share.tolist(), n.tolist(), strict=True)]
    np.testing.assert_allclose(low, [one.low for one in each], atol=1e-12)
    np.testing.assert_allclose(high, [one.high for one in each], atol=1e-12)
    low, high = difference_bounds(share, (low, high), share[::-1], (low[::-1], high[::-1]))
    pairs = [difference_interval(after, before) for after, before in zip(each, each[::-1], strict=True)]
    np.testing.assert_allclose(low, [one.low for one in pairs], atol=1e-12)
    np.testing.assert_allclose(high, [one.high for one in pairs], atol=1e-12)


def test_what_many_shares_are_worth_is_what_each_is_worth() -> None:
    random = np.random.default_rng(12)
    worlds = [(np.ones(9), np.r_[np.ones(3), np.zeros(6)]), (np.array([5.0]), np.array([2.0]))]
    for people in range(2, 40):
        sizes = 1.0 + random.poisson(2, people)
        # among them shares of 0 and 1, and people of whom each says the same
        worlds.append((sizes, np.floor(sizes * random.choice([0.0, 0.5, 1.0], people))))
    sums = [
        {
            "clusters": len(sizes),
            "total": float(sizes.sum()),
            "hits": float(hits.sum()),
            "hits_squared": float((hits**2).sum()),
            "hits_by_size": float((hits * sizes).sum()),
            "sizes_squared": float((sizes**2).sum()),
        }
        for sizes, hits in worlds
    ]
    found = effective_ns_of_sums(**{name: np.array([one[name] for one in sums]) for name in sums[0]})
    np.testing.assert_allclose(found, [effective_n_of_sums(**one) for one in sums], atol=1e-9)
