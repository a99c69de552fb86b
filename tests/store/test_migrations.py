"""The migrations make exactly the schema of the models, lose no row, and may be started by many at once."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select, text

from service.auth import workspace_named
from service.store import migrate as migration
from service.store.engine import Database
from service.store.migrate import MIGRATIONS, MigrationError, current, head, migrate, revision
from service.store.schema import FeedbackItem, Segment, metadata

MakeDatabase = Callable[[], str]


def _parts(sql: str) -> list[str]:
    """A CREATE TABLE cut into its columns and constraints; the order of these means nothing."""
    head_, _, body = " ".join(sql.split()).partition("(")
    return sorted(
        [head_.strip(), *(part.strip() for part in re.split(r",\s*(?![^(]*\))", body.rpartition(")")[0]))]
    )


def _catalog(connection: Connection) -> set[tuple[str, ...]]:
    """What the database itself says its schema is: tables, columns, constraints and indexes, word by word."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(
            text(
                "SELECT type, name, sql FROM sqlite_master"
                " WHERE tbl_name NOT LIKE 'alembic%' AND tbl_name <> 'sqlite_stat1'"
            )
        )
        return {(kind, name, *(_parts(sql) if kind == "table" else [sql or ""])) for kind, name, sql in rows}
    queries = (
        """SELECT table_name, column_name, data_type, udt_name, is_nullable, coalesce(column_default, '')
           FROM information_schema.columns WHERE table_schema = 'public'""",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
           WHERE connamespace = 'public'::regnamespace""",
    )
    return {
        tuple(str(value) for value in row)
        for query in queries
        for row in connection.execute(text(query))
        if not str(row[0]).startswith("alembic")
    }


def test_migrations_make_the_models_schema(empty_database: MakeDatabase) -> None:
    migrated, modelled = Database(empty_database()), Database(empty_database())
    migrate(migrated.url)
    metadata.create_all(modelled.writer)
    with migrated.reader.connect() as one, modelled.reader.connect() as other:
        context = MigrationContext.configure(one, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        found = _catalog(one)
        assert found == _catalog(other)
        assert any("state = 'queued'" in part or "'queued'::" in part for row in found for part in row), (
            "the partial unique index of the queue"
        )
    for database in (migrated, modelled):
        database.dispose()


def test_one_history_with_sorted_names() -> None:
    scripts = ScriptDirectory.from_config(migration._config(MIGRATIONS))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
    oldest_first = [script.revision for script in scripts.walk_revisions()][::-1]
    assert oldest_first == sorted(oldest_first)
    files = sorted(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert [name.split("_", 4)[:4] for name in files] == [one.split("_") for one in oldest_first]


NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "2999_01_01_0001"
down_revision = "{before}"
branch_labels = None
depends_on = None

def upgrade():
    with op.batch_alter_table("feedback_item", recreate="{recreate}") as table:
        table.add_column(sa.Column("shade", sa.String(), nullable=True))
        table.alter_column("channel", new_column_name="channel_name")
{more}
"""


def _with_next(folder: Path, *, sqlite: bool, more: str = "") -> Path:
    """The migrations and one more, which rebuilds the table that segments hang on."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    recreate = "always" if sqlite else "never"
    path = folder / "versions" / "2999_01_01_0001_next.py"
    path.write_text(NEXT.format(before=head(), recreate=recreate, more=more))
    return folder


def _filled(url: str, *, items: int = 7) -> Database:
    migrate(url)
    database = Database(url)
    with database.write() as session:
        workspace = workspace_named(session, "default", create=True)
        assert workspace.id is not None
        for n in range(items):
            item = FeedbackItem(workspace_id=workspace.id, source="s", identity=f"id:{n}", channel="survey")
            session.add(item)
            session.flush()
            assert item.id is not None
            labels = {
                "stage": "purchase",
                "emotion": "joy",
                "sentiment": "positive",
                "topic": "t",
                "touchpoint": "p",
            }
            session.add(Segment(workspace_id=workspace.id, item_id=item.id, position=0, start=0, end=3, **labels))
    return database


def _rows(database: Database) -> dict[str, int]:
    with database.reader.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


def test_upgrade_of_a_filled_database_keeps_every_row(empty_database: MakeDatabase, tmp_path: Path) -> None:
    url = empty_database()
    database = _filled(url)
    before = _rows(database)
    assert before["feedback_item"] == before["segment"] == 7
    further = _with_next(tmp_path / "migrations", sqlite=database.is_sqlite)

    migrate(url, migrations=further)

    assert revision(url) == "2999_01_01_0001"
    assert _rows(database) == before
    with database.writer.connect() as connection:
        assert (
            connection.execute(text("SELECT count(*) FROM feedback_item WHERE channel_name = 'survey'")).scalar()
            == 7
        )
        if database.is_sqlite:
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.dispose()
    copies = list(tmp_path.glob("*.before-2999_01_01_0001"))
    assert len(copies) == int(database.is_sqlite)
    for copy in copies:
        with sqlite3.connect(copy) as old:
            assert old.execute("SELECT count(channel) FROM feedback_item").fetchone() == (7,)
        old.close()


def test_upgrade_that_orphans_rows_is_taken_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.db'}"
    database = _filled(url)
    further = _with_next(tmp_path / "migrations", sqlite=True, more='    op.execute("DELETE FROM feedback_item")')

    with pytest.raises(MigrationError, match="7 rows of segment"):
        migrate(url, migrations=further)

    assert revision(url) == head()
    assert _rows(database)["feedback_item"] == 7
    database.dispose()


def test_an_older_program_leaves_a_newer_schema_alone(empty_database: MakeDatabase, tmp_path: Path) -> None:
    url = empty_database()
    database = Database(url)
    migrate(url, migrations=_with_next(tmp_path / "migrations", sqlite=database.is_sqlite))

    migrate(url)

    assert revision(url) == "2999_01_01_0001"
    assert current(database)
    database.dispose()


def test_empty_database_is_not_current(empty_database: MakeDatabase) -> None:
    url = empty_database()
    database = Database(url)
    assert revision(url) is None
    assert not current(database)
    migrate(url)
    assert current(database)
    database.dispose()


def test_many_may_migrate_at_once(empty_database: MakeDatabase) -> None:
    url = empty_database()
    program = "import sys; from service.store.migrate import migrate; migrate(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE) for _ in range(3)]
    ended = [(process.communicate(timeout=60)[1].decode(), process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0, 0], ended
    assert revision(url) == head()
