"""What a preset is: how a known tool's export is recognised, and which of its columns mean what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.ingest.column_names import normalised_name
from service.ingest.column_values import Cells, ColumnUse
from service.ingest.files.table import REJECT_COLUMNS, Row

ADDED = "added by rejected.csv"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file's beginning: its columns and first rows, as they stand in it."""

    columns: Sequence[str]
    rows: Sequence[Row]
    filename: str
    format: str  # csv, tsv, xlsx, json or ndjson

    @property
    def own_columns(self) -> list[str]:
        """The columns without those that rejected.csv puts in front."""
        return [column for column in self.columns if column not in REJECT_COLUMNS]

    @property
    def names(self) -> dict[str, str]:
        """Its own columns by their normalised names."""
        return {normalised_name(column): column for column in reversed(self.own_columns)}

    def below(self, head: int) -> Cells:
        """The cells of the rows behind the header's last one."""
        return Cells(self.columns, [row for row in self.rows if row.number > head])

    def cell(self, row: Row, column: str) -> str:
        """A cell of one row as text."""
        value = row.cells[list(self.columns).index(column)]
        return "" if value is None else str(value).strip()


@dataclass(frozen=True, slots=True)
class Found:
    """How a file is to be read. Columns that share a field are tried in the order of `uses`, text aside."""

    uses: list[ColumnUse]
    head: int = 0  # the number of the last row below the header that belongs to it
    channel: str | None = None
    timezone: str | None = None
    day_first: bool | None = None  # where nothing in the file tells it
    source: str | None = None
    skip: dict[str, list[str]] = field(default_factory=dict)
    responses: bool = False  # whether the id names a survey's response
    derived: frozenset[str] = frozenset()  # "text", "score": what no column holds, the record tells


# What a row says beyond its columns, from the row by column and, for JSON, the record itself: fields of the item;
# "texts" as (key, question, text) of further answers; "score_kind"; "blank", columns that say nothing after all.
Derive = Callable[[Mapping[str, Any], Mapping[str, Any] | None], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Preset:
    """One tool's export."""

    name: str
    title: str
    recognised: Callable[[Sheet], bool]
    read: Callable[[Sheet], Found]
    derive: Derive | None = None
    told_by: str = ""  # what it is recognised by, for the reference


def slug(text: str) -> str:
    """A question as part of an id: the same for the same words."""
    return re.sub(r"_+", "_", normalised_name(text))[:60].strip("_") or "q"
