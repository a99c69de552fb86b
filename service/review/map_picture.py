"""The journey map as one picture, to put into slides or on a wall: SVG, and from it PNG and PDF; and as a table.

Drawn from the map's answer alone, so that a picture never says anything else than the API.
"""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr
from zoneinfo import ZoneInfo

from service.moments import said_days
from service.review import charts
from service.review.export import spreadsheet_cell

WIDTH: Final = 1680.0
MARGIN: Final = 40.0
ROW_NAMES: Final = 120.0
CURVE_HEIGHT: Final = 210.0
LINE: Final = 19.0
CHAR: Final = 7.1  # a mean character of the 13 px font, in px
BLOCK_GAP: Final = 14.0
FONT: Final = "Liberation Sans, Arial, Helvetica, sans-serif"
INK, SOFT, LINE_COLOUR, PAPER, SUNK = "#1d2433", "#5a6274", "#e2dfd7", "#ffffff", "#f3f1ec"
ACCENT, PAIN, DELIGHT, BAND = "#2f5d62", "#b3402f", "#2c7a52", "#2f5d62"
PNG_SCALE: Final = 2.0

CSV_COLUMNS: Final = (
    "stage",
    "covers",
    "items",
    "segments",
    "respondents",
    "net_sentiment",
    "net_sentiment_low",
    "net_sentiment_high",
    "net_sentiment_n",
    "emotions",
    "touchpoints",
    "pain_points",
    "delights",
    "nps",
    "csat",
    "ces",
    "suggestions",
)


def map_svg(found: Mapping[str, Any], *, title: str) -> str:
    """The map's answer (see `aggregate.journey.journey_map`) as an SVG document, `WIDTH` px wide."""
    return _Picture(found, title).svg()


def map_png(svg: str) -> bytes:
    """The picture as PNG, twice as fine as its size in px."""
    import vl_convert  # 30 MB of library that only who draws pictures loads

    rendered: bytes = vl_convert.svg_to_png(svg, scale=PNG_SCALE)
    return rendered


def map_pdf(svg: str) -> bytes:
    """The picture as a PDF of one page; letters stay letters."""
    import vl_convert

    rendered: bytes = vl_convert.svg_to_pdf(svg)
    return rendered


class _Picture:
    """One drawing: blocks of rows from the top down, each as high as its fullest column."""

    def __init__(self, found: Mapping[str, Any], title: str) -> None:
        self._map = found
        self._stages: Sequence[Mapping[str, Any]] = found["stages"]
        self._title = title
        self._column = (WIDTH - 2 * MARGIN - ROW_NAMES) / max(1, len(self._stages))
        self._fits = max(12, int((self._column - 20) / CHAR))
        self._parts: list[str] = []
        self._y = MARGIN

    def svg(self) -> str:
        self._head()
        self._stage_names()
        self._curve()
        self._lines("Emotions", self._emotions)
        self._lines("Where", self._touchpoints)
        self._lines("Pain", lambda stage: self._points(stage["pain_points"]), colour=PAIN)
        self._lines("Delight", lambda stage: self._points(stage["delights"]), colour=DELIGHT)
        self._lines("In their words", self._words, italic=True)
        self._lines("What to change", self._changes)
        self._foot()
        height = self._y + MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label={quoteattr(self._title)} '
            f'font-family="{FONT}" font-size="13">'
            f"<title>{escape(self._title)}</title>"
            f'<rect width="{WIDTH:.0f}" height="{height:.0f}" fill="{PAPER}"/>' + "".join(self._parts) + "</svg>"
        )

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 13,
        colour: str = INK,
        bold: bool = False,
        more: str = "",
    ) -> None:
        weight = ' font-weight="700"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{weight}{more}>'
            f"{escape(plain(text))}</text>"
        )

    def _rule(self, y: float) -> None:
        self._parts.append(
            f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y:.1f}" y2="{y:.1f}" stroke="{LINE_COLOUR}"/>'
        )

    def _x(self, column: int) -> float:
        return MARGIN + ROW_NAMES + column * self._column

    def _head(self) -> None:
        totals = self._map["totals"]
        self._text(MARGIN, self._y + 22, self._title, size=26, bold=True)
        net = totals["net_sentiment"]
        told = f"{period_said(self._map)} · {totals['items']:,} pieces of feedback"
        told += f" from {totals['respondents']:,} people"
        if net["value"] is not None:
            told += f" · net sentiment {charts.signed(net['value'])}{_between(net)}"
        self._text(MARGIN, self._y + 46, told, colour=SOFT, size=14)
        self._y += 70

    def _stage_names(self) -> None:
        self._parts.append(
            f'<rect x="{MARGIN}" y="{self._y:.1f}" width="{WIDTH - 2 * MARGIN:.1f}" height="58" fill="{SUNK}"/>'
        )
        for column, stage in enumerate(self._stages):
            self._text(self._x(column) + 10, self._y + 25, stage["stage"], size=16, bold=True)
            told = f"{stage['items']:,} items" if stage["items"] else "nobody speaks of it"
            self._text(self._x(column) + 10, self._y + 45, told, colour=SOFT)
        self._y += 58

    def _curve(self) -> None:
        """The emotion curve with its band, over all columns."""
        top, width = self._y + 8, self._column * len(self._stages)
        curve = charts.emotion_curve([dict(stage) for stage in self._stages])
        self._text(MARGIN, top + CURVE_HEIGHT / 2 + 4, "Net sentiment", colour=SOFT, bold=True)
        middle = top + CURVE_HEIGHT / 2
        self._parts.append(
            f'<line x1="{self._x(0):.1f}" x2="{WIDTH - MARGIN}" y1="{middle:.1f}" y2="{middle:.1f}" '
            'stroke="#bdb8ab" stroke-dasharray="3 4"/>'
        )
        scale = (
            f'transform="translate({self._x(0):.2f} {top:.2f}) scale({width / 100:.4f} {CURVE_HEIGHT / 100:.4f})"'
        )
        for band in curve.bands:
            self._parts.append(f'<path d="{band}" {scale} fill="{BAND}" fill-opacity="0.15"/>')
        for path in curve.paths:
            self._parts.append(
                f'<path d="{_placed(path, self._x(0), top, width / 100, CURVE_HEIGHT / 100)}" fill="none" '
                f'stroke="{ACCENT}" stroke-width="2.5"/>'
            )
        for point in curve.points:
            x, y = self._x(0) + point.x / 100 * width, top + point.y / 100 * CURVE_HEIGHT
            colour = {"low": PAIN, "high": DELIGHT}.get(point.tone, ACCENT)
            self._parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{PAPER}" stroke="{colour}" stroke-width="2.5"/>'
            )
            self._text(x, y - 12, point.label, bold=True, more=' text-anchor="middle"')
        self._y = top + CURVE_HEIGHT + 8

    def _lines(self, name: str, of: Any, *, colour: str = INK, italic: bool = False) -> None:
        """A block of wrapped lines per column; left out where no column has any."""
        columns = [
            [line for entry in of(stage) for line in textwrap.wrap(plain(entry), self._fits)]
            for stage in self._stages
        ]
        most = max((len(lines) for lines in columns), default=0)
        if not most:
            return
        self._rule(self._y)
        self._text(MARGIN, self._y + 22, name, colour=SOFT, bold=True)
        style = ' font-style="italic"' if italic else ""
        for column, lines in enumerate(columns):
            for number, line in enumerate(lines):
                self._text(self._x(column) + 10, self._y + 22 + number * LINE, line, colour=colour, more=style)
        self._y += most * LINE + BLOCK_GAP

    @staticmethod
    def _emotions(stage: Mapping[str, Any]) -> Iterator[str]:
        for one in stage["emotions"][:3]:
            yield f"{charts.words(one['emotion'])} {charts.percent(one['share'])}"

    @staticmethod
    def _touchpoints(stage: Mapping[str, Any]) -> Iterator[str]:
        for one in stage["touchpoints"][:2]:
            yield f"{charts.words(one['touchpoint'])} {charts.percent(one['share'])}"

    @staticmethod
    def _points(points: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        for one in points[:3]:
            yield f"{charts.words(one['topic'])}: {one['count']} of {one['n']}"

    @staticmethod
    def _words(stage: Mapping[str, Any]) -> Iterator[str]:
        for one in stage["verbatims"][:1]:
            yield f"«{textwrap.shorten(plain(one['text']), 150, placeholder=' …')}»"

    @staticmethod
    def _changes(stage: Mapping[str, Any]) -> Iterator[str]:
        for one in stage["suggestions"][:1]:
            yield textwrap.shorten(plain(one["adaptation"]), 170, placeholder=" …")

    def _foot(self) -> None:
        self._rule(self._y)
        unassigned = self._map["unassigned"]["items"]
        told = f"As of {self._map['as_of'][:16].replace('T', ' ')} UTC. Bands are 95 % intervals over respondents."
        if unassigned:
            told += f" {unassigned:,} items tell no stage, have no words, or could not be read."
        if self._map["labels"]["trends_withheld"]:
            told += " " + self._map["labels"]["trends_withheld"]
        self._text(MARGIN, self._y + 24, told, colour=SOFT, size=12)
        self._y += 24


def _placed(path: str, x: float, y: float, across: float, down: float) -> str:
    """A path of points moved and stretched; a stretched picture would stretch the stroke too."""

    def point(found: re.Match[str]) -> str:
        return f"{x + float(found[1]) * across:.2f} {y + float(found[2]) * down:.2f}"

    return re.sub(r"(-?[\d.]+) (-?[\d.]+)", point, path)


def plain(text: str) -> str:
    """On one line, without what XML cannot carry."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def period_said(found: Mapping[str, Any]) -> str:
    """The period of a map in words, as days of the workspace's zone."""
    zone = ZoneInfo(found["timezone"])
    first, end = (
        datetime.fromisoformat(at).astimezone(zone).date() if at else None for at in (found["from"], found["to"])
    )
    return said_days(first, end - timedelta(days=1) if end else None)


def _between(estimate: Mapping[str, Any]) -> str:
    if estimate["low"] is None:
        return ""
    return f" ({charts.signed(estimate['low'])} to {charts.signed(estimate['high'])})"


def map_csv(found: Mapping[str, Any]) -> str:
    """A row per stage, and one for what stands in none."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for stage in found["stages"]:
        net = stage["net_sentiment"]
        row = {
            "stage": stage["stage"],
            "covers": " ".join(stage["codebook_stages"]),
            **{name: stage[name] for name in ("items", "segments", "respondents")},
            "net_sentiment": net["value"],
            "net_sentiment_low": net["low"],
            "net_sentiment_high": net["high"],
            "net_sentiment_n": net["n"],
            "emotions": "; ".join(f"{one['emotion']} {one['items']}" for one in stage["emotions"]),
            "touchpoints": "; ".join(f"{one['touchpoint']} {one['items']}" for one in stage["touchpoints"]),
            "pain_points": "; ".join(f"{one['topic']} {one['count']}/{one['n']}" for one in stage["pain_points"]),
            "delights": "; ".join(f"{one['topic']} {one['count']}/{one['n']}" for one in stage["delights"]),
            **{kind: (stage["scores"][kind] or {}).get("value") for kind in ("nps", "csat", "ces")},
            "suggestions": "; ".join(one["adaptation"] for one in stage["suggestions"]),
        }
        writer.writerow([spreadsheet_cell(row[name]) for name in CSV_COLUMNS])
    unassigned = found["unassigned"]
    reasons = "; ".join(f"{reason} {count}" for reason, count in unassigned["reasons"].items() if count)
    last: dict[str, Any] = dict.fromkeys(CSV_COLUMNS, "")
    last.update(stage="unassigned", covers=reasons, items=unassigned["items"], segments=unassigned["segments"])
    writer.writerow([spreadsheet_cell(last[name]) for name in CSV_COLUMNS])
    return out.getvalue()
