"""What pages draw: plain SVG coordinates, computed here so that every picture works without script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

FULL = 100.0  # net sentiment runs from -FULL to FULL


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One stage on the emotion curve; x and y in percent of the picture, y downwards."""

    x: float
    y: float
    low_y: float
    high_y: float
    label: str
    tone: str  # low, high, flat
    spoken: str
    range: str  # in few words: the interval and how many people


@dataclass(frozen=True, slots=True)
class EmotionCurve:
    """The emotion curve of a map: paths in a 100 × 100 box, and its points."""

    points: tuple[CurvePoint, ...]
    paths: tuple[str, ...]
    bands: tuple[str, ...]


def emotion_curve(stages: Sequence[dict[str, Any]]) -> EmotionCurve:
    """The curve through the stages' net sentiment, broken where a stage has none."""
    runs: list[list[CurvePoint]] = [[]]
    for index, stage in enumerate(stages):
        net = stage["net_sentiment"]
        if net["value"] is None:
            runs.append([])
            continue
        low = net["low"] if net["low"] is not None else -FULL
        high = net["high"] if net["high"] is not None else FULL
        runs[-1].append(
            CurvePoint(
                x=(index + 0.5) / len(stages) * 100,
                y=_y(net["value"]),
                low_y=_y(low),
                high_y=_y(high),
                label=signed(net["value"]),
                tone=tone(net),
                spoken=f"{stage['stage']}: {signed(net['value'])}, between {signed(low)} and {signed(high)}, "
                f"from {net['respondents']} respondents",
                range=f"{signed(low)} to {signed(high)} · {net['respondents']:,} people",
            )
        )
    runs = [run for run in runs if run]
    return EmotionCurve(
        points=tuple(point for run in runs for point in run),
        paths=tuple(_smooth([(p.x, p.y) for p in run]) for run in runs),
        bands=tuple(_band(run) for run in runs),
    )


def tone(net: Mapping[str, Any]) -> str:
    """Which side of zero net sentiment certainly lies on: low, high, or flat where that is not known."""
    low, high = net["low"], net["high"]
    return "low" if high is not None and high < 0 else "high" if low is not None and low > 0 else "flat"


def _y(value: float) -> float:
    # a margin above and below for the numbers
    return 50.0 - max(-FULL, min(FULL, value)) / FULL * 38.0


def _smooth(points: Sequence[tuple[float, float]]) -> str:
    """An SVG path through the points that never swings beyond them: Bézier handles stay level at each point."""
    path = f"M{points[0][0]:.2f} {points[0][1]:.2f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        path += f" C{middle:.2f} {y0:.2f} {middle:.2f} {y1:.2f} {x1:.2f} {y1:.2f}"
    return path


def _band(run: Sequence[CurvePoint]) -> str:
    if len(run) == 1:  # one stage alone still shows how sure it is
        only = run[0]
        return f"M{only.x - 2:.2f} {only.high_y:.2f} h4 V{only.low_y:.2f} h-4 Z"
    upper = _smooth([(p.x, p.high_y) for p in run])
    lower = _smooth([(p.x, p.low_y) for p in reversed(run)])
    return f"{upper} L{lower[1:]} Z"


def signed(value: float | None) -> str:
    """A number with its sign, as people read a balance: +12, −7, 0."""
    if value is None:
        return "–"
    rounded = round(value)
    return f"+{rounded}" if rounded > 0 else f"−{abs(rounded)}" if rounded < 0 else "0"


def percent(share: float | None) -> str:
    """A share as a whole percentage; below one percent it says so."""
    if share is None:
        return "–"
    # a no-break space: number and sign stay on one line
    return "<1\u00a0%" if 0 < share < 0.005 else f"{share * 100:.0f}\u00a0%"


def words(label: str | None) -> str:
    """A codebook label as a person would write it."""
    return "" if label is None else label.replace("_", " ")
