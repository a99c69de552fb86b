"""The customers' own words for a column of the map: a few recent, different ones of readable length."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from service.aggregate.tally import Pairs, Tally
from service.moments import rfc3339
from service.store.rollup_frame import Frame
from service.store.schema import FeedbackItem, Segment
from service.store.verbatim import Said, said, said_columns

SHOWN = 3  # for each column and polarity
CANDIDATES = 8  # newest items looked at for each
CANDIDATES_OF_FEWER = 4  # where fewer are shown
RECENT = 4_000  # newest pains (or delights) of all columns among which they are looked for first
MAX_CHARS = 400  # of one verbatim; longer ones are cut
GOOD_CHARS = (40, 240)  # long enough to say something, short enough to be read at a glance
SENTIMENTS = {"pain": "negative", "delight": "positive"}


def newest_rows(frame: Frame, pairs: Pairs, columns: int) -> list[list[int]]:
    """The newest items of each column, newest first, at most CANDIDATES."""
    day = frame.rows["day"].take(pairs.row)
    recent: Any = slice(None)
    if len(day) > RECENT:
        newest = int(day.max())
        within = np.cumsum(np.bincount(newest - day))  # so many are at most so many days older than the newest
        recent = np.flatnonzero(day >= newest - int(np.searchsorted(within, RECENT)))
    chosen = []
    for column in range(columns):
        rows = pairs.row[recent][pairs.column[recent] == column]
        if len(rows) < 4 * CANDIDATES and len(day) > RECENT:  # a column of which little is heard
            rows = pairs.row[pairs.column == column]
        order = np.lexsort((frame.rows["item_id"][rows], frame.rows["day"][rows]))[::-1]
        # an item stands once for each of its topics
        chosen.append(list(dict.fromkeys(rows[order[: 4 * CANDIDATES]].tolist()))[:CANDIDATES])
    return chosen


_Candidate = tuple[Any, Said]  # a row of the query, its words
Candidates = dict[tuple[int, str], int]  # (item, sentiment) to its column


def candidates(tally: Tally, pairs: dict[str, Pairs]) -> Candidates:
    """The items whose words may be shown."""
    frame = tally.frame
    found: Candidates = {}
    for name, sentiment in SENTIMENTS.items():
        for column, rows in enumerate(newest_rows(frame, pairs[name], tally.columns)):
            for item_id in frame.rows["item_id"][rows].tolist():
                found[item_id, sentiment] = column
    return found


def verbatims_of(
    session: Session, workspace_id: int, wanted: Candidates, *, columns: int, most: int = SHOWN
) -> list[list[dict[str, Any]]]:
    """Verbatims by column, painful ones first, `most` of each polarity; one query for all."""
    if most < SHOWN:
        wanted = _fewer(wanted)
    found: dict[tuple[int, str], list[_Candidate]] = defaultdict(list)
    for row in _segments(session, workspace_id, sorted({item_id for item_id, _ in wanted})):
        place = wanted.get((row.item_id, row.sentiment))
        words = said(row, MAX_CHARS)
        if place is not None and words.raw:
            found[place, row.sentiment].append((row, words))
    return [
        [_public(*one) for sentiment in SENTIMENTS.values() for one in _best(found[column, sentiment], most)]
        for column in range(columns)
    ]


def _fewer(wanted: Candidates) -> Candidates:
    """The newest few of each column and polarity."""
    taken: Counter[tuple[int, str]] = Counter()
    found: Candidates = {}
    for (item_id, sentiment), column in wanted.items():
        if taken[column, sentiment] < CANDIDATES_OF_FEWER:
            taken[column, sentiment] += 1
            found[item_id, sentiment] = column
    return found


def _segments(session: Session, workspace_id: int, item_ids: list[int]) -> list[Any]:
    if not item_ids:
        return []
    return list(
        session.execute(
            select(
                col(Segment.item_id),
                col(Segment.sentiment),
                col(Segment.emotion),
                col(Segment.topic),
                col(Segment.start),
                col(Segment.end),
                *said_columns(MAX_CHARS),
                col(FeedbackItem.respondent),
                col(FeedbackItem.at),
                col(FeedbackItem.occurred_at),
                col(FeedbackItem.channel),
            )
            .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
            .where(
                # the item's own workspace is not asked for: SQLite would walk through all of its items first
                col(Segment.workspace_id) == workspace_id,
                col(Segment.item_id).in_(item_ids),
                col(Segment.stage) == col(FeedbackItem.stage),
                col(Segment.sentiment).in_(tuple(SENTIMENTS.values())),
            )
        ).all()
    )


def _best(rows: list[_Candidate], most: int) -> list[_Candidate]:
    """The newest of readable length, each of another person and saying something else."""
    low, high = GOOD_CHARS
    rows = sorted(rows, key=lambda one: (low <= len(one[1].raw) <= high, one[0].at, one[0].item_id), reverse=True)
    chosen: list[_Candidate] = []
    people: set[str] = set()
    words: list[frozenset[str]] = []
    for row, verbatim in rows:
        person = row.respondent or f"item {row.item_id}"
        own = frozenset(verbatim.raw.casefold().split())
        if person in people or any(2 * len(own & other) > len(own | other) for other in words):
            continue
        chosen.append((row, verbatim))
        people.add(person)
        words.append(own)
        if len(chosen) == most:
            break
    return chosen


def _public(row: Any, words: Said) -> dict[str, Any]:
    return {
        "feedback_id": str(row.item_id),
        "text": words.shown(),
        "occurred_at": rfc3339(row.occurred_at),
        "channel": row.channel,
        "polarity": row.sentiment,
        "emotion": row.emotion,
        "topic": row.topic,
        "start": row.start,
        "end": row.end,
    }
