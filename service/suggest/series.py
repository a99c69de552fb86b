"""The weekly share of a stage's items that have one pain, for the chart behind a suggestion."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from sqlmodel import Session

from service.errors import NotFound
from service.intervals import share_interval
from service.selection import day_text
from service.store import rollup_codes, rollup_frame
from service.suggest.proposals import key_of
from service.suggest.selected import counted_of

WEEK: Final = 7
WEEKS_SHOWN: Final = 26


def weekly_share(
    session: Session, *, workspace_id: int, public_id: str, weeks: int = WEEKS_SHOWN
) -> list[dict[str, Any]]:
    """The latest weeks, oldest first, each {"from", "count", "n", "share", "low", "high"}; dated items only.

    The last week ends with the newest item. Weeks without an item in the stage have null shares. NotFound for an
    id that names no stage and topic.
    """
    stage, topic = key_of(public_id)
    book = rollup_codes.codebook()
    if stage not in book.labels("stage") or topic not in book.labels("topic"):
        raise NotFound("This suggestion does not exist.")
    counted = counted_of(rollup_frame.load(session, workspace_id))
    dated = counted.item_dated & (counted.item_stage >= 0)
    if not dated.any():
        return []
    number = book.labels("stage").index(stage)
    cell = number * len(book.topics) + book.labels("topic").index(topic)
    end = int(counted.item_day[dated].max()) + 1
    week = weeks - 1 - (end - 1 - counted.item_day) // WEEK
    inside = dated & (counted.item_stage == number) & (week >= 0)
    totals = np.bincount(week[inside], minlength=weeks)
    pairs = counted.complaints
    said = pairs.pair_item[pairs.pair_cell == cell]
    hits = np.bincount(week[said[inside[said]]], minlength=weeks)
    found = []
    for index in range(weeks):
        n, count = int(totals[index]), int(hits[index])
        share = share_interval(count / n, n) if n else None
        found.append(
            {
                "from": day_text(end - WEEK * (weeks - index)),
                "count": count,
                "n": n,
                "share": round(share.value, 4) if share else None,
                "low": round(share.low, 4) if share else None,
                "high": round(share.high, 4) if share else None,
            }
        )
    return found
