"""Scores by their formulas, and intervals that cover what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from service.aggregate.change import Course, periods_of, trends
from service.aggregate.scores import KINDS, estimates, moments, respondent_sums, score_values
from service.beyond_noise import Periods, week_of


def _moments(value: list[float], cluster: list[int], group: list[int] | None = None, groups: int = 1):
    clusters = np.array(cluster, np.int64)
    of = np.zeros(len(value), np.int64) if group is None else np.array(group)
    return moments(np.array(value, float), of, clusters, groups=groups)


@pytest.mark.parametrize(
    ("kind", "answers", "scale", "expected"),
    [
        ("nps", [10, 9, 8, 7, 6, 0], (0, 10), 0.0),
        ("nps", [10, 9, 9, 3], (0, 10), 50.0),
        ("nps", [10, 9, 8, 6], (1, 10), 25.0),
        ("nps", [5, 5, 1, 0], (0, 5), 0.0),
        ("csat", [5, 4, 3, 2], (1, 5), 50.0),
        ("csat", [1, 1, 0, 0], (0, 1), 50.0),
        ("csat", [7, 6, 5, 1], (1, 7), 50.0),
        ("csat_mean", [10, 0], (0, 10), 3.0),
        ("ces", [7, 1], (1, 7), 4.0),
        ("ces", [5, 5], (1, 5), 7.0),
        ("stars", [5, 4], (1, 5), 4.5),
    ],
)
def test_formulas(kind: str, answers: list[float], scale: tuple[float, float], expected: float) -> None:
    low, high = (np.full(len(answers), bound, float) for bound in scale)
    values = score_values(kind, np.array(answers, float), low, high)
    [answer] = KINDS[kind].answer(_moments(values.tolist(), list(range(len(answers)))))
    assert answer["value"] == expected
    assert answer["low"] <= expected <= answer["high"]


def test_nobody_and_one_respondent() -> None:
    [nobody] = KINDS["nps"].answer(_moments([], []))
    assert nobody == {"value": None, "low": None, "high": None, "n": 0, "respondents": 0}
    [one] = KINDS["nps"].answer(_moments([1.0, 1.0], [0, 0]))
    assert one == {"value": 100.0, "low": -100.0, "high": 100.0, "n": 2, "respondents": 1}


def test_agreement_of_few_is_not_certainty() -> None:
    [three] = KINDS["nps"].answer(_moments([1.0, 1.0, 1.0], [0, 1, 2]))
    assert three["high"] == 100
    assert three["low"] < 0
    [many] = KINDS["nps"].answer(_moments([1.0] * 500, list(range(500))))
    assert many["low"] > 97


def test_one_who_repeats_is_not_many() -> None:
    rng = np.random.default_rng(1)
    value = rng.choice([-1.0, 1.0], 40)
    [apart] = estimates(_moments(value.tolist(), list(range(40))), low=-1, high=1)
    [together] = estimates(
        _moments(np.repeat(value, 5).tolist(), np.repeat(np.arange(40), 5).tolist()), low=-1, high=1
    )
    assert (together["n"], together["respondents"]) == (200, 40)
    assert together["value"] == apart["value"]
    assert together["high"] - together["low"] == pytest.approx(apart["high"] - apart["low"], rel=0.02)


@pytest.mark.parametrize(("people", "negative", "neutral"), [(12, 0.2, 0.3), (60, 0.05, 0.05), (150, 0.3, 0.4)])
def test_intervals_cover_the_truth(people: int, negative: float, neutral: float) -> None:
    """95 % intervals of people who say one to four things, alike: 91 to 99 of 100 hold the truth."""
    rng = np.random.default_rng(people)
    truth, covered, rounds = 1 - neutral - 2 * negative, 0, 600
    for _ in range(rounds):
        own = rng.choice([-1.0, 0.0, 1.0], people, p=[negative, neutral, 1 - negative - neutral])
        cluster = np.repeat(np.arange(people), rng.integers(1, 5, people))
        fresh = rng.choice([-1.0, 0.0, 1.0], len(cluster), p=[negative, neutral, 1 - negative - neutral])
        value = np.where(rng.random(len(cluster)) < 0.6, own[cluster], fresh)
        [answer] = estimates(_moments(value.tolist(), cluster.tolist()), low=-1, high=1)
        covered += answer["low"] <= truth <= answer["high"]
    assert 0.91 <= covered / rounds <= 0.99


def test_both_ways_of_summing_agree() -> None:
    rng = np.random.default_rng(2)
    value, group = rng.normal(size=300), rng.integers(0, 4, 300)
    near, far = rng.integers(0, 40, 300), rng.integers(0, 40, 300)
    far = near * 10_000_000  # too far apart for a table
    a, b = (respondent_sums(value, group, cluster, groups=4) for cluster in (near, far))
    assert a.counts.tolist() == b.counts.tolist()
    np.testing.assert_allclose(a.totals, b.totals)
    assert (a.cluster * 10_000_000).tolist() == b.cluster.tolist()


def test_weeks_begin_on_monday() -> None:
    assert week_of(4) == week_of(10) == 1  # 1970-01-05 was a Monday, the 11th a Sunday
    assert week_of(3) == 0
    # the week up to the 11th counts two days after its end
    assert periods_of(None, None, 12) == Periods(11 - 56, 11 - 28, 11)
    assert periods_of(None, None, 11) == Periods(4 - 56, 4 - 28, 4)
    assert periods_of(100, 110, 500) == Periods(90, 100, 110)
    assert periods_of(100, None, 104) == Periods(95, 100, 105)
    assert periods_of(None, None, None) is None
    assert periods_of(100, None, 50) is None


def test_noise_is_rarely_called_a_change() -> None:
    rng = np.random.default_rng(3)
    alarms, rounds, groups = 0, 300, 7
    for _ in range(rounds):
        n = 700
        course = Course(
            day=rng.integers(0, 56, n),
            group=rng.integers(0, groups, n),
            cluster=np.arange(n),
            sign=rng.integers(0, 3, n),
            groups=groups,
        )
        found = trends(course, Periods(0, 28, 56))
        alarms += any(one["net_sentiment"]["significant"] or one["items"]["significant"] for one in found)
    assert alarms / rounds < 0.08  # fourteen tests together at 5 %, chance included
