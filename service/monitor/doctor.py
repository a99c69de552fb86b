"""`journeymap doctor`: is this installation sound, and what to do where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from nlp.artifact import ArtifactError
from nlp.pipeline import Pipeline
from service.auth import Vault
from service.monitor.retention import resolve_import
from service.settings import Settings
from service.store import rollups
from service.store.columns import now
from service.store.engine import Database
from service.store.migrate import head, revision
from service.store.schema import Endpoint, FileImport, Job, ProcessBeat, Workspace


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it stands, and what to do."""

    check: str
    state: Literal["ok", "repaired", "warning", "failed"]
    detail: str


def examine(settings: Settings, *, repair: bool = False) -> Iterator[Finding]:
    """Run all checks, one finding at a time; with `repair`, rebuild rollups that differ from a recount."""
    database = Database(settings.sqlalchemy_url)
    try:
        try:
            found = revision(settings.sqlalchemy_url)
        except SQLAlchemyError as error:
            yield Finding("database", "failed", f"can't be reached: {type(error).__name__}; check DATABASE_URL")
            return
        if found != head():
            yield Finding(
                "database", "failed", f"is at schema {found or 'none'}, not {head()}: run `journeymap migrate`"
            )
            return
        yield Finding("database", "ok", f"{'SQLite' if database.is_sqlite else 'PostgreSQL'}, schema {found}")
        yield from _integrity(database)
        yield from _model(settings)
        yield from _secrets(settings, database)
        yield from _disk(settings)
        yield from _worker(database)
        yield from _jobs(database)
        yield from _files(settings, database)
        yield from _rollups(database, repair=repair)
    finally:
        database.dispose()


def _integrity(database: Database) -> Iterator[Finding]:
    if not database.is_sqlite:
        return
    with database.read() as session:
        problems = [row[0] for row in session.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
        orphans = len(session.execute(text("PRAGMA foreign_key_check")).all())
    if problems or orphans:
        yield Finding(
            "file",
            "failed",
            f"{len(problems)} damaged places, {orphans} rows without their parent: restore a backup",
        )
    else:
        yield Finding("file", "ok", "no damage found")


def _model(settings: Settings) -> Iterator[Finding]:
    try:
        pipeline = Pipeline.load(settings.models_dir)
    except (ArtifactError, OSError) as error:
        yield Finding("model", "failed", str(error))
    else:
        yield Finding("model", "ok", f"version {pipeline.model_version}, codebook {pipeline.codebook_version}")


def _secrets(settings: Settings, database: Database) -> Iterator[Finding]:
    vault = Vault(settings)
    with database.read() as session:
        stored = session.execute(select(col(Endpoint.name), col(Endpoint.secrets))).all()
    unreadable = []
    for name, secrets in stored:
        try:
            vault.decrypt(secrets)
        except ValueError:
            unreadable.append(name)
    if unreadable:
        yield Finding(
            "secrets",
            "failed",
            f"{len(unreadable)} endpoints were stored under another SECRET_KEY: {unreadable[:5]}",
        )
    else:
        yield Finding("secrets", "ok", f"{len(stored)} endpoints readable")


def _disk(settings: Settings) -> Iterator[Finding]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(settings.data_dir).free // 1024**2
    if free_mb < settings.min_free_disk_mb:
        yield Finding(
            "disk", "failed", f"{free_mb} MiB free, new feedback is refused below {settings.min_free_disk_mb}"
        )
    elif free_mb < 5 * settings.min_free_disk_mb:
        yield Finding("disk", "warning", f"only {free_mb} MiB free")
    else:
        yield Finding("disk", "ok", f"{free_mb} MiB free")


def _worker(database: Database) -> Iterator[Finding]:
    with database.read() as session:
        beats = session.execute(
            select(col(ProcessBeat.beat_at)).where(col(ProcessBeat.kind) == "worker")
        ).scalars()
        alive = sum((now() - beat).total_seconds() < 30 for beat in beats)
    if alive:
        yield Finding("worker", "ok", f"{alive} at work")
    else:
        yield Finding("worker", "warning", "none at work now: start `journeymap serve` or `journeymap work`")


def _jobs(database: Database) -> Iterator[Finding]:
    with database.read() as session:
        states = dict(session.execute(select(col(Job.state), func.count()).group_by(col(Job.state))).all())
        dead = session.execute(
            select(col(Job.kind), col(Job.error)).where(col(Job.state) == "dead").limit(3)
        ).all()
    if states.get("dead"):
        reasons = "; ".join(f"{kind}: {error}" for kind, error in dead)
        yield Finding("jobs", "warning", f"{states['dead']} given up ({reasons})")
    else:
        yield Finding("jobs", "ok", f"{states.get('queued', 0)} waiting, {states.get('running', 0)} running")


def _files(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.read() as session:
        open_imports = session.execute(
            select(col(FileImport.id), col(FileImport.path)).where(
                col(FileImport.state).in_(("queued", "running", "needs_input")), ~col(FileImport.read_done)
            )
        ).all()
    missing = [str(row.id) for row in open_imports if not resolve_import(settings, row.path).exists()]
    if missing:
        yield Finding(
            "imports", "failed", f"the files of imports {', '.join(missing)} are gone: upload them again"
        )
    else:
        yield Finding("imports", "ok", f"{len(open_imports)} being read")


def _rollups(database: Database, *, repair: bool) -> Iterator[Finding]:
    with database.read() as session:
        workspaces = session.execute(select(col(Workspace.id), col(Workspace.name))).all()
    for workspace_id, name in workspaces:
        with database.read() as session:
            differences = rollups.verify(session, workspace_id)
        if not differences:
            yield Finding(f"numbers of {name}", "ok", "equal a recount")
        elif repair:
            with database.write() as session:
                rollups.rebuild(session, workspace_id)
            yield Finding(
                f"numbers of {name}", "repaired", f"{len(differences)} differences; rebuilt from the items"
            )
        else:
            yield Finding(
                f"numbers of {name}",
                "failed",
                f"{len(differences)} differences from a recount, first: {differences[0]}; "
                "run `journeymap doctor --repair`",
            )
