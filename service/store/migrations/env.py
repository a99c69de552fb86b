"""Alembic's entry: runs the migrations on the connection that service/store/migrate.py has prepared."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from service.store.schema import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite can't alter most things in place: the table is copied instead
    render_as_batch=connection.dialect.name == "sqlite",
    # the caller holds one transaction around all of them, on SQLite too: half an upgrade never stays
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
