"""What waits for a person's judgement: where the model is unsure, where people disagree, where a text has changed.

The audit sample, which waits as well, is drawn in audit.py.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import numpy as np
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.paging import PageQuery
from service.review.feedback_api import newest, position_of
from service.review.feedback_query import FeedbackFilters
from service.store import rollup_frame
from service.store.rollup_codes import codes
from service.store.rollup_records import REASONS
from service.store.schema import Correction, FeedbackItem

MOST: Final = 500
"""Of disputed items and of those with a changed text, the first so many wait at a time."""

_UNSURE = FeedbackFilters(state="tagged", unsure_reason="low_confidence")


def unsure_count(session: Session, workspace_id: int) -> int:
    """How many items the model is unsure of."""
    frame = rollup_frame.load(session, workspace_id)
    place = frame.rows["place"].astype(np.int64)
    return int(np.count_nonzero(frame.live & (place == codes().pairs + REASONS.index("unsure"))))


def next_unsure(session: Session, workspace_id: int, after: str | None) -> tuple[int | None, str | None]:
    """The newest item that the model is unsure of, behind `after`; with it the place behind it."""
    rows = newest(session, workspace_id, _UNSURE, PageQuery(limit=1, cursor=after))
    return (rows[0].id, position_of(rows[0])) if rows else (None, None)


def disputed(session: Session, workspace_id: int) -> list[int]:
    """The items on which people disagree, the longest waiting first: see `settled`."""
    standing = (
        select(col(Correction.item_id))
        .where(col(Correction.workspace_id) == workspace_id, col(Correction.undone_at).is_(None))
        .group_by(col(Correction.item_id))
        .having(func.count(col(Correction.author).distinct()) > 1)
        .order_by(func.min(col(Correction.id)))
    )
    candidates = list(session.execute(standing).scalars())
    said: dict[int, list[Correction]] = defaultdict(list)
    for start in range(0, len(candidates), MOST):
        rows = session.execute(
            select(Correction)
            .join(FeedbackItem, col(FeedbackItem.id) == col(Correction.item_id))
            .where(
                col(Correction.item_id).in_(candidates[start : start + MOST]),
                col(Correction.undone_at).is_(None),
                col(Correction.text_version) == col(FeedbackItem.text_version),
            )
            .order_by(col(Correction.id))
        ).scalars()
        for one in rows:
            said[one.item_id].append(one)
    return [item_id for item_id in candidates if not settled(said[item_id])][:MOST]


def settled(said: list[Correction]) -> bool:
    """Whether the newest label of each field has more people behind it than any other.

    Of each person the last word counts. `said`: the standing corrections of one text, oldest first.
    """
    words: dict[tuple[Any, ...], dict[str, str | None]] = defaultdict(dict)
    for one in said:
        for name, label in one.labels.items():
            own = words[one.span_start, one.span_end, name]
            own.pop(one.author, None)
            own[one.author] = label
    for own in words.values():
        newest_label = list(own.values())[-1]
        behind: dict[str | None, int] = defaultdict(int)
        for label in own.values():
            behind[label] += 1
        if any(count >= behind[newest_label] for label, count in behind.items() if label != newest_label):
            return False
    return True


def changed(session: Session, workspace_id: int) -> list[int]:
    """The items whose text was replaced after somebody had labelled it: their word spoke of other words."""
    rows = session.execute(
        select(col(Correction.item_id))
        .join(FeedbackItem, col(FeedbackItem.id) == col(Correction.item_id))
        .where(
            col(Correction.workspace_id) == workspace_id,
            col(Correction.undone_at).is_(None),
            col(Correction.text_version) < col(FeedbackItem.text_version),
            col(FeedbackItem.corrected).is_(False),
            col(FeedbackItem.state) == "tagged",
        )
        .group_by(col(Correction.item_id))
        .order_by(func.min(col(Correction.id)))
        .limit(MOST)
    )
    return list(rows.scalars())


def behind(waiting: list[int], after: str | None) -> tuple[int | None, str | None]:
    """The first of a list behind `after` (an item of it, or one that has left it since: then the first)."""
    places = {str(item_id): at for at, item_id in enumerate(waiting)}
    at = places[after] + 1 if after in places else 0
    return (waiting[at], str(waiting[at])) if at < len(waiting) else (None, None)
