"""Back up a running installation to one file, and restore it, into the other kind of database too.

The file is a gzipped tar: `manifest.json`, one `tables/<name>.ndjson` per table in the order of their foreign
keys, the installation's `secret_key`, the uploaded files whose imports are not finished, and what the workspaces
have learnt from corrections. All tables are read in one transaction, so the backup is one moment, however much is
written meanwhile.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

import orjson
from sqlalchemy import Date, LargeBinary, Table, func, insert, select, text
from sqlmodel import Session

from service.errors import BadInput, Conflict
from service.monitor.retention import resolve_import
from service.settings import Settings
from service.store.columns import UtcDateTime, now
from service.store.engine import Database
from service.store.migrate import migrate, revision
from service.store.schema import metadata

FORMAT = 1
# where a workspace's learning lies, in the archive as in the data folder; nothing else is written back
LEARNING = re.compile(r"workspaces/\d+/learning/[a-z0-9]+\.(json|npz)")
ROWS_AT_ONCE = 1000
# signs of life of processes, not data; and vectors, which the worker makes anew from the texts
LEFT_OUT = frozenset({"process_beat", "meaning_block", "item_meaning"})
Progress = Callable[[str, int], None]


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


def _encode(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def backup(
    settings: Settings, database: Database, target: Path, *, progress: Progress | None = None
) -> dict[str, int]:
    """Write the backup file and return the number of rows by table.

    The file appears under its name only when it is whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".part")
    counts: dict[str, int] = {}
    with database.read() as session, tarfile.open(draft, "w:gz", compresslevel=3) as archive:
        for table in _tables():
            with tempfile.TemporaryFile(dir=target.parent) as spool:
                counts[table.name] = _write_rows(session, table, spool, progress)
                _add(archive, f"tables/{table.name}.ndjson", spool)
        waiting = session.execute(
            text("SELECT path FROM file_import WHERE path <> '' AND finished_at IS NULL")
        ).scalars()
        for path in waiting:
            file = resolve_import(settings, path)
            if file.exists():
                archive.add(file, f"imports/{file.name}")
        _add_learning(archive, settings)
        key = settings.data_dir / "secret_key"
        if not settings.secret_key and key.exists():
            archive.add(key, "secret_key")
        manifest = {
            "format": FORMAT,
            "created_at": now().isoformat(),
            "revision": revision(settings.sqlalchemy_url),
            "rows": counts,
        }
        _add(archive, "manifest.json", io.BytesIO(json.dumps(manifest, indent=1).encode()))
    draft.chmod(0o600)
    draft.replace(target)
    return counts


def _add_learning(archive: tarfile.TarFile, settings: Settings) -> None:
    """The files of `workspaces/`, those being replaced right now left out."""
    for path in sorted(settings.workspaces_dir.rglob("*")):
        name = f"workspaces/{path.relative_to(settings.workspaces_dir).as_posix()}"
        if not LEARNING.fullmatch(name):
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # thinned out meanwhile
        _add(archive, name, io.BytesIO(content))


def _write_rows(session: Session, table: Table, spool: IO[bytes], progress: Progress | None) -> int:
    n = 0
    rows = session.execute(
        select(table).order_by(*table.primary_key.columns),
        execution_options={"yield_per": ROWS_AT_ONCE},
    )
    for row in rows:
        spool.write(orjson.dumps([_encode(value) for value in row], option=orjson.OPT_NON_STR_KEYS) + b"\n")
        n += 1
        if progress is not None and n % ROWS_AT_ONCE == 0:
            progress(table.name, n)
    return n


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    content.seek(0, io.SEEK_END)
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = content.tell(), int(now().timestamp()), 0o600
    content.seek(0)
    archive.addfile(entry, content)


def restore(settings: Settings, source: Path, *, progress: Progress | None = None) -> dict[str, int]:
    """Fill an empty installation from a backup file and return the number of rows by table.

    Raises Conflict if the database holds anything, BadInput if the file is no whole backup of this schema.
    """
    migrate(settings.sqlalchemy_url)
    database = Database(settings.sqlalchemy_url)
    try:
        with tarfile.open(source, "r:gz") as archive:
            manifest = _manifest(archive, settings)
            with database.write() as session:
                for table in _tables():
                    if session.execute(select(func.count()).select_from(table)).scalar_one():
                        raise Conflict(
                            f"The database is not empty ({table.name} has rows); restore into a new one."
                        )
                counts = {
                    table.name: _read_rows(session, table, archive, manifest, progress) for table in _tables()
                }
                if not database.is_sqlite:
                    _advance_sequences(session)
            _restore_files(archive, settings)
    except (tarfile.TarError, EOFError, OSError, orjson.JSONDecodeError) as error:
        raise BadInput(f"{source.name} is not a whole backup file ({type(error).__name__}).") from error
    finally:
        database.dispose()
    return counts


def _manifest(archive: tarfile.TarFile, settings: Settings) -> dict[str, Any]:
    try:
        entry = archive.extractfile("manifest.json")
    except KeyError:
        entry = None
    if entry is None:
        raise BadInput("The file has no manifest: it is no backup of Journeymap.")
    manifest: dict[str, Any] = orjson.loads(entry.read())
    here = revision(settings.sqlalchemy_url)
    if manifest.get("format") != FORMAT or manifest.get("revision") != here:
        raise BadInput(
            f"The backup was made at schema {manifest.get('revision')}, this program has {here}: "
            "restore it with the version that made it, then upgrade."
        )
    return manifest


def _read_rows(
    session: Session, table: Table, archive: tarfile.TarFile, manifest: dict[str, Any], progress: Progress | None
) -> int:
    stored = archive.extractfile(f"tables/{table.name}.ndjson")
    if stored is None:
        raise BadInput(f"The backup lacks the table {table.name}.")
    names = [column.name for column in table.columns]
    decoders = [_decoder(column.type) for column in table.columns]
    n = 0
    for lines in _slices(stored):
        rows = [
            {name: decode(value) for name, decode, value in zip(names, decoders, orjson.loads(line), strict=True)}
            for line in lines
        ]
        session.execute(insert(table), rows)
        n += len(rows)
        if progress is not None:
            progress(table.name, n)
    if n != manifest["rows"].get(table.name):
        raise BadInput(
            f"The table {table.name} has {n} rows, the manifest says {manifest['rows'].get(table.name)}."
        )
    return n


def _slices(stored: IO[bytes]) -> Iterator[list[bytes]]:
    slice_: list[bytes] = []
    for line in stored:
        slice_.append(line)
        if len(slice_) == ROWS_AT_ONCE:
            yield slice_
            slice_ = []
    if slice_:
        yield slice_


def _decoder(kind: Any) -> Callable[[Any], Any]:
    if isinstance(kind, UtcDateTime):
        return lambda value: None if value is None else datetime.fromisoformat(value)
    if isinstance(kind, Date):
        return lambda value: None if value is None else date.fromisoformat(value)
    if isinstance(kind, LargeBinary):
        return lambda value: None if value is None else base64.b64decode(value["base64"])
    return lambda value: value


def _advance_sequences(session: Session) -> None:
    """PostgreSQL counts ids by sequences, which inserts with given ids do not move."""
    for table in _tables():
        if "id" in table.columns and table.columns["id"].autoincrement is True:
            session.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), "  # noqa: S608 (our own names)
                    f'GREATEST((SELECT MAX(id) FROM "{table.name}"), 1))'
                )
            )


def _restore_files(archive: tarfile.TarFile, settings: Settings) -> None:
    settings.imports_dir.mkdir(parents=True, exist_ok=True)
    for entry in archive.getmembers():
        content = archive.extractfile(entry) if entry.isfile() else None
        if content is None:
            continue
        if entry.name.startswith("imports/"):
            # only the name: an archive from elsewhere must not write outside the folder
            (settings.imports_dir / Path(entry.name).name).write_bytes(content.read())
        elif LEARNING.fullmatch(entry.name):
            path = settings.data_dir / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
        elif entry.name == "secret_key":
            path = settings.data_dir / "secret_key"
            path.write_bytes(content.read())
            path.chmod(0o600)
