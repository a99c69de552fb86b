"""Times come back as they went in, in UTC, on both databases; one without zone is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.exc import StatementError
from sqlmodel import select

from service.store.engine import Database
from service.store.schema import FeedbackItem, Workspace

TOKYO = timezone(timedelta(hours=9))


def test_a_time_keeps_its_moment(database: Database, workspace_id: int) -> None:
    moment = datetime(2026, 3, 1, 1, 30, 15, 123456, tzinfo=TOKYO)
    with database.write() as session:
        item = FeedbackItem(
            workspace_id=workspace_id, source="s", identity="id:1", channel="chat", at=moment, occurred_at=None
        )
        session.add(item)
        session.flush()
        item_id = item.id
    with database.read() as session:
        found = session.get_one(FeedbackItem, item_id)
        assert found.at == moment
        assert found.at.utcoffset() == timedelta(0)
        assert found.at.isoformat() == "2026-02-28T16:30:15.123456+00:00"
        assert found.occurred_at is None


def test_times_are_compared_by_moment(database: Database, workspace_id: int) -> None:
    with database.write() as session:
        for hour in (0, 9):
            moment = datetime(2026, 3, 1, hour, tzinfo=TOKYO)
            session.add(
                FeedbackItem(
                    workspace_id=workspace_id, source="s", identity=f"id:{hour}", channel="chat", at=moment
                )
            )
    with database.read() as session:
        since = datetime(2026, 3, 1, tzinfo=UTC)
        found = session.exec(select(FeedbackItem.identity).where(FeedbackItem.at >= since)).all()
        assert found == ["id:9"]


def test_a_time_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without zone"), database.write() as session:
        session.add(Workspace(name="naive", created_at=datetime(2026, 3, 1)))
