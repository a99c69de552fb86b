"""A row made into an item, by the plan of its file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from service.errors import BadInput
from service.ingest.column_names import in_words, is_personal
from service.ingest.column_values import TIME_FIELDS
from service.ingest.conversions import from_serial, is_blank, to_moment, to_number, to_rating
from service.ingest.equal_rows import EqualRows
from service.ingest.files.table import REJECT_COLUMNS, Row
from service.ingest.fold import WORDS
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, IncomingItem, read_item
from service.ingest.mapping import Plan, scale_of
from service.ingest.presets import PRESETS
from service.ingest.presets.contract import slug
from service.ingest.senders.values import titled

LONG_FIELDS = frozenset({"question", "translation"})
_NOT_PICKED = frozenset({"0", "false", "no", "nein", "non", "not selected"})
Answer = tuple[str | None, str | None, str | None]  # key behind the row's id, question, text
SCORE_PARTS = {"score.kind": "kind", "score.value": "value", "score.scale_min": "min", "score.scale_max": "max"}
# what rejected.csv puts in front of a cell that a spreadsheet would run as a formula
_ESCAPED = re.compile(r"'[=+\-@\t\r]")


def text_columns(plan: Plan) -> frozenset[str]:
    """The columns that hold the customer's own words."""
    return frozenset(use.column for use in plan.columns if use.field in WORDS or use.field == "title")


class RowRefused(Exception):
    """A row that can't become an item; the message names the column, never its words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ItemReader:
    """Rows to items, by a plan.

    A row with several open questions is a response: an item for each answer, all with its id as `response_id` and
    its score, which counts once. The first question's item has the row's id, the others that and the question.
    """

    def __init__(self, plan: Plan, columns: Sequence[str], *, max_text_chars: int) -> None:
        self._max_text_chars = max_text_chars
        self._zone = ZoneInfo(plan.timezone)
        self._day_first = plan.day_first
        self._channel = plan.channel
        self._responses = plan.responses
        self._columns = list(columns)
        self._derive = PRESETS[plan.preset].derive if plan.preset in PRESETS else None
        order = {column: place for place, column in enumerate(columns)}
        self._skip = [(order[name], frozenset(values)) for name, values in plan.skip.items() if name in order]
        self._fields: list[tuple[int, str, str]] = []  # place, column, field
        self._scores: list[tuple[int, str, str]] = []
        self._scales: dict[str, tuple[str, float, float] | None] = {}
        self._attributes: list[tuple[int, str, str | None]] = []
        self._texts: list[tuple[int, str, str | None]] = []  # place, key, question
        self._title_place: int | None = None
        self._id_place: int | None = None
        self._equal = EqualRows()
        self._escaped = set(REJECT_COLUMNS[:3]) <= set(columns)  # a rejected.csv that comes back
        self._scalars: set[str] = set()
        for use in plan.columns:
            if use.field is None or use.column not in order:
                continue
            place = order[use.column]
            if use.field.startswith("attributes."):
                self._attributes.append((place, use.field.removeprefix("attributes."), use.value))
            elif use.field == "score" or use.field.startswith(("score_", "score.")):
                self._scores.append((place, use.column, use.field))
                self._scales[use.field] = scale_of(use.field)
            elif use.field == "text":
                self._texts.append((place, use.column, use.label))
                self._scalars.add(use.column)
            elif use.field == "title":
                self._title_place = place
            else:
                self._fields.append((place, use.column, use.field))
                self._scalars.add(use.column)
                if use.field == "external_id" and self._id_place is None:
                    self._id_place = place
        # answers to several questions can't be told apart without them where there is no id; else a code like Q2
        # or a field's name would tell the tagger nothing
        named = len(self._texts) > 1 and self._id_place is None
        self._texts = [
            (place, slug(label or column), (label or column) if named or in_words(label or column) else None)
            for place, column, label in self._texts
        ]
        self._has_question = any(name == "question" for _, _, name in self._fields)

    def has_id(self, row: Row) -> bool:
        """Whether the row's identity is the sender's id alone."""
        return self._id_place is not None and not is_blank(row.cells[self._id_place])

    def item(self, row: Row) -> IncomingItem | None:
        """The row's first item, None where nothing was answered; RowRefused where it can't be taken."""
        return next(iter(self.items(row)), None)

    def items(self, row: Row) -> list[IncomingItem]:
        """The row's items, none where neither text nor score was answered; RowRefused where it can't be taken.

        Rows have to be read in their order: equal ones without an id are told apart by how many came before.
        """
        if self._escaped:
            row = replace(row, cells=[_unescaped(cell) for cell in row.cells])
        if self._skip and any(_folded(row.cells[place]) in values for place, values in self._skip):
            return []  # a preview or a test of the form
        if row.raw is not None:
            for name, content in row.raw.items():
                if name in self._scalars and isinstance(content, dict | list):
                    raise RowRefused("wrong_type", f"«{name}» holds an object or a list.")
        derived: dict[str, Any] = {}
        if self._derive is not None:
            derived = self._derive(dict(zip(self._columns, row.cells, strict=False)), row.raw)
        values = self._values(row, derived)
        texts = self._answers(row, derived, has_score="score" in values)
        if not texts:
            return []
        if len(self._texts) > 1 or len(texts) > 1 or "texts" in derived:
            values["response_id"] = (
                values.get("response_id") or values.get("external_id") or self._made_id(values, texts)
            )
        elif self._responses and "external_id" in values:
            values.setdefault("response_id", values["external_id"])
        items = []
        for key, question, text in texts:
            item = dict(values)
            if text is not None:
                item["text"] = text
            if question is not None and not self._has_question:
                item["question"] = question
            if key is not None and "external_id" in item:
                item["external_id"] = f"{item['external_id']}:{key}"
            try:
                items.append(read_item(item, max_text_chars=self._max_text_chars))
            except BadInput as error:
                first = error.errors[0]
                raise RowRefused(first.code, error.detail) from error
        return items

    def _values(self, row: Row, derived: Mapping[str, Any]) -> dict[str, Any]:
        """What all items of the row share."""
        values: dict[str, Any] = {"channel": self._channel}
        blank = derived.get("blank", ())
        for place, column, name in self._fields:
            value = row.cells[place]
            if name in values and name != "channel":
                continue  # a column that goes before this one had it
            if name in LONG_FIELDS:
                if value is not None and str(value).strip():
                    values[name] = value if isinstance(value, str) else _plain(value)
            elif not is_blank(value) and column not in blank:
                values[name] = self._converted(name, column, value)
        score, others = self._score(row, derived)
        if score is not None:
            values["score"] = score
        attributes = self._read_attributes(row)
        for name, value in (*others, *derived.get("attributes", {}).items()):
            if len(attributes) < MAX_ATTRIBUTES:
                attributes.setdefault(str(name)[:MAX_ATTRIBUTE_CHARS], str(value)[:MAX_ATTRIBUTE_CHARS])
        if attributes:
            values["attributes"] = attributes
        if "external_id" in derived:
            values["external_id"] = derived["external_id"]
        return values

    def _answers(self, row: Row, derived: Mapping[str, Any], *, has_score: bool) -> list[Answer]:
        """(key behind the row's id, question, text) of each answer; one without text where there is only a score.

        The key is that of the question, not of its turn, so that an answer keeps its id when others are added.
        """
        found: list[Answer] = []
        for turn, (place, key, question) in enumerate(self._texts):
            value = row.cells[place]
            if value is not None and str(value).strip():
                text = value if isinstance(value, str) else _plain(value)
                found.append((key if turn else None, question, text))
        title = row.cells[self._title_place] if self._title_place is not None else None
        if title is not None and str(title).strip():
            first_answer: Answer = found[0] if found else (None, None, None)
            found[:1] = [(*first_answer[:2], titled(str(title), first_answer[2]))]
        for key, question, text in derived.get("texts", ()):
            first = not found and not self._texts
            found.append((None if first else slug(key), question or None, text))
        if self._responses:
            for column, value in row.extra.items():
                if _is_answer(column, value):  # to a question that no studied record has answered
                    found.append((slug(column), column, value))
        if not found and has_score:
            # the words may still come: they are those of the first question then
            found.append((None, self._texts[0][2] if len(self._texts) > 1 else None, None))
        return found

    def _made_id(self, values: Mapping[str, Any], texts: Sequence[Answer]) -> str:
        """An id for a response that has none: the same whenever its row is read, another for its k-th equal."""
        said = [values.get("occurred_at"), values.get("score"), *texts]
        key = hashlib.sha256(repr(said).encode("utf-8", "replace")).hexdigest()
        count = self._equal.count(key)
        self._equal.add(key)
        return f"row-{key[:24]}-{count + 1}"

    def _moment(self, value: Any) -> datetime:
        try:
            return to_moment(value, zone=self._zone, day_first=self._day_first)
        except ValueError:
            # only in a column that is known to hold times: elsewhere such a number may be anything
            return from_serial(value, zone=self._zone)

    def _converted(self, name: str, column: str, value: Any) -> Any:
        try:
            if name in TIME_FIELDS:
                return self._moment(value)
            if name == "value":
                return to_number(value)
        except (ValueError, OverflowError) as error:
            kind = "time" if name in TIME_FIELDS else "number"
            how = " Write it like 2026-11-20 14:30." if kind == "time" else ""
            raise RowRefused(f"bad_{kind}", f"«{column}» holds no {kind} that can be read.{how}") from error
        if name == "channel":
            return str(value).strip().lower()
        return _plain(value)

    def _score(self, row: Row, derived: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
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
        kind_told = derived.get("score_kind", "stars")
        if not found or kind_told is None:
            return derived.get("score"), []
        column, name, value = found[0]
        try:
            rating, top = to_rating(value)
            score: dict[str, Any] = {"kind": str(parts.get("kind", kind_told)).strip().lower(), "value": rating}
            if name.startswith("score_"):
                scale = self._scales[name]
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
        attributes: dict[str, str] = {}
        for place, name, choice in self._attributes:
            value = row.cells[place]
            if is_blank(value):
                continue
            said = _plain(value) if choice is None else choice
            if (
                choice is not None
                and said.casefold() != _plain(value).casefold()
                and _folded(value) in _NOT_PICKED
            ):
                continue
            # several columns of one question are its choices
            said = f"{attributes[name]}, {said}" if name in attributes else said
            attributes[name] = said[:MAX_ATTRIBUTE_CHARS]
        for column, value in row.extra.items():
            # keys that no studied record had: taken where there is room
            name = column.removeprefix("attributes.")[:MAX_ATTRIBUTE_CHARS]
            if self._responses and _is_answer(column, value):
                continue
            if len(attributes) < MAX_ATTRIBUTES and not is_blank(value) and not is_personal(column):
                attributes.setdefault(name, _plain(value)[:MAX_ATTRIBUTE_CHARS])
        return attributes


def _is_answer(column: str, value: Any) -> bool:
    """Whether a late key of a survey's record holds somebody's sentence."""
    return isinstance(value, str) and len(value.split()) >= 3 and not is_personal(column)


def _folded(value: Any) -> str:
    return "" if value is None else _plain(value).casefold()


def _plain(value: Any) -> str:
    """A cell as text: whole numbers without a fraction, truth as true or false."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value).strip()


def _unescaped(cell: Any) -> Any:
    return cell[1:] if isinstance(cell, str) and _ESCAPED.match(cell) else cell
