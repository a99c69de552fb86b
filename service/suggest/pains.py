"""Pain points counted: negative mentions of a topic in a stage, per item and per respondent.

A pain is a pair of stage and topic. Its `count` are the items that stand in the stage's column and say something
negative about the topic there; its `n` are all items of that column, so that both reconcile with the map.
Mentions in items of other columns (a parcel's delay in a review that is mainly about the product) are told in
`mentions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nlp.codebook import Codebook
from service.intervals import Interval, effective_n_of_sums, share_interval
from service.suggest.change import Trend, Windows, trends
from service.suggest.priority import FLOOR

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counted:
    """The items of one question (workspace, period, filters) in columns; labels are codebook positions.

    Item columns have one entry per item, segment columns one per segment. `item_stage` is -1 for items in no
    column (unsure, not tagged …). `item_day` counts days since 1970-01-01 in the workspace's zone.
    """

    item_id: Ints
    item_stage: Ints
    item_day: Ints
    item_dated: npt.NDArray[np.bool_]  # whether the sender gave the time
    item_respondent: Ints  # equal numbers are one respondent; items without one have a number of their own
    item_value: npt.NDArray[np.float64]  # money, NaN where unknown
    segment_item: Ints  # position of the item in the item columns
    segment_stage: Ints
    segment_topic: Ints
    segment_emotion: Ints
    segment_sentiment: Ints
    segment_touchpoint: Ints


@dataclass(frozen=True, slots=True)
class Pain:
    """One pain with its numbers."""

    stage: str
    topic: str
    count: int  # items
    n: int  # items in the stage
    share: Interval
    effective_n: float  # what `n` is worth, with care for respondents who repeat
    respondents: int  # of the items with the pain
    severity: float
    value: float | None  # money behind the items with the pain, None where none is known
    mentions: int  # negative segments, those in items of other columns included
    touchpoint: str  # where most of it happened
    trend: Trend
    first_day: int  # since 1970-01-01, of the oldest item with the pain
    last_day: int
    item_ids: Ints = field(repr=False, compare=False)  # items with the pain, newest first


def find_pains(counted: Counted, codebook: Codebook) -> dict[tuple[str, str], Pain]:
    """Every pain of the columns, by stage and topic label; linear in items and segments."""
    stages, topics, touchpoints = (codebook.labels(name) for name in ("stage", "topic", "touchpoint"))
    valence = np.array([entry.valence for entry in codebook.emotions])
    cells = len(stages) * len(topics)

    cell = counted.segment_stage * len(topics) + counted.segment_topic
    bad = counted.segment_sentiment == codebook.labels("sentiment").index("negative")
    mentions = np.bincount(cell[bad], minlength=cells)
    inside = np.flatnonzero(bad & (counted.item_stage[counted.segment_item] == counted.segment_stage))
    if not len(inside):
        return {}
    touched = np.zeros((cells, len(touchpoints)), dtype=np.int64)
    np.add.at(touched, (cell[inside], counted.segment_touchpoint[inside]), 1)

    # one row per item and cell, with the worst emotion of its segments there
    pair = counted.segment_item[inside] * cells + cell[inside]
    order = np.argsort(pair, kind="stable")
    pairs, starts = np.unique(pair[order], return_index=True)
    harm = np.maximum(FLOOR, -valence[counted.segment_emotion[inside]])[order]
    worst = np.maximum.reduceat(harm, starts)
    pair_item, pair_cell = pairs // cells, pairs % cells

    clusters = _Clusters(counted.item_stage, counted.item_respondent, len(stages))
    windows = Windows(counted.item_day, counted.item_dated, counted.item_stage, len(stages))
    by_cell = np.argsort(pair_cell, kind="stable")
    codes, begins = np.unique(pair_cell[by_cell], return_index=True)
    groups = np.split(by_cell, begins[1:])

    worth = [
        clusters.effective_n(code // len(topics), pair_item[rows])
        for code, rows in zip(codes.tolist(), groups, strict=True)
    ]
    totals = clusters.items
    changes = trends(
        [
            windows.counts(code // len(topics), pair_item[rows], one / totals[code // len(topics)])
            for code, rows, one in zip(codes.tolist(), groups, worth, strict=True)
        ]
    )
    found = {}
    for code, rows, effective, trend in zip(codes.tolist(), groups, worth, changes, strict=True):
        items = pair_item[rows]
        n = int(totals[code // len(topics)])
        values = counted.item_value[items]
        days = counted.item_day[items]
        pain = Pain(
            stage=stages[code // len(topics)],
            topic=topics[code % len(topics)],
            count=len(items),
            n=n,
            share=share_interval(len(items) / n, effective),
            effective_n=effective,
            respondents=len(np.unique(counted.item_respondent[items])),
            severity=float(worst[rows].mean()),
            value=None if np.isnan(values).all() else float(np.nansum(values)),
            mentions=int(mentions[code]),
            touchpoint=touchpoints[int(touched[code].argmax())],
            trend=trend,
            first_day=int(days.min()),
            last_day=int(days.max()),
            item_ids=counted.item_id[items[np.argsort(days, kind="stable")[::-1]]],
        )
        found[pain.stage, pain.topic] = pain
    return found


class _Clusters:
    """Respondents with their items, per stage: what a share over items is worth when some people repeat."""

    def __init__(self, stage: Ints, respondent: Ints, stages: int) -> None:
        placed = stage >= 0
        _, self._person = np.unique(respondent, return_inverse=True)
        self._people = int(self._person.max()) + 1 if len(respondent) else 0
        self.items = np.bincount(stage[placed], minlength=stages)
        # one row per stage and person who speaks there
        keys, sizes = np.unique(stage[placed] * self._people + self._person[placed], return_counts=True)
        self._keys, self._sizes = keys, sizes.astype(np.float64)
        key_stage = keys // max(1, self._people)
        self._clusters = np.bincount(key_stage, minlength=stages)
        self._squares = np.bincount(key_stage, weights=self._sizes**2, minlength=stages)

    def effective_n(self, stage: int, items: Ints) -> float:
        """What the stage's items are worth for the share of those at these positions."""
        people, hits = np.unique(self._person[items], return_counts=True)
        sizes = self._sizes[np.searchsorted(self._keys, stage * self._people + people)]
        return effective_n_of_sums(
            clusters=int(self._clusters[stage]),
            total=float(self.items[stage]),
            hits=float(hits.sum()),
            hits_squared=float((hits.astype(np.float64) ** 2).sum()),
            hits_by_size=float((hits * sizes).sum()),
            sizes_squared=float(self._squares[stage]),
        )
