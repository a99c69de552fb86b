"""Invented items as rows, for tests of everything that counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from service.store import rollups
from service.store.schema import FeedbackItem, Segment

START = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday


def make_item(workspace_id: int, number: int, **given: Any) -> FeedbackItem:
    """A tagged, dated item that says something; `given` overrides."""
    values: dict[str, Any] = {
        "workspace_id": workspace_id,
        "source": "shop",
        "identity": f"id:{number}",
        "channel": "review",
        "text": f"invented words number {number} about the shop",
        "occurred_at": START + timedelta(days=number % 50),
        "received_at": START + timedelta(days=60),
        "state": "tagged",
        "model": "m1",
        "language": "en",
        "stage": "purchase",
        "emotion": "satisfaction",
        "sentiment": "positive",
        "topic": "payment",
        "touchpoint": "checkout",
        "attributes": {},
    }
    values |= given
    values.setdefault("at", values["occurred_at"] or values["received_at"])
    return FeedbackItem(**values)


def add_items(
    session: Session,
    items: list[FeedbackItem],
    segments: dict[int, list[tuple[str, str, str, str, str]]] | None = None,
) -> list[int]:
    """Store new items (with segments by position in the list) and count them."""
    session.add_all(items)
    session.flush()
    for place, labels in (segments or {}).items():
        item = items[place]
        assert item.id is not None
        session.add_all(make_segment(item.workspace_id, item.id, i, *one) for i, one in enumerate(labels))
    session.flush()
    ids = [item.id for item in items if item.id is not None]
    if items:
        workspace_id = items[0].workspace_id
        rollups.apply(session, workspace_id, before=[], after=rollups.snapshot(session, workspace_id, ids))
    return ids


def make_segment(
    workspace_id: int,
    item_id: int,
    position: int,
    stage: str,
    emotion: str,
    sentiment: str,
    topic: str,
    touch: str,
) -> Segment:
    """A segment of ten characters."""
    return Segment(
        workspace_id=workspace_id,
        item_id=item_id,
        position=position,
        start=position * 10,
        end=position * 10 + 10,
        stage=stage,
        emotion=emotion,
        sentiment=sentiment,
        topic=topic,
        touchpoint=touch,
    )


def change_item(session: Session, workspace_id: int, item_id: int, **values: Any) -> None:
    """Change columns of an item and move the rollups."""
    before = rollups.snapshot(session, workspace_id, [item_id])
    item = session.exec(select(FeedbackItem).where(col(FeedbackItem.id) == item_id)).one()
    for name, value in values.items():
        setattr(item, name, value)
    session.add(item)
    session.flush()
    rollups.apply(session, workspace_id, before=before, after=rollups.snapshot(session, workspace_id, [item_id]))


def delete_item(session: Session, workspace_id: int, item_id: int) -> None:
    """Delete an item and move the rollups."""
    before = rollups.snapshot(session, workspace_id, [item_id])
    session.delete(session.exec(select(FeedbackItem).where(col(FeedbackItem.id) == item_id)).one())
    session.flush()
    rollups.apply(session, workspace_id, before=before, after=rollups.snapshot(session, workspace_id, [item_id]))
