"""What a column's cells are, whatever its name says: prose, a scale, times, addresses, ids, choices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from service.ingest.column_names import guess_field, is_open_question, is_personal, scale_in
from service.ingest.conversions import is_blank, to_moment, to_number, to_rating
from service.ingest.files.table import REJECT_COLUMNS, Row
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, SCALES

PROSE_CHARS = 15  # a column whose cells are shorter in the middle holds names and labels, not sentences
PERSONAL = "personal data"  # the note of columns that are left out for it
TIME_FIELDS = frozenset({"occurred_at", "updated_at"})

_EMAIL = re.compile(r"[^\s@,;]{1,64}@[^\s@,;]{1,250}\.[^\s@.,;\d]{2,24}")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){4,7}", re.IGNORECASE)
_PHONE = re.compile(r"(?:\+|00)\d[\d ()/.-]{6,18}\d")
_DATE_SHAPE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{4}-\d{2}-\d{2}T|[^\W\d_]{3,9}\.? \d{1,2},? \d{4}")
_UNNAMED = re.compile(r"column_\d+")
_TWIN = re.compile(r"(?<=.)_\d{1,3}$")  # what a second column of the same name gets
_ID = re.compile(r"(?=\S*\d)[A-Za-z0-9_:.#/-]{6,80}")


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What one column is taken for; `field` is None where it is left out, and `note` says why."""

    column: str
    field: str | None
    confidence: float
    note: str | None = None
    label: str | None = None  # the question that the column answers, in full
    value: str | None = None  # what any mark in a cell stands for, where the column is one of several choices


class Cells:
    """A table's first rows, by column; blank cells are left out."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        self.columns = list(columns)
        self.rows = rows
        self._place = {column: place for place, column in enumerate(columns)}
        self._found: dict[str, list[Any]] = {}

    def __getitem__(self, column: str) -> list[Any]:
        found = self._found.get(column)
        if found is None:
            place = self._place[column]
            found = [row.cells[place] for row in self.rows if not is_blank(row.cells[place])]
            self._found[column] = found
        return found

    def pairs(self, one: str, other: str) -> list[tuple[Any, Any]]:
        """The cells of two columns, row by row, where both say something."""
        places = self._place[one], self._place[other]
        both = ((row.cells[places[0]], row.cells[places[1]]) for row in self.rows)
        return [pair for pair in both if not any(map(is_blank, pair))]

    def first(self, column: str) -> Any:
        """The column's first cell that says something; None where there is none."""
        cells = self[column] if column in self._place else []
        return cells[0] if cells else None


def share(cells: Sequence[Any], convert: Callable[[Any], Any]) -> float:
    """Which part of the cells can be converted; 0 for none at all."""
    good = 0
    for cell in cells:
        try:
            convert(cell)
            good += 1
        except (ValueError, OverflowError):
            continue
    return good / len(cells) if cells else 0.0


def _matching(cells: Sequence[Any], pattern: re.Pattern[str]) -> float:
    return sum(1 for cell in cells if pattern.fullmatch(str(cell).strip()[:300])) / len(cells) if cells else 0.0


def are_addresses(cells: Sequence[Any]) -> bool:
    """Whether the column holds e-mail addresses."""
    return _matching(cells, _EMAIL) >= 0.8


def are_personal(cells: Sequence[Any]) -> bool:
    """Whether the column holds what names a person: addresses of mail or network, telephone numbers."""
    return any(_matching(cells, pattern) >= 0.8 for pattern in (_EMAIL, _ADDRESS, _PHONE))


def are_ids(cells: Sequence[Any]) -> bool:
    """Whether the column holds codes that name its rows: long, without spaces, all different."""
    if len(cells) < 3 or len({str(cell) for cell in cells}) < len(cells):
        return False
    return _matching(cells, _ID) >= 0.95 and not are_personal(cells) and not are_times(cells)


def are_times(cells: Sequence[Any]) -> bool:
    """Whether the column holds dates that look like dates: bare numbers are none."""
    shaped = [
        cell
        for cell in cells
        if hasattr(cell, "isoformat") or _DATE_SHAPE.match(str(cell).strip()[:60]) is not None
    ]
    if not cells or len(shaped) < 0.9 * len(cells):
        return False
    return share(cells, _in_either_order) >= 0.9


def _in_either_order(cell: Any) -> Any:
    try:
        return to_moment(cell, zone=UTC, day_first=True)
    except (ValueError, OverflowError):
        return to_moment(cell, zone=UTC, day_first=False)


def as_time(day_first: bool) -> Callable[[Any], Any]:
    """A conversion for `share`."""
    return lambda cell: to_moment(cell, zone=UTC, day_first=day_first)


def ratings(cells: Sequence[Any]) -> list[float]:
    """The cells that are ratings, without those that say their own scale."""
    found = []
    for cell in cells:
        try:
            value, top = to_rating(cell)
        except ValueError:
            continue
        if top is None:
            found.append(value)
    return found


def whole_scale(cells: Sequence[Any]) -> tuple[float, float] | None:
    """(lowest, highest) of a column of whole numbers from 0 to 10; None for any other column."""
    found = ratings(cells)
    if not found or len(found) < 0.9 * len(cells) or any(value % 1 for value in found):
        return None
    low, high = min(found), max(found)
    return (low, high) if low >= 0 and high <= 10 else None


def outside_scale(cells: Sequence[Any], kind: str) -> bool:
    """Whether a tenth or more of a column's ratings lie outside the usual scale of this kind of score."""
    low, high = SCALES[kind]
    found = ratings(cells)
    return sum(1 for value in found if not low <= value <= high) >= max(1.0, 0.1 * len(found))


def on_its_scale(field: str, header: str, cells: Sequence[Any]) -> str:
    """A guessed score's field with the scale that its header tells, where the ratings keep to it."""
    scale = scale_in(header)
    if scale is None or field == "score_nps" or not (field == "score" or field.startswith("score_")):
        return field
    if any(not scale[0] <= value <= scale[1] for value in ratings(cells)):
        return field
    kind = "score_stars" if field == "score" else field
    return (
        field
        if SCALES[kind.removeprefix("score_")] == scale and kind == field
        else f"{kind}:{scale[0]}-{scale[1]}"
    )


def plausible(name: str, cells: Sequence[Any]) -> bool:
    """Whether a column's cells can be what its name says: a wrong guess would refuse or merge whole files."""
    if not cells:
        return True
    if name in ("text", "title"):
        return share(cells, to_number) < 0.5
    if name == "score_nps":
        found = ratings(cells)
        return len(found) >= 0.5 * len(cells) and sum(0 <= value <= 10 for value in found) >= 0.5 * len(found)
    if name == "score" or name.startswith("score_"):
        return share(cells, to_rating) >= 0.5
    if name in TIME_FIELDS:
        return max(share(cells, as_time(day_first)) for day_first in (True, False)) >= 0.5
    if name == "value":
        return share(cells, to_number) >= 0.5
    if name == "external_id" and len(cells) >= 20:
        return len({str(cell) for cell in cells}) >= 0.95 * len(cells)
    return True


def prose_chars(cells: Sequence[Any]) -> float:
    """The mean length of cells that read like people's sentences; 0 for other columns."""
    texts = [str(cell) for cell in cells]
    wordy = sum(1 for text in texts if len(text.split()) >= 3 or _unspaced(text))
    if texts and wordy >= len(texts) / 2 and len(set(texts)) > len(texts) / 2:
        return sum(map(len, texts)) / len(texts)
    return 0.0


def _unspaced(text: str) -> bool:
    """Words of a writing that puts no spaces between them (Chinese, Japanese, Thai)."""
    return len(text) >= 8 and sum(1 for char in text if "\u0e00" <= char <= "\u0e7f" or char >= "\u3040") >= 6


def prose(candidates: Sequence[str], cells: Cells) -> list[str]:
    """The columns that read like people's sentences; one if it is clearly the longest."""
    lengths = {column: prose_chars(cells[column]) for column in candidates}
    ranked = sorted((one for one in lengths if lengths[one] >= PROSE_CHARS), key=lambda one: -lengths[one])
    if len(ranked) > 1 and lengths[ranked[1]] <= 0.6 * lengths[ranked[0]]:
        return ranked[:1]
    return ranked


def as_attribute(
    column: str, cells: Cells, *, name: str | None = None, confidence: float = 0.5, value: str | None = None
) -> ColumnUse:
    """A column as an attribute under its own or another name; left out where it is personal or too long."""
    # versions of four parts look like addresses of a network
    if is_personal(column) or ("version" not in column.lower() and are_personal(cells[column])):
        return ColumnUse(column, None, 1.0, PERSONAL)
    if value is None and any(len(str(cell)) > MAX_ATTRIBUTE_CHARS for cell in cells[column]):
        return ColumnUse(column, None, 1.0, "too long for an attribute")
    own = (name or column.removeprefix("attributes.")).strip() or column
    return ColumnUse(column, f"attributes.{own}"[:MAX_ATTRIBUTE_CHARS], confidence, value=value)


def within_limit(uses: Iterable[ColumnUse]) -> list[ColumnUse]:
    """The uses with twenty attributes at most, the surest first; the others say why they are left out."""
    kept: list[ColumnUse] = []
    names: set[str] = set()
    for use in sorted(uses, key=lambda one: -one.confidence):  # those that the sender names come first
        name = use.field or ""
        if name.startswith("attributes."):
            if name not in names and len(names) == MAX_ATTRIBUTES:
                use = ColumnUse(use.column, None, 1.0, f"more than {MAX_ATTRIBUTES} attributes")
            else:
                names.add(name)
        kept.append(use)
    return kept


def maybe_data(header: Sequence[str]) -> bool:
    """Whether a first row may be data: none of its cells is a field's name, and one is a value or a sentence."""
    cells = [_TWIN.sub("", cell) for cell in header if not _UNNAMED.fullmatch(cell)]
    named = (guess_field(cell) for cell in cells)
    if any(guess is not None and guess[1] >= 0.8 for guess in named) or any(
        cell in REJECT_COLUMNS for cell in cells
    ):
        return False
    return any(_kind(cell) is not None for cell in cells)


def reads_like_data(header: Sequence[str], cells: Cells) -> bool:
    """Whether a first row, which may be data, is of the same kinds as the rows below it."""
    alike = 0
    for cell in header:
        found = cells[cell]
        if _UNNAMED.fullmatch(cell) or not found:
            continue
        kinds = [_kind(str(one)) for one in found]
        own = _kind(_TWIN.sub("", cell))
        below = max(set(kinds), key=kinds.count)
        if kinds.count(below) < 0.8 * len(kinds) or below is None:
            continue
        if own != below:
            return False  # a name above values
        alike += 1
    return alike > 0


def _kind(cell: str) -> str | None:
    """What a cell is at sight: a value that stands in no header, or a sentence; None for words."""
    text = cell.strip()
    if re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?", text):
        return "number"
    if _EMAIL.fullmatch(text):
        return "address"
    if _DATE_SHAPE.match(text) is not None and are_times([text]):
        return "time"
    if len(text.split()) >= 4 and not text.endswith("?") and not is_open_question(text):
        return "sentence"
    return None
