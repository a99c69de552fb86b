"""What the pages of drivers and blind spots draw: effects about zero, parts of a change, a matrix in shades.

Across, coordinates are percent of the picture, so that it fits any width. The table stands behind each chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

from service.review.suggestion_charts import spark

MARGIN: Final = 4.0  # percent of the width on each side
SHADES: Final = 5


@dataclass(frozen=True, slots=True)
class Whisker:
    """An effect with its interval about zero, in percent of the width."""

    zero: float
    x: float
    low_x: float
    high_x: float
    cut: bool  # the interval goes on beyond the picture
    tone: str  # low, high, flat: as far as the interval says


def whiskers(bounds: Sequence[Mapping[str, float]]) -> list[Whisker]:
    """Effects on one scale about zero; a few very wide intervals do not squeeze the others."""
    if not bounds:
        return []
    reach = sorted(max(abs(one["low"]), abs(one["high"])) for one in bounds)
    most = max(
        max(abs(one["value"]) for one in bounds) * 1.05,
        min(reach[-1], 2 * reach[len(reach) // 2]),
        1e-9,
    )

    def x(value: float) -> float:
        clipped = max(-1.0, min(1.0, value / most))
        return round(50 + clipped * (50 - MARGIN), 2)

    return [
        Whisker(
            zero=50.0,
            x=x(one["value"]),
            low_x=x(one["low"]),
            high_x=x(one["high"]),
            cut=abs(one["low"]) > most or abs(one["high"]) > most,
            tone="low" if one["high"] < 0 else "high" if one["low"] > 0 else "flat",
        )
        for one in bounds
    ]


def plus(value: float, digits: int) -> str:
    """A number with its sign as people read it; one that rounds to nothing has none."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def shade(items: int, most: int) -> int:
    """How dark a cell of the matrix is, 0 (nothing) to SHADES; on a scale of square roots."""
    return 0 if not items or not most else max(1, round(SHADES * sqrt(items / most)))


def lanes(stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Series from elsewhere by column of the map, each with its line."""
    return [
        {**lane, "column": stage["stage"], "line": spark([week["value"] for week in lane["series"]])}
        for stage in stages
        for lane in stage["metrics"]
    ]


def rates(rows: Sequence[Mapping[str, Any]], most: int = 12) -> list[dict[str, Any]]:
    """Suggestions whose pain is counted per 1,000 of something, most first, with their places on one scale."""
    found = [
        {**row["rate"], "stage": row["stage"], "topic": row["topic"], "id": row["id"]}
        for row in rows
        if row["rate"]
    ]
    found = sorted(found, key=lambda one: (-one["value"], one["id"]))[:most]
    top = max((one["high"] for one in found), default=0.0) or 1.0
    places = (("x", "value"), ("low_x", "low"), ("high_x", "high"))
    return [one | {name: round(100 * one[bound] / top, 2) for name, bound in places} for one in found]
