"""Rows for tests, with defaults."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from service.classify.batch import classify
from service.store import queue, rollups
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import FeedbackItem, FileImport
from service.work import Work

_count = itertools.count(1)


def make_item(database: Database, workspace_id: int, text: str | None = "stage=usage", **given: Any) -> int:
    """Store an item that waits to be tagged; returns its id."""
    number = next(_count)
    values: dict[str, Any] = {
        "workspace_id": workspace_id,
        "source": "shop",
        "identity": f"id:{number}",
        "external_id": str(number),
        "channel": "review",
        "text": text,
        "state": "no_text" if text is None else "pending",
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "occurred_at": datetime(2026, 3, 1, 12, tzinfo=UTC),
    } | given
    with database.write() as session:
        item = FeedbackItem(**values)
        session.add(item)
        session.flush()
        assert item.id is not None
        rollups.apply(session, workspace_id, before=[], after=rollups.snapshot(session, workspace_id, [item.id]))
        return item.id


def change_item(work: Work, workspace_id: int, item_id: int, **values: Any) -> None:
    """The item waits to be tagged again, changed as given, and is tagged."""
    with work.database.write() as session:
        before = rollups.snapshot(session, workspace_id, [item_id])
        changes = {"state": "pending", "corrected": False} | values
        session.execute(update(FeedbackItem).where(col(FeedbackItem.id) == item_id).values(changes))
        after = rollups.snapshot(session, workspace_id, [item_id])
        rollups.apply(session, workspace_id, before=before, after=after)
    enqueue(work.database, workspace_id, [item_id])
    tag_all(work)


def make_import(database: Database, workspace_id: int, *, to_tag: int) -> int:
    """Store an import that is read and waits for so many items to be tagged; returns its id."""
    with database.write() as session:
        found = FileImport(
            workspace_id=workspace_id,
            filename="feedback.csv",
            path="feedback.csv",
            sha256="0" * 64,
            source="shop",
            channel="review",
            state="running",
            rows_total=to_tag,
            rows_read=to_tag,
            rows_accepted=to_tag,
            items=to_tag,
            to_tag=to_tag,
            read_done=True,
            read_fraction=1.0,
        )
        session.add(found)
        session.flush()
        assert found.id is not None
        return found.id


def enqueue(database: Database, workspace_id: int, items: list[int], import_id: int | None = None) -> None:
    """Queue the tagging of these items."""
    with database.write() as session:
        queue.enqueue(
            session,
            workspace_id=workspace_id,
            kind="classify",
            payload={"items": items, "import_id": import_id},
            priority=Priority.SINGLE,
        )


def claim(work: Work, limit: int = 64) -> list[queue.ClaimedJob]:
    """Take the jobs that wait for tagging."""
    with work.database.write() as session:
        return queue.claim(session, worker="test", lease_seconds=60, limit=limit, kinds=["classify"])


def tag_all(work: Work) -> int:
    """Work off everything that waits for tagging; returns the number of jobs."""
    done = 0
    while jobs := claim(work):
        for _ in classify(work, jobs):
            pass
        done += len(jobs)
    return done


def tagged_item(work: Work, workspace_id: int, text: str = "stage=usage", **given: Any) -> int:
    """An item that is stored and tagged; returns its id."""
    item_id = make_item(work.database, workspace_id, text, **given)
    enqueue(work.database, workspace_id, [item_id])
    tag_all(work)
    return item_id
