"""The journey map as slides to be edited in PowerPoint: text, native tables and a native chart, no pictures.

The first slide is the map, the second the suggestions worth most. Drawn from the answers of the API alone. Texts
are cut to what their cell holds, by a mean width of characters on the wide side: no table grows off its slide.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.review import charts
from service.review.map_picture import ACCENT, DELIGHT, INK, PAIN, SOFT, SUNK, period_said, plain

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
# in inches, 16:9
WIDE, HIGH = 13.333, 7.5
MARGIN: Final = 0.4
NAMES: Final = 1.15  # the column of row names
TITLE, TOLD, HEAD, CURVE = 0.5, 0.3, 0.52, 1.35
CELL: Final = 0.06  # space around the text of a cell
POINTS: Final = 72.0  # of an inch
EM: Final = 0.56  # mean width of a character, of the font's size
LEADING: Final = 1.2
GRID: Final = "{5940675A-B579-460E-94D1-54222C63F5DA}"  # PowerPoint's own style of thin lines without colour
SUGGESTIONS: Final = 6


def map_pptx(found: Mapping[str, Any], proposed: Sequence[Mapping[str, Any]], *, title: str) -> bytes:
    """The map's answer (see `aggregate.journey.journey_map`) and the best suggestions as a presentation."""
    from pptx import Presentation  # which loads lxml: only for those who make slides
    from pptx.util import Inches

    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(WIDE), Inches(HIGH)
    _name(deck, title, found["as_of"])
    _map_slide(deck, found, title)
    _suggestions_slide(deck, proposed, found)
    out = io.BytesIO()
    deck.save(out)
    return out.getvalue()


def font_of(columns: int) -> int:
    """The font's size in points for a map of so many columns."""
    return 9 if columns <= 5 else 8 if columns <= 8 else 7 if columns <= 11 else 6


def cut(text: str, *, inches: float, points: float, lines: int) -> str:
    """The text as far as it fits into so many lines of a cell of this width."""
    text = plain(text)
    room = (inches - 2 * CELL) * POINTS / points  # in the font's size
    if not text:
        return ""
    begins, end = [0], 0  # of each line, and how far the text is laid out
    while end < len(text):
        begin = begins[-1]
        whole = _start(text[begin:], room)
        if begin + len(whole) >= len(text):
            return text
        # between words where there is one, else within the word
        space = text.rfind(" ", begin + 1, begin + len(whole) + 1)
        end = space + 1 if space > begin else begin + len(whole)
        if len(begins) == lines:
            break
        begins.append(end)
    rest = text[begins[-1] : end]
    last = _start(rest, max(room - _wide(" …"), 1.0))
    if len(last) < len(rest) and rest[len(last)] != " " and " " in last:
        last = last[: last.rindex(" ")]  # half a word tells nothing
    return f"{text[: begins[-1]]}{last.rstrip(' ,;:.')} …"


def _wide(text: str) -> float:
    """How wide a text is, in the font's size: Chinese characters and emoji are as wide as the font is high."""
    return sum(1.0 if unicodedata.east_asian_width(one) in "WF" else EM for one in text)


def _start(text: str, room: float) -> str:
    """The longest beginning that fits, one character at least."""
    end, used = 0, 0.0
    for one in text:
        used += _wide(one)
        if used > room:
            break
        end += 1
    return text[: max(1, end)]


def height_of(lines: int, points: float) -> float:
    """How high a row of so many lines is, in inches."""
    return lines * points * LEADING / POINTS + CELL


def _name(deck: Any, title: str, as_of: str) -> None:
    """Whose presentation it is; the library's template would name its author."""
    moment = datetime.fromisoformat(as_of).replace(tzinfo=None)
    core = deck.core_properties
    core.title, core.author, core.last_modified_by = plain(title)[:255], "Journeymap", "Journeymap"
    core.created, core.modified = moment, moment


def _slide(deck: Any, title: str, told: str) -> Any:
    from pptx.util import Inches, Pt

    slide = deck.slides.add_slide(deck.slide_layouts[5])  # with a title alone
    head = slide.shapes.title
    head.left, head.top, head.width, head.height = (
        Inches(one) for one in (MARGIN, 0.25, WIDE - 2 * MARGIN, TITLE)
    )
    _say(head.text_frame, [title], 24, bold=True)
    under = slide.shapes.add_textbox(Inches(MARGIN), Inches(0.25 + TITLE), Inches(WIDE - 2 * MARGIN), Inches(TOLD))
    _say(under.text_frame, [told], 11, colour=SOFT)
    for frame in (head.text_frame, under.text_frame):
        frame.margin_left = frame.margin_right = Pt(0)
    return slide


def _say(
    frame: Any, texts: Iterable[str], points: float, *, colour: str = INK, bold: bool = False, italic: bool = False
) -> None:
    """One paragraph a text, left-aligned."""
    from pptx.dml.color import RGBColor
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
    from pptx.util import Pt

    frame.word_wrap = True
    frame.vertical_anchor = MSO_ANCHOR.TOP
    for number, text in enumerate(list(texts) or [""]):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        paragraph.alignment = PP_ALIGN.LEFT
        run = paragraph.add_run()
        run.text = plain(text)
        run.font.size, run.font.bold, run.font.italic = Pt(points), bold, italic
        run.font.color.rgb = RGBColor.from_string(colour.removeprefix("#").upper())


def _table(slide: Any, top: float, heights: Sequence[float], widths: Sequence[float], name: str) -> Any:
    from pptx.util import Inches

    shape = slide.shapes.add_table(
        len(heights), len(widths), Inches(MARGIN), Inches(top), Inches(sum(widths)), Inches(sum(heights))
    )
    shape.name = name
    table = shape.table
    table.horz_banding = False
    shape._element.graphic.graphicData.tbl.tblPr.find(
        "{http://schemas.openxmlformats.org/drawingml/2006/main}tableStyleId"
    ).text = GRID
    for row, height in zip(table.rows, heights, strict=True):
        row.height = Inches(height)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Inches(width)
    return table


def _cell(table: Any, row: int, column: int, texts: Sequence[str], points: float, **style: Any) -> None:
    from pptx.dml.color import RGBColor
    from pptx.util import Inches

    cell = table.cell(row, column)
    cell.margin_left = cell.margin_right = Inches(CELL)
    cell.margin_top = cell.margin_bottom = Inches(CELL / 2)
    if style.pop("sunk", False):
        cell.fill.solid()
        cell.fill.fore_color.rgb = RGBColor.from_string(SUNK.removeprefix("#").upper())
    else:
        cell.fill.background()
    _say(cell.text_frame, texts, points, **style)


def _map_slide(deck: Any, found: Mapping[str, Any], title: str) -> None:
    stages = found["stages"]
    totals, net = found["totals"], found["totals"]["net_sentiment"]
    told = f"{period_said(found)} · {totals['items']:,} pieces of feedback from {totals['respondents']:,} people"
    if net["value"] is not None:
        told += f" · net sentiment {charts.signed(net['value'])}"
        if net["low"] is not None:
            told += f" ({charts.signed(net['low'])} to {charts.signed(net['high'])})"
    slide = _slide(deck, cut(title, inches=WIDE - 2 * MARGIN, points=24, lines=1), told)
    points = font_of(len(stages))
    width = (WIDE - 2 * MARGIN - NAMES) / max(1, len(stages))
    widths = [NAMES, *[width] * len(stages)]
    top = 0.25 + TITLE + TOLD + 0.12
    head = _table(slide, top, [HEAD], widths, "Stages")
    _cell(head, 0, 0, [""], points, sunk=True)
    for column, stage in enumerate(stages, start=1):
        n = f"{stage['items']:,} from {stage['respondents']:,} people" if stage["items"] else "nobody speaks of it"
        name = cut(stage["stage"], inches=width, points=points + 3, lines=1)
        _cell(head, 0, column, [name], points + 3, bold=True, sunk=True)
        _more(head.cell(0, column), cut(n, inches=width, points=points, lines=1), points)
    _curve(slide, stages, left=MARGIN + NAMES, top=top + HEAD, width=width * len(stages), points=points)
    blocks = [
        (block, [_lines(block.of(stage), block.lines, width, points) for stage in stages]) for block in _BLOCKS
    ]
    blocks = [(block, texts) for block, texts in blocks if any(texts)]
    if blocks:
        # a text over several lines is one paragraph: its row is as high as it may become
        heights = [
            height_of(block.lines if block.wraps else max(map(len, texts)), points) for block, texts in blocks
        ]
        table = _table(slide, top + HEAD + CURVE + 0.05, heights, widths, "Journey map")
        table.first_row = False
        for row, (block, texts) in enumerate(blocks):
            _cell(table, row, 0, [block.name], points, bold=True, colour=SOFT)
            for column, lines in enumerate(texts, start=1):
                _cell(table, row, column, lines, points, colour=block.colour, italic=block.italic)
    _foot(slide, found)


def _more(cell: Any, text: str, points: float) -> None:
    """A second, quieter line in a cell."""
    from pptx.dml.color import RGBColor
    from pptx.util import Pt

    run = cell.text_frame.add_paragraph().add_run()
    run.text = plain(text)
    run.font.size, run.font.bold = Pt(points), False
    run.font.color.rgb = RGBColor.from_string(SOFT.removeprefix("#").upper())


def _lines(texts: Sequence[str], lines: int, width: float, points: float) -> list[str]:
    """The texts of a cell: one entry over several lines, several of a line each."""
    if len(texts) == 1:
        return [cut(texts[0], inches=width, points=points, lines=lines)]
    return [cut(text, inches=width, points=points, lines=1) for text in texts[:lines]]


def _emotions(stage: Mapping[str, Any]) -> list[str]:
    return [f"{charts.words(one['emotion'])} {charts.percent(one['share'])}" for one in stage["emotions"][:3]]


def _touchpoints(stage: Mapping[str, Any]) -> list[str]:
    return [
        f"{charts.words(one['touchpoint'])} {charts.percent(one['share'])}" for one in stage["touchpoints"][:2]
    ]


def _points_of(name: str) -> Callable[[Mapping[str, Any]], list[str]]:
    def of(stage: Mapping[str, Any]) -> list[str]:
        return [f"{one['count']:,} of {one['n']:,}: {charts.words(one['topic'])}" for one in stage[name][:3]]

    return of


def _words(stage: Mapping[str, Any]) -> list[str]:
    return [f"«{one['text']}»" for one in stage["verbatims"][:1]]


def _changes(stage: Mapping[str, Any]) -> list[str]:
    return [one["adaptation"] for one in stage["suggestions"][:1]]


@dataclass(frozen=True, slots=True)
class _Block:
    """A row of the slide's table: what of a stage stands there, on how many lines at most."""

    name: str
    of: Callable[[Mapping[str, Any]], list[str]]
    lines: int
    colour: str = INK
    italic: bool = False
    wraps: bool = False


_BLOCKS: Final = (
    _Block("Emotions", _emotions, 3),
    _Block("Where", _touchpoints, 2),
    _Block("Pain", _points_of("pain_points"), 3, PAIN),
    _Block("Delight", _points_of("delights"), 3, DELIGHT),
    _Block("In their words", _words, 4, italic=True, wraps=True),
    _Block("What to change", _changes, 6, wraps=True),
)


def _curve(
    slide: Any, stages: Sequence[Mapping[str, Any]], *, left: float, top: float, width: float, points: float
) -> None:
    """The emotion curve with the bounds of its interval, as a chart whose numbers can be edited."""
    from pptx.chart.data import CategoryChartData
    from pptx.dml.color import RGBColor
    from pptx.enum.chart import XL_CHART_TYPE, XL_LABEL_POSITION, XL_TICK_LABEL_POSITION, XL_TICK_MARK
    from pptx.enum.dml import MSO_LINE
    from pptx.util import Inches, Pt

    data = CategoryChartData(number_format='+0;"−"0;0')
    data.categories = [plain(stage["stage"]) for stage in stages]
    for name, side in (("Net sentiment", "value"), ("95 % interval, high", "high"), ("95 % interval, low", "low")):
        data.add_series(name, [stage["net_sentiment"][side] for stage in stages])
    shape = slide.shapes.add_chart(
        XL_CHART_TYPE.LINE_MARKERS, Inches(left), Inches(top), Inches(width), Inches(CURVE), data
    )
    shape.name = "Emotion curve"
    chart = shape.chart
    chart.has_legend, chart.has_title = False, False
    chart.font.size = Pt(points)
    values, names = chart.value_axis, chart.category_axis
    values.minimum_scale, values.maximum_scale, values.major_unit = -100, 100, 100
    values.has_major_gridlines = True
    values.major_gridlines.format.line.color.rgb = RGBColor.from_string("E2DFD7")
    for axis in (values, names):
        axis.tick_label_position = XL_TICK_LABEL_POSITION.NONE
        axis.major_tick_mark = XL_TICK_MARK.NONE
        axis.format.line.fill.background()
    accent = RGBColor.from_string(ACCENT.removeprefix("#").upper())
    for number, series in enumerate(chart.plots[0].series):
        line = series.format.line
        line.color.rgb, line.width = accent, Pt(2.25 if number == 0 else 0.75)
        series.smooth = True
        if number:
            line.dash_style = MSO_LINE.DASH
            series.marker.style = None
            series.marker.format.fill.background()
            series.marker.format.line.fill.background()
            continue
        series.marker.size = 7
        series.marker.format.fill.solid()
        series.marker.format.fill.fore_color.rgb = accent
        labels = series.data_labels
        labels.show_value, labels.position = True, XL_LABEL_POSITION.ABOVE
        labels.number_format, labels.number_format_is_linked = '+0;"−"0;0', False
        labels.font.size, labels.font.bold = Pt(points + 1), True
    _fill_frame(chart)


def _fill_frame(chart: Any) -> None:
    """Let the plot fill its frame, so that each point stands under the middle of its stage's column."""
    from lxml import etree

    plot = chart._chartSpace.chart.plotArea
    space = "http://schemas.openxmlformats.org/drawingml/2006/chart"
    for old in plot.findall(f"{{{space}}}layout"):
        plot.remove(old)
    layout = etree.SubElement(plot, f"{{{space}}}layout")
    plot.remove(layout)
    plot.insert(0, layout)
    manual = etree.SubElement(layout, f"{{{space}}}manualLayout")
    for name, value in (
        ("layoutTarget", "inner"), ("xMode", "edge"), ("yMode", "edge"), ("x", "0"), ("y", "0.06"),
        ("w", "1"), ("h", "0.88"),
    ):  # fmt: skip
        etree.SubElement(manual, f"{{{space}}}{name}").set("val", value)


def _foot(slide: Any, found: Mapping[str, Any]) -> None:
    from pptx.util import Inches

    told = f"As of {found['as_of'][:16].replace('T', ' ')} UTC. Dashed: 95 % intervals over respondents."
    unassigned = found["unassigned"]["items"]
    if unassigned:
        told += f" {unassigned:,} items tell no stage, have no words, or could not be read."
    foot = slide.shapes.add_textbox(Inches(MARGIN), Inches(HIGH - 0.4), Inches(WIDE - 2 * MARGIN), Inches(0.3))
    _say(foot.text_frame, [told], 9, colour=SOFT)


def _suggestions_slide(deck: Any, proposed: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> None:
    shown = proposed[:SUGGESTIONS]
    told = "The most valuable first; sizes with their 95 % intervals."
    if not shown:
        told = "Nothing recurs often enough in this selection to suggest a change."
    slide = _slide(deck, "What to change", told)
    if not shown:
        return
    points = 11
    widths = [0.4, 1.7, 4.0, 4.9, WIDE - 2 * MARGIN - 11.0]
    heights = [0.34, *[0.86] * len(shown)]
    table = _table(slide, 0.25 + TITLE + TOLD + 0.15, heights, widths, "Suggestions")
    for column, name in enumerate(("", "Stage", "What customers say", "What to change", "How many")):
        _cell(table, 0, column, [name], points, bold=True, colour=SOFT, sunk=True)
    for row, one in enumerate(shown, start=1):
        size = one["size"]
        share = f"{charts.percent(size['low'])} to {charts.percent(size['high'])}"
        said = [cut(one["pain"], inches=widths[2], points=points, lines=2)]
        cells = (
            [str(row)],
            [cut(charts.words(one["stage"]), inches=widths[1], points=points, lines=1),
             cut(charts.words(one["topic"]), inches=widths[1], points=points, lines=1)],
            said,
            [cut(one["adaptation"], inches=widths[3], points=points, lines=4)],
            [f"{size['count']:,} of {size['n']:,}", share],
        )  # fmt: skip
        for column, texts in enumerate(cells):
            _cell(table, row, column, texts, points, bold=column == 3)
        quote = next((words["verbatim"] for words in one["evidence"]), None)
        if quote:
            _more(table.cell(row, 2), cut(f"«{quote}»", inches=widths[2], points=points - 1, lines=2), points - 1)
