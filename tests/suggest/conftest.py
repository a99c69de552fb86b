"""Invented feedback of which pains can be found, as rows of the database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from service.store import rollups
from service.store.engine import Database
from service.store.schema import Classification, FeedbackItem, Segment

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
# different things to say, so that evidence can be distinct
WORDS = [
    "the form asked for my address three times in a row",
    "nobody could tell me how to place the order past the second page",
    "half of the buttons did nothing, so I cannot place my order",
    "my basket was empty again, and there are too many steps to order",
    "it took twenty minutes to find where to enter the voucher",
    "checkout is complicated: why register just to buy one lamp",
    "it keeps going back to the start page whenever I correct a typo",
    "too many steps, could not work out which slot I had chosen to order",
]

AddItem = Callable[..., int]


@pytest.fixture
def add(database: Database) -> AddItem:
    """Stores one tagged item with its segments and counts it; returns its id."""
    made = [0]

    def make(
        workspace_id: int,
        text: str | None = None,
        *,
        stage: str = "purchase",
        topic: str = "ease_of_use",
        sentiment: str = "negative",
        emotion: str = "frustration",
        touchpoint: str = "checkout",
        day: int = 0,
        respondent: str | None = None,
        confidence: float = 0.9,
        segments: list[tuple[int, int, dict[str, str]]] | None = None,
        session: Session | None = None,
        **item: Any,
    ) -> int:
        made[0] += 1
        number = made[0]
        text = text or WORDS[number % len(WORDS)] + f", attempt {number}"
        labels = {
            "stage": stage,
            "emotion": emotion,
            "sentiment": sentiment,
            "topic": topic,
            "touchpoint": touchpoint,
        }
        moment = START + timedelta(days=day, minutes=number)
        values: dict[str, Any] = {
            "workspace_id": workspace_id,
            "source": "shop",
            "identity": f"id:{number}",
            "channel": "review",
            "text": text,
            "occurred_at": moment,
            "received_at": moment,
            "at": moment,
            "respondent": respondent,
            "state": "tagged",
            "model": "m1",
            "language": "en",
            "attributes": {},
        }
        row = FeedbackItem(**(values | labels | item))
        parts = segments or [(0, len(text), {})]
        with nullcontext(session) if session is not None else database.write() as session:
            session.add(row)
            session.flush()
            assert row.id is not None
            for position, (start, end, other) in enumerate(parts):
                session.add(
                    Segment(
                        workspace_id=workspace_id,
                        item_id=row.id,
                        position=position,
                        start=start,
                        end=end,
                        **(labels | other),
                    )
                )
            spans = [
                {
                    "start": start,
                    "end": end,
                    **{
                        name: {"label": label, "confidence": confidence}
                        for name, label in (labels | other).items()
                    },
                }
                for start, end, other in parts
            ]
            session.add(
                Classification(
                    workspace_id=workspace_id,
                    item_id=row.id,
                    text_version=1,
                    model="m1",
                    tier="fast",
                    analysis={"segments": spans},
                )
            )
            session.flush()
            rollups.apply(
                session, workspace_id, before=[], after=rollups.snapshot(session, workspace_id, [row.id])
            )
        return row.id

    return make


@pytest.fixture
def shop(add: AddItem, workspace_id: int, database: Database) -> int:
    """A workspace with a large pain in the checkout, a smaller one in support, an anecdote, and praise."""
    with database.write() as session:
        for day in range(12):
            add(workspace_id, day=day, session=session)
            add(workspace_id, topic="general", sentiment="positive", emotion="joy", day=day, session=session)
        for day in range(5):
            add(
                workspace_id,
                stage="support",
                topic="responsiveness",
                touchpoint="customer_support",
                emotion="anger",
                day=day,
                session=session,
            )
        for day in range(10):
            add(
                workspace_id,
                stage="support",
                topic="staff",
                sentiment="positive",
                emotion="gratitude",
                day=day,
                session=session,
            )
        for day in range(2):
            add(workspace_id, stage="delivery", topic="delivery", day=day, session=session)
    return workspace_id
