"""Imports: a file becomes items in slices, each with its counters, rejects and tagging job in one transaction.

A worker that dies between two slices leaves a row that says how far the file is read; the next one goes on there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update
from sqlmodel import Session, col, select

from service.ahead import Ahead
from service.ingest.equal_rows import EqualRows
from service.ingest.files import FileRefused, Row, RowError, Table
from service.ingest.fold import sent_columns
from service.ingest.identity import content_key
from service.ingest.import_files import (
    JSON_FORMATS,
    ImportOptions,
    checked_row,
    open_import,
    plan_of,
)
from service.ingest.import_requests import OPEN_STATES
from service.ingest.incoming import IncomingItem
from service.ingest.mapping import Plan, body_of
from service.ingest.receive import Outcome, receive
from service.ingest.rejects import reject_cells
from service.ingest.row_items import ItemReader, RowRefused, text_columns
from service.store import queue
from service.store.columns import now
from service.store.import_progress import close_if_done
from service.store.queue import ClaimedJob, Priority
from service.store.schema import FileImport, ImportReject
from service.work import Work

STEP_ROWS = 100  # read at once while a server stores others
STEPS_AT_ONCE = 50  # taken at once where nothing is stored: what is more urgent waits for their end
SHORT_SLICE_ROWS = 500  # where senders wait for the write lock
SLICE_CHARS = 2_000_000
"""A slice of long texts ends here: what it holds in memory stays bounded, as does its transaction."""
ANSWER_STEP = 10**12  # beyond any row: further answers of one row have numbers of their own


class _Changed(Exception):
    """Someone canceled the import or changed its mapping meanwhile; the slice in hand is rolled back."""


@dataclass(slots=True)
class _Slice:
    """What one transaction stores."""

    rows: int = 0
    chars: int = 0  # in all cells
    empty: int = 0
    items: list[IncomingItem] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)  # `sent_columns` of each item
    numbers: list[int] = field(default_factory=list)  # of the items: their row, and which of its answers
    items_of_rows: list[int] = field(default_factory=list)  # how many each row with items has, in order
    rejects: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None  # why reading ends here
    aborted: bool = False
    read_fraction: float = 1.0  # of the file, with this slice
    last: bool = False
    notes: list[str] = field(default_factory=list)  # of the whole file, with the last slice


def read_file(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """The stage of the job kind `import`: read files into items, slice by slice."""
    for job in jobs:
        while True:
            try:
                yield from _Reading(work, job).run()
                break
            except _Changed:
                yield  # then look again at what the import's row says now


def on_dead(work: Work, job: ClaimedJob, error: str) -> None:
    """The job was given up: the import has failed; the rows that it stored stay."""
    with work.database.write() as session:
        _end(session, int(job.payload["import_id"]), error=f"Reading the file failed again and again: {error}.")


def _end(session: Session, import_id: int, *, error: str) -> None:
    session.execute(
        update(FileImport)
        .where(col(FileImport.id) == import_id, col(FileImport.state).in_(OPEN_STATES))
        .values(state="failed", error=error, finished_at=now())
        .execution_options(synchronize_session=False)
    )


def _rows_of(statuses: Sequence[str], items_of_rows: Sequence[int]) -> list[str]:
    """What became of each row: what its newest item says."""
    found: list[str] = []
    at = 0
    for count in items_of_rows:
        own = set(statuses[at : at + count])
        found.append(next(status for status in ("accepted", "updated", "duplicate") if status in own))
        at += count
    return found


def _chars(cells: Sequence[Any]) -> int:
    try:
        return sum(map(len, cells))
    except TypeError:  # numbers and what else JSON and workbooks hold
        return sum(len(cell) for cell in cells if isinstance(cell, str))


class _Reading:
    """One worker's way through one file."""

    def __init__(self, work: Work, job: ClaimedJob) -> None:
        self._work = work
        self._job = job
        self._equal = EqualRows()
        self._redact = work.settings.redact_stored

    def run(self) -> Iterator[None]:
        import_id = int(self._job.payload["import_id"])
        with self._work.database.read() as session:
            found = session.get(FileImport, import_id)
        if found is None or found.state not in OPEN_STATES or found.read_done:
            with self._work.database.write() as session:
                queue.finish(session, self._job)
            return
        self._import, self._rows_read = found, found.rows_read
        try:
            table = self._open()
        except (FileRefused, FileNotFoundError) as error:
            self._give_up(
                str(error) if isinstance(error, FileRefused) else "The uploaded file is no longer there."
            )
            return
        with table:
            self._layout = {**found.layout, "encoding": table.encoding, "encoding_sure": True}
            plan = plan_of(found.layout)
            self._texts = text_columns(plan)
            reader = ItemReader(plan, table.columns, max_text_chars=self._work.settings.max_text_chars)
            yield from self._slices(table, plan, reader)

    def _open(self) -> Table:
        found = self._import
        sure = found.layout["encoding_sure"]
        return open_import(
            self._work.settings.imports_dir / Path(found.path).name if found.path else Path("missing"),
            found.filename,
            ImportOptions.model_validate(found.options),
            self._work.settings,
            encoding=found.layout["encoding"] if sure else None,
            header=found.layout["header"],
            whole=not sure,
        )

    def _give_up(self, error: str) -> None:
        with self._work.database.write() as session:
            queue.hold(session, self._job)
            _end(session, int(self._job.payload["import_id"]), error=error)
            queue.finish(session, self._job)

    def _slices(self, table: Table, plan: Plan, reader: ItemReader) -> Iterator[None]:
        slices = Ahead(self._read_slices(table, plan, reader))
        steps = 0
        for slice_ in slices:
            if slice_ is not None:
                self._store(slice_, slices.step)
            elif (steps := steps + 1) < STEPS_AT_ONCE:
                continue
            steps = 0
            yield

    def _read_slices(self, table: Table, plan: Plan, reader: ItemReader) -> Iterator[_Slice | None]:
        """The slices that are not stored yet; None after every few rows that do not end one."""
        is_json = table.format in JSON_FORMATS
        abort = self._import.options.get("on_error") == "abort"
        slice_ = _Slice()
        stored_before, skipped = self._rows_read, 0
        for row in body_of(table, plan):
            if skipped < stored_before:
                skipped += 1
                self._recount(row, reader)
                if skipped % STEP_ROWS == 0:
                    yield None
                continue
            self._take(slice_, row, reader, table.columns, is_json=is_json, abort=abort)
            if slice_.error is not None:
                break
            if slice_.rows >= self._limit() or slice_.chars >= SLICE_CHARS:
                slice_.read_fraction = table.read_fraction
                yield slice_
                slice_ = _Slice()
            elif slice_.rows % STEP_ROWS == 0:
                yield None
        slice_.last, slice_.notes = True, table.notes
        yield slice_

    def _limit(self) -> int:
        """How many rows one transaction stores now."""
        limit = self._work.settings.import_slice_rows
        return min(limit, SHORT_SLICE_ROWS) if self._work.write_lock_wanted else limit

    def _recount(self, row: Row | RowError, reader: ItemReader) -> None:
        """A row that an earlier worker stored: it only counts for telling equal rows apart."""
        if isinstance(row, RowError) or reader.has_id(row):
            return
        try:
            items = reader.items(row)
        except RowRefused:
            return
        for item in items:
            if (key := self._key(item)) is not None:
                self._equal.add(key)

    def _key(self, item: IncomingItem) -> str | None:
        found = self._import
        return content_key(
            self._work.vault, workspace_id=found.workspace_id, source=item.source or found.source, item=item
        )

    def _take(
        self,
        slice_: _Slice,
        row: Row | RowError,
        reader: ItemReader,
        columns: Sequence[str],
        *,
        is_json: bool,
        abort: bool,
    ) -> None:
        slice_.rows += 1
        slice_.chars += _chars(row.cells)
        try:
            items = reader.items(checked_row(row))
        except RowRefused as refused:
            slice_.rejects.append(
                {
                    "workspace_id": self._import.workspace_id,
                    "import_id": self._import.id,
                    "row": row.number,
                    "code": refused.code,
                    "detail": refused.detail,
                    "columns": reject_cells(
                        row, columns, is_json=is_json, texts=self._texts if self._redact else ()
                    ),
                }
            )
            if isinstance(row, RowError) and row.fatal:
                slice_.error = f"Row {row.number}: {refused.detail}"
            elif abort:
                slice_.error = f"Row {row.number} can't be taken ({refused.code}): {refused.detail}"
                slice_.aborted = True
            return
        if not items:
            slice_.empty += 1
            return
        slice_.items += items
        vault, workspace_id = self._work.vault, self._import.workspace_id
        for turn, item in enumerate(items):
            slice_.sent.append(sent_columns(item, vault, workspace_id, redact=self._redact))
            slice_.numbers.append(row.number + turn * ANSWER_STEP)
        slice_.items_of_rows.append(len(items))

    def _store(self, slice_: _Slice, meanwhile: Callable[[], bool]) -> None:
        """One slice's transaction."""
        found = self._import
        assert found.id is not None
        keys = [key for item in slice_.items if (key := self._key(item)) is not None]
        with self._work.database.write() as session:
            queue.advance(session, self._job)
            if self._rows_read == 0:
                self._begin(session)
            outcomes = receive(
                session,
                self._work.vault,
                workspace_id=found.workspace_id,
                source_default=found.source,
                items=slice_.items,
                import_id=found.id,
                file_sha256=found.sha256,
                row_numbers=slice_.numbers,
                equal_before={key: self._equal.count(key) for key in keys},
                priority=Priority.BULK,
                redact=self._redact,
                sent=slice_.sent,
                meanwhile=meanwhile,
            )
            if slice_.rejects:
                session.execute(insert(ImportReject), slice_.rejects)
            self._count(session, slice_, outcomes)
            if slice_.last:
                self._finish(session, slice_)
                queue.finish(session, self._job)
        for key in keys:
            self._equal.add(key)
        self._rows_read += slice_.rows

    def _begin(self, session: Session) -> None:
        """The first row is about to be stored: from here on the mapping stands."""
        now_there = session.exec(
            select(FileImport).where(FileImport.id == self._import.id).with_for_update()
        ).first()
        if now_there is None or now_there.state not in OPEN_STATES or now_there.layout != self._import.layout:
            raise _Changed
        now_there.state, now_there.layout = "running", self._layout
        session.add(now_there)
        session.flush()

    def _count(self, session: Session, slice_: _Slice, outcomes: Sequence[Outcome]) -> None:
        """Move the counters. Done last: a lock on the import's row is not held while items are waited for."""
        statuses = [outcome.status for outcome in outcomes]
        of = _rows_of(statuses, slice_.items_of_rows)
        row = FileImport
        done = session.execute(
            update(row)
            .where(
                col(row.id) == self._import.id,
                col(row.state) == "running",
                col(row.rows_read) == self._rows_read,
            )
            .values(
                rows_read=col(row.rows_read) + slice_.rows,
                rows_accepted=col(row.rows_accepted) + of.count("accepted"),
                rows_updated=col(row.rows_updated) + of.count("updated"),
                rows_duplicate=col(row.rows_duplicate) + of.count("duplicate"),
                rows_rejected=col(row.rows_rejected) + len(slice_.rejects),
                rows_empty=col(row.rows_empty) + slice_.empty,
                items=col(row.items) + len(statuses) - statuses.count("duplicate"),
                to_tag=col(row.to_tag) + sum(outcome.needs_tagging for outcome in outcomes),
                read_fraction=slice_.read_fraction,
                read_done=slice_.last,
                **({"layout": {**self._layout, "notes": slice_.notes}} if slice_.notes else {}),
                rows_total=self._rows_read + slice_.rows if slice_.last and slice_.error is None else None,
                error=slice_.error,
            )
            .execution_options(synchronize_session=False)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]
            raise _Changed

    def _finish(self, session: Session, slice_: _Slice) -> None:
        import_id = int(self._job.payload["import_id"])
        if slice_.aborted:
            _end(session, import_id, error=slice_.error or "")
            return
        row = session.execute(
            select(FileImport.rows_read, FileImport.rows_rejected, FileImport.rows_empty).where(
                FileImport.id == import_id
            )
        ).one()
        if row.rows_rejected and row.rows_read == row.rows_rejected + row.rows_empty:
            error = slice_.error or f"None of the {row.rows_read} rows could be taken; rejected.csv says why."
            _end(session, import_id, error=error)
            return
        close_if_done(session, import_id)
