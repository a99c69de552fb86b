"""What the longer commands do around the function they call: progress, results in the terminal, exit codes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from nlp import evaluate as evaluation
from nlp import tag_file as tagging
from nlp.gold import GoldError
from nlp.pipeline import Pipeline
from service.auth import Vault, workspace_named
from service.errors import BadInput, NotFound
from service.ingest.import_answers import ImportAnswer, answer_of
from service.ingest.import_requests import cancel_import, get_import, import_path, preview_path
from service.monitor import backup as backups
from service.monitor import doctor
from service.review.export import FORMATS, encode, export_rows
from service.review.feedback_query import FeedbackFilters
from service.settings import Settings
from service.stop import Stop
from service.store.engine import Database
from service.work import Work
from service.worker import Worker

STATE_STYLE = {"ok": "green", "repaired": "cyan", "warning": "yellow", "failed": "bold red"}
NOT_YET = 0  # no workspace has this id
# progress and remarks go to standard error, so that a command's output can be piped
remarks = Console(stderr=True)


def readable(path: Path) -> Path:
    """The path of a file to read; BadInput where there is none, before anything is made for it."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a file in it.")
    if not path.exists():
        raise BadInput(f"There is no file {path}; check its name and the folder.")
    return path


def writable(path: Path, *, makes_folder: bool = False) -> Path:
    """The path of a file to write; BadInput where none can be."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name the file to write in it.")
    if not makes_folder and not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent}; make it first, or name another.")
    return path


@contextmanager
def _bar(what: str, *, total: float | None) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on standard error; without a total, a spinner."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=remarks) as progress:
        yield progress, progress.add_task(what, total=total)


def tag_file(settings: Settings, source: Path, target: Path, *, tier: str | None) -> int:
    """Tag a file of JSON lines; 1 if a line could not be read (its line of output says why)."""
    readable(source)
    writable(target)
    pipeline = Pipeline.load(settings.models_dir, tier)
    with _bar("Tagging", total=None) as (progress, task):
        counts = tagging.tag_file(
            pipeline,
            source,
            target,
            progress=lambda read, total: progress.update(task, completed=read, total=total),
        )
    remarks.print(f"{target}: {counts.lines:,} lines, {counts.unsure:,} unsure, {counts.errors:,} unreadable")
    return int(counts.errors > 0)


def evaluate_file(settings: Settings, gold: Path) -> None:
    """Print how the model does on labelled texts. Raises BadInput for a file that is no gold file."""
    readable(gold)
    pipeline = Pipeline.load(settings.models_dir)
    with _bar(f"Tagging {gold.name}", total=None):
        try:
            report = evaluation.evaluate(pipeline, gold)
        except GoldError as error:
            raise BadInput(str(error)) from error
    print(report.to_text())


def backup_to(settings: Settings, database: Database, target: Path) -> None:
    """Write a backup and say how much is in it."""
    writable(target, makes_folder=True)
    with _bar("Backing up", total=None) as (progress, task):
        rows = backups.backup(
            settings,
            database,
            target,
            progress=lambda table, n: progress.update(task, description=f"{table}: {n:,} rows"),
        )
    remarks.print(f"{target}: {sum(rows.values()):,} rows of {len(rows)} tables")


def restore_from(settings: Settings, source: Path) -> None:
    """Fill an empty installation and say with how much."""
    readable(source)
    with _bar("Restoring", total=None) as (progress, task):
        rows = backups.restore(
            settings,
            source,
            progress=lambda table, n: progress.update(task, description=f"{table}: {n:,} rows"),
        )
    remarks.print(f"{source}: {sum(rows.values()):,} rows of {len(rows)} tables restored")


def examine(settings: Settings, *, repair: bool) -> int:
    """Print every finding as it is made; 1 if one of them failed."""
    console = Console()
    failed = False
    table = Table.grid(padding=(0, 2))
    for finding in doctor.examine(settings, repair=repair):
        failed = failed or finding.state == "failed"
        table.add_row(f"[{STATE_STYLE[finding.state]}]{finding.state}[/]", finding.check, finding.detail)
    console.print(table)
    return int(failed)


def import_feedback(
    settings: Settings,
    database: Database,
    file: Path,
    *,
    workspace: str,
    options: Mapping[str, Any],
    wait: bool,
) -> int:
    """Import a file as the API does, print the import's id, and with `wait` work on it until it ends.

    0 when every row was taken (or, without `wait`, the file was), 1 when rows or the file were refused.
    Raises BadInput for a file that can't be read or whose columns leave a question open.
    """
    with database.write() as session:
        workspace_id = workspace_named(session, workspace, create=True).id
    assert workspace_id is not None
    import_id = import_path(database, settings, workspace_id=workspace_id, file=file, options=options)
    questions = _answer(database, workspace_id, import_id).questions
    if questions:
        with database.write() as session:
            cancel_import(session, workspace_id=workspace_id, import_id=import_id)
        asked = " ".join(f"{one.question} (columns: {', '.join(one.columns)})" for one in questions)
        how = "Answer with --mapping, --day-first or --month-first, and import again; --dry-run shows more."
        raise BadInput(f"{file.name} leaves something open: {asked} {how}")
    print(import_id)
    if not wait:
        remarks.print("A running worker reads it; GET /v1/imports/{id} says how far it is.")
        return 0
    answer = _work_on(settings, database, workspace_id, import_id)
    rows = answer.rows
    remarks.print(
        f"{answer.state}: {rows.read:,} rows read, {rows.accepted:,} accepted, {rows.updated:,} updated, "
        f"{rows.duplicate:,} duplicate, {rows.rejected:,} rejected, {rows.empty:,} empty; {answer.tagged:,} tagged"
    )
    if answer.tagged_by.fast:
        told = "a running worker renews them with the default model where that is another"
        remarks.print(f"{answer.tagged_by.fast:,} of them by the fast tier so far; {told}.")
    if answer.error:
        remarks.print(answer.error)
    if rows.rejected:
        remarks.print(f"GET /v1/imports/{import_id}/rejected.csv has the refused rows.")
    return int(answer.state != "succeeded")


def preview_import(
    settings: Settings, database: Database, file: Path, *, workspace: str, options: Mapping[str, Any]
) -> int:
    """Show how a file would be read: columns, first items, what is open and what would be refused.

    0 when all of the rows looked at would be taken without a question, else 1. Raises BadInput and FileRefused.
    """
    with database.read() as session:
        try:
            workspace_id = workspace_named(session, workspace).id
        except NotFound:
            workspace_id = NOT_YET  # to look at a file makes no workspace
    assert workspace_id is not None
    shown = preview_path(database, settings, workspace_id=workspace_id, file=file, options=options)
    console = Console()
    console.print(
        f"{shown['format']}, {shown['encoding'] or 'no text encoding'}, read as {shown['preset']}; source "
        f"{shown['source']}, channel {shown['channel']}, times in {shown['timezone']}",
        markup=False,
        highlight=False,
    )
    columns = Table("column", "taken for", "sure", "note")
    for use in shown["mapping"]:
        sure = f"{use['confidence']:.0%}" if use["field"] else ""
        columns.add_row(*map(escape, (use["column"], use["field"] or "–", sure, use["note"] or "")))
    console.print(columns)
    for item in shown["items"]:
        console.print_json(data=item)
    for question in shown["questions"]:
        console.print(f"Open: {question['question']} ({', '.join(question['columns'])})", markup=False)
    for refused in shown["rejected"]:
        console.print(f"Row {refused['row']} would be refused: {refused['detail']}", markup=False)
    rows = shown["rows"]
    console.print(f"{rows['checked']:,} rows looked at, {rows['rejected']:,} refused, {rows['empty']:,} empty")
    return int(bool(shown["questions"] or rows["rejected"]))


def _answer(database: Database, workspace_id: int, import_id: int) -> ImportAnswer:
    with database.read() as session:
        return answer_of(session, get_import(session, workspace_id=workspace_id, import_id=import_id))


def _work_on(settings: Settings, database: Database, workspace_id: int, import_id: int) -> ImportAnswer:
    """Be a worker until the import has ended: there may be no other, and if there is, two are faster."""
    stop = Stop()
    stop.on_signals()
    with _bar("Importing", total=1.0) as (progress, task):

        def watch() -> None:
            while not stop.requested:
                answer = _answer(database, workspace_id, import_id)
                progress.update(task, completed=answer.progress)
                if answer.finished_at is not None:
                    stop.request()
                stop.wait(0.3)

        watcher = threading.Thread(target=watch, name="import-watch", daemon=True)
        watcher.start()
        Worker(Work(settings=settings, database=database, vault=Vault(settings)), stop).run()
        watcher.join(timeout=5)
    answer = _answer(database, workspace_id, import_id)
    if answer.finished_at is None:
        remarks.print(f"Stopped at {answer.progress:.0%}; the next worker goes on from there.")
    return answer


def export_items(database: Database, target: Path, *, form: str, workspace: str) -> None:
    """Write every item of a workspace to a file, which appears under its name only when it is whole."""
    if form not in FORMATS:
        raise BadInput(f"--format is one of {', '.join(FORMATS)}.")
    writable(target)
    with database.read() as session:
        workspace_id = workspace_named(session, workspace).id
    assert workspace_id is not None
    draft = target.with_name(f".{target.name}.part")
    n = 0
    try:
        with _bar("Exporting", total=None) as (progress, task), draft.open("wb") as file:

            def counted() -> Iterator[dict[str, Any]]:
                nonlocal n
                for row in export_rows(database, workspace_id, FeedbackFilters()):
                    n += 1
                    if n % 500 == 0:
                        progress.update(task, description=f"{n:,} items")
                    yield row

            for part in encode(counted(), form):
                file.write(part)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    remarks.print(f"{target}: {n:,} items")
