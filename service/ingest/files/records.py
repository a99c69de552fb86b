"""JSON and NDJSON: records streamed one at a time, with the line of every fault.

Python's own decoder is used on a moving window, because it says exactly where a document is broken, and a broken
record inside of an array can be stepped over when its brackets still match.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from service.ingest.files.table import (
    MAX_RECORD_CHARS,
    FileRefused,
    Row,
    RowError,
    check_columns,
)
from service.ingest.files.text import BROKEN, TextOfFile
from service.ingest.files.unpack import STREAM_ERRORS, UnpackedTooLarge

WINDOW_CHARS = 128 * 1024  # small: the decoder counts lines from the window's start for every fault it reports
SAMPLE_RECORDS = 200
MAX_DEPTH = 20
LIST_NAMES = frozenset(
    ("responses", "data", "reviews", "events", "items", "results", "records", "feedback", "tickets", "rows")
)
# lists of objects that an API's answer has beside its records
BESIDE = frozenset(("links", "_links", "included", "paging", "pagination", "errors", "warnings"))

_SPACE = re.compile(r"[ \t\r\n]*")
_EMPTY = re.compile(r"\[\s*\]")
_RECORDS = re.compile(r"\[\s*\{")
_SKIPPED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)


class BrokenJson(Exception):
    """The document is no JSON from here on; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Line {line} is not valid JSON: {reason}.")
        self.line = line


def _refuse_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _reason(error: Exception) -> str:
    """What is wrong, without the words of the document."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg[:1].lower() + error.msg[1:]
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "a number that JSON does not know"


class _Window:
    """A moving part of the document, with the line at which it starts."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self.text = ""
        self.at = 0
        self._line, self._counted_to = 1, 0
        self.ended = False

    def more(self) -> bool:
        """Read on and forget what lies behind; False at the end of the document."""
        if self.ended:
            return False
        self._line = self.line()
        chunk = self._stream.read(max(WINDOW_CHARS, len(self.text) - self.at))
        self.text, self.at, self._counted_to = self.text[self.at :] + chunk, 0, 0
        self.ended = not chunk
        return bool(chunk)

    def line(self, position: int | None = None) -> int:
        """The line of a position at or behind this one (default: this one); every line is counted once."""
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line + (0 if position is None else self.text.count("\n", self.at, position))

    def peek(self) -> str:
        """The next character that is no white space, "" at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def value(self) -> tuple[Any, str]:
        """Decode the value that starts here and go behind it: the value and its text.

        Raises BrokenJson where it can't be decoded; the window then still stands at its start.
        """
        while True:
            try:
                found, end = _decoder.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if self._may_be_cut(error) and self.more():
                    continue
                place = error.pos if isinstance(error, json.JSONDecodeError) else self.at
                raise BrokenJson(self.line(place), _reason(error)) from error
            if end == len(self.text) and self.more():  # a number may go on behind the window
                continue
            start, self.at = self.at, end
            return found, self.text[start:end]

    def _may_be_cut(self, error: Exception) -> bool:
        """Whether decoding may only have failed because the window ends here."""
        if not isinstance(error, json.JSONDecodeError) or len(self.text) - self.at >= MAX_RECORD_CHARS:
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - 16

    def step_over(self) -> str | None:
        """Go behind the object or list that starts here and return its text; None if its brackets don't match.

        Nothing is decoded, so that a broken record is stepped over, too.
        """
        while True:
            depth = 0
            for token in _SKIPPED.finditer(self.text, self.at):
                if token.group() in "{[":
                    depth += 1
                elif token.group() in "}]":
                    depth -= 1
                    if depth == 0:
                        start, self.at = self.at, token.end()
                        return self.text[start : self.at]
            if len(self.text) - self.at >= MAX_RECORD_CHARS or not self.more():
                return None


def flatten(record: dict[str, Any]) -> dict[str, Any]:
    """Nested objects as names with dots; lists of plain values as text, other lists as JSON."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: dict[str, Any], depth: int) -> None:
        for key, content in value.items():
            name = f"{prefix}{key}"
            if isinstance(content, dict) and content and depth < MAX_DEPTH:
                walk(f"{name}.", content, depth + 1)
            elif isinstance(content, list) and not any(isinstance(part, list | dict) for part in content):
                flat[name] = ", ".join("" if part is None else str(part) for part in content)
            elif isinstance(content, list | dict):
                flat[name] = json.dumps(content, ensure_ascii=False) if content else None
            else:
                flat[name] = content

    walk("", record, 1)
    return flat


class RecordsTable:
    """An open JSON or NDJSON file."""

    delimiter: str | None = None
    sheet: str | None = None

    def __init__(self, text: TextOfFile, *, lines: bool, array_key: str | None = None) -> None:
        self._text = text
        self.format = "ndjson" if lines else "json"
        self.packing = text.file.packing
        self.encoding: str | None = text.encoding
        self.encoding_sure = text.sure
        self._array_key = array_key
        self._stream = text.open()
        try:
            self.columns = self._first_names()
        finally:
            self._stream.close()
        self._known = set(self.columns)
        self._stream = text.open()

    def _first_names(self) -> list[str]:
        """The keys of the first records, in their order; FileRefused where there are none."""
        names: dict[str, None] = {}
        found = 0
        first_error: RowError | None = None
        for record in self._records():
            if isinstance(record, RowError):
                first_error = first_error or record
                if record.fatal:
                    break
                continue
            names |= dict.fromkeys(flatten(record[1]))
            check_columns(list(names))
            found += 1
            if found >= SAMPLE_RECORDS:
                break
        if found:
            return list(names)
        if first_error is not None:
            raise FileRefused(first_error.code, first_error.detail)
        raise FileRefused("no_rows", "The file holds no records.")

    @property
    def read_fraction(self) -> float:
        return self._text.fraction

    @property
    def notes(self) -> list[str]:
        return []

    def rows(self, *, skip: int = 0) -> Iterator[Row | RowError]:
        """All rows in order, without the first `skip`; can be called once."""
        for record in self._records():
            if skip > 0:
                skip -= 1
                continue
            if isinstance(record, RowError):
                yield record
                continue
            number, raw = record
            flat = flatten(raw)
            extra = {} if flat.keys() <= self._known else {k: v for k, v in flat.items() if k not in self._known}
            yield Row(number, [flat.get(name) for name in self.columns], extra=extra, raw=raw)

    def _records(self) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
        number = 0
        try:
            for record in self._from_lines() if self.format == "ndjson" else self._from_array():
                number = record.number if isinstance(record, RowError) else record[0]
                yield record
        except (*STREAM_ERRORS, UnpackedTooLarge) as error:
            code = "unpacked_too_large" if isinstance(error, UnpackedTooLarge) else "file_breaks_off"
            yield RowError(number + 1, code, "The packed file can't be read any further.", fatal=True)

    def _from_lines(self) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
        number = 0
        while line := self._stream.readline(MAX_RECORD_CHARS + 1):
            number += 1
            if len(line) > MAX_RECORD_CHARS:
                while line and not line.endswith("\n"):
                    line = self._stream.readline(MAX_RECORD_CHARS)
                yield RowError(number, "cell_too_long", f"Line {number} is longer than a row may be.")
                continue
            stripped = line.strip()
            if not stripped:
                continue
            try:
                record, end = _decoder.raw_decode(stripped)
                if end != len(stripped):
                    raise json.JSONDecodeError("extra data", "", 0)
            except (ValueError, RecursionError) as error:
                detail = str(BrokenJson(number, _reason(error)))
                yield RowError(number, "broken_json", detail, raw=stripped)
                continue
            yield self._checked(number, record, stripped)

    def _checked(self, number: int, record: Any, raw: str) -> tuple[int, dict[str, Any]] | RowError:
        if not isinstance(record, dict):
            return RowError(number, "no_object", "The record is no JSON object.", raw=raw)
        if BROKEN in raw:
            return RowError(
                number, "bad_encoding", f"The record holds bytes that are no {self.encoding} text.", raw=raw
            )
        return number, record

    def _from_array(self) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
        window = _Window(self._stream)
        number = 0
        try:
            if window.peek() == "{":
                yield from self._from_object(window)
                return
            for record in self._items(window, 0):
                number = record.number if isinstance(record, RowError) else record[0]
                yield record
            if window.peek():
                raise BrokenJson(window.line(), "there is more behind the array")
        except BrokenJson as error:
            yield RowError(number + 1, "broken_json", f"{error} Nothing behind it could be read.", fatal=True)

    def _from_object(self, window: _Window) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
        """The records of the one list of objects that a document's outermost object holds."""
        number = 0
        try:
            for key in _names(window):
                if key == self._array_key:
                    for record in self._items(window, number):
                        number = record.number if isinstance(record, RowError) else record[0]
                        yield record
                elif _skip_value(window) and key.lower() not in BESIDE:
                    number += 1
                    detail = "The document holds a second list of records, which is not read."
                    yield RowError(number, "second_list", detail)
        except BrokenJson as error:
            yield RowError(number + 1, "broken_json", f"{error} Nothing behind it could be read.", fatal=True)

    def _items(self, window: _Window, number: int) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
        window.at += 1
        first = True
        while (sign := window.peek()) != "]":
            if not first:
                if sign != ",":
                    reason = "a comma is expected between records" if sign else "the list is not closed"
                    raise BrokenJson(window.line(), reason)
                window.at += 1
                if window.peek() in (",", "]"):
                    raise BrokenJson(window.line(), "a record is missing behind a comma")
            first = False
            number += 1
            try:
                record, raw = window.value()
            except BrokenJson as error:
                stepped = window.step_over() if window.peek() == "{" else None
                if stepped is None or window.peek() not in (",", "]"):
                    raise
                yield RowError(number, "broken_json", str(error), raw=stepped)
            else:
                yield self._checked(number, record, raw)
        window.at += 1

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> RecordsTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _names(window: _Window) -> Iterator[str]:
    """Walk the names of the object that starts here; the caller goes behind each value."""
    window.at += 1
    first = True
    while (sign := window.peek()) != "}":
        if not first:
            if sign != ",":
                raise BrokenJson(window.line(), "a comma is expected" if sign else "the object is not closed")
            window.at += 1
            sign = window.peek()
        first = False
        if sign != '"':
            raise BrokenJson(window.line(), "a name in quotes is expected")
        key, _ = window.value()
        if window.peek() != ":":
            raise BrokenJson(window.line(), "a colon is expected")
        window.at += 1
        window.peek()
        yield str(key)
    window.at += 1


def _skip_value(window: _Window) -> bool:
    """Go behind a value; True if it is a list of objects."""
    if window.peek() not in ("{", "["):
        window.value()
        return False
    line = window.line()
    skipped = window.step_over()
    if skipped is None:
        raise BrokenJson(line, "a part is not closed, or longer than a row may be")
    return _RECORDS.match(skipped) is not None


def lists_in(text: TextOfFile) -> list[str]:
    """Which names of a document's outermost object hold lists of objects.

    Looks as far as the first list that is longer than one record may be. An empty list counts where it has a name
    that lists of records have, and no other list is there.
    """
    found: list[str] = []
    empty: list[str] = []
    with text.open() as stream:
        window = _Window(stream)
        if window.peek() != "{":
            return found
        try:
            for key in _names(window):
                window.peek()
                while len(window.text) - window.at < 1024 and window.more():
                    pass
                if _RECORDS.match(window.text, window.at):
                    found.append(key)
                elif _EMPTY.match(window.text, window.at) and key.lower() in LIST_NAMES:
                    empty.append(key)
                _skip_value(window)
        except BrokenJson:
            pass  # reading the rows will say where
    records = [key for key in found if key.lower() not in BESIDE]
    return records or found or empty
