"""What earlier imports tell about a new file: that it came before, what it mends, how its like was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from service.ingest.files.table import REJECT_COLUMNS
from service.store.schema import FileImport

LOOKED_THROUGH = 200  # the newest imports of a workspace
TOLD = ("mapping", "timezone", "day_first", "channel", "preset")


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier import and what of it holds for the file in hand."""

    import_id: int
    source: str | None  # the new file's source, where it is not told
    options: dict[str, Any]  # what its uploader told about the reading
    same_file: bool


def earlier_import(
    session: Session,
    *,
    workspace_id: int,
    sha256: str,
    source: str,
    columns: Sequence[str],
    except_id: int | None = None,
) -> Earlier | None:
    """The import that a file repeats, mends or continues; None where it is the first of its kind.

    The same bytes are the same file whatever it is called now: its rows belong to the source they came under.
    A rejected.csv belongs to the newest import of the same columns that refused rows. What was told about a file
    of the same source or the same columns holds for the next one.
    """
    wanted = (
        select(FileImport)
        .where(FileImport.workspace_id == workspace_id, col(FileImport.id) != (except_id or 0))
        .order_by(col(FileImport.id).desc())
        .limit(LOOKED_THROUGH)
    )
    rows = session.exec(wanted).all()
    own = [column for column in columns if column not in REJECT_COLUMNS]
    is_mended = set(REJECT_COLUMNS[:3]) <= set(columns)
    same = next((row for row in reversed(rows) if row.sha256 == sha256 and row.items), None)
    if same is not None:
        return Earlier(_id(same), same.source, _told(same), same_file=True)
    of_columns = [row for row in rows if _columns(row) == own]
    if is_mended:
        mended = next((row for row in of_columns if row.rows_rejected), None)
        if mended is not None:
            return Earlier(_id(mended), mended.source, _told(mended), same_file=False)
    told = [row for row in rows if row.state not in ("failed", "canceled") and _told(row)]
    of_source = [row for row in told if row.source == source and set(own) & set(row.options.get("mapping") or own)]
    for row in (*of_source, *(row for row in told if _columns(row) == own)):
        return Earlier(_id(row), None, _told(row), same_file=False)
    return None


def _id(row: FileImport) -> int:
    assert row.id is not None
    return row.id


def _columns(row: FileImport) -> list[str]:
    return [column for column in row.layout.get("columns", ()) if column not in REJECT_COLUMNS]


def _told(row: FileImport) -> dict[str, Any]:
    return {name: row.options[name] for name in TOLD if row.options.get(name) is not None}
