"""A row made into an item, by the plan of its file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from service.errors import BadInput
from service.ingest.column_names import is_personal
from service.ingest.conversions import is_blank, to_moment, to_number, to_rating
from service.ingest.files.table import REJECT_COLUMNS, Row
from service.ingest.fold import WORDS
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, IncomingItem, read_item
from service.ingest.mapping import TIME_FIELDS, Plan, scale_of

LONG_FIELDS = frozenset({"text", "question", "translation"})
SCORE_PARTS = {"score.kind": "kind", "score.value": "value", "score.scale_min": "min", "score.scale_max": "max"}
# what rejected.csv puts in front of a cell that a spreadsheet would run as a formula
_ESCAPED = re.compile(r"'[=+\-@\t\r]")


def text_columns(plan: Plan) -> frozenset[str]:
    """The columns that hold the customer's own words."""
    return frozenset(use.column for use in plan.columns if use.field in WORDS)


class RowRefused(Exception):
    """A row that can't become an item; the message names the column, never its words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ItemReader:
    """Rows to items, by a plan."""

    def __init__(self, plan: Plan, columns: Sequence[str], *, max_text_chars: int) -> None:
        self._max_text_chars = max_text_chars
        self._zone = ZoneInfo(plan.timezone)
        self._day_first = plan.day_first
        self._channel = plan.channel
        order = {column: place for place, column in enumerate(columns)}
        self._fields: list[tuple[int, str, str]] = []  # place, column, field
        self._scores: list[tuple[int, str, str]] = []
        self._attributes: list[tuple[int, str]] = []
        self._id_place: int | None = None
        self._escaped = set(REJECT_COLUMNS[:3]) <= set(columns)  # a rejected.csv that comes back
        self._scalars: set[str] = set()
        for use in plan.columns:
            if use.field is None or use.column not in order:
                continue
            place = order[use.column]
            if use.field.startswith("attributes."):
                self._attributes.append((place, use.field.removeprefix("attributes.")))
            elif use.field == "score" or use.field.startswith(("score_", "score.")):
                self._scores.append((place, use.column, use.field))
            else:
                self._fields.append((place, use.column, use.field))
                self._scalars.add(use.column)
                if use.field == "external_id":
                    self._id_place = place

    def has_id(self, row: Row) -> bool:
        """Whether the row's identity is the sender's id alone."""
        return self._id_place is not None and not is_blank(row.cells[self._id_place])

    def item(self, row: Row) -> IncomingItem | None:
        """The row's item, None where neither text nor score was answered; RowRefused where it can't be taken."""
        if self._escaped:
            row = Row(row.number, [_unescaped(cell) for cell in row.cells])
        if row.raw is not None:
            for name, content in row.raw.items():
                if name in self._scalars and isinstance(content, dict | list):
                    raise RowRefused("wrong_type", f"«{name}» holds an object or a list.")
        values: dict[str, Any] = {"channel": self._channel}
        for place, column, name in self._fields:
            value = row.cells[place]
            if name in LONG_FIELDS:
                if value is not None and str(value).strip():
                    values[name] = value if isinstance(value, str) else _plain(value)
            elif not is_blank(value):
                values[name] = self._converted(name, column, value)
        score, others = self._score(row)
        if score is not None:
            values["score"] = score
        elif "text" not in values:
            return None
        attributes = self._read_attributes(row)
        for name, value in others:
            if len(attributes) < MAX_ATTRIBUTES:
                attributes.setdefault(name, value)
        if attributes:
            values["attributes"] = attributes
        try:
            return read_item(values, max_text_chars=self._max_text_chars)
        except BadInput as error:
            first = error.errors[0]
            raise RowRefused(first.code, error.detail) from error

    def _converted(self, name: str, column: str, value: Any) -> Any:
        try:
            if name in TIME_FIELDS:
                return to_moment(value, zone=self._zone, day_first=self._day_first)
            if name == "value":
                return to_number(value)
        except (ValueError, OverflowError) as error:
            kind = "time" if name in TIME_FIELDS else "number"
            raise RowRefused(f"bad_{kind}", f"«{column}» holds no {kind} that can be read.") from error
        if name == "channel":
            return str(value).strip().lower()
        return _plain(value)

    def _score(self, row: Row) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
        """The row's score, and further ones as attributes (an item has one)."""
        parts: dict[str, Any] = {}
        found: list[tuple[str, str, Any]] = []
        for place, column, name in self._scores:
            value = row.cells[place]
            if is_blank(value):
                continue
            if name in SCORE_PARTS and name != "score.value":
                parts[SCORE_PARTS[name]] = value
            else:
                found.append((column, name, value))
        if not found:
            return None, []
        column, name, value = found[0]
        try:
            rating, top = to_rating(value)
            score: dict[str, Any] = {"kind": str(parts.get("kind", "stars")).strip().lower(), "value": rating}
            if name.startswith("score_"):
                scale = scale_of(name)
                score["kind"] = (scale[0] if scale else name).removeprefix("score_")
                if scale:
                    score |= {"scale_min": scale[1], "scale_max": scale[2]}
            for part in ("min", "max"):
                if part in parts:
                    score[f"scale_{part}"] = to_number(parts[part])
        except ValueError as error:
            raise RowRefused("bad_score", f"«{column}» holds no score that can be read.") from error
        if top is not None and "scale_max" not in score:
            score["scale_max"] = top
        return score, [
            (other[:MAX_ATTRIBUTE_CHARS], _plain(more)[:MAX_ATTRIBUTE_CHARS]) for other, _, more in found[1:]
        ]

    def _read_attributes(self, row: Row) -> dict[str, str]:
        attributes = {}
        for place, name in self._attributes:
            value = row.cells[place]
            if not is_blank(value):
                attributes[name] = _plain(value)[:MAX_ATTRIBUTE_CHARS]
        for column, value in row.extra.items():
            # keys that no studied record had: taken where there is room
            name = column.removeprefix("attributes.")[:MAX_ATTRIBUTE_CHARS]
            if len(attributes) < MAX_ATTRIBUTES and not is_blank(value) and not is_personal(column):
                attributes.setdefault(name, _plain(value)[:MAX_ATTRIBUTE_CHARS])
        return attributes


def _plain(value: Any) -> str:
    """A cell as text: whole numbers without a fraction, truth as true or false."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value).strip()


def _unescaped(cell: Any) -> Any:
    return cell[1:] if isinstance(cell, str) and _ESCAPED.match(cell) else cell
