"""How many rows there are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from service.store.engine import Database
from service.store.schema import FeedbackItem, Job


def stored(database: Database, model: Any = FeedbackItem) -> int:
    """Rows of a table; of jobs only those that tag items."""
    query = select(func.count()).select_from(model)
    if model is Job:
        query = query.where(Job.kind == "classify")  # type: ignore[arg-type]
    with database.read() as session:
        return session.execute(query).scalar_one()
