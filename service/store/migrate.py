"""Bring a database to the newest schema; several processes may try at once.

On SQLite the file is copied aside before an upgrade, foreign keys are off while tables are copied (with them on,
dropping the old copy of a parent empties its children) and are checked before the commit.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from service.store.engine import Database
from service.store.planner_statistics import tell_planner

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")
# any constant will do, as long as nothing else in the database locks the same one
ADVISORY_LOCK = 6_710_345_121
LOCK_WAIT_SECONDS = 600.0


class MigrationError(Exception):
    """An upgrade was taken back; the message says why and where the copy is."""


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head(migrations: Path = MIGRATIONS) -> str:
    """The newest schema that this program knows."""
    found = ScriptDirectory.from_config(_config(migrations)).get_current_head()
    assert found is not None
    return found


def revision(sqlalchemy_url: str) -> str | None:
    """The schema that a database has; None where it has none yet."""
    database = Database(sqlalchemy_url)
    try:
        with database.reader.connect() as connection:
            return _revision(connection)
    finally:
        database.dispose()


def current(database: Database) -> bool:
    """Whether this program can work on the database: at its newest schema, or at a newer one still."""
    with database.reader.connect() as connection:
        found = _revision(connection)
    return found is not None and (found == head() or _is_newer(found, MIGRATIONS))


def migrate(sqlalchemy_url: str, *, migrations: Path = MIGRATIONS) -> None:
    """Create or upgrade all tables, in one transaction; a schema newer than this program is left alone.

    Raises MigrationError when an upgrade leaves rows without their parent (and takes it back).
    """
    database = Database(sqlalchemy_url)
    try:
        with _alone(database):
            with database.reader.connect() as connection:
                found = _revision(connection)
            if found == head(migrations):
                _tell_planner(database)
                return
            if found is not None and _is_newer(found, migrations):
                log.warning("the database is at schema %s, newer than this program: left as it is", found)
                return
            if database.is_sqlite:
                _upgrade_sqlite(database, migrations, aside=found is not None)
                _tell_planner(database)
            else:
                with database.writer.begin() as connection:
                    _upgrade(connection, migrations)
            log.info("the database went from schema %s to %s", found or "none", head(migrations))
    finally:
        database.dispose()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_newer(found: str, migrations: Path) -> bool:
    known = {script.revision for script in ScriptDirectory.from_config(_config(migrations)).walk_revisions()}
    return found not in known


def _upgrade(connection: Connection, migrations: Path) -> None:
    config = _config(migrations)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _upgrade_sqlite(database: Database, migrations: Path, *, aside: bool) -> None:
    copy = _copy_aside(database.url, head(migrations)) if aside else None
    with database.writer.connect() as connection:
        # straight on the driver: SQLAlchemy would begin first, and inside a transaction this does nothing
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            _upgrade(connection, migrations)
            orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
            if orphans:
                tables = sorted({str(row[0]) for row in orphans})
                raise MigrationError(
                    f"the upgrade would leave {len(orphans)} rows of {', '.join(tables)} without their parent; "
                    f"it was taken back{f', a copy is at {copy}' if copy else ''}"
                )
        connection.invalidate()  # the next user of this connection would have foreign keys off


def _tell_planner(database: Database) -> None:
    if database.is_sqlite:
        with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            tell_planner(connection)


def _copy_aside(url: str, target: str) -> Path:
    """A whole copy of the SQLite file beside it, made by SQLite so that the write-ahead log is in it."""
    path = Path(url.removeprefix("sqlite:///"))
    copy = path.with_name(f"{path.name}.before-{target}")
    draft = copy.with_name(copy.name + ".part")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as destination:
        source.backup(destination)
    draft.replace(copy)
    log.info("copied the database to %s before the upgrade", copy.name)
    return copy


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Hold the one right to migrate; it ends with this process, however that ends."""
    if database.is_sqlite:
        # a lock file that SQLite itself locks: works on every system, and the database stays readable meanwhile
        path = database.url.removeprefix("sqlite:///") + ".migrating"
        with closing(sqlite3.connect(path, timeout=LOCK_WAIT_SECONDS, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            yield
        return
    with database.writer.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
            connection.commit()
