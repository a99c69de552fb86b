"""What the longer commands do around the function they call: progress, results in the terminal, exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
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
from service.errors import BadInput
from service.monitor import backup as backups
from service.monitor import doctor
from service.settings import Settings
from service.store.engine import Database

STATE_STYLE = {"ok": "green", "repaired": "cyan", "warning": "yellow", "failed": "bold red"}
# progress and remarks go to standard error, so that a command's output can be piped
remarks = Console(stderr=True)


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
    pipeline = Pipeline.load(settings.models_dir)
    if tier not in (None, pipeline.tier):
        remarks.print(f"This model has no tier «{tier}»; tagging with «{pipeline.tier}».")
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
    pipeline = Pipeline.load(settings.models_dir)
    with _bar(f"Tagging {gold.name}", total=None):
        try:
            report = evaluation.evaluate(pipeline, gold)
        except GoldError as error:
            raise BadInput(str(error)) from error
    print(report.to_text())


def backup_to(settings: Settings, database: Database, target: Path) -> None:
    """Write a backup and say how much is in it."""
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
