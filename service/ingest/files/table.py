"""What every kind of file becomes: named columns and a stream of rows, each read or refused by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.errors import BadInput, FieldError

MAX_COLUMNS = 500
MAX_CELL_CHARS = 1024 * 1024
MAX_RECORD_CHARS = 16 * 1024 * 1024  # what one row may hold in memory

# columns of rejected.csv; a mended file that still has them is taken as if it had not
REJECT_COLUMNS = ("_row", "_code", "_detail", "_raw")


class FileRefused(BadInput):
    """A file that can't be read at all. `code` is stable, `detail` says what to do about it."""

    def __init__(self, code: str, detail: str, *, pointer: str = "file") -> None:
        super().__init__(detail, errors=[FieldError(pointer, code, detail)])
        self.code = code


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the uploader fixes; whatever is None is found out."""

    filename: str = ""
    encoding: str | None = None
    delimiter: str | None = None  # one of , ; | or a tab, also written "tab" or "\\t"
    sheet: str | None = None
    header: bool = True  # whether the first row holds the columns' names
    max_unpacked_bytes: int = 8 * 1024**3
    # text encodings are judged by this many unpacked bytes; None is the whole file
    judge_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands in the file.

    `number` counts data rows from 1, blank ones included, so that data row n is a spreadsheet's row n + 1;
    for NDJSON it is the line. `cells` is parallel to the table's columns; `extra` holds what a JSON record
    has beyond them; `raw` is the record itself where the file is JSON.
    """

    number: int
    cells: Sequence[Any]
    extra: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that can't be read. `detail` never holds the row's words, `cells` (kept for download) do.

    After a `fatal` one nothing more of the file can be read.
    """

    number: int
    code: str
    detail: str
    cells: Sequence[Any] = ()
    raw: str | None = None
    fatal: bool = False


class Table(Protocol):
    """An open file. Use as a context manager, or close it."""

    @property
    def format(self) -> str:
        """csv, tsv, xlsx, json or ndjson."""

    @property
    def packing(self) -> str | None:
        """gzip, zip, or None."""

    @property
    def encoding(self) -> str | None:
        """The text encoding; None for xlsx."""

    @property
    def encoding_sure(self) -> bool:
        """Whether the encoding was given, marked in the file, or judged by the whole of it."""

    @property
    def delimiter(self) -> str | None:
        """Between the columns of csv and tsv; None where there is only one column."""

    @property
    def sheet(self) -> str | None:
        """Which sheet of an xlsx is read."""

    @property
    def columns(self) -> list[str]:
        """The header, made unique; for JSON the keys of the first records, nested ones with dots."""

    @property
    def read_fraction(self) -> float:
        """How much of the file has been read, 0 to 1, by bytes."""

    @property
    def notes(self) -> list[str]:
        """What would surprise, of the rows that were read so far: sentences without cells' words."""

    def rows(self, *, skip: int = 0) -> Iterator[Row | RowError]:
        """All rows in order, without the first `skip`; can be called once."""

    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Table: ...

    def __exit__(self, *_: object) -> None: ...


def unique_names(header: Sequence[str], *, width: int = 0) -> list[str]:
    """Column names without trailing blank columns (behind the first `width`), blank ones named, twins numbered."""
    names = [str(name).strip() for name in header]
    names += [""] * (width - len(names))
    while len(names) > width and not names[-1]:
        names.pop()
    found: list[str] = []
    taken: set[str] = set()
    for place, name in enumerate(names, start=1):
        base = name or f"column_{place}"
        candidate, turn = base, 1
        while candidate in taken:
            turn += 1
            candidate = f"{base}_{turn}"
        taken.add(candidate)
        found.append(candidate)
    return found


def check_columns(columns: Sequence[str]) -> None:
    """Refuse a header that no export has."""
    if not columns:
        raise FileRefused("no_columns", "The file has no column names; its first row must hold them.")
    if len(columns) > MAX_COLUMNS:
        raise FileRefused("too_many_columns", f"The file has {len(columns)} columns; the limit is {MAX_COLUMNS}.")
