"""What pages draw: numbers in words and the coordinates of the curve."""

from __future__ import annotations

from typing import Any

import pytest

from service.review.charts import emotion_curve, percent, signed, words


def _stage(name: str, value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"stage": name, "net_sentiment": {"value": value, "low": low, "high": high, "n": 3, "respondents": 3}}


@pytest.mark.parametrize(("value", "shown"), [(12.4, "+12"), (-7.2, "−7"), (0.2, "0"), (-0.4, "0"), (None, "–")])
def test_signed(value: float | None, shown: str) -> None:
    assert signed(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0.4, "40\u00a0%"), (0.001, "<1\u00a0%"), (0.0, "0\u00a0%"), (None, "–")]
)
def test_percent(share: float | None, shown: str) -> None:
    assert percent(share) == shown


def test_words() -> None:
    assert words("ease_of_use") == "ease of use"
    assert words(None) == ""


def test_the_curve_is_broken_where_a_stage_has_nothing() -> None:
    curve = emotion_curve(
        [_stage("A", 10, 0, 20), _stage("B", None), _stage("C", -60, -80, -40), _stage("D", 5, -9, 12)]
    )
    assert len(curve.paths) == len(curve.bands) == 2
    assert [point.tone for point in curve.points] == ["flat", "low", "flat"]
    assert [round(point.x, 1) for point in curve.points] == [12.5, 62.5, 87.5]
    # more praise stands higher: y runs downwards
    assert curve.points[0].y < 50 < curve.points[1].y
    for point in curve.points:
        assert 0 <= point.high_y <= point.y <= point.low_y <= 100


def test_an_unknown_interval_is_the_whole_range() -> None:
    [point] = emotion_curve([_stage("A", 100)]).points
    assert point.tone == "flat"
    assert point.low_y > point.y
    assert "between −100 and +100" in point.spoken


def test_nothing_at_all_is_no_curve() -> None:
    curve = emotion_curve([_stage("A", None)])
    assert (curve.points, curve.paths, curve.bands) == ((), (), ())
