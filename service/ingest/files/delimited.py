"""CSV and TSV as real exports write them: RFC 4180 with its usual offences, one bad row at a time.

Rows come from Python's csv reader in strict mode. Where strict reading fails, or a quote is never closed, the
row's first line is tried again in the ways in which exporters break the rule; if none gives the header's
width, that line alone is refused and reading goes on behind it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence

from service.ingest.column_names import guess_field, is_personal
from service.ingest.files.table import (
    MAX_CELL_CHARS,
    MAX_RECORD_CHARS,
    Row,
    RowError,
    check_columns,
    unique_names,
)
from service.ingest.files.text import BROKEN, TextOfFile
from service.ingest.files.unpack import STREAM_ERRORS, UnpackedTooLarge

DELIMITERS = (",", ";", "\t", "|")
NO_DELIMITER = "\x1f"  # for files with one column; stands in no text
SAMPLE_CHARS = 256 * 1024
SAMPLE_RECORDS = 50
MAX_TITLE_LINES = 6  # blank ones among them
MAX_NAME_CHARS = 80  # of a column below a title; longer ones are texts
# unclosed quotes are looked for again from their second line; this bounds the work of hostile files
REREAD_CHARS = 64 * 1024 * 1024

_QUOTED = re.compile(r'(?:(?<=^)|(?<=[,;\t|\r\n]))"(?:[^"]|"")*"')
_LINE_END = re.compile(r"\r\n|\n|\r")
_SEP_LINE = re.compile(r'^"?sep=(.)"?\s*$', re.IGNORECASE)


def sniff_delimiter(sample: str, *, whole: bool, hint: str | None = None) -> str | None:
    """The delimiter that the first 50 records agree on, counted outside quotes; None for one column.

    `whole` says that the sample is the whole file, so that its last record is complete.
    """
    records = [line for line in _LINE_END.split(_QUOTED.sub("x", sample)) if line.strip()]
    if not whole and len(records) > 1:
        records.pop()
    records = records[:SAMPLE_RECORDS]
    if not records:
        return None
    best: tuple[float, bool, int] | None = None
    chosen = None
    for delimiter in DELIMITERS:
        width = records[0].count(delimiter)
        if not width:
            continue
        agree = sum(1 for record in records if record.count(delimiter) == width) / len(records)
        rank = (round(agree, 1), delimiter == hint, width)
        if best is None or rank > best:
            best, chosen = rank, delimiter
    return chosen


def title_lines(sample: str, *, whole: bool, delimiter: str | None = None) -> int:
    """How many lines stand above the header: a title, a date, each without any delimiter, above a real table.

    A file of one column has none: below its name stand texts, not rows that agree on three columns or more (on
    two, where a blank line stands between). A title may hold the delimiter where the names below it are known.
    """
    lines = _LINE_END.split(sample)
    if not whole:
        lines.pop()
    return _plain_titles(lines, delimiter) or _titles_with_delimiter(lines, delimiter)


def _plain_titles(lines: Sequence[str], delimiter: str | None) -> int:
    signs = (delimiter,) if delimiter else DELIMITERS
    for place, line in enumerate(lines[: MAX_TITLE_LINES + 1]):
        if not line.strip():
            continue
        if line.count('"') % 2:
            return 0
        if not any(sign in line for sign in signs):
            continue
        above = lines[:place]
        titles = [one.strip() for one in above if one.strip()]
        if not titles or not all(re.search(r"[\s\d]", title) for title in titles):
            return 0  # a single word is rather the name of the only column
        table = "\n".join(lines[place:])
        sign = delimiter or sniff_delimiter(table, whole=True)
        records = [one for one in _LINE_END.split(_QUOTED.sub("x", table)) if one.strip()][:SAMPLE_RECORDS]
        marks = [record.count(sign or NO_DELIMITER) for record in records]
        least = 1 if not all(one.strip() for one in above) else 2
        agree = len(records) > 2 and all(mark == marks[0] for mark in marks) and marks[0] >= least
        names = [name.strip().strip('"') for name in line.split(sign or NO_DELIMITER)]
        named = all(0 < len(name) <= MAX_NAME_CHARS and not name[0].isdigit() for name in names)
        return place if agree and named else 0
    return 0


def _titles_with_delimiter(lines: Sequence[str], delimiter: str | None) -> int:
    """How many lines above a row of well-known names are titles: of another width, or one cell and blank ones.

    Spreadsheet programs fill a title up with blank cells. Careful, because a wrong guess costs the file its
    header: all rows below agree on three columns or more, and that row names two more fields of feedback than any
    above it.
    """
    signs = (delimiter,) if delimiter else DELIMITERS
    for place in range(1, min(MAX_TITLE_LINES + 1, len(lines))):
        if lines[place - 1].count('"') % 2:
            return 0
        # whether the row could be that one is told from it alone, before all rows below are looked at
        likely = (sign for sign in signs if sign in lines[place] and _known(_cells(lines[place], sign)) >= 2)
        if next(likely, None) is None:
            continue
        table = "\n".join(lines[place:])
        sign = delimiter or sniff_delimiter(table, whole=True)
        records = [one for one in _LINE_END.split(_QUOTED.sub("x", table)) if one.strip()][:SAMPLE_RECORDS]
        marks = [record.count(sign or NO_DELIMITER) for record in records]
        if sign is None or len(records) < 3 or marks[0] < 2 or any(mark != marks[0] for mark in marks):
            continue
        titles = [_cells(line, sign) for line in lines[:place] if line.strip()]
        header = _cells(lines[place], sign)
        named = all(0 < len(name) <= MAX_NAME_CHARS and not name[0].isdigit() for name in header)
        known = max((_known(cells) for cells in titles), default=0)
        if (
            named
            and all(len(cells) != len(header) or len(list(filter(None, cells))) <= 1 for cells in titles)
            and _known(header) >= known + 2
        ):
            return place
    return 0


def _cells(line: str, sign: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=sign), [])]


def _known(cells: Sequence[str]) -> int:
    """How many of these are names of what feedback consists of."""
    return sum(guess_field(cell) is not None or is_personal(cell) for cell in cells if cell)


def _width(header: Sequence[str], below: Sequence[str]) -> int:
    """How many columns there are at least: those without a name count where the next row has something in them.

    SurveyMonkey names a question once, above the first of its choices.
    """
    used = [place for place, cell in enumerate(below, start=1) if cell.strip()]
    return max(used, default=0) if len(below) <= len(header) else 0


class _RecordTooLong(Exception):
    pass


class _Lines:
    """Physical lines for the csv reader, remembering those of the record in hand."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self._budget = REREAD_CHARS
        self.record: list[str] = []
        self._chars = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._chars > MAX_RECORD_CHARS:
            raise _RecordTooLong
        line = self._again.popleft() if self._again else self._stream.readline(MAX_RECORD_CHARS + 1)
        if not line:
            raise StopIteration
        self.record.append(line)
        self._chars += len(line)
        if len(line) > MAX_RECORD_CHARS:
            while line and not line.endswith(("\n", "\r")):
                line = self._stream.readline(MAX_RECORD_CHARS)
            raise _RecordTooLong
        return line

    def begin(self) -> None:
        self.record = []
        self._chars = 0

    def put_back_all_but_first(self) -> None:
        if len(self.record) < 2 or self._budget < self._chars:
            return
        self._budget -= self._chars
        self._again.extendleft(reversed(self.record[1:]))
        self.record = self.record[:1]


class DelimitedTable:
    """An open CSV or TSV file."""

    packing: str | None
    sheet: str | None = None

    def __init__(self, text: TextOfFile, *, delimiter: str | None, hint: str | None, header: bool = True) -> None:
        # a process-wide limit, so that one value serves all threads; cells are held to a shorter one below
        csv.field_size_limit(MAX_RECORD_CHARS + 1)
        self._text = text
        self.packing = text.file.packing
        self.encoding: str | None = text.encoding
        self.encoding_sure = text.sure
        with text.open() as stream:
            sample = stream.read(SAMPLE_CHARS)
        whole = len(sample) < SAMPLE_CHARS
        first, found = _LINE_END.split(sample, maxsplit=1)[0], None
        told = _SEP_LINE.match(first)
        if told:
            found = told.group(1)
            sample = sample[len(first) :].lstrip("\r\n")
        titles = title_lines(sample, whole=whole, delimiter=delimiter) if header and not told else 0
        for _ in range(titles):
            ended = _LINE_END.search(sample)
            sample = sample[ended.end() :] if ended else ""
        self.delimiter = delimiter or found or sniff_delimiter(sample, whole=whole, hint=hint)
        self.format = "tsv" if self.delimiter == "\t" else "csv"
        self._stream = text.open()
        for _ in range(1 if told else titles):
            self._stream.readline()
        self._lines = _Lines(self._stream)
        self._reader = self._new_reader(self._lines)
        try:
            first_record, second_record = self._beginning(sample)
            if header:
                self.columns = unique_names(self._header(), width=_width(first_record, second_record))
            else:
                self.columns = unique_names([], width=len(first_record))
            check_columns(self.columns)
        except BaseException:
            self.close()
            raise

    def _new_reader(self, lines: Iterator[str], **changes: object) -> Iterator[list[str]]:
        options: dict[str, object] = {"delimiter": self.delimiter or NO_DELIMITER, "strict": True} | changes
        return csv.reader(lines, **options)  # type: ignore[arg-type]

    def _beginning(self, sample: str) -> tuple[list[str], list[str]]:
        """The first two records, read without care."""
        reader = self._new_reader(iter(io.StringIO(sample, newline="")), strict=False)
        found: list[list[str]] = []
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    found.append(cells)
                if len(found) == 2:
                    break
        except csv.Error:
            pass
        found += [[], []]
        return found[0], found[1]

    def _header(self) -> Sequence[str]:
        while True:
            self._lines.begin()
            try:
                cells = next(self._reader)
            except StopIteration:
                return []
            except (csv.Error, _RecordTooLong):
                self._lines.put_back_all_but_first()
                cells = next(self._new_reader(iter(self._lines.record[:1]), strict=False), [])
            if any(cell.strip() for cell in cells):
                return [cell.replace("\x00", "").replace(BROKEN, "\ufffd").strip() for cell in cells]

    @property
    def read_fraction(self) -> float:
        return self._text.fraction

    @property
    def notes(self) -> list[str]:
        return []

    def rows(self, *, skip: int = 0) -> Iterator[Row | RowError]:
        """All rows in order, without the first `skip`; can be called once."""
        number = 0
        lines, reader = self._lines, self._reader
        while True:
            number += 1
            lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _RecordTooLong) as error:
                found = self._mend(number, too_long=isinstance(error, _RecordTooLong))
                if skip > 0:
                    skip -= 1
                else:
                    yield found
                continue
            except (*STREAM_ERRORS, UnpackedTooLarge) as error:
                code = "unpacked_too_large" if isinstance(error, UnpackedTooLarge) else "file_breaks_off"
                yield RowError(number, code, "The packed file can't be read any further.", fatal=True)
                return
            if not cells:
                continue  # a blank line
            if skip > 0:
                skip -= 1
                continue
            yield self._checked(number, cells, lines.record)

    def _checked(self, number: int, cells: list[str], record: Sequence[str]) -> Row | RowError:
        """The row, or why it can't be taken."""
        if len(record) == 1 and len(cells) == len(self.columns):  # nearly all rows: no need to look closer
            line = record[0]
            if len(line) <= MAX_CELL_CHARS and "\x00" not in line and BROKEN not in line:
                return Row(number, cells)
        if any("\x00" in line for line in record):
            return RowError(number, "nul_byte", "The row holds NUL bytes, which are no text.", cells)
        if any(BROKEN in line for line in record):
            return RowError(
                number, "bad_encoding", f"The row holds bytes that are no {self.encoding} text.", cells
            )
        if (len(record) > 1 or len(record[0]) > MAX_CELL_CHARS) and max(map(len, cells)) > MAX_CELL_CHARS:
            detail = f"A cell has {max(map(len, cells))} characters; the limit is {MAX_CELL_CHARS}."
            return RowError(number, "cell_too_long", detail, cells)
        width = len(self.columns)
        kept = cells if any(cell.strip() for cell in cells[width:]) else cells[:width]
        if len(kept) != width:
            detail = f"The row has {len(cells)} cells, the header has {width} columns."
            return RowError(number, "wrong_width", detail, cells)
        return Row(number, kept)

    def _mend(self, number: int, *, too_long: bool) -> Row | RowError:
        """What can be made of a record that strict reading refused; gives back the lines it does not need."""
        record = self._lines.record
        first = record[:1]
        if not too_long and len(record) > 1 and self._read_loosely(record[1:2]) is None:
            # the second line is no row by itself: a text over several lines whose inner quotes are not doubled
            cells = self._read_loosely(record)
            if cells is not None:
                return self._checked(number, cells, record)
        self._lines.put_back_all_but_first()
        if not first or len(first[0]) > MAX_CELL_CHARS:
            cut = [first[0][:MAX_CELL_CHARS]] if first else []
            return RowError(number, "cell_too_long", "The row is longer than a row may be.", cut)
        cells = self._read_loosely(first)
        if cells is not None:
            return self._checked(number, cells, first)
        cells = first[0].rstrip("\r\n").split(self.delimiter or NO_DELIMITER)
        return RowError(number, "unclosed_quote", "A quotation mark in this row is not closed or doubled.", cells)

    def _read_loosely(self, record: Sequence[str]) -> list[str] | None:
        """One record read in the ways in which exporters break the rule, or None if none has the right width."""
        width = len(self.columns)
        ways: list[dict[str, object]] = [{"strict": False}]
        if any('\\"' in line for line in record):
            ways.insert(0, {"escapechar": "\\", "doublequote": False, "strict": False})
        if len(record) == 1:
            ways.insert(-1, {"quoting": csv.QUOTE_NONE, "strict": False})
        for way in ways:
            try:
                cells = next(self._new_reader(iter(record), **way), [])
            except csv.Error:
                continue
            if len(cells) != width:
                continue
            cells[-1] = cells[-1].rstrip("\r\n")
            if "quoting" in way:  # quotes around a whole cell are still no part of it, those inside are
                cells = [
                    cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell
                    for cell in cells
                ]
            return cells
        return None

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> DelimitedTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
