"""How fast a file is read and stored, without tagging: `make bench-imports` (see benchmarks/README.md).

Beside it the plainest way to get the same rows into the same table with the same indexes by the same driver:
SQLite's `executemany`, PostgreSQL's `COPY`, each in one transaction. Then the same rows are tagged by the fast
tier, as those of a large file are, beside the pipeline alone on the same texts.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import insert, select

from benchmarks.receiver import databases, write_import
from nlp.pipeline import TextInput
from service import auth
from service.classify.active_model import fast_tagger
from service.ingest.import_requests import import_path
from service.process import look_for_rubbish_less
from service.settings import Settings
from service.stop import Stop
from service.store.engine import Database
from service.store.schema import FeedbackItem, FileImport, Workspace, metadata
from service.work import Work
from service.worker import KINDS, Worker

FIGURES = Path(__file__).parent / "figures" / "imports.json"
TABLE = FeedbackItem.__table__  # type: ignore[attr-defined]
COLUMNS = [column.name for column in TABLE.columns]
NEEDED_RATIO, NEEDED_TAGGING_RATIO = 0.25, 0.5
AT_ONCE = 500  # texts, as in a job of the worker
SERVERS: list[Path] = []  # data folders of the PostgreSQL in use


Taken = tuple[float, float]  # seconds: by the clock, and of work, the database server's with it


def _since(began: Taken) -> Taken:
    clock, work = _now()
    return clock - began[0], work - began[1]


def _now() -> Taken:
    return time.perf_counter(), time.process_time() + server_work()


def server_work() -> float:
    """Seconds of CPU of the PostgreSQL that this benchmark started, its ended backends with it; else 0."""
    found = 0.0
    for folder in (one for one in SERVERS if (one / "postmaster.pid").exists()):
        main = (folder / "postmaster.pid").read_text().split("\n", 1)[0]
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            if path.parent.name == main:
                found += sum(map(int, fields[11:15]))  # with children that were waited for
            elif fields[1] == main:
                found += sum(map(int, fields[11:13]))
    return found / os.sysconf("SC_CLK_TCK")


def tagged(settings: Settings, file: Path, rows: int) -> tuple[Taken, Taken]:
    """Seconds of the pipeline alone, and of reading, tagging and storing what was imported, in this process."""
    database = Database(settings.sqlalchemy_url)
    try:
        with database.read() as session:
            pipeline = fast_tagger(settings, workspace_id=session.execute(select(Workspace.id)).scalar_one())
        with file.open(encoding="utf-8", newline="") as opened:
            texts = [TextInput(row["text"]) for row in csv.DictReader(opened)]
        pipeline.analyze(texts[:AT_ONCE])
        began = _now()
        for start in range(0, rows, AT_ONCE):
            pipeline.analyze(texts[start : start + AT_ONCE])
        alone = _since(began)
        work = Work(settings=settings, database=database, vault=auth.Vault(settings))
        began = _now()
        Worker(work, Stop(), kinds={"classify": KINDS["classify"]}).run_until_idle()
        seconds = _since(began)
        with database.read() as session:
            done = session.execute(select(FileImport.tagged)).scalar_one()
            if done != rows:
                raise SystemExit(f"{done} of {rows} rows are tagged")
        return alone, seconds
    finally:
        database.dispose()


def imported(settings: Settings, file: Path, rows: int) -> Taken:
    """Seconds from the waiting job to the last row stored, in this process."""
    database = Database(settings.sqlalchemy_url)
    try:
        with database.write() as session:
            workspace = auth.workspace_named(session, "default", create=True)
            assert workspace.id is not None
            workspace_id = workspace.id
        import_id = import_path(
            database, settings, workspace_id=workspace_id, file=file, options={"source": "survey"}
        )
        work = Work(settings=settings, database=database, vault=auth.Vault(settings))
        began = _now()
        Worker(work, Stop(), kinds={"import": KINDS["import"]}).run_until_idle()
        seconds = _since(began)
        with database.read() as session:
            found = session.get_one(FileImport, import_id)
            if (found.rows_read, found.rows_accepted) != (rows, rows):
                raise SystemExit(f"{found.rows_read} rows read, {found.rows_accepted} accepted of {rows}")
        return seconds
    finally:
        database.dispose()


def bare(kind: str, source: str, target: str) -> Taken:
    """Seconds of inserting what the import stored into an empty database with the same schema."""
    _copy_parents(source, target)
    if kind == "sqlite":
        return _bare_sqlite(source.removeprefix("sqlite:///"), target.removeprefix("sqlite:///"))
    return _bare_postgresql(source, target)


def _copy_parents(source: str, target: str) -> None:
    """What the items' foreign keys point to."""
    of, to = (Database(url.replace("postgresql://", "postgresql+psycopg://", 1)) for url in (source, target))
    with of.read() as reading, to.write() as writing:
        for model in (Workspace, FileImport):
            table = metadata.tables[model.__tablename__]  # type: ignore[index]
            found = [dict(row) for row in reading.execute(select(table)).mappings()]
            writing.execute(insert(table), found)
    of.dispose()
    to.dispose()


def _bare_sqlite(source: str, target: str) -> Taken:
    with closing(sqlite3.connect(source)) as connection:
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM {TABLE.name} ORDER BY id").fetchall()
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
            connection.execute(f"PRAGMA {setting}")
        began = _now()
        connection.execute("BEGIN IMMEDIATE")
        places = ", ".join("?" * len(COLUMNS))
        connection.executemany(f"INSERT INTO {TABLE.name} ({', '.join(COLUMNS)}) VALUES ({places})", rows)
        connection.execute("COMMIT")
        return _since(began)


def _bare_postgresql(source: str, target: str) -> Taken:
    # JSON as text: it is written as it was read
    chosen = ", ".join(
        f"{column.name}::text" if "JSON" in str(column.type).upper() else column.name for column in TABLE.columns
    )
    with psycopg.connect(source) as connection:
        rows = connection.execute(f"SELECT {chosen} FROM {TABLE.name} ORDER BY id").fetchall()
    with psycopg.connect(target) as connection:
        began = _now()
        with connection.cursor().copy(f"COPY {TABLE.name} ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()
        return _since(began)


def measure(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    """Both ways on one kind of database, in turn."""
    with tempfile.TemporaryDirectory(prefix="journeymap-imports-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        file = folder / "survey.csv"
        write_import(file, given.rows)
        runs = []
        SERVERS[:] = [folder / "postgresql"]
        with databases(kind, folder) as make:
            for turn in range(given.runs):
                source, target = make(f"imported{turn}"), make(f"bare{turn}")
                settings = Settings(
                    data_dir=folder / f"data{turn}",
                    database_url=source,
                    secret_key="benchmark",
                    min_free_disk_mb=0,
                )
                runs.append((imported(settings, file, given.rows), bare(kind, source, target)))
            alone, with_storing = tagged(settings, file, given.rows)
        ours, plain = (min(taken[0] for taken in way) for way in zip(*runs, strict=True))
        our_work, plain_work = (min(taken[1] for taken in way) for way in zip(*runs, strict=True))
        return {
            "rows": given.rows,
            "file_mb": round(file.stat().st_size / 1e6, 1),
            "imported_rows_per_second": round(given.rows / ours),
            "bare_rows_per_second": round(given.rows / plain),
            "ratio": round(plain / ours, 3),
            "ratio_of_work": round(plain_work / our_work, 3),
            "tagged_rows_per_second": round(given.rows / with_storing[0]),
            "pipeline_rows_per_second": round(given.rows / alone[0]),
            "tagging_ratio": round(alone[0] / with_storing[0], 3),
            "tagging_ratio_of_work": round(alone[1] / with_storing[1], 3),
            # each run: imported and bare, each by the clock and as CPU of this process and the database's server
            "runs_seconds": [[[round(one, 2) for one in taken] for taken in run] for run in runs],
        }


def main() -> None:
    """Measure, print, and keep the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3, help="of which the fastest of each way counts")
    parser.add_argument("--keep", action="store_true", help=f"write the figures to {FIGURES.name}")
    given = parser.parse_args()
    look_for_rubbish_less()  # as a worker does; both ways have it
    figures: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "databases": {},
    }
    for kind in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        found = measure(kind, given)
        figures["databases"][kind] = found
        needed = f"needed {NEEDED_RATIO}, tagging {NEEDED_TAGGING_RATIO}"
        print(f"{kind}: {json.dumps(found)} ({needed})", flush=True)
    if given.keep:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"written to {FIGURES}")


if __name__ == "__main__":
    main()
