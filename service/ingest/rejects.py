"""Refused rows: kept whole, given back as a file that can be mended and sent again."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlmodel import Session, col, select

from service.ingest.files import Row, RowError
from service.ingest.files.table import REJECT_COLUMNS
from service.ingest.files.text import BROKEN
from service.ingest.fold import redacted
from service.ingest.import_files import JSON_FORMATS
from service.store.engine import Database
from service.store.schema import FileImport, ImportReject

REJECTS_AT_ONCE = 500
_FORMULA = re.compile(r"[=+\-@\t\r]")
_PLAIN_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*%?")


def reject_cells(
    row: Row | RowError, columns: Sequence[str], *, is_json: bool, texts: Collection[str] = ()
) -> list[Any]:
    """A refused row's cells as they are kept; for JSON the record itself comes first.

    What an earlier rejected.csv put in front is left out: it is written anew. Cells of the columns `texts`, and
    with any of them the record, are kept without what is personal; other cells are needed as they are.
    """
    added = {place for place, name in enumerate(columns) if name in REJECT_COLUMNS}
    words = {place for place, name in enumerate(columns) if name in texts}
    cells = [
        redacted(_kept(cell)) if place in words and isinstance(cell, str) else _kept(cell)
        for place, cell in enumerate(row.cells)
        if place not in added
    ]
    if not is_json:
        return cells
    raw = row.raw if isinstance(row, RowError) else json.dumps(row.raw, ensure_ascii=False)
    record = _kept(raw or "")
    return [redacted(record) if texts else record, *cells]


def reject_header(layout: dict[str, Any]) -> list[str]:
    """The header of rejected.csv."""
    own = [name for name in layout["columns"] if name not in REJECT_COLUMNS]
    front = REJECT_COLUMNS if layout["format"] in JSON_FORMATS else REJECT_COLUMNS[:3]
    return [*front, *own]


def head_rows(layout: dict[str, Any]) -> list[list[str]]:
    """Further header rows (questions, import ids), without which the mended file would be read otherwise."""
    own = [place for place, name in enumerate(layout["columns"]) if name not in REJECT_COLUMNS]
    return [["", "", "", *(cells[place] for place in own)] for cells in layout["plan"].get("head_cells", ())]


def _kept(cell: Any) -> Any:
    """A cell that both databases can store: no NUL, no half characters."""
    if isinstance(cell, str):
        return cell.replace("\x00", "\ufffd").replace(BROKEN, "\ufffd").encode("utf-8", "replace").decode()
    if cell is None or isinstance(cell, bool | int | float):
        return cell
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


def rejected_lines(database: Database, found: FileImport) -> Iterator[str]:
    """The file in pieces, a page of rows each; every page on a short session of its own."""
    yield _line([_shown(name) for name in reject_header(found.layout)])
    yield from (_line([_shown(cell) for cell in cells]) for cells in head_rows(found.layout))
    last = 0
    while True:
        with database.read() as session:
            page = _rejects_after(session, found, last)
        if not page:
            return
        yield "".join(
            _line([str(reject.row), reject.code, reject.detail, *map(_shown, reject.columns)]) for reject in page
        )
        last = page[-1].id or 0


def _rejects_after(session: Session, found: FileImport, last: int) -> list[ImportReject]:
    return list(
        session.exec(
            select(ImportReject)
            .where(
                ImportReject.workspace_id == found.workspace_id,
                ImportReject.import_id == found.id,
                col(ImportReject.id) > last,
            )
            .order_by(col(ImportReject.id))
            .limit(REJECTS_AT_ONCE)
        )
    )


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _shown(cell: Any) -> str:
    """A cell for a spreadsheet: what it would run as a formula gets an apostrophe; imports take it off again."""
    if cell is None:
        return ""
    text = str(cell).lower() if isinstance(cell, bool) else str(cell)
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.fullmatch(text) else text
