"""The promises of the ranking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.suggest.pains import Pain, find_pains
from service.suggest.priority import confidence, in_words, rank, sort_key
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


def test_effort_breaks_ties_only() -> None:
    assert sort_key(2.0, "high", "b") < sort_key(1.0, "low", "a")
    assert sort_key(1.0, "low", "b") < sort_key(1.0, "high", "a")
    assert sort_key(1.0, "low", "a") < sort_key(1.0, "low", "b")


def test_small_numbers_are_said_in_words() -> None:
    assert confidence(0.6, 0.23) == "low"
    assert confidence(0.3, 0.27) == "high"
    assert confidence(0.0, 0.0) == "low"
    assert "only 3 voices" in in_words("low", 3)
    assert "only" not in in_words("high", 300)
