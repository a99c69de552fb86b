"""How far an import's items are tagged, and when the import is over: written by tagging and by reading alike."""

from __future__ import annotations

from sqlalchemy import case, func, update
from sqlmodel import Session, col

from service.store.columns import now
from service.store.schema import FileImport


def import_progress(session: Session, import_id: int, *, tagged: int) -> None:
    """Count `tagged` more items of an import as looked at, in the transaction of their labels."""
    session.execute(
        update(FileImport)
        .where(col(FileImport.id) == import_id)
        .values(tagged=col(FileImport.tagged) + tagged)
        .execution_options(synchronize_session=False)
    )
    close_if_done(session, import_id)


def close_if_done(session: Session, import_id: int) -> None:
    """End an import whose file is read and whose items are all looked at.

    "partially_succeeded" where rows were rejected or the rest of the file could not be read.
    """
    incomplete = (col(FileImport.rows_rejected) > 0) | col(FileImport.error).is_not(None)
    session.execute(
        update(FileImport)
        .where(
            col(FileImport.id) == import_id,
            col(FileImport.state) == "running",
            col(FileImport.read_done).is_(True),
            col(FileImport.tagged) >= col(FileImport.to_tag),
        )
        .values(
            state=case((incomplete, "partially_succeeded"), else_="succeeded"),
            finished_at=now(),
        )
        .execution_options(synchronize_session=False)
    )


def give_up_tagging(session: Session, import_id: int, *, items: int, error: str) -> None:
    """Tagging of some of an import's items was given up: they stay untagged, the import says so and can end."""
    session.execute(
        update(FileImport)
        .where(col(FileImport.id) == import_id)
        .values(to_tag=col(FileImport.to_tag) - items, error=func.coalesce(col(FileImport.error), error))
        .execution_options(synchronize_session=False)
    )
    close_if_done(session, import_id)
