"""What the pages of suggestions draw: value against effort, weeks of a share, before and after.

Across, coordinates are percent of the picture, so that it fits any width and its letters keep their size; down,
they are pixels of a picture of fixed height. Everything works without script; the table stands behind each chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, sqrt
from typing import Any, Final

from service.intervals import Interval, share_interval
from service.review.charts import percent, words
from service.suggest.playbook import EFFORTS

HEIGHT: Final = 300  # of the picture of value against effort
TOP, BOTTOM = 30.0, 268.0
DOT: Final = 12.0  # radius
STEP: Final = 6.3  # between two dots side by side, percent of the width: nearly a dot's width on a phone
BESIDE: Final = (0, 1, -1, 2, -2)  # places of dots of about the same value; on a phone, too, all within the band

WEEKS_HEIGHT: Final = 170
WEEKS_TOP, WEEKS_BOTTOM = 12.0, 142.0


@dataclass(frozen=True, slots=True)
class Dot:
    """One suggestion: its number in the list, its place, and what a screen reader says."""

    number: int
    id: str
    x: float
    y: float
    spoken: str


def value_effort(rows: Sequence[Mapping[str, Any]], most: int = 15) -> tuple[Dot, ...]:
    """The best suggestions: effort across (less to the left), value upwards on a scale of square roots.

    Dots that would cover each other stand side by side.
    """
    shown = rows[:most]
    top = max((row["priority"] for row in shown), default=0.0) or 1.0
    found: list[Dot] = []
    for number, row in enumerate(shown, start=1):
        middle = (EFFORTS.index(row["effort"]) + 0.5) / len(EFFORTS) * 100
        y = BOTTOM - sqrt(max(0.0, row["priority"]) / top) * (BOTTOM - TOP)
        free = next(
            (
                middle + place * STEP
                for place in BESIDE
                if not any(
                    abs(dot.x - middle - place * STEP) < STEP * 0.8 and abs(dot.y - y) < 2 * DOT for dot in found
                )
            ),
            middle,
        )
        size = row["size"]
        spoken = (
            f"{number}: {words(row['stage'])}, {words(row['topic'])}; effort {row['effort']}, value "
            f"{row['priority']:.1f}; {size['count']} of {size['n']}, {percent(size['low'])} to "
            f"{percent(size['high'])}"
        )
        found.append(Dot(number, row["id"], round(free, 2), round(y, 1), spoken))
    return tuple(found)


def spark(values: Sequence[float | None]) -> str | None:
    """A line through values, oldest first, as an SVG path in a box of 100 by 32; None for fewer than two."""
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return None
    low, high = min(value for _, value in known), max(value for _, value in known)
    step, scale = 100 / (len(values) - 1), 26 / ((high - low) or 1.0)
    points = [(index * step, 29 - (value - low) * scale) for index, value in known]
    return " ".join(f"{'L' if place else 'M'}{x:.2f} {y:.2f}" for place, (x, y) in enumerate(points))


@dataclass(frozen=True, slots=True)
class WeekDot:
    """One week's share; `low_y` and `high_y` are its 95 % interval."""

    x: float
    y: float
    low_y: float
    high_y: float
    spoken: str


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of weeks that has a meaning of its own."""

    name: str
    about: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Weeks:
    """A chart of weeks: dots, the line through them, the parts behind, and the scale."""

    dots: tuple[WeekDot, ...]
    line: str  # an SVG path in a box of 100 by HEIGHT
    parts: tuple[Part, ...]
    legend: tuple[tuple[str, str], ...]  # name and meaning of each part, once
    top: str  # the share at the upper end
    first: str
    last: str
    table: tuple[dict[str, Any], ...]


PARTS: Final = {
    "baseline": "Before: what was usual",
    "excluded": "Left out: these weeks raised the suggestion",
    "washout": "Left out: the change reaches people",
    "after": "After: measured",
    "later": "After the plan's end",
}


def weeks(series: Sequence[Mapping[str, Any]]) -> Weeks | None:
    """A chart of weeks with `from`, `count`, `n` and perhaps `part`; None where no week has an item.

    Where weeks bring their `share` with its bounds (null: not told), these are drawn, else those of the counts.
    """
    if not any(one["n"] for one in series):
        return None
    days = [date.fromisoformat(one["from"]).toordinal() for one in series]
    whole = max(7, days[-1] - days[0] + 7)
    rows = []
    for one in series:
        share = share_interval(one["count"] / one["n"], one["n"]) if one["n"] else None
        if "share" in one:
            share = Interval(one["share"], one["low"], one["high"]) if one["share"] is not None else None
        rows.append({**one, "interval": share, "part": one.get("part")})
    if not any(one["interval"] for one in rows):
        return None
    high = max(one["interval"].high for one in rows if one["interval"])
    shown = max(one["interval"].value for one in rows if one["interval"])
    # few items make intervals that reach far: the picture is cut at a little above what was seen
    top = max(0.05, ceil(min(high, 2.2 * shown + 0.05) * 20) / 20)

    def x(day: int) -> float:
        return round((day - days[0]) / whole * 100, 2)

    def y(value: float) -> float:
        return float(round(WEEKS_BOTTOM - min(1.0, value / top) * (WEEKS_BOTTOM - WEEKS_TOP), 1))

    dots, table = [], []
    for day, one in zip(days, rows, strict=True):
        share = one["interval"]
        table.append({**one, "meaning": PARTS.get(one["part"] or "", "")})
        if share is None:
            continue
        spoken = f"Week of {one['from']}: {one['count']} of {one['n']}, {percent(share.value)}"
        dots.append(WeekDot(x(day + 3), y(share.value), y(share.low), y(share.high), spoken))
    line = " ".join(f"{'L' if index else 'M'}{dot.x} {dot.y}" for index, dot in enumerate(dots))
    parts: list[Part] = []
    for day, one in zip(days, rows, strict=True):
        if one["part"] is None:
            continue
        if parts and parts[-1].name == one["part"]:
            last = parts[-1]
            parts[-1] = Part(last.name, last.about, last.x, round(x(day + 7) - last.x, 2))
        else:
            parts.append(Part(one["part"], PARTS.get(one["part"], one["part"]), x(day), round(7 / whole * 100, 2)))
    return Weeks(
        dots=tuple(dots),
        line=line,
        parts=tuple(parts),
        legend=tuple({part.name: part.about for part in parts}.items()),
        top=percent(top),
        first=series[0]["from"],
        last=series[-1]["from"],
        table=tuple(table),
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """A share as a bar with its interval, in percent of the picture's width."""

    name: str
    count: int
    n: int
    share: float
    low: float
    high: float
    width: float
    low_x: float
    high_x: float


def before_after(impact: Mapping[str, Any] | None) -> tuple[Bar, ...]:
    """Before and after of a measured change on one scale; empty where nothing is measured yet."""
    if impact is None or impact["before"] is None or impact["after"] is None:
        return ()
    top = max(impact[side]["high"] for side in ("before", "after")) or 1.0
    return tuple(
        Bar(
            name,
            impact[side]["count"],
            impact[side]["n"],
            impact[side]["share"],
            impact[side]["low"],
            impact[side]["high"],
            *(round(100 * impact[side][end] / top, 2) for end in ("share", "low", "high")),
        )
        for side, name in (("before", "Before"), ("after", "After"))
    )
