"""Imports as their uploaders see them: begun, asked about, changed, canceled."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from service.auth import Caller
from service.errors import Conflict, Gone, NotFound
from service.ingest.import_files import ImportOptions, Upload, checked_options, layout_of, preview, remembering
from service.settings import Settings
from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import FileImport, Workspace

OPEN_STATES = ("queued", "running")
COPY_BYTES = 1024 * 1024


def create_import(
    session: Session,
    *,
    workspace_id: int,
    upload: Upload,
    options: ImportOptions,
    layout: dict[str, Any],
    hold: bool = False,
) -> FileImport:
    """Store an upload as an import, with the job that reads it.

    There is none while a question is open, or to `hold` it until somebody has looked at how it would be read.
    """
    questions = layout["plan"]["questions"]
    found = FileImport(
        workspace_id=workspace_id,
        filename=upload.filename,
        path=upload.name,
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        source=layout["source"],
        channel=layout["plan"]["channel"],
        options=options.model_dump(),
        layout=layout,
        state="needs_input" if questions or hold else "queued",
        questions=questions,
    )
    session.add(found)
    session.flush()
    if found.state == "queued":
        _enqueue(session, found)
    return found


def _enqueue(session: Session, found: FileImport) -> None:
    queue.enqueue(
        session,
        workspace_id=found.workspace_id,
        kind="import",
        payload={"import_id": found.id},
        priority=Priority.READ_FILE,
        dedupe_key=f"import:{found.id}",
    )


def import_path(
    database: Database, settings: Settings, *, workspace_id: int, file: Path, options: Mapping[str, Any]
) -> int:
    """Import a file of this machine as `POST /v1/imports` does, and return the import's id.

    `options` are those of the route; None counts as not given. Raises BadInput and FileRefused.
    """
    chosen = _chosen(options)
    settings.imports_dir.mkdir(parents=True, exist_ok=True)
    name, digest = f"{secrets.token_hex(16)}.upload", hashlib.sha256()
    target = settings.imports_dir / name
    try:
        with file.open("rb") as source, target.open("wb") as copy:
            while chunk := source.read(COPY_BYTES):
                digest.update(chunk)
                copy.write(chunk)
        upload = Upload(name, file.name, target.stat().st_size, digest.hexdigest())
        timezone = _timezone(database, workspace_id)
        remember = remembering(database, workspace_id=workspace_id, upload=upload, options=chosen)
        layout = layout_of(target, file.name, chosen, settings, timezone=timezone, remember=remember)
        with database.write() as session:
            found = create_import(session, workspace_id=workspace_id, upload=upload, options=chosen, layout=layout)
            assert found.id is not None
            return found.id
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def preview_path(
    database: Database, settings: Settings, *, workspace_id: int, file: Path, options: Mapping[str, Any]
) -> dict[str, Any]:
    """What an import of a file of this machine would do, as `POST /v1/imports?dry_run=true` answers it."""
    chosen = _chosen(options)
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    upload = Upload(file.name, file.name, file.stat().st_size, digest)
    layout = layout_of(
        file,
        file.name,
        chosen,
        settings,
        timezone=_timezone(database, workspace_id),
        remember=remembering(database, workspace_id=workspace_id, upload=upload, options=chosen),
    )
    return preview(file, file.name, chosen, settings, layout=layout)


def _chosen(options: Mapping[str, Any]) -> ImportOptions:
    return checked_options({name: value for name, value in options.items() if value is not None})


def _timezone(database: Database, workspace_id: int) -> str:
    with database.read() as session:
        workspace = session.get(Workspace, workspace_id)
        return workspace.timezone if workspace is not None else "UTC"


def get_import(session: Session, *, workspace_id: int, import_id: int, lock: bool = False) -> FileImport:
    """An import of this workspace; NotFound for any other. `lock` keeps it as it is until the commit."""
    wanted = select(FileImport).where(FileImport.id == import_id, FileImport.workspace_id == workspace_id)
    found = session.exec(wanted.with_for_update() if lock else wanted).first()
    if found is None:
        raise NotFound("This import does not exist.")
    return found


def ensure_unread(found: FileImport) -> None:
    """Conflict once a row of the import is stored: what was read so cannot be read otherwise."""
    if found.state not in ("needs_input", "queued") or found.rows_read:
        raise Conflict(
            "The mapping can be changed until the first row is stored; cancel this import and send again."
        )


def read_otherwise(
    database: Database, settings: Settings, caller: Caller, *, import_id: int, changed: Mapping[str, Any]
) -> tuple[ImportOptions, dict[str, Any]]:
    """The options of an import that has not begun with what is `changed` in them, and the layout they lead to.

    Reads the beginning of the file: call it outside of a transaction, then `change_reading`. BadInput naming what
    does not fit, FileRefused, Conflict once a row is stored, Gone where the file was removed.
    """
    with database.read() as look:
        found = get_import(look, workspace_id=caller.workspace_id, import_id=import_id)
    ensure_unread(found)
    told = {name: value for name, value in found.options.items() if value is not None}
    asked = dict(changed)
    if asked.get("mapping") is not None:
        asked["mapping"] = {**(told.get("mapping") or {}), **asked["mapping"]}
    options = checked_options({**told, **asked})
    upload = upload_of(found)
    path = upload.path(settings)
    if not found.path or not path.exists():
        raise Gone("The uploaded file is no longer there; send it again.")
    remember = remembering(
        database, workspace_id=caller.workspace_id, upload=upload, options=options, except_id=import_id
    )
    layout = layout_of(path, found.filename, options, settings, timezone=caller.timezone, remember=remember)
    layout["source"] = found.source
    return options, layout


def upload_of(found: FileImport) -> Upload:
    """The file of an import."""
    return Upload(found.path, found.filename, found.size_bytes, found.sha256)


def change_reading(
    session: Session,
    *,
    workspace_id: int,
    import_id: int,
    options: ImportOptions,
    layout: dict[str, Any],
    hold: bool = False,
) -> FileImport:
    """Give an import that has not begun other options and the layout that follows from them.

    It begins once no question is open; on `hold` it waits on, where it waited before.
    """
    found = get_import(session, workspace_id=workspace_id, import_id=import_id, lock=True)
    ensure_unread(found)
    was_asked = found.state == "needs_input"
    found.options, found.layout = options.model_dump(), layout
    found.questions = layout["plan"]["questions"]
    found.channel = layout["plan"]["channel"]
    found.state = "needs_input" if found.questions or (hold and was_asked) else "queued"
    session.add(found)
    session.flush()
    if was_asked and found.state == "queued":  # else its job is there already
        _enqueue(session, found)
    return found


def cancel_import(session: Session, *, workspace_id: int, import_id: int) -> FileImport:
    """Stop an import at its next slice; what is stored stays. Conflict where it has ended by itself."""
    found = get_import(session, workspace_id=workspace_id, import_id=import_id, lock=True)
    if found.state not in (*OPEN_STATES, "needs_input", "canceled"):
        raise Conflict(f"This import has ended already: {found.state}.")
    if found.state != "canceled":
        found.state, found.finished_at = "canceled", now()
        session.add(found)
        session.flush()
    return found
