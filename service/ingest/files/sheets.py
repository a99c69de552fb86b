"""XLSX workbooks, read as a stream: values only, no formula is run, no macro is kept.

Written by us because the fast readers build the whole sheet in memory, as a rectangle: a workbook of 1.4 kB with
one cell in the last corner made one ask for 512 GiB and took the process with it.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from service.ingest.files.table import (
    MAX_CELL_CHARS,
    MAX_COLUMNS,
    FileRefused,
    Row,
    RowError,
    check_columns,
    unique_names,
)
from service.ingest.files.unpack import MAX_RATIO, RATIO_FREE_BYTES, STREAM_ERRORS, PackedFile
from service.ingest.files.workbook import BrokenXml, Workbook, parse, unescaped

MAX_ROWS = 1_048_576  # what a sheet can have
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})$")

MAX_TITLE_ROWS = 4
FIRST_ROWS = 1000  # the header stands among these, in all likelihood
MAX_NOTES = 20

Cell = str | int | float | bool | datetime | None
SheetRow = tuple[int, dict[int, Cell], str | None]  # its number in the sheet, its cells by column, what is wrong


class _Rows:
    """Callbacks that turn a sheet's XML into rows: (row of the sheet from 1, value by column from 0, fault)."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self.done: list[tuple[int, dict[int, Cell], str | None]] = []
        self._row = 0
        self._cells: dict[int, Cell] = {}
        self._fault: str | None = None
        self._column = -1
        self._type = ""
        self._style = 0
        self._parts: list[str] = []
        self._chars = 0
        self._inside = self._phonetic = False
        self._is_formula = self._has_value = False
        # formulas that no program has calculated, by row (of the first rows, 0 for all others) and column
        self.unread: Counter[tuple[int, int]] = Counter()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("v", "t"):
            self._inside = not self._phonetic
            self._has_value = True
        elif name == "f":
            self._is_formula = True
        elif name == "c":
            self._is_formula = self._has_value = False
            found = _CELL.match(attributes.get("r", ""))
            self._column = _column_number(found[1]) if found else self._column + 1
            self._type = attributes.get("t", "n")
            self._style = int(attributes.get("s", "0"))
            self._parts, self._chars = [], 0
        elif name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._cells, self._fault, self._column = {}, None, -1
        elif name == "rPh":
            self._phonetic = True

    def text(self, data: str) -> None:
        if self._inside and self._chars <= MAX_CELL_CHARS:
            self._parts.append(data)
            self._chars += len(data)

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._inside = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "c" and self._is_formula and not self._has_value:
            self.unread[self._row if self._row <= FIRST_ROWS else 0, self._column] += 1
        elif name == "c" and self._parts:
            if self._chars > MAX_CELL_CHARS:
                self._fault = "cell_too_long"
            try:
                value = self._value("".join(self._parts))
            except (ValueError, IndexError, OverflowError):
                self._fault, value = "broken_cell", "".join(self._parts)
            if value is not None and value != "":
                self._cells[self._column] = value
        elif name == "row":
            self.done.append((self._row, self._cells, self._fault))

    def _value(self, text: str) -> Cell:
        if self._type == "s":
            return self._book.strings[int(text)]
        if self._type in ("inlineStr", "str"):
            return unescaped(text)
        if self._type == "b":
            return text.strip() == "1"
        if self._type == "e":
            return None  # #N/A and its like say nothing
        if self._type == "d":
            return text
        number = float(text)
        styles = self._book.date_styles
        if self._style < len(styles) and styles[self._style]:
            found = self._book.moment(number)
            return found
        # ids of many digits are kept exactly; Excel itself has no more than 15
        return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _name(cell: Cell) -> str:
    return "" if cell is None else str(cell)


def _title_rows(beginning: list[dict[int, Cell]]) -> int:
    """How many rows stand above the header: a title, a date, each in one cell above names in several."""
    for place, cells in enumerate(beginning[:-1]):
        if len(cells) > 1:
            named = all(isinstance(value, str) for value in cells.values())
            return place if place and named and len(beginning[place + 1]) > 1 and 0 in beginning[place + 1] else 0
    return 0


def _broken(error: Exception) -> Iterator[SheetRow]:
    """Rows that can't be read, told when they are asked for."""
    yield from ()
    raise error


class SheetTable:
    """One sheet of an open workbook."""

    format = "xlsx"
    encoding: str | None = None
    encoding_sure = True
    delimiter: str | None = None

    def __init__(self, file: PackedFile, *, sheet: str | None, header: bool = True) -> None:
        self.packing = file.packing
        self._file = file.seekable()
        self._read_bytes = 0
        self._book: Workbook | None = None
        self._has_header = header
        self._unread: Counter[tuple[int, int]] = Counter()
        try:
            archive = self._checked_archive(file)
            try:
                self._book = Workbook(archive)
                self._open_sheet(sheet)
            except (BrokenXml, zipfile.BadZipFile, KeyError, ValueError, NotImplementedError) as error:
                if isinstance(error, FileRefused):
                    raise
                raise FileRefused("broken_workbook", "The workbook is damaged; save it again.") from error
        except BaseException:
            self.close()
            raise

    def _checked_archive(self, file: PackedFile) -> zipfile.ZipFile:
        try:
            archive = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise FileRefused("broken_workbook", "The workbook is damaged; save it again.") from error
        # reading stops at the sizes declared here, so that they can be trusted as limits
        unpacked = sum(entry.file_size for entry in archive.infolist())
        packed = sum(entry.compress_size for entry in archive.infolist())
        if unpacked > file.max_unpacked_bytes or unpacked > RATIO_FREE_BYTES + MAX_RATIO * packed:
            raise file.too_large()
        return archive

    def _open_sheet(self, wanted: str | None) -> None:
        assert self._book is not None
        sheets = self._book.sheets
        if wanted is not None:
            sheets = [pair for pair in sheets if pair[0].strip().casefold() == wanted.strip().casefold()]
            if not sheets:
                names = ", ".join(name[:40] for name, _ in self._book.sheets[:10])
                raise FileRefused("unknown_sheet", f"The workbook has the sheets: {names}.", pointer="sheet")
        only_header: tuple[str, str] | None = None
        for name, part in sheets:
            beginning, rows = self._beginning(part)
            if not beginning:
                continue
            if len(beginning) == 1 and self._has_header and len(sheets) > 1:
                only_header = only_header or (name, part)  # a cover, or a sheet that nobody filled
                continue
            self._use_sheet(name, part, beginning, rows)
            return
        if only_header is not None:
            self._use_sheet(*only_header, *self._beginning(only_header[1]))
            return
        raise FileRefused("empty_file", "The sheet is empty." if wanted else "The workbook holds no rows.")

    def _beginning(self, part: str) -> tuple[list[SheetRow], Iterator[SheetRow]]:
        """The first rows of a sheet in which anything stands, and the rest."""
        rows = self._rows_of(part)
        found: list[SheetRow] = []
        try:
            for row in rows:
                if any(str(value).strip() for value in row[1].values()):
                    found.append(row)
                    if len(found) == MAX_TITLE_ROWS + 2:
                        break
        except (BrokenXml, *STREAM_ERRORS) as error:
            if not found:
                raise
            rows = _broken(error)
        return found, rows

    def _use_sheet(self, name: str, part: str, beginning: list[SheetRow], rows: Iterator[SheetRow]) -> None:
        assert self._book is not None
        self.sheet: str | None = name
        self._size = self._book.archive.getinfo(part).file_size
        if not self._has_header:
            self._header_row = beginning[0][0] - 1
            self._rows: Iterator[SheetRow] = chain(beginning, rows)
            self._use_header(dict.fromkeys(beginning[0][1]))
            return
        titles = _title_rows([cells for _, cells, _ in beginning])
        self._header_row, header, _ = beginning[titles]
        self._rows = chain(beginning[titles + 1 :], rows)
        self._use_header(header)

    def _use_header(self, cells: dict[int, Cell]) -> None:
        width = named = max(cells) + 1
        below = self._peek() if self._has_header else {}
        if below and 0 not in below and max(below) < MAX_COLUMNS:
            # choices of one question stand below its name and the blank cells behind it
            width = max(named, max(below) + 1)
        if width > MAX_COLUMNS:
            raise FileRefused("too_many_columns", f"The sheet has {width} columns; the limit is {MAX_COLUMNS}.")
        self.columns = unique_names([_name(cells.get(place)) for place in range(width)], width=width)
        check_columns(self.columns)

    def _peek(self) -> dict[int, Cell]:
        """The cells of the next row, which is still read as a row; none where there is nothing to be read."""
        try:
            below = next(self._rows, None)
        except (BrokenXml, *STREAM_ERRORS) as error:
            self._rows = _broken(error)
            return {}
        if below is None:
            return {}
        self._rows = chain([below], self._rows)
        return below[1]

    def _rows_of(self, part: str) -> Iterator[tuple[int, dict[int, Cell], str | None]]:
        assert self._book is not None
        found = _Rows(self._book)
        self._unread = found.unread
        with self._book.archive.open(part) as stream:
            chunks = parse(stream, found.start, found.end, found.text)
            while True:
                broken: Exception | None = None
                try:
                    self._read_bytes = next(chunks, -1)
                except (BrokenXml, *STREAM_ERRORS) as error:
                    broken = error
                yield from found.done  # those before the damage, too
                found.done.clear()
                if broken is not None:
                    raise broken
                if self._read_bytes < 0:
                    self._read_bytes = self._book.archive.getinfo(part).file_size
                    return

    @property
    def notes(self) -> list[str]:
        """Formulas without a stored value: a column of them would else be empty for no reason that one can see."""
        by_column: Counter[int] = Counter()
        for (row, column), count in self._unread.items():
            if (row == 0 or row > self._header_row) and column < len(self.columns):
                by_column[column] += count
        found = [
            f"Column «{self.columns[column]}»: {count:,} of its cells {'has' if count == 1 else 'have'} a formula "
            "without its value, read as empty. Open the workbook in a spreadsheet program and save it there."
            for column, count in sorted(by_column.items())
        ]
        return found[:MAX_NOTES]

    @property
    def read_fraction(self) -> float:
        return min(1.0, self._read_bytes / self._size) if self._size else 1.0

    def rows(self, *, skip: int = 0) -> Iterator[Row | RowError]:
        """All rows in order, without the first `skip`; can be called once."""
        number = 0
        try:
            for sheet_row, cells, fault in self._rows:
                number = max(number + 1, sheet_row - self._header_row)
                if not cells and fault is None:
                    continue
                if skip > 0:
                    skip -= 1
                    continue
                yield self._checked(number, cells, fault)
                if number > MAX_ROWS:
                    raise BrokenXml("more rows than a sheet can have")
        except (BrokenXml, *STREAM_ERRORS, ValueError):
            detail = "The workbook is damaged; nothing behind this row could be read."
            yield RowError(number + 1, "broken_workbook", detail, fatal=True)

    def _checked(self, number: int, cells: dict[int, Cell], fault: str | None) -> Row | RowError:
        width = len(self.columns)
        values = [cells.get(place) for place in range(width)]
        if fault == "cell_too_long":
            return RowError(number, fault, f"A cell has more than {MAX_CELL_CHARS} characters.", values)
        if fault is not None:
            return RowError(number, fault, "A cell of this row is damaged.", values)
        beyond = [value for place, value in sorted(cells.items()) if place >= width and str(value).strip()]
        if beyond:
            detail = f"The row has cells beyond the {width} columns of the header."
            return RowError(number, "wrong_width", detail, [*values, *beyond])
        return Row(number, values)

    def close(self) -> None:
        if self._book is not None:
            self._book.close()
        self._file.close()

    def __enter__(self) -> SheetTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
