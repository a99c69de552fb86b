"""The promises of the ranking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.suggest.pains import Pain, find_pains
from service.suggest.priority import Weights, confidence, in_words, rank, sort_key
from tests.suggest.counted import CODEBOOK, columns, fine, hurt
from tests.suggest.test_pains import weeks

shares = st.floats(0, 1)
counts = st.integers(0, 100_000)


def priority_of(pain: Pain) -> float:
    return rank(
        share_low=pain.share.low,
        n=pain.n,
        severity=pain.severity,
        rise=pain.trend.certain_rise,
        recent=pain.trend.recent_n,
    ).priority


@given(low=shares, more=shares, n=counts, severity=st.floats(0.2, 1))
def test_a_bigger_share_of_the_same_n_never_ranks_lower(low: float, more: float, n: int, severity: float) -> None:
    small, large = sorted((low, more))
    assert (
        rank(share_low=small, n=n, severity=severity).priority
        <= rank(share_low=large, n=n, severity=severity).priority
    )


@given(low=shares, n=counts, mild=st.floats(0.2, 1), bad=st.floats(0.2, 1))
def test_worse_never_ranks_lower(low: float, n: int, mild: float, bad: float) -> None:
    mild, bad = sorted((mild, bad))
    assert rank(share_low=low, n=n, severity=mild).priority <= rank(share_low=low, n=n, severity=bad).priority


@given(low=shares, n=counts, severity=st.floats(0.2, 1), rise=st.floats(-1, 1), recent=counts)
def test_a_trend_adds_at_most_a_quarter(low: float, n: int, severity: float, rise: float, recent: int) -> None:
    plain = rank(share_low=low, n=n, severity=severity).priority
    with_trend = rank(share_low=low, n=n, severity=severity, rise=rise, recent=recent).priority
    assert plain <= with_trend <= 1.25 * plain


def test_certainty_counts() -> None:
    """Three of five loud voices stay below three hundred of a thousand, and below 30 of 60."""
    few = find_pains(columns([hurt()] * 3 + [fine()] * 2), CODEBOOK)["purchase", "ease_of_use"]
    some = find_pains(columns([hurt()] * 30 + [fine()] * 30), CODEBOOK)["purchase", "ease_of_use"]
    many = find_pains(columns([hurt()] * 300 + [fine()] * 700), CODEBOOK)["purchase", "ease_of_use"]
    assert few.share.value > some.share.value > many.share.value
    assert priority_of(few) < priority_of(some) < priority_of(many)


def test_a_big_steady_pain_beats_a_small_rising_one() -> None:
    rising = [0.02] * 12 + [0.16] * 4
    items = weeks(rising) + [hurt("payment", day=20_000 + day) for day in range(112) for _ in range(2)]
    found = find_pains(columns(items), CODEBOOK)
    small, big = found["purchase", "ease_of_use"], found["purchase", "payment"]
    assert small.trend.certain_rise > 0
    assert big.trend.certain_rise == 0
    assert priority_of(small) < priority_of(big)


def test_what_can_be_acted_on_comes_before_what_must_be_found_out() -> None:
    known = rank(share_low=0.3, n=100, severity=0.6)
    unknown = rank(share_low=0.3, n=100, severity=0.6, exact_entry=False)
    assert unknown.priority < known.priority
    assert rank(share_low=0.7, n=100, severity=0.6, exact_entry=False).priority > known.priority


@given(low=shares, n=counts, severity=st.floats(0.2, 1), drop=st.floats(-2, 5), less=st.floats(0, 2))
def test_a_score_that_suffers_for_certain_adds_and_never_takes_away(
    low: float, n: int, severity: float, drop: float, less: float
) -> None:
    plain = rank(share_low=low, n=n, severity=severity).priority
    suffering = rank(share_low=low, n=n, severity=severity, score_drop=drop).priority
    assert plain <= suffering <= 2 * plain
    assert rank(share_low=low, n=n, severity=severity, score_drop=drop - less).priority <= suffering


@given(low=shares, n=counts, severity=st.floats(0.2, 1), ratio=st.floats(0, 1e6))
def test_money_is_bounded(low: float, n: int, severity: float, ratio: float) -> None:
    plain = rank(share_low=low, n=n, severity=severity).priority
    assert (
        0.499 * plain <= rank(share_low=low, n=n, severity=severity, money_ratio=ratio).priority <= 2.001 * plain
    )


def test_the_same_customers_over_a_longer_time_are_fewer_a_month() -> None:
    quick = rank(share_low=0.2, n=100, severity=0.5, months=1)
    slow = rank(share_low=0.2, n=100, severity=0.5, months=10)
    assert (quick.customers, slow.customers) == (20.0, 2.0)
    repeated = rank(share_low=0.2, n=100, severity=0.5, people=0.25)
    assert repeated.customers == 5.0


def test_weights_take_parts_out() -> None:
    none = Weights(severity=0, trend=0, score=0, money=0, effort=0, find_out_why=1)
    found = rank(
        share_low=0.2,
        n=100,
        severity=0.3,
        rise=0.2,
        recent=50,
        exact_entry=False,
        score_drop=1.0,
        money_ratio=3.0,
        effort="high",
        weights=none,
    )
    assert found.priority == found.customers == 20.0
    assert (
        rank(share_low=0.2, n=100, severity=0.3, effort="high").priority
        < rank(share_low=0.2, n=100, severity=0.3, effort="low").priority
    )


def test_effort_breaks_ties() -> None:
    assert sort_key(2.0, "high", "b") < sort_key(1.0, "low", "a")
    assert sort_key(1.0, "low", "b") < sort_key(1.0, "high", "a")
    assert sort_key(1.0, "low", "a") < sort_key(1.0, "low", "b")


def test_small_numbers_are_said_in_words() -> None:
    assert confidence(0.6, 0.23) == "low"
    assert confidence(0.3, 0.27) == "high"
    assert confidence(0.0, 0.0) == "low"
    assert "only 3 voices" in in_words("low", 3)
    assert "only" not in in_words("high", 300)
