"""Bring a database to the newest schema."""

from __future__ import annotations

from service.store.engine import Database
from service.store.schema import metadata


def migrate(sqlalchemy_url: str) -> None:
    """Create or upgrade all tables."""
    database = Database(sqlalchemy_url)
    metadata.create_all(database.writer)
    database.dispose()
