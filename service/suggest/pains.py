"""Pain points counted: negative mentions of a topic in a stage, per item and per respondent.

A pain is a pair of stage and topic. Its `count` are the items that stand in the stage's column and say something
negative about the topic there; its `n` are all items of that column, so that both reconcile with the map.
Mentions in items of other columns (a parcel's delay in a review that is mainly about the product) are told in
`mentions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nlp.codebook import Codebook
from service.intervals import Interval, effective_n_of_sums, share_interval
from service.suggest.change import Trend, Windows, trends
from service.suggest.counted import Counted, Ints
from service.suggest.priority import FLOOR


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
    touchpoint: str | None  # where most of it happened
    trend: Trend
    first_day: int  # since 1970-01-01, of the oldest item with the pain
    last_day: int
    item_ids: Ints = field(repr=False, compare=False)  # items with the pain
    item_days: Ints = field(repr=False, compare=False)  # and their days

    def newest(self, limit: int) -> list[int]:
        """The ids of the newest items with the pain, newest first."""
        order = np.lexsort((self.item_ids, self.item_days))[::-1]
        found: list[int] = self.item_ids[order[:limit]].tolist()
        return found


def find_pains(counted: Counted, codebook: Codebook) -> dict[tuple[str, str], Pain]:
    """Every pain of the columns, by stage and topic label; linear in items and mentions."""
    stages, topics, touchpoints = (codebook.labels(name) for name in ("stage", "topic", "touchpoint"))
    cells = len(stages) * len(topics)
    mention_cell = counted.mention_stage * len(topics) + counted.mention_topic
    mentions = np.bincount(mention_cell, minlength=cells)
    inside = np.flatnonzero(counted.item_stage[counted.mention_item] == counted.mention_stage)
    if not len(inside):
        return {}
    where = counted.mention_touchpoint[inside]
    touched = np.bincount(
        mention_cell[inside][where >= 0] * len(touchpoints) + where[where >= 0],
        minlength=cells * len(touchpoints),
    ).reshape(cells, len(touchpoints))

    # one row per item and cell, with the worst emotion of its mentions there
    valence = np.array([entry.valence for entry in codebook.emotions])
    pair = counted.mention_item[inside].astype(np.int64) * cells + mention_cell[inside]
    order = np.argsort(pair, kind="stable")
    ordered = pair[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    harm = np.maximum(FLOOR, -valence[counted.mention_emotion[inside]])[order]
    worst = np.maximum.reduceat(harm, starts)
    pair_item, pair_cell = ordered[starts] // cells, ordered[starts] % cells

    clusters = _Clusters(counted, len(stages))
    windows = Windows(counted.item_day, counted.item_dated, counted.item_stage, len(stages))
    by_cell = np.argsort(pair_cell.astype(np.int16), kind="stable")
    codes, begins = np.unique(pair_cell[by_cell], return_index=True)
    groups = np.split(by_cell, begins[1:])
    worth, windowed = [], []
    for code, rows in zip(codes.tolist(), groups, strict=True):
        stage, items = code // len(topics), pair_item[rows]
        effective, people = clusters.worth(stage, items)
        worth.append((effective, people))
        windowed.append(windows.counts(stage, items, effective / clusters.items[stage]))

    found = {}
    for code, rows, (effective, people), trend in zip(
        codes.tolist(), groups, worth, trends(windowed), strict=True
    ):
        items, n = pair_item[rows], int(clusters.items[code // len(topics)])
        values, days = counted.item_value[items], counted.item_day[items]
        pain = Pain(
            stage=stages[code // len(topics)],
            topic=topics[code % len(topics)],
            count=len(items),
            n=n,
            share=share_interval(len(items) / n, effective),
            effective_n=effective,
            respondents=people,
            severity=float(worst[rows].mean()),
            value=None if np.isnan(values).all() else float(np.nansum(values)),
            mentions=int(mentions[code]),
            touchpoint=touchpoints[int(touched[code].argmax())] if touched[code].any() else None,
            trend=trend,
            first_day=int(days.min()),
            last_day=int(days.max()),
            item_ids=counted.item_id[items],
            item_days=days,
        )
        found[pain.stage, pain.topic] = pain
    return found


class _Clusters:
    """Respondents with their items, per stage: what a share over items is worth when some people repeat.

    Those who are known to have one item only need no summing up; the others are grouped by stage and person.
    """

    def __init__(self, counted: Counted, stages: int) -> None:
        stage = counted.item_stage
        placed = stage >= 0
        self._person = counted.item_respondent.astype(np.int64)
        self._alone = counted.item_alone
        self._people = int(self._person.max()) + 1 if len(stage) else 1
        self.items = np.bincount(stage[placed], minlength=stages)
        several = placed & ~self._alone
        keys, sizes = np.unique(stage[several] * self._people + self._person[several], return_counts=True)
        self._keys, self._sizes = keys, sizes.astype(np.float64)
        single = self.items - np.bincount(stage[several], minlength=stages)
        self._clusters = single + np.bincount(keys // self._people, minlength=stages)
        self._squares = single + np.bincount(keys // self._people, weights=self._sizes**2, minlength=stages)

    def worth(self, stage: int, items: Ints) -> tuple[float, int]:
        """What the stage's items are worth for the share of these (by position), and how many people they are."""
        several = items[~self._alone[items]]
        single = len(items) - len(several)
        people, hits = np.unique(self._person[several], return_counts=True)
        sizes = self._sizes[np.searchsorted(self._keys, stage * self._people + people)]
        effective = effective_n_of_sums(
            clusters=int(self._clusters[stage]),
            total=float(self.items[stage]),
            hits=float(len(items)),
            hits_squared=single + float((hits.astype(np.float64) ** 2).sum()),
            hits_by_size=single + float((hits * sizes).sum()),
            sizes_squared=float(self._squares[stage]),
        )
        return effective, single + len(people)
